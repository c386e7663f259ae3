"""How each product sold in the last days, and where that puts its stock in every order that people ask for.

A background job keeps it, so that a page of insights looks at the products that it shows and not at all there are.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from sqlalchemy import BigInteger, Date, Double, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, UtcDateTime, key_text

WINDOWS: Final = (7, 30, 90, 365)
"""Days of which it is kept."""


class StockOutlook(Base):
    """One product by the demand of so many days; it has a row for each of WINDOWS."""

    __tablename__ = "stock_outlook"
    __table_args__ = (
        Index("ix_stock_outlook_cover", "days", "cover", "product_id"),
        Index("ix_stock_outlook_value", "days", "value", "product_id"),
        Index("ix_stock_outlook_units", "days", "units", "product_id"),
    )

    product_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    days: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    asin: Mapped[str] = mapped_column(key_text(10))
    """Under which it was counted."""
    units: Mapped[int] = mapped_column(BigInteger)
    squares: Mapped[float] = mapped_column(Double)
    """The sum of the squares of the units of each day."""
    cover: Mapped[int] = mapped_column(BigInteger)
    """Thousandths of a day that it lasted when it was last looked at."""
    value: Mapped[int] = mapped_column(BigInteger)
    """What was on hand then, at the price of then."""
    counted_at: Mapped[Instant] = mapped_column(UtcDateTime)


class StockOutlookWindow(Base):
    """Of which days the rows of one window are, and until when that is known to be all."""

    __tablename__ = "stock_outlook_window"

    days: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_on: Mapped[date] = mapped_column(Date)
    stamp: Mapped[str] = mapped_column(key_text(64))
    """What all sales of these days came to when they were counted: another sum needs another count."""
    counted_at: Mapped[Instant] = mapped_column(UtcDateTime)
    as_of: Mapped[Instant] = mapped_column(UtcDateTime)
    """When the sum was last found the same and every product was looked at."""
