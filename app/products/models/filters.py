"""Filters of products that are kept under a name."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Attributed, Base, JsonText, PrimaryKey, Timestamps, key_text


class ProductFilter(Timestamps, Attributed, Base):
    """Which products, as in the list of products; what fits is looked at whenever it is used."""

    __tablename__ = "product_filter"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(key_text(120), unique=True)
    which: Mapped[dict[str, Any]] = mapped_column(JsonText)
    version: Mapped[int] = mapped_column(default=1)
