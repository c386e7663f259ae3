"""What stock is worth and how long it lasts: every figure of one page from two statements.

The first one sums up the units of the days of the window and joins stock and product to it; the second one asks when
the products of the page were sold last. How sales are read is the affair of ``product_units``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, exists, func, literal_column, or_, select
from sqlalchemy.sql.selectable import Subquery

from app.analytics.errors import PeriodTooWide
from app.analytics.queries.limited import TakesTooLong, rows_within
from app.analytics.queries.product_units import units_by_asin_and_day
from app.analytics.rules.replenishing import Demand, Policy, days_of_cover, order_quantity, reorder_point
from app.core.days import beginning_of
from app.core.errors import FieldError
from app.core.extensions import db
from app.core.orm import table_of
from app.core.pagination import Page, behind, make_cursor, read_cursor
from app.core.running import settings
from app.orders.models.sales import Sale, SaleKind
from app.products.models.categories import ProductCategory
from app.products.models.products import Product
from app.products.models.stock import Stock

MOST_S: Final = 10.0
"""How long the database may sum up."""
FEWEST_DAYS: Final = 7
NEVER: Final = 2**62
"""Thousandths of days that the stock lasts of what is not sold: it comes last."""
_DEAREST: Final = 9_000_000_000
"""Prices above it sort as if they were this one, so that no product of them is beyond 64 bits."""
_PRODUCT: Final = table_of(Product)
_STOCK: Final = table_of(Stock)
_SALE: Final = table_of(Sale)
_MEMBER: Final = table_of(ProductCategory)
_EXACT: Final[ColumnElement[Any]] = literal_column("1.0e0")
"""Makes numbers that grow beyond 64 bits instead of an error."""


class Status(StrEnum):
    """Which products are looked for."""

    REORDER = "reorder"
    """Those to be bought again now."""
    DEAD = "dead"
    """Those on the shelf that nobody buys."""


class Sort(StrEnum):
    """What comes first."""

    COVER = "cover"
    VALUE = "value"
    UNITS = "units"


@dataclass(frozen=True, slots=True)
class Insight:
    """A product's stock and what it means. ``row`` has the columns of product and stock."""

    row: Any
    policy: Policy
    last_sold_on: date | None
    today: date

    @property
    def demand(self) -> Demand:
        """What was sold in the window."""
        return Demand(self.policy.days, int(self.row.units), float(self.row.squares))

    @property
    def units_per_day(self) -> str:
        """Of the window, as a plain decimal."""
        return f"{Decimal(max(0, self.demand.units)) / self.policy.days:.3f}"

    @property
    def days_of_cover(self) -> str | None:
        """How long what is available lasts, as a plain decimal; None where nothing is sold."""
        found = days_of_cover(self.demand, self.row.available)
        return None if found is None else f"{found:f}"

    @property
    def is_dead(self) -> bool:
        """Whether it lies on the shelf, is no new product, and was not sold for long."""
        since = _dead_since(self.policy, self.today)
        return self.row.on_hand > 0 and not self.row.is_new and (self.last_sold_on is None or self.last_sold_on < since)

    @property
    def value_minor(self) -> int:
        """What is on hand at the product's price."""
        found: int = self.row.on_hand * self.row.price_minor
        return found

    @property
    def currency(self) -> str:
        """Of price and value."""
        found: str = self.row.currency
        return found

    @property
    def is_to_reorder(self) -> bool:
        """Whether no more is available than the reorder point."""
        return bool(self.row.is_to_reorder)

    @property
    def reorder_point(self) -> int:
        """At how much available it is to be bought again."""
        return reorder_point(self.demand, self.policy)

    @property
    def order_quantity(self) -> int:
        """How much to buy now; 0 where nothing is to be bought."""
        return order_quantity(self.demand, self.policy, self.row.available) if self.is_to_reorder else 0


def list_insights(
    *,
    policy: Policy,
    today: date,
    limit: int,
    cursor: str | None = None,
    sort: Sort = Sort.COVER,
    status: Status | None = None,
    **filters: Any,
) -> Page[Insight]:
    """Products with what their stock means: the shortest cover, the highest value or the most units first.

    The window is the ``policy.days`` days before ``today``. ``filters``: asin, brand, category (with all below it).
    Raises Invalid for a cursor of another order, PeriodTooWide where that takes more than MOST_S seconds.
    """
    found = _stock(policy, today, filters).subquery("insight")
    keys = [(found.c[sort.value], sort != Sort.COVER), (found.c.id, False)]
    wanted = select(found).where(*_of_status(found, status, policy, today))
    if cursor:
        wanted = wanted.where(behind(keys, read_cursor(cursor, keys)))
    ordered = wanted.order_by(*(column.desc() if down else column.asc() for column, down in keys)).limit(limit + 1)
    rows = _rows(ordered, policy)
    shown = rows[:limit]
    last = _last_sales([row.id for row in shown])
    insights = [Insight(row, policy, last.get(row.id), today) for row in shown]
    more = len(rows) > limit
    return Page(insights, make_cursor([getattr(shown[-1], sort.value), shown[-1].id], keys) if more else None)


