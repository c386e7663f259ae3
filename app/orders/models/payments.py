"""Tables of payments: what was asked of a provider, what it said, and what went back."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Attributed, Base, BigId, Instant, LongText, PrimaryKey, Timestamps, UtcDateTime, key_text


class PaymentStatus(StrEnum):
    """How far one payment is."""

    CREATED = "CREATED"
    """Written down; the provider may or may not know of it yet."""
    WAITING = "WAITING"
    """The provider, or whoever has to pay, has something to do."""
    CAPTURED = "CAPTURED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Payment(Timestamps, Base):
    """One attempt to pay for an order; of each order at most one is open or captured."""

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("order_id", "attempt"),
        UniqueConstraint("provider", "provider_ref"),
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        CheckConstraint("captured_minor >= 0 AND captured_minor <= amount_minor", name="captured_within_amount"),
        CheckConstraint("refunded_minor >= 0 AND refunded_minor <= captured_minor", name="refunded_within_captured"),
        Index("ix_payment_status", "status", "id"),
    )

    id: Mapped[PrimaryKey]
    order_id: Mapped[int] = mapped_column(BigId, ForeignKey("order.id"))
    attempt: Mapped[int] = mapped_column(Integer)
    active_order_id: Mapped[int | None] = mapped_column(BigId, unique=True)
    """The order, unless it failed or was cancelled: nobody pays twice for one order."""
    provider: Mapped[str] = mapped_column(key_text(16))
    method: Mapped[str] = mapped_column(key_text(16))
    status: Mapped[str] = mapped_column(key_text(12), default=PaymentStatus.CREATED)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(key_text(3))
    captured_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    refunded_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    """Claimed for refunds before the provider is asked; given back where it refuses."""
    idempotency_key: Mapped[str] = mapped_column(key_text(64), unique=True)
    """What the provider is told, so that asking twice is once; made of the order's id and the attempt."""
    provider_ref: Mapped[str | None] = mapped_column(key_text(128))
    """The provider's own id of it (``pi_...``)."""
    source_ref: Mapped[str | None] = mapped_column(key_text(128))
    """What the customer pays with (``pm_...``), so that the same request can be sent again."""
    return_url: Mapped[str | None] = mapped_column(String(500))
    """Where the customer's browser goes when a bank has asked them something; part of the same request likewise."""
    reference: Mapped[str | None] = mapped_column(String(200))
    """What staff note about it: a bank's reference, a receipt."""
    error_code: Mapped[str | None] = mapped_column(key_text(64))
    captured_at: Mapped[Instant | None] = mapped_column(UtcDateTime)


class RefundStatus(StrEnum):
    """How far a refund is."""

    CLAIMED = "CLAIMED"
    """The amount is set aside; the provider has yet to say yes."""
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Refund(Timestamps, Attributed, Base):
    """Money that goes back, of one payment."""

    __tablename__ = "refund"
    __table_args__ = (
        UniqueConstraint("provider", "provider_ref"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        Index("ix_refund_order", "order_id", "id"),
        Index("uq_refund_retry_of", "retry_of_id", unique=True),
        Index("ix_refund_status", "status", "id"),
    )

    id: Mapped[PrimaryKey]
    order_id: Mapped[int] = mapped_column(BigId, ForeignKey("order.id"))
    payment_id: Mapped[int] = mapped_column(BigId, ForeignKey("payment.id"))
    provider: Mapped[str] = mapped_column(key_text(16))
    status: Mapped[str] = mapped_column(key_text(12), default=RefundStatus.CLAIMED)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(key_text(3))
    reason: Mapped[str] = mapped_column(String(500))
    retry_of_id: Mapped[int | None] = mapped_column(BigId)
    """The refund that failed and that this one takes the place of; each has one successor at most."""
    idempotency_key: Mapped[str] = mapped_column(key_text(64), unique=True)
    provider_ref: Mapped[str | None] = mapped_column(key_text(128))
    made_at: Mapped[str | None] = mapped_column(key_text(16))
    """The provider where somebody made it without us; None: it was made here."""
    error_code: Mapped[str | None] = mapped_column(key_text(64))
    ended_at: Mapped[Instant | None] = mapped_column(UtcDateTime)


class RefundLine(Base):
    """A line's part of a refund: the sales facts of the refund are made of these."""

    __tablename__ = "refund_line"
    __table_args__ = (
        UniqueConstraint("refund_id", "order_line_id"),
        CheckConstraint("quantity >= 0 AND amount_minor >= 0", name="not_negative"),
        Index("ix_refund_line_line", "order_line_id"),
    )

    id: Mapped[PrimaryKey]
    refund_id: Mapped[int] = mapped_column(BigId, ForeignKey("refund.id"))
    order_line_id: Mapped[int] = mapped_column(BigId, ForeignKey("order_line.id"))
    quantity: Mapped[int] = mapped_column(Integer)
    """Units that were cancelled or came back; 0 where money goes back and the goods stay."""
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    tax_minor: Mapped[int] = mapped_column(BigInteger)
    shipping_minor: Mapped[int] = mapped_column(BigInteger)
    """Of shipping, without tax."""
    discount_minor: Mapped[int] = mapped_column(BigInteger)
    gross_minor: Mapped[int] = mapped_column(BigInteger)


class ProviderEvent(Base):
    """What a provider told us by webhook: stored as it came, then handled once."""

    __tablename__ = "provider_event"
    __table_args__ = (
        UniqueConstraint("provider", "event_id"),
        Index("ix_provider_event_open", "handled_at", "id"),
        Index("ix_provider_event_received", "received_at", "id"),
        Index("ix_provider_event_payment", "payment_ref", "id"),
    )

    id: Mapped[PrimaryKey]
    provider: Mapped[str] = mapped_column(key_text(16))
    event_id: Mapped[str] = mapped_column(key_text(128))
    kind: Mapped[str] = mapped_column(key_text(64))
    payment_ref: Mapped[str | None] = mapped_column(key_text(128))
    body: Mapped[str] = mapped_column(LongText)
    received_at: Mapped[Instant]
    handled_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(String(200))
