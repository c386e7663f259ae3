"""Tables of long-running work: imports, exports, bulk actions and what takes them back."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import (
    Attributed,
    Base,
    BigId,
    Instant,
    JsonText,
    LongText,
    PrimaryKey,
    Timestamps,
    UtcDateTime,
    key_text,
)
from app.operations.kinds import MAX_NAME


class OperationState(StrEnum):
    """How far it is."""

    READING = "READING"
    """An uploaded file is being read."""
    MAPPING_NEEDED = "MAPPING_NEEDED"
    """Somebody has to say what the columns are."""
    CHECKING = "CHECKING"
    """A dry run: nothing is written but files."""
    CHECKED = "CHECKED"
    """The dry run has ended; somebody has to say that it is meant."""
    QUEUED = "QUEUED"
    """It waits for its turn: one operation writes to the same at a time."""
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    COMPLETED_WITH_ERRORS = "COMPLETED_WITH_ERRORS"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


AT_WORK: Final = frozenset(
    {
        OperationState.READING,
        OperationState.CHECKING,
        OperationState.QUEUED,
        OperationState.RUNNING,
        OperationState.CANCELLING,
    }
)
"""States in which a background worker has something to do."""
ASKING: Final = frozenset({OperationState.MAPPING_NEEDED, OperationState.CHECKED})
"""States in which somebody has to decide."""
OPEN: Final = AT_WORK | ASKING
ENDED: Final = frozenset(OperationState) - OPEN


class Operation(Timestamps, Attributed, Base):
    """One piece of long-running work. A worker does it in slices, under a lease on the database's clock."""

    __tablename__ = "operation"
    __table_args__ = (
        Index("ix_operation_kind", "kind", "id"),
        Index("ix_operation_state", "state", "id"),
        Index("ix_operation_expires", "files_deleted_at", "expires_at", "id"),
        CheckConstraint("done_count >= 0", name="done_not_negative"),
    )

    id: Mapped[PrimaryKey]
    kind: Mapped[str] = mapped_column(key_text(MAX_NAME))
    state: Mapped[str] = mapped_column(key_text(24))
    arguments: Mapped[dict[str, Any]] = mapped_column(JsonText)
    """What was asked for; for people and programs."""
    report: Mapped[dict[str, Any]] = mapped_column(JsonText, default=dict)
    """What was found, bounded: columns, samples, the first refusals."""
    cursor: Mapped[dict[str, Any]] = mapped_column(JsonText, default=dict)
    """Where the next slice goes on: keys of files, places in them, ids."""
    total_count: Mapped[int | None] = mapped_column(BigId)
    done_count: Mapped[int] = mapped_column(BigId, default=0)
    """In the present state: read, checked, or written."""
    new_count: Mapped[int] = mapped_column(BigId, default=0)
    changed_count: Mapped[int] = mapped_column(BigId, default=0)
    unchanged_count: Mapped[int] = mapped_column(BigId, default=0)
    refused_count: Mapped[int] = mapped_column(BigId, default=0)
    folder: Mapped[str] = mapped_column(key_text(64))
    """The key under which its files are stored."""
    result_bytes: Mapped[int | None] = mapped_column(BigId)
    writer: Mapped[int | None] = mapped_column(Integer, unique=True)
    """The slot of its kind while it writes: the unique key lets one at a time."""
    slice_no: Mapped[int] = mapped_column(Integer, default=0)
    """Counts messages: only the newest one starts a slice."""
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    """Slices that began since something was last achieved."""
    lease_token: Mapped[str | None] = mapped_column(key_text(32))
    leased_until: Mapped[Instant | None] = mapped_column(UtcDateTime)
    error_code: Mapped[str | None] = mapped_column(key_text(32))
    error_detail: Mapped[str | None] = mapped_column(String(500))
    started_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """When the present state began."""
    finished_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[Instant]
    """When its files are deleted, and it is given up where somebody still had to decide."""
    files_deleted_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(Integer, default=1)
    """Counts decisions, not progress."""

    @property
    def percent(self) -> float | None:
        """How much of the present state is done."""
        if self.state in ASKING or self.state in {OperationState.COMPLETED, OperationState.COMPLETED_WITH_ERRORS}:
            return 100.0
        if self.total_count is None:
            return None
        return round(100 * self.done_count / self.total_count, 1) if self.total_count else 100.0

    def rows_per_s(self, now: datetime) -> float | None:
        """How fast the present state goes; of one that has ended, how fast its last one went."""
        if self.started_at is None or not self.done_count:
            return None
        seconds = ((self.finished_at or now) - self.started_at).total_seconds()
        return round(self.done_count / seconds, 1) if seconds > 0 else None

    def eta_s(self, now: datetime) -> int | None:
        """Seconds until the present state will be done, as far as can be said."""
        rate = self.rows_per_s(now)
        if self.state not in AT_WORK or self.total_count is None or not rate:
            return None
        return max(0, round((self.total_count - self.done_count) / rate))


class OperationRow(Base):
    """One row, or product, that was refused while others were written, and why."""

    __tablename__ = "operation_row"
    __table_args__ = (Index("ix_operation_row_operation", "operation_id", "id"),)

    id: Mapped[PrimaryKey]
    operation_id: Mapped[int] = mapped_column(BigId, ForeignKey("operation.id"))
    line: Mapped[int | None] = mapped_column(BigId)
    """Where it stands in the file."""
    product_id: Mapped[int | None] = mapped_column(BigId)
    asin: Mapped[str | None] = mapped_column(key_text(10))
    reasons: Mapped[list[dict[str, str]]] = mapped_column(JsonText)
    """``[{"column": "price", "detail": "..."}]``"""
    cells: Mapped[str | None] = mapped_column(LongText)
    """The row as it was read, as JSON."""
