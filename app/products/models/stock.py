"""Tables of stock: the counters, the ledger that explains them, and who holds what is allocated."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sqlalchemy import Boolean, CheckConstraint, Computed, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.append_only import append_only
from app.core.orm import Attributed, Base, BigId, Instant, PrimaryKey, UtcDateTime, key_text, utc_now

MAX_QUANTITY: Final = 1_000_000_000
"""Of one product; keeps every sum within 64 bits."""


class Stock(Base):
    """How much of a product there is; one row for every product."""

    __tablename__ = "stock"
    __table_args__ = (
        CheckConstraint("on_hand >= 0 AND on_hand <= 1000000000", name="on_hand_in_range"),
        CheckConstraint("allocated >= 0 AND allocated <= on_hand", name="allocated_within_on_hand"),
        CheckConstraint("low_stock_threshold >= 0", name="threshold_not_negative"),
        Index("ix_stock_low", "is_low", "product_id"),
        Index("ix_stock_available", "is_available", "product_id"),
    )

    product_id: Mapped[int] = mapped_column(BigId, ForeignKey("product.id"), primary_key=True, autoincrement=False)
    on_hand: Mapped[int] = mapped_column(Integer, default=0)
    """What lies on the shelves, allocated or not."""
    allocated: Mapped[int] = mapped_column(Integer, default=0)
    """What of it is promised to orders."""
    low_stock_threshold: Mapped[int | None] = mapped_column(Integer)
    """At how much left it is said to be low; None: never."""
    is_low: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether on_hand - allocated is at the threshold or below; it turns true once per crossing."""
    is_available: Mapped[bool] = mapped_column(Boolean, Computed("on_hand > allocated", persisted=True), nullable=True)
    """Never null; MariaDB has no syntax to say that of a computed column."""
    updated_at: Mapped[Instant] = mapped_column(UtcDateTime, default=utc_now)


class MovementKind(StrEnum):
    """Why stock moved."""

    RECEIVED = "received"
    ALLOCATED = "allocated"
    RELEASED = "released"
    SHIPPED = "shipped"
    RETURNED = "returned"
    ADJUSTED = "adjusted"


@append_only
class StockMovement(Attributed, Base):
    """One movement; append-only. The counters are the sums of the deltas."""

    __tablename__ = "stock_movement"
    __table_args__ = (
        Index("ix_stock_movement_product", "product_id", "id"),
        Index("ix_stock_movement_reference", "reference_kind", "reference_id", "product_id"),
        Index("ix_stock_movement_operation", "operation_id", "id"),
    )

    id: Mapped[PrimaryKey]
    created_at: Mapped[Instant] = mapped_column(UtcDateTime, default=utc_now)
    product_id: Mapped[int] = mapped_column(BigId, ForeignKey("product.id"))
    kind: Mapped[str] = mapped_column(key_text(16))
    on_hand_delta: Mapped[int] = mapped_column(Integer)
    allocated_delta: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str | None] = mapped_column(String(500))
    reference_kind: Mapped[str | None] = mapped_column(key_text(16))
    reference_id: Mapped[int | None] = mapped_column(BigId)
    operation_id: Mapped[int | None] = mapped_column(BigId)


class Allocation(Base):
    """A part of the allocated stock and who it is promised to: ``label`` is what people call them (an order number)."""

    __tablename__ = "allocation"
    __table_args__ = (
        UniqueConstraint("reference_kind", "reference_id", "product_id"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        Index("ix_allocation_product", "product_id", "id"),
    )

    id: Mapped[PrimaryKey]
    created_at: Mapped[Instant] = mapped_column(UtcDateTime, default=utc_now)
    product_id: Mapped[int] = mapped_column(BigId, ForeignKey("product.id"))
    quantity: Mapped[int] = mapped_column(Integer)
    reference_kind: Mapped[str] = mapped_column(key_text(16))
    reference_id: Mapped[int] = mapped_column(BigId)
    label: Mapped[str] = mapped_column(String(64))


class LowStockNotice(Base):
    """A product that became low and of which people have yet to be told by mail; rows go when they are a day old."""

    __tablename__ = "low_stock_notice"
    __table_args__ = (Index("ix_low_stock_notice_digest", "digest", "id"),)

    id: Mapped[PrimaryKey]
    created_at: Mapped[Instant] = mapped_column(UtcDateTime, default=utc_now)
    product_id: Mapped[int] = mapped_column(BigId)
    available: Mapped[int] = mapped_column(Integer)
    threshold: Mapped[int] = mapped_column(Integer)
    digest: Mapped[int | None] = mapped_column(BigId)
    """Which mails tell of it; None until they are asked for."""
