"""Rollups of sales facts: sums by day, hour and month, of the whole shop and of each category, brand and product.

A fact is in them once its ``uncounted`` is nothing; the two change in one transaction, of whoever has the row of
``SalesFold``. Figures are what the rollups say plus the facts that are not in them yet.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from sqlalchemy import BigInteger, Date, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, PrimaryKey, UtcDateTime, key_text
from app.products.models.products import MAX_BRAND

NO_CATEGORY = 0
"""The category of what is in none, or of no product of the master."""
NO_BRAND = ""
HOURS_KEPT: Final = timedelta(days=15)
"""A day more than is shown."""


class SalesFold(Base):
    """One row: whoever changes rollups has it locked."""

    __tablename__ = "sales_fold"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    folded_at: Mapped[Instant] = mapped_column(UtcDateTime)


class CategoryGroup(Base):
    """A set of categories that products were in when their sales were counted."""

    __tablename__ = "category_group"

    id: Mapped[PrimaryKey]
    unique_key: Mapped[str] = mapped_column(key_text(64), unique=True)
    """The digest of the ids in their order."""


class CategoryGroupMember(Base):
    """A category of a group, NO_CATEGORY as the only one of the empty group; categories may be deleted meanwhile."""

    __tablename__ = "category_group_member"

    group_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    category_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)


class Sums:
    """Of what sums are, and the sums of every rollup."""

    currency: Mapped[str] = mapped_column(key_text(3), primary_key=True)
    kind: Mapped[str] = mapped_column(key_text(8), primary_key=True)
    facts: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int] = mapped_column(BigInteger)
    gross_minor: Mapped[int] = mapped_column(BigInteger)
    discount_minor: Mapped[int] = mapped_column(BigInteger)
    tax_minor: Mapped[int] = mapped_column(BigInteger)
    shipping_minor: Mapped[int] = mapped_column(BigInteger)
    net_minor: Mapped[int] = mapped_column(BigInteger)


class OrderSums(Sums):
    """What there is of the whole shop as well."""

    orders: Mapped[int] = mapped_column(BigInteger)
    """Orders whose first fact this is of."""
    ordered_minor: Mapped[int] = mapped_column(BigInteger)
    """The net of facts that belong to an order."""


class SalesDay(OrderSums, Base):
    """The whole shop's sums of one day."""

    __tablename__ = "sales_day"

    sold_on: Mapped[date] = mapped_column(Date, primary_key=True, sort_order=-1)


class SalesHour(OrderSums, Base):
    """The whole shop's sums of one hour of the shop's clock; only the last days are kept."""

    __tablename__ = "sales_hour"

    sold_from: Mapped[Instant] = mapped_column(UtcDateTime, primary_key=True, sort_order=-1)


class _Days:
    sold_on: Mapped[date] = mapped_column(Date, primary_key=True, sort_order=-2)


class _Months:
    month_on: Mapped[date] = mapped_column(Date, primary_key=True, sort_order=-2)
    """The first day of the month."""


class _Category:
    category_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False, sort_order=-1)


class _Brand:
    brand: Mapped[str] = mapped_column(key_text(MAX_BRAND), primary_key=True, sort_order=-1)
    """NO_BRAND where the fact has none."""


class _Product:
    asin: Mapped[str] = mapped_column(key_text(10), primary_key=True, sort_order=-1)


class SalesDayCategory(_Category, _Days, Sums, Base):
    """A category's sums of one day, with those of the categories below it."""

    __tablename__ = "sales_day_category"
    __table_args__ = (Index("ix_sales_day_category", "category_id", "sold_on"),)


class SalesDayBrand(_Brand, _Days, Sums, Base):
    """A brand's sums of one day."""

    __tablename__ = "sales_day_brand"
    __table_args__ = (Index("ix_sales_day_brand", "brand", "sold_on"),)


class SalesDayProduct(_Product, _Days, Sums, Base):
    """The sums of one day of what was sold under an ASIN."""

    __tablename__ = "sales_day_product"
    __table_args__ = (Index("ix_sales_day_product", "asin", "sold_on"),)


class SalesMonthCategory(_Category, _Months, Sums, Base):
    """A category's sums of one month."""

    __tablename__ = "sales_month_category"
    __table_args__ = (Index("ix_sales_month_category", "category_id", "month_on"),)


class SalesMonthBrand(_Brand, _Months, Sums, Base):
    """A brand's sums of one month."""

    __tablename__ = "sales_month_brand"
    __table_args__ = (Index("ix_sales_month_brand", "brand", "month_on"),)


class SalesMonthProduct(_Product, _Months, Sums, Base):
    """The sums of one month of what was sold under an ASIN."""

    __tablename__ = "sales_month_product"
    __table_args__ = (Index("ix_sales_month_product", "asin", "month_on"),)


class SalesRank(Base):
    """One place of what sold best in the last so many days; made anew every few minutes."""

    __tablename__ = "sales_rank"

    days: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cut: Mapped[str] = mapped_column(key_text(8), primary_key=True)
    measure: Mapped[str] = mapped_column(key_text(8), primary_key=True)
    currency: Mapped[str] = mapped_column(key_text(3), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(key_text(MAX_BRAND))
    last_on: Mapped[date] = mapped_column(Date)
    """The window's last day."""
