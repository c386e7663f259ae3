"""Rules about what operators want to be told of, and what they were told."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Attributed, Base, BigId, Instant, PrimaryKey, Timestamps, UtcDateTime, key_text, utc_now


class AlertRule(Timestamps, Attributed, Base):
    """What is watched, on which storefront and of which products."""

    __tablename__ = "alert_rule"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(key_text(16))
    when: Mapped[dict[str, Any]] = mapped_column("fires_when", JSON)
    """Its limits, see ``app.rpa.alerting``."""
    storefront: Mapped[str | None] = mapped_column(key_text(64))
    """The code of the only storefront that it is about."""
    asins: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """The only products that it is about."""
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)
    seen_update_id: Mapped[int] = mapped_column(BigId, default=0)
    """Up to which row of the products' history it has looked."""
    updated_at: Mapped[Instant] = mapped_column(default=utc_now)
    """When people last changed it: from then on it watches."""
    seen_at: Mapped[Instant]
    """Up to when it has looked at jobs that ended."""


class Alert(Base):
    """Something that a rule told. Of a condition that still holds there is one, by ``key``."""

    __tablename__ = "alert"
    __table_args__ = (Index("ix_alert_rule", "rule_id", "id"), Index("ix_alert_holding", "rule_id", "ended_at"))

    id: Mapped[PrimaryKey]
    rule_id: Mapped[int] = mapped_column(BigId, ForeignKey("alert_rule.id"))
    subject: Mapped[str] = mapped_column(key_text(64))
    """What it is about: ``product:7@2``, ``storefront:2``, ``schedule:3``, ``job:5``."""
    key: Mapped[str | None] = mapped_column("once_key", key_text(120), unique=True)
    """What there must not be twice; None for a condition that has ended."""
    detail: Mapped[str] = mapped_column(String(500))
    asin: Mapped[str | None] = mapped_column(key_text(10))
    storefront: Mapped[str | None] = mapped_column(key_text(64))
    job_id: Mapped[int | None] = mapped_column(BigId)
    task_id: Mapped[int | None] = mapped_column(BigId)
    fired_at: Mapped[Instant]
    ended_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """When its condition ended; None while it holds."""
    read_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    dismissed_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    dismissed_by: Mapped[str | None] = mapped_column(key_text(32))
