"""The table of sales facts: one row for every line that was paid, and one for every part that was paid back."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Date, Index, Integer, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, PrimaryKey, UtcDateTime, key_text, utc_now
from app.orders.models.orders import number_of
from app.products.models.products import MAX_BRAND, MAX_NAME


class SaleKind(StrEnum):
    """Which way the money went."""

    SALE = "sale"
    REFUND = "refund"


class Sale(Base):
    """One fact, as docs/metrics.md defines it; amounts of refunds are negative. Always total = net + shipping + tax."""

    __tablename__ = "sale"
    __table_args__ = (
        CheckConstraint("total_minor = net_minor + shipping_minor + tax_minor", name="total_adds_up"),
        Index("ix_sale_day", "sold_on", "id"),
        Index("ix_sale_product", "product_id", "sold_on", "id"),
        Index("ix_sale_asin", "asin", "sold_on", "id"),
        Index("ix_sale_brand", "brand", "sold_on", "id"),
        Index("ix_sale_order", "order_id", "id"),
        Index("ix_sale_operation", "operation_id", "id"),
        Index("ix_sale_sold", "sold_at", "id"),
        Index(
            "ix_sale_uncounted",
            "uncounted",
            "sold_on",
            "id",
            sqlite_where=text("uncounted = 1"),
            postgresql_where=text("uncounted = 1"),
        ),
    )

    id: Mapped[PrimaryKey]
    created_at: Mapped[Instant] = mapped_column(UtcDateTime, default=utc_now)
    unique_key: Mapped[str] = mapped_column(key_text(80), unique=True)
    """``line:17``, ``refund:4:17``, ``return:17:2`` or ``import:<external id>``: a fact is recorded once."""
    kind: Mapped[str] = mapped_column(key_text(8))
    sold_at: Mapped[Instant]
    """When the payment, or the refund, was recorded."""
    sold_on: Mapped[date] = mapped_column(Date)
    """The same as a day of the shop's time zone."""
    order_id: Mapped[int | None] = mapped_column(BigId)
    order_line_id: Mapped[int | None] = mapped_column(BigId)
    refund_id: Mapped[int | None] = mapped_column(BigId)
    operation_id: Mapped[int | None] = mapped_column(BigId)
    """The import it came with."""
    product_id: Mapped[int | None] = mapped_column(BigId)
    asin: Mapped[str] = mapped_column(key_text(10))
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    brand: Mapped[str | None] = mapped_column(key_text(MAX_BRAND))
    quantity: Mapped[int] = mapped_column(Integer)
    """Units; negative for those that came back or were cancelled after payment."""
    currency: Mapped[str] = mapped_column(key_text(3))
    gross_minor: Mapped[int] = mapped_column(BigInteger)
    """Unit price times quantity, as priced, before any discount."""
    discount_minor: Mapped[int] = mapped_column(BigInteger)
    """The part of the coupon, as priced."""
    tax_minor: Mapped[int] = mapped_column(BigInteger)
    """Of goods and shipping."""
    shipping_minor: Mapped[int] = mapped_column(BigInteger)
    """The part of the shipping fee, without tax."""
    net_minor: Mapped[int] = mapped_column(BigInteger)
    """What the goods brought: without discount, tax and shipping."""
    total_minor: Mapped[int] = mapped_column(BigInteger)
    """What was paid: net + shipping + tax."""
    uncounted: Mapped[int | None] = mapped_column(SmallInteger, server_default=text("1"))
    """1 until the rollups of app.analytics have it, then nothing; the database itself gives it to every new fact."""
    category_group_id: Mapped[int | None] = mapped_column(BigId)
    """The categories that its product was in when it was counted."""

    @property
    def order_number(self) -> str | None:
        """The number of its order; None for what was imported."""
        return None if self.order_id is None else number_of(self.order_id)
