"""Storefronts' prices beside ours: product by product as it is now, and summed up by day."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Date, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, key_text


class PriceGap(Base):
    """What a storefront asks for a product that we sell, beside what we ask; brought up to date by the timetable."""

    __tablename__ = "price_gap"
    __table_args__ = (
        Index("ix_price_gap_ratio", "log_ratio", "product_id", "storefront_id"),
        Index("ix_price_gap_storefront", "storefront_id", "log_ratio", "product_id", "comparison"),
        Index("ix_price_gap_observed", "observed_at", "product_id", "storefront_id"),
    )

    product_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    storefront_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    comparison: Mapped[str] = mapped_column(key_text(16))
    currency: Mapped[str] = mapped_column(key_text(3))
    our_minor: Mapped[int] = mapped_column(BigId)
    their_currency: Mapped[str] = mapped_column(key_text(3))
    their_minor: Mapped[int] = mapped_column(BigId)
    log_ratio: Mapped[int | None] = mapped_column(BigId)
    """Their price by ours (``app.analytics.rules.price_index``); None where they are not compared."""
    observed_at: Mapped[Instant]


class PriceIndexDay(Base):
    """How the prices of a storefront stood against ours at the end of a day of the shop; of today, just now."""

    __tablename__ = "price_index_day"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    storefront_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    products: Mapped[int]
    """How many products we sold, whether or not the storefront has them."""
    compared: Mapped[int]
    cheaper: Mapped[int]
    """How many of these the storefront is cheaper at."""
    dearer: Mapped[int]
    other_currency: Mapped[int]
    stale: Mapped[int]
    free: Mapped[int]
    log_sum: Mapped[int] = mapped_column(BigId)
    """The sum of ``log_ratio`` of what is compared."""
    computed_at: Mapped[Instant]
