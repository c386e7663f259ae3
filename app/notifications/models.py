"""Tables of webhooks: whom to tell, what happened, and what became of telling it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import (
    Base,
    BigId,
    Instant,
    JsonText,
    LongText,
    PrimaryKey,
    Timestamps,
    UtcDateTime,
    key_text,
    utc_now,
)
from app.core.outgoing import MAX_URL
from app.core.vault import EncryptedText

MAX_REASON: Final = 500
MAX_EXCERPT: Final = 1000


class DeliveryState(StrEnum):
    """PENDING -> DELIVERED | FAILED (all attempts used up) | ABANDONED (it waited too long); sent again, PENDING."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    ABANDONED = "ABANDONED"


class Webhook(Timestamps, Base):
    """Somebody else's server that wants to be told of events.

    Whoever holds the lease sends its deliveries; a change of the webhook takes the lease away. What delivering notes
    here (failures, pauses, leases) makes no new version.
    """

    __tablename__ = "webhook"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(120))
    url: Mapped[str] = mapped_column(String(MAX_URL))
    kinds: Mapped[list[str]] = mapped_column(JsonText)
    """Names of the catalogue, or ``*`` alone."""
    is_active: Mapped[bool] = mapped_column(default=True)
    secret: Mapped[str] = mapped_column(EncryptedText, deferred=True)
    old_secret: Mapped[str | None] = mapped_column(EncryptedText, deferred=True)
    old_secret_until: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """Until when the secret before signs as well."""
    disabled_reason: Mapped[str | None] = mapped_column(String(MAX_REASON))
    """Why it was switched off, where nobody did it."""
    failures: Mapped[int] = mapped_column(default=0)
    """Failed attempts since the last one that went well."""
    paused_until: Mapped[Instant | None] = mapped_column(UtcDateTime)
    lease_token: Mapped[str | None] = mapped_column(key_text(32))
    leased_until: Mapped[Instant | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[Instant] = mapped_column(default=utc_now)
    """When somebody changed it last."""


class WebhookEvent(Base):
    """Something that happened while a webhook wanted to know; written with what happened, and sent as it stands."""

    __tablename__ = "webhook_event"
    __table_args__ = (Index("ix_webhook_event_created", "created_at", "id"),)

    id: Mapped[PrimaryKey]
    event_id: Mapped[str] = mapped_column(key_text(40), unique=True)
    """Its name for receivers, the same in every attempt."""
    kind: Mapped[str] = mapped_column(key_text(64))
    body: Mapped[str] = mapped_column(LongText)
    created_at: Mapped[Instant]


class WebhookDelivery(Base):
    """An event on its way to one webhook, or what became of it.

    Without a foreign key to the webhook: each write of a product would share-lock its row, and wait for who notes there
    what came of a delivery.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        UniqueConstraint("webhook_id", "event_id"),
        Index("ix_webhook_delivery_due", "webhook_id", "state", "is_requested", "next_attempt_at", "id"),
        Index("ix_webhook_delivery_state", "webhook_id", "state", "event_id"),
        Index("ix_webhook_delivery_event", "event_id"),
    )

    id: Mapped[PrimaryKey]
    webhook_id: Mapped[int] = mapped_column(BigId)
    event_id: Mapped[int] = mapped_column(BigId, ForeignKey("webhook_event.id"))
    state: Mapped[str] = mapped_column(key_text(12), default=DeliveryState.PENDING)
    is_requested: Mapped[bool] = mapped_column(default=False)
    """Asked for by a person: the next attempt is made also while the webhook is paused or inactive."""
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[Instant]
    """When it is due, while it is pending."""
    last_attempt_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    last_status: Mapped[int | None]
    last_error: Mapped[str | None] = mapped_column(String(MAX_REASON))
    response: Mapped[str | None] = mapped_column(Text)
    """How the last answer begins."""
    duration_ms: Mapped[int | None]