def _rows(wanted: Select[Any], policy: Policy) -> Sequence[Any]:
    try:
        return rows_within(wanted, {}, most_s=MOST_S)
    except TakesTooLong:
        fewer = max(FEWEST_DAYS, policy.days // 2)
        said = f"Summing up {policy.days} days takes too long. Ask for fewer, such as {fewer}."
        raise PeriodTooWide(said, errors=(FieldError("/days", f"must be fewer, such as {fewer}.", "query"),)) from None


def _stock(policy: Policy, today: date, filters: Mapping[str, Any]) -> Select[Any]:
    sold = _demand(policy, today, filters.get("asin"))
    units, squares = func.coalesce(sold.c.units, 0), func.coalesce(sold.c.squares, 0)
    available = _STOCK.c.on_hand - _STOCK.c.allocated
    # said as a number: rows that were read within a time have no types of their own
    is_new = case((_PRODUCT.c.created_at >= beginning_of(_dead_since(policy, today), settings().timezone), 1), else_=0)
    wanted = (
        select(_PRODUCT.c.id, _PRODUCT.c.asin, _PRODUCT.c.name, _PRODUCT.c.brand, is_new.label("is_new"))
        .add_columns(_PRODUCT.c.price_minor, _PRODUCT.c.currency, _STOCK.c.on_hand, _STOCK.c.allocated)
        .add_columns(available.label("available"), units.label("units"), squares.label("squares"))
        .add_columns(_cover(available, units, policy.days).label(Sort.COVER.value))
        .add_columns((_STOCK.c.on_hand * _capped(_PRODUCT.c.price_minor)).label(Sort.VALUE.value))
        .add_columns(case((_is_to_reorder(available, units, squares, policy), 1), else_=0).label("is_to_reorder"))
        .select_from(_PRODUCT)
        .join(_STOCK, _STOCK.c.product_id == _PRODUCT.c.id)
        .outerjoin(sold, sold.c.asin == _PRODUCT.c.asin)
        .where(_PRODUCT.c.deleted_at.is_(None))
    )
    return wanted.where(*_fitting(filters))


def _demand(policy: Policy, today: date, asin: str | None) -> Subquery:
    """Units and squares of the units of each day, by ASIN."""
    first_on, last_on = today - timedelta(days=policy.days), today - timedelta(days=1)
    daily = units_by_asin_and_day(first_on, last_on, asin=asin).subquery("daily")
    units = cast(func.sum(daily.c.units), BigInteger).label("units")
    squares = func.sum(_EXACT * daily.c.units * daily.c.units).label("squares")
    return select(daily.c.asin, units, squares).group_by(daily.c.asin).subquery("sold")


def _cover(available: Any, units: Any, days: int) -> ColumnElement[int]:
    """Thousandths of a day that it lasts, to sort by."""
    lasts = cast(func.floor(_EXACT * available * days * 1000 / units), BigInteger)
    return case((units > 0, lasts), else_=NEVER)


def _capped(price: Any) -> ColumnElement[int]:
    return case((price > _DEAREST, _DEAREST), else_=price)


def _is_to_reorder(available: Any, units: Any, squares: Any, policy: Policy) -> ColumnElement[bool]:
    """Whether available <= the reorder point: ``Demand.level`` without a root, with both sides times the days.

    available <= ceil(d x L + z x sqrt(v x L)) where available - 1 - d x L is below 0, or its square below z^2 x v x L.
    """
    days, lead = policy.days, policy.lead_days
    short = _EXACT * (available - 1) * days - _EXACT * units * lead
    spread = (squares * days - _EXACT * units * units) * days / (days - 1)
    within = short * short < policy.safety_factor**2 * lead * spread
    return and_(units > 0, or_(short < 0, within))


def _fitting(filters: Mapping[str, Any]) -> Sequence[ColumnElement[bool]]:
    conditions = [_PRODUCT.c[name] == filters[name] for name in ("asin", "brand") if filters.get(name) is not None]
    if filters.get("category") is not None:
        inside = exists().where(_MEMBER.c.category_id == filters["category"], _MEMBER.c.product_id == _PRODUCT.c.id)
        conditions.append(inside.correlate(_PRODUCT))
    return conditions


def _of_status(found: Any, status: Status | None, policy: Policy, today: date) -> Sequence[ColumnElement[bool]]:
    if status == Status.REORDER:
        return [found.c.is_to_reorder == 1]
    if status is None:
        return []
    since = _dead_since(policy, today)
    sold = exists().where(_SALE.c.asin == found.c.asin, _SALE.c.sold_on >= since, _SALE.c.kind == SaleKind.SALE)
    return [found.c.on_hand > 0, found.c.is_new == 0, ~sold.correlate(found)]


def _dead_since(policy: Policy, today: date) -> date:
    """From which day on dead stock was not sold."""
    return today - timedelta(days=policy.dead_days)


def _last_sales(product_ids: Sequence[int]) -> dict[int, date]:
    """On which day each of some products was sold last."""
    if not product_ids:
        return {}
    own = (_SALE.c.asin == _PRODUCT.c.asin, _SALE.c.kind == SaleKind.SALE)
    last = select(_SALE.c.sold_on).where(*own).order_by(_SALE.c.sold_on.desc(), _SALE.c.id.desc()).limit(1)
    wanted = select(_PRODUCT.c.id, last.correlate(_PRODUCT).scalar_subquery().label("last_sold_on"))
    rows = db.session.execute(wanted.where(_PRODUCT.c.id.in_(product_ids)))
    return {row.id: row.last_sold_on for row in rows if row.last_sold_on is not None}
