"""Saved reports, who gets them, who may open them by a link, and what came of each run."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import Date, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.orm import Attributed, Base, BigId, Instant, JsonText, PrimaryKey, UtcDateTime, key_text, utc_now
from app.rpa.rules.timing import Cron, Shown, TimingRefused, check_zone, show_slots

MAX_NAME = 255


class Rhythm(StrEnum):
    """How often a report is run by itself."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class ReportState(StrEnum):
    """How far a run is."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


OPEN = (ReportState.WAITING, ReportState.RUNNING)


class Report(Attributed, Base):
    """Which figures, over which days before its run, and when it is run and mailed."""

    __tablename__ = "report"
    __table_args__ = (Index("ix_report_due", "next_at", "id"), Index("ix_report_owner", "owner_id", "id"))

    id: Mapped[PrimaryKey]
    owner_id: Mapped[int] = mapped_column(BigId)
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    kind: Mapped[str] = mapped_column(key_text(32))
    period: Mapped[str] = mapped_column(key_text(16))
    days: Mapped[int | None]
    """Of the period ``last_days``."""
    filters: Mapped[dict[str, Any]] = mapped_column(JsonText)
    rhythm: Mapped[str | None] = mapped_column(key_text(8))
    hour: Mapped[int | None]
    weekday: Mapped[int | None]
    """1 is Monday, 7 Sunday; of weekly reports."""
    month_day: Mapped[int | None]
    timezone: Mapped[str | None] = mapped_column(key_text(64))
    is_active: Mapped[bool] = mapped_column(default=True)
    """False while its schedule is paused."""
    next_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """The oldest slot that was not looked at; none without a schedule, and while it is paused."""
    last_run_id: Mapped[int | None] = mapped_column(BigId)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[Instant] = mapped_column(default=utc_now)
    updated_at: Mapped[Instant] = mapped_column(default=utc_now)
    last_run: Mapped[ReportRun | None] = relationship(
        primaryjoin="foreign(Report.last_run_id) == ReportRun.id", viewonly=True
    )
    people: Mapped[list[ReportRecipient]] = relationship(viewonly=True, order_by="ReportRecipient.user_id")

    @property
    def timing(self) -> Cron | None:
        """When it is due; raises TimingRefused for a time zone that is not known here any more."""
        if self.rhythm is None:
            return None
        day, weekday = self.month_day or "*", self.weekday or "*"
        return Cron(f"0 {self.hour} {day} * {weekday}", check_zone(self.timezone or "UTC"))

    @property
    def schedule(self) -> dict[str, Any] | None:
        """When it is run by itself, as it was sent; None where it is not."""
        if self.rhythm is None:
            return None
        return {name: getattr(self, name) for name in ("rhythm", "hour", "weekday", "month_day", "timezone")}

    @property
    def recipients(self) -> list[int]:
        """The users who get it by mail."""
        return [person.user_id for person in self.people]

    @property
    def next_runs(self) -> list[Shown]:
        """The next few slots; none where there are none."""
        try:
            timing = self.timing
        except TimingRefused:
            return []
        return [] if timing is None or self.next_at is None else show_slots(timing, first=self.next_at)


class ReportRecipient(Base):
    """Somebody who gets a report by mail, as long as they may read its figures."""

    __tablename__ = "report_recipient"
    __table_args__ = (Index("ix_report_recipient_user", "user_id", "report_id"),)

    report_id: Mapped[int] = mapped_column(BigId, ForeignKey("report.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)


class ReportShare(Base):
    """A link by which staff who may read the figures open a report; of its secret only the hash is kept."""

    __tablename__ = "report_share"
    __table_args__ = (Index("ix_report_share_report", "report_id", "id"),)

    id: Mapped[PrimaryKey]
    report_id: Mapped[int] = mapped_column(BigId, ForeignKey("report.id"))
    token_hash: Mapped[str] = mapped_column(key_text(64), unique=True)
    created_by_id: Mapped[int | None] = mapped_column(BigId)
    created_at: Mapped[Instant] = mapped_column(default=utc_now)
    opened_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """When it was last opened, told to the hour."""


class ReportRun(Base):
    """What came of one slot of a report, or of somebody's asking for a run; one row per slot, the newest are kept."""

    __tablename__ = "report_run"
    __table_args__ = (UniqueConstraint("report_id", "slot_at"), Index("ix_report_run_state", "state", "id"))

    id: Mapped[PrimaryKey]
    report_id: Mapped[int] = mapped_column(BigId, ForeignKey("report.id"))
    slot_at: Mapped[Instant]
    is_manual: Mapped[bool] = mapped_column(default=False)
    missed_count: Mapped[int] = mapped_column(default=0)
    """Slots before this one that were due while no dispatcher was at work, and that it stands for."""
    state: Mapped[str] = mapped_column(key_text(8))
    token: Mapped[str | None] = mapped_column(key_text(32))
    """Of the attempt at work; who does not have it any more changes nothing."""
    first_on: Mapped[date | None] = mapped_column(Date)
    last_on: Mapped[date | None] = mapped_column(Date)
    row_count: Mapped[int | None]
    is_cut: Mapped[bool] = mapped_column(default=False)
    folder: Mapped[str | None] = mapped_column(key_text(48), index=True)
    """Where its files are; none before they are there and after they are deleted."""
    has_picture: Mapped[bool] = mapped_column(default=False)
    mailed_count: Mapped[int] = mapped_column(default=0)
    withheld_count: Mapped[int] = mapped_column(default=0)
    """Recipients who may not read the figures any more, and so got none."""
    code: Mapped[str | None] = mapped_column(key_text(64))
    detail: Mapped[str | None] = mapped_column(String(500))
    noted_at: Mapped[Instant]
    ended_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
