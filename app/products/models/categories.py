"""Tables of the category tree and of what is in it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, PrimaryKey, Timestamps, key_text, utc_now

MAX_CATEGORY_NAME: Final = 120
MAX_SLUG: Final = 140
MAX_CATEGORIES: Final = 10_000
"""Of the whole tree, so that it can be answered and checked as one."""
MAX_DEPTH: Final = 10
"""Levels, those at the top counted; bounds the rows of product_category that one membership makes."""
MAX_PER_PRODUCT: Final = 50
"""Categories that a product is put into, those above them not counted."""


class Category(Timestamps, Base):
    """One category; ``position`` orders it among those with the same parent."""

    __tablename__ = "category"
    __table_args__ = (Index("ix_category_parent", "parent_id", "position", "id"),)

    id: Mapped[PrimaryKey]
    parent_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("category.id"))
    name: Mapped[str] = mapped_column(String(MAX_CATEGORY_NAME))
    slug: Mapped[str] = mapped_column(key_text(MAX_SLUG), unique=True)
    position: Mapped[int]
    version: Mapped[int] = mapped_column(default=1)


class CategoryTree(Base):
    """The tree as a whole: its one row is the lock of who changes the tree, and ``stamp`` is new after every change."""

    __tablename__ = "category_tree"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    stamp: Mapped[str] = mapped_column(key_text(32))
    """Random, not a count: a restored backup never gives an old stamp to a new tree."""
    updated_at: Mapped[Instant] = mapped_column(default=utc_now)


class ProductCategory(Base):
    """A product in a category it was put into (``is_direct``), or in one above that.

    With a row for each of those, the products of a category and of all below it are one range of the primary key.
    """

    __tablename__ = "product_category"
    __table_args__ = (Index("ix_product_category_product", "product_id"),)

    category_id: Mapped[int] = mapped_column(BigId, ForeignKey("category.id"), primary_key=True, autoincrement=False)
    product_id: Mapped[int] = mapped_column(BigId, ForeignKey("product.id"), primary_key=True, autoincrement=False)
    is_direct: Mapped[bool]
