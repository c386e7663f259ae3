"""Schedules of jobs, and what came of each of their slots."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.orm import Attributed, Base, BigId, Instant, JsonText, PrimaryKey, UtcDateTime, key_text, utc_now
from app.rpa.rules.timing import Shown, Timing, TimingRefused, read_timing, show_slots


class RunState(StrEnum):
    """What came of a slot."""

    STARTED = "STARTED"
    SKIPPED_OVERLAP = "SKIPPED_OVERLAP"
    MISSED = "MISSED"
    FAILED = "FAILED"


class JobSchedule(Attributed, Base):
    """When which job is submitted by itself: at the slots of a cron expression, or every so many seconds."""

    __tablename__ = "job_schedule"
    __table_args__ = (
        CheckConstraint("(cron IS NULL) <> (every_s IS NULL)", name="one_timing"),
        Index("ix_job_schedule_due", "next_at", "id"),
    )

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool]
    version: Mapped[int] = mapped_column(default=1)
    wish: Mapped[dict[str, Any]] = mapped_column(JsonText, deferred=True)
    """The job, as POST /jobs takes it."""
    action: Mapped[str] = mapped_column(key_text(16))
    storefront: Mapped[str] = mapped_column(key_text(64))
    """Like the action a copy from the wish, which lists do not load: it may name 200,000 products."""
    cron: Mapped[str | None] = mapped_column(key_text(255))
    timezone: Mapped[str | None] = mapped_column(key_text(64))
    every_s: Mapped[int | None]
    starts_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """From where the steps of ``every_s`` are counted."""
    next_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """The oldest slot that was not looked at; none where it is paused."""
    last_run_id: Mapped[int | None] = mapped_column(BigId)
    last_job_id: Mapped[int | None] = mapped_column(BigId)
    owner_id: Mapped[int | None] = mapped_column(BigId)
    """The person who made it, or whose key did."""
    created_at: Mapped[Instant] = mapped_column(default=utc_now)
    updated_at: Mapped[Instant] = mapped_column(default=utc_now)
    """When somebody changed it last; that it ran does not count."""
    last_run: Mapped[JobScheduleRun | None] = relationship(
        primaryjoin="foreign(JobSchedule.last_run_id) == JobScheduleRun.id", viewonly=True
    )

    warnings: ClassVar[list[dict[str, str]]] = []
    """Why it does not do, or not as its owner may think, what it should; filled in by all that answer with it."""

    @property
    def timing(self) -> Timing:
        """When it is due; raises TimingRefused for a time zone that is not known here any more."""
        return read_timing(cron=self.cron, timezone=self.timezone, every_s=self.every_s, starts_at=self.starts_at)

    @property
    def next_runs(self) -> list[Shown]:
        """The next few slots; none where it is paused."""
        if self.next_at is None:
            return []
        try:
            return show_slots(self.timing, first=self.next_at)
        except TimingRefused:
            return []


class JobScheduleRun(Base):
    """What came of one slot of a schedule, or of somebody's asking for a run; one row per slot, the newest are kept."""

    __tablename__ = "job_schedule_run"
    __table_args__ = (
        UniqueConstraint("schedule_id", "slot_at"),
        CheckConstraint("(state = 'STARTED') = (job_id IS NOT NULL)", name="job_where_started"),
    )

    id: Mapped[PrimaryKey]
    schedule_id: Mapped[int] = mapped_column(BigId, ForeignKey("job_schedule.id"))
    slot_at: Mapped[Instant]
    state: Mapped[str] = mapped_column(key_text(16))
    job_id: Mapped[int | None] = mapped_column(BigId)
    code: Mapped[str | None] = mapped_column(key_text(64))
    detail: Mapped[str | None] = mapped_column(String(500))
    noted_at: Mapped[Instant]
    is_late: Mapped[bool]
    """Whether it was noted so long after its slot that somebody should look why."""
    is_manual: Mapped[bool] = mapped_column(default=False)
