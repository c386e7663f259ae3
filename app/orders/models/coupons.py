"""Tables of coupons: what they take off, and how often they were used."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, PrimaryKey, Timestamps, UtcDateTime, key_text


class CouponKind(StrEnum):
    """What a coupon takes off."""

    PERCENT = "percent"
    FIXED = "fixed"


class Coupon(Timestamps, Base):
    """One coupon; its uses are counted by a guarded update, so that the last one is used once."""

    __tablename__ = "coupon"
    __table_args__ = (
        CheckConstraint("used >= 0 AND (max_uses IS NULL OR used <= max_uses)", name="used_within_limit"),
        CheckConstraint("percent_ppm IS NULL OR (percent_ppm > 0 AND percent_ppm <= 1000000)", name="percent_in_range"),
        CheckConstraint("amount_minor IS NULL OR amount_minor > 0", name="amount_positive"),
        CheckConstraint("(percent_ppm IS NULL) <> (amount_minor IS NULL)", name="percent_or_amount"),
    )

    id: Mapped[PrimaryKey]
    code: Mapped[str] = mapped_column(key_text(40), unique=True)
    """Upper case."""
    description: Mapped[str] = mapped_column(String(200), default="")
    kind: Mapped[str] = mapped_column(key_text(8))
    percent_ppm: Mapped[int | None] = mapped_column(Integer)
    """Millionths: 100000 is 10 %."""
    currency: Mapped[str] = mapped_column(key_text(3))
    """Of its amounts; it counts for orders in this currency only."""
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    minimum_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    """The subtotal from which on it counts."""
    starts_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    ends_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    max_uses: Mapped[int | None] = mapped_column(Integer)
    max_per_customer: Mapped[int | None] = mapped_column(Integer)
    used: Mapped[int] = mapped_column(Integer, default=0)
    is_active: Mapped[bool] = mapped_column(default=True)
    deleted_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(Integer, default=1)


class CouponUse(Base):
    """One order's use of a coupon; gone when the order is not placed after all."""

    __tablename__ = "coupon_use"
    __table_args__ = (Index("ix_coupon_use_customer", "coupon_id", "customer_hash"),)

    id: Mapped[PrimaryKey]
    coupon_id: Mapped[int] = mapped_column(BigId, ForeignKey("coupon.id"))
    order_id: Mapped[int] = mapped_column(BigId, ForeignKey("order.id"), unique=True)
    customer_hash: Mapped[str] = mapped_column(key_text(64))
    """Keyed hash of the address that the order was made with: the same person with and without an account."""
    created_at: Mapped[Instant]


class CouponCustomer(Base):
    """How often one customer used a coupon; counted by a guarded update."""

    __tablename__ = "coupon_customer"
    __table_args__ = (
        UniqueConstraint("coupon_id", "customer_hash"),
        CheckConstraint("used >= 0", name="used_not_negative"),
    )

    id: Mapped[PrimaryKey]
    coupon_id: Mapped[int] = mapped_column(BigId, ForeignKey("coupon.id"))
    customer_hash: Mapped[str] = mapped_column(key_text(64))
    used: Mapped[int] = mapped_column(Integer, default=0)
