"""Which variant of a product goes into a storefront's cart where a job does not say it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Timestamps, key_text

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class CartOptions(Timestamps, Base):
    """The options of one product on one storefront; written under the lock of the storefront's row."""

    __tablename__ = "cart_options"
    __table_args__ = (Index("ix_cart_options_product", "product_id", "storefront_id"),)

    storefront_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("storefront.id"), primary_key=True, autoincrement=False
    )
    product_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    asin: Mapped[str] = mapped_column(key_text(10))
    options: Mapped[dict[str, str]] = mapped_column(JSON)
    """Values as the shop words them, by the storefront profile's names for options; never empty."""

    @property
    def version(self) -> int:
        """The number in the ETag: the microsecond of the last change, so that options made anew have another one."""
        return (self.updated_at - _EPOCH) // _MICROSECOND
