"""Tables of the product master and its update history."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, composite, mapped_column

from app.core.money import Money
from app.core.orm import Attributed, Base, BigId, Instant, LongText, PrimaryKey, Timestamps, UtcDateTime, key_text

MAX_NAME: Final = 500
MAX_BRAND: Final = 255
MAX_DESCRIPTION: Final = 10_000


class Source(StrEnum):
    """What a recorded change came from."""

    API = "api"
    IMPORT = "import"
    FARM = "farm"


class Product(Timestamps, Base):
    """One product of the shop. Deleting marks the row: its history and its ASIN stay."""

    __tablename__ = "product"
    __table_args__ = (
        CheckConstraint("price_minor >= 0", name="price_not_negative"),
        Index("ix_product_brand", "brand", "id"),
    )

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    asin: Mapped[str] = mapped_column(key_text(10), unique=True)
    brand: Mapped[str | None] = mapped_column(key_text(MAX_BRAND))
    is_active: Mapped[bool] = mapped_column(default=True)
    description: Mapped[str] = mapped_column(Text, default="")
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(key_text(3))
    version: Mapped[int] = mapped_column(default=1)
    deleted_at: Mapped[Instant | None] = mapped_column(UtcDateTime)

    price: Mapped[Money] = composite("price_minor", "currency")


class ProductUpdate(Timestamps, Attributed, Base):
    """One attribute of a product that changed, or that the farm saw changed on a storefront; append-only."""

    __tablename__ = "product_update"
    __table_args__ = (
        UniqueConstraint("task_id", "attribute"),
        Index("ix_product_update_product", "product_id", "id"),
        Index("ix_product_update_job", "job_id", "id"),
        Index("ix_product_update_attribute", "attribute", "id"),
    )

    id: Mapped[PrimaryKey]
    product_id: Mapped[int] = mapped_column(BigId, ForeignKey("product.id"))
    asin: Mapped[str] = mapped_column(key_text(10))
    attribute: Mapped[str] = mapped_column(key_text(16))
    previous_attribute: Mapped[str | None] = mapped_column(LongText)
    current_attribute: Mapped[str | None] = mapped_column(LongText)
    source: Mapped[str] = mapped_column(key_text(8))
    storefront_id: Mapped[int | None] = mapped_column(BigId)
    job_id: Mapped[int | None] = mapped_column(BigId)
    task_id: Mapped[int | None] = mapped_column(BigId)
