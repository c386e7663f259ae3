"""Tables of fulfilment: what left, with whom, and what came back."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Attributed, Base, BigId, Instant, PrimaryKey, Timestamps, UtcDateTime, key_text


class ShipmentState(StrEnum):
    """How far a shipment is."""

    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"


class Shipment(Timestamps, Attributed, Base):
    """One parcel."""

    __tablename__ = "shipment"
    __table_args__ = (Index("ix_shipment_order", "order_id", "id"), Index("ix_shipment_tracking", "tracking_number"))

    id: Mapped[PrimaryKey]
    order_id: Mapped[int] = mapped_column(BigId, ForeignKey("order.id"))
    state: Mapped[str] = mapped_column(key_text(12), default=ShipmentState.SHIPPED)
    carrier: Mapped[str] = mapped_column(String(60))
    tracking_number: Mapped[str | None] = mapped_column(key_text(60))
    tracking_url: Mapped[str | None] = mapped_column(String(500))
    shipped_at: Mapped[Instant]
    delivered_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(Integer, default=1)


class ShipmentLine(Base):
    """How many of a line are in a parcel."""

    __tablename__ = "shipment_line"
    __table_args__ = (
        UniqueConstraint("shipment_id", "order_line_id"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        Index("ix_shipment_line_line", "order_line_id"),
    )

    id: Mapped[PrimaryKey]
    shipment_id: Mapped[int] = mapped_column(BigId, ForeignKey("shipment.id"))
    order_line_id: Mapped[int] = mapped_column(BigId, ForeignKey("order_line.id"))
    quantity: Mapped[int] = mapped_column(Integer)


class OrderReturn(Timestamps, Attributed, Base):
    """Goods that came back."""

    __tablename__ = "order_return"
    __table_args__ = (Index("ix_order_return_order", "order_id", "id"),)

    id: Mapped[PrimaryKey]
    order_id: Mapped[int] = mapped_column(BigId, ForeignKey("order.id"))
    reason: Mapped[str] = mapped_column(String(500))
    refund_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("refund.id"))


class OrderReturnLine(Base):
    """How many of a line came back, and whether they can be sold again."""

    __tablename__ = "order_return_line"
    __table_args__ = (
        UniqueConstraint("order_return_id", "order_line_id"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("resaleable >= 0 AND resaleable <= quantity", name="resaleable_within_quantity"),
        Index("ix_order_return_line_line", "order_line_id"),
    )

    id: Mapped[PrimaryKey]
    order_return_id: Mapped[int] = mapped_column(BigId, ForeignKey("order_return.id"))
    order_line_id: Mapped[int] = mapped_column(BigId, ForeignKey("order_line.id"))
    quantity: Mapped[int] = mapped_column(Integer)
    resaleable: Mapped[int] = mapped_column(Integer)
    """How many of them went back to the shelves."""
