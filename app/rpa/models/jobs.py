"""Jobs, their tasks, and the attempts at them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Final

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.orm import Attributed, Base, BigId, Instant, PrimaryKey, Timestamps, UtcDateTime, key_text
from app.rpa.models.storefronts import Storefront


class Action(StrEnum):
    """The errands a job can run."""

    VIEW_PRODUCT = "view-product"
    ADD_TO_CART = "add-to-cart"


class JobState(StrEnum):
    """``app/rpa/rules/job_moves.py`` has which follows which."""

    PREPARING = "PREPARING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"
    COMPLETED_WITH_ERRORS = "COMPLETED_WITH_ERRORS"


class Priority(StrEnum):
    """How large a job's share is beside others; ``app/rpa/rules/turns.py`` has the weights."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class TaskState(StrEnum):
    """READY -> QUEUED -> LEASED -> an end, or back to READY; an end is never left again."""

    READY = "READY"
    QUEUED = "QUEUED"
    LEASED = "LEASED"
    SUCCEEDED = "SUCCEEDED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"


ENDS: Final = (TaskState.SUCCEEDED, TaskState.REFUSED, TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED)
INTERACTIVE: Final = "interactive"
BATCH: Final = "batch"


class Job(Timestamps, Attributed, Base):
    """One errand for many products on one storefront; its counters change only together with a task's end."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint("current_count <= total_count", name="count_within_total"),
        CheckConstraint(
            "current_count = succeeded_count + refused_count + failed_count + skipped_count + cancelled_count",
            name="counts_add_up",
        ),
        Index("ix_job_state_lane", "state", "lane", "last_released_at"),
        Index("ix_job_storefront", "storefront_id", "action", "id"),
        Index("ix_job_parent", "parent_id", "id"),
        Index("ix_job_schedule", "schedule_id", "id"),
        Index("ix_job_finished", "state", "finished_at"),
    )

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(key_text(16))
    lane: Mapped[str] = mapped_column(key_text(12))
    state: Mapped[str] = mapped_column(key_text(24))
    storefront_id: Mapped[int] = mapped_column(BigId, ForeignKey("storefront.id"))
    schedule_id: Mapped[int | None] = mapped_column(BigId)
    """The schedule that submitted it, which may be gone."""
    quantity: Mapped[int] = mapped_column(default=1)
    options: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    """Which variant goes into the cart, by the storefront profile's names for options; None for none said."""
    priority: Mapped[str] = mapped_column(key_text(8), default=Priority.NORMAL)
    concurrency: Mapped[int | None]
    """At most so many of its tasks at once; None: as many as the storefront takes."""
    version: Mapped[int] = mapped_column(default=1)
    """Counts what people change of it, not how far it is."""
    parent_id: Mapped[int | None] = mapped_column(BigId)
    """The job that this one retries or clones."""
    over: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What it is over, as it was asked for; None for what was submitted before that was kept."""
    paused_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    paused_by: Mapped[str | None] = mapped_column(key_text(32))
    """Who paused it, while it is paused: ``user:7``."""
    total_count: Mapped[int]
    current_count: Mapped[int] = mapped_column(default=0)
    succeeded_count: Mapped[int] = mapped_column(default=0)
    refused_count: Mapped[int] = mapped_column(default=0)
    failed_count: Mapped[int] = mapped_column(default=0)
    skipped_count: Mapped[int] = mapped_column(default=0)
    cancelled_count: Mapped[int] = mapped_column(default=0)
    changed_count: Mapped[int] = mapped_column(default=0, server_default="0")
    """Products that showed something else than the storefront did before."""
    prepared_count: Mapped[int] = mapped_column(default=0)
    selection: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True), deferred=True)
    """Ids of the accepted products until all their tasks exist; kept where some never will."""
    report: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """What was merged or left out at acceptance: duplicates, malformed and unknown ASINs."""
    deadline_at: Mapped[Instant]
    started_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    last_released_at: Mapped[Instant]
    storefront: Mapped[Storefront] = relationship(lazy="raise")

    rate_per_minute: ClassVar[float | None] = None
    """Tasks per minute over the last minute of work; filled in by reads that show progress."""
    seconds_left: ClassVar[int | None] = None
    waits: ClassVar[Any] = None
    """Why nothing of it runs (``app.rpa.rules.standstill.Wait``); like the two above."""
    estimate: ClassVar[Any] = None
    """How long the rest takes (``app.rpa.queries.estimates.Outlook``); filled in by reads of one open job."""


class Task(Timestamps, Base):
    """One errand for one product. Every change of state is a compare-and-set on state and release or lease token."""

    __tablename__ = "task"
    __table_args__ = (
        UniqueConstraint("job_id", "seq"),
        Index("ix_task_release", "job_id", "state", "not_before", "id"),
        Index("ix_task_lease", "state", "leased_until"),
        Index("ix_task_storefront", "storefront_id", "state"),
        Index("ix_task_finished", "job_id", "finished_at"),
    )

    id: Mapped[PrimaryKey]
    job_id: Mapped[int] = mapped_column(BigId, ForeignKey("job.id"))
    seq: Mapped[int]
    storefront_id: Mapped[int] = mapped_column(BigId)
    product_id: Mapped[int] = mapped_column(BigId)
    asin: Mapped[str] = mapped_column(key_text(10))
    state: Mapped[str] = mapped_column(key_text(12))
    code: Mapped[str | None] = mapped_column(key_text(24))
    detail: Mapped[str | None] = mapped_column(Text)
    release_no: Mapped[int] = mapped_column(default=0)
    released_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    not_before: Mapped[Instant]
    lease_token: Mapped[str | None] = mapped_column(key_text(32))
    leased_until: Mapped[Instant | None] = mapped_column(UtcDateTime)
    worker_id: Mapped[int | None] = mapped_column(BigId)
    profile_version: Mapped[int | None]
    """The number of the storefront's profile that its last visit was done by; None before the first."""
    attempt_count: Mapped[int] = mapped_column(default=0)
    loss_count: Mapped[int] = mapped_column(default=0)
    rate_limited_count: Mapped[int] = mapped_column(default=0)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    first_look: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What a visit read that was not believed, so that the product was or will be visited again; written once."""
    finished_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    job: Mapped[Job] = relationship(lazy="raise")
    attempts: Mapped[list[Attempt]] = relationship(order_by="Attempt.id", lazy="select", viewonly=True)


class Attempt(Base):
    """One lease of a task: who had it, how it ended, and the evidence of the visit. Its number is the release's."""

    __tablename__ = "attempt"
    __table_args__ = (UniqueConstraint("task_id", "number"),)

    id: Mapped[PrimaryKey]
    task_id: Mapped[int] = mapped_column(BigId, ForeignKey("task.id"))
    number: Mapped[int]
    lease_token: Mapped[str] = mapped_column(key_text(32), unique=True)
    worker_id: Mapped[int | None] = mapped_column(BigId)
    started_at: Mapped[Instant]
    ended_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(key_text(12))
    """SUCCEEDED, REFUSED, FAILED, CANCELLED, or RETRY or VERIFY when the task went back to READY."""
    code: Mapped[str | None] = mapped_column(key_text(24))
    detail: Mapped[str | None] = mapped_column(Text)
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
