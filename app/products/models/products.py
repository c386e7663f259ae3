"""Tables of the product master and its update history."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    false,
    or_,
)
from sqlalchemy.orm import Mapped, composite, mapped_column

from app.core.money import Money
from app.core.orm import (
    Attributed,
    Base,
    BigId,
    Instant,
    JsonText,
    LongText,
    PrimaryKey,
    Timestamps,
    UtcDateTime,
    key_text,
)

MAX_NAME: Final = 500
MAX_BRAND: Final = 255
MAX_DESCRIPTION: Final = 10_000
MAX_IMAGES: Final = 20


class Source(StrEnum):
    """What a recorded change came from."""

    API = "api"
    IMPORT = "import"
    FARM = "farm"
    BULK = "bulk"
    REVERT = "revert"


class Product(Timestamps, Base):
    """One product of the shop. Deleting marks the row: its history and its ASIN stay.

    The row is the whole product, so that a list is one query: images are addresses in their order, and ``categories``
    are the ids of those it was put into, which ``product_category`` has as well, together with what is above them.
    """

    __tablename__ = "product"
    __table_args__ = (
        CheckConstraint("price_minor >= 0", name="price_not_negative"),
        Index("ix_product_brand", "brand", "id"),
        Index("ix_product_deleted", "deleted_at", "id"),
        Index("ix_product_gtin", "gtin", "id"),
        Index("ix_product_name", "name", "id"),
        Index("ix_product_price", "price_minor", "id"),
        Index("ix_product_updated", "updated_at", "id"),
    )

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    asin: Mapped[str] = mapped_column(key_text(10), unique=True)
    brand: Mapped[str | None] = mapped_column(key_text(MAX_BRAND))
    is_active: Mapped[bool] = mapped_column(default=True)
    description: Mapped[str] = mapped_column(Text, default="")
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(key_text(3))
    gtin: Mapped[str | None] = mapped_column(key_text(14))
    attributes: Mapped[dict[str, Any]] = mapped_column(JsonText, default=dict)
    images: Mapped[list[str]] = mapped_column(JsonText, default=list)
    categories: Mapped[list[int]] = mapped_column(JsonText, default=list)
    """Ids in ascending order; whoever writes them calls services/memberships.py for the rows that go with them."""
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
        Index("ix_product_update_operation", "operation_id", "id"),
        Index("ix_product_update_actor", "actor_kind", "actor_id", "id"),
        Index("ix_product_update_source", "source", "id"),
        Index("ix_product_update_storefront", "storefront_id", "id"),
        Index("ix_product_update_observed", "observed_id", unique=True),
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
    operation_id: Mapped[int | None] = mapped_column(BigId)
    """The import, bulk action or undo that it was part of."""
    reverts_id: Mapped[int | None] = mapped_column(BigId)
    """The row of this table that it took back."""
    observed_id: Mapped[int | None] = mapped_column(BigId)
    """Of a change of the master by the farm: the row of this table that says where it was seen, by which task."""
    is_flapping: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Whether the storefront's value goes back and forth, so that this is not worth an alert."""

    @classmethod
    def is_of_master(cls) -> ColumnElement[bool]:
        """Whether it changed the product, and was not only seen on a storefront."""
        return or_(cls.source != Source.FARM, cls.observed_id.is_not(None))
