"""Rules about what operators want to be told of, and what they were told."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, true
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Attributed, Base, BigId, Instant, PrimaryKey, Timestamps, UtcDateTime, key_text, utc_now


class Rhythm(StrEnum):
    """How often what a rule tells goes out by mail."""

    NEVER = "never"
    AT_ONCE = "at_once"
    """Within a minute; what comes at the same time is one mail."""
    HOURLY = "hourly"
    DAILY = "daily"


class AlertRule(Timestamps, Attributed, Base):
    """What is watched, on which storefront and of which products."""

    __tablename__ = "alert_rule"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(key_text(16))
    when: Mapped[dict[str, Any]] = mapped_column("fires_when", JSON)
    """Its limits, see ``app.rpa.rules.alerting``."""
    storefront: Mapped[str | None] = mapped_column(key_text(64))
    """The code of the only storefront that it is about."""
    asins: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """The only products that it is about; or these, at most one of the three:"""
    category_id: Mapped[int | None] = mapped_column(BigId)
    """Those in this category or below it, as they are when something happens."""
    product_filter_id: Mapped[int | None] = mapped_column(BigId)
    """Those that fit this saved filter, likewise; none once it is gone."""
    mail: Mapped[str] = mapped_column(key_text(8), default=Rhythm.NEVER, server_default=Rhythm.NEVER)
    tells_webhooks: Mapped[bool] = mapped_column(default=True, server_default=true())
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
    __table_args__ = (
        Index("ix_alert_rule", "rule_id", "id"),
        Index("ix_alert_holding", "rule_id", "ended_at"),
        Index("ix_alert_unread", "dismissed_at", "read_at", "id"),
        Index("ix_alert_mail", "mail", "digest", "id"),
        Index("ix_alert_digest", "digest", "id"),
        Index("ix_alert_fired", "fired_at", "id"),
    )

    id: Mapped[PrimaryKey]
    rule_id: Mapped[int] = mapped_column(BigId, ForeignKey("alert_rule.id"))
    subject: Mapped[str] = mapped_column(key_text(64))
    """What it is about: ``product:7@2``, ``cart:7@2``, ``field:2:product.price``, ``storefront:2``, ``job:5``."""
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
    mail: Mapped[str | None] = mapped_column(key_text(8))
    """With which rhythm it goes out by mail: that of its rule when it was told; None where it does not."""
    digest: Mapped[int | None] = mapped_column(BigId)
    """Which mail it is in: the highest id of those in it."""
