"""What stock is worth and how long it lasts.

Of windows that are kept (``WINDOWS`` days up to yesterday) a page goes along what a background job keeps of each
product, and looks at some more products than it shows. Of other windows the units of all products are summed up for
every page. Stock, prices and all that is asked of them are those of now in either case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, exists, func, select
from sqlalchemy.sql.selectable import FromClause

from app.analytics.errors import PeriodTooWide
from app.analytics.models.stock_outlook import WINDOWS
from app.analytics.queries.limited import TakesTooLong, rows_within
from app.analytics.queries.product_units import demand_by_asin
from app.analytics.queries.stock_measures import AVAILABLE, NEVER, PRODUCT, STOCK, VALUE, cover, is_to_reorder
from app.analytics.queries.stock_outlook import OUTLOOK, Place, end_of, few_of, kept_as_of, places, sizes
from app.analytics.rules.replenishing import Demand, Policy, days_of_cover, order_quantity, reorder_point
from app.core.days import beginning_of
from app.core.errors import FieldError
from app.core.extensions import db
from app.core.orm import table_of
from app.core.pagination import Page, behind, make_cursor, read_cursor
from app.core.running import settings
from app.orders.models.sales import Sale, SaleKind
from app.products.models.categories import ProductCategory

MOST_S: Final = 10.0
"""How long the database may sum up."""
FEWEST_DAYS: Final = 7
_IDS_AT_ONCE: Final = 1_000
_SALE: Final = table_of(Sale)
_MEMBER: Final = table_of(ProductCategory)


class Status(StrEnum):
    """Which products are looked for."""

    REORDER = "reorder"
    """Those to be bought again now."""
    DEAD = "dead"
    """Those on the shelf that nobody buys."""
    USED_UP = "used_up"
    """Those that sell, and of which nothing is left."""


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


@dataclass(frozen=True, slots=True)
class InsightPage(Page[Insight]):
    """Some products. ``as_of``: until when demand and order are known; None where they were summed up now."""

    as_of: datetime | None = None


def list_insights(
    *,
    policy: Policy,
    today: date,
    limit: int,
    cursor: str | None = None,
    sort: Sort = Sort.COVER,
    status: Status | None = None,
    is_left: bool = False,
    asin: str | None = None,
    brand: str | None = None,
    category: int | None = None,
) -> InsightPage:
    """Products with what their stock means: the shortest cover, the highest value or the most units first.

    The window is the ``policy.days`` days before ``today``; what is in a category below ``category`` counts. With
    ``is_left`` they are those of which something is available. Up to
    MAX_LIMIT products are a page, which may be short and still say where it goes on; more are whole.
    Raises Invalid for a cursor of another order, PeriodTooWide where that takes more than MOST_S seconds.
    """
    filters = {"asin": asin, "brand": brand, "category": category}
    asked = _Asked(
        policy, today, sort, status, is_left, {name: value for name, value in filters.items() if value is not None}
    )
    as_of = kept_as_of(policy.days, today - timedelta(days=1))
    if as_of is None:
        rows, goes_on = _summed_up(asked, cursor, limit)
    else:
        rows, goes_on = _kept(asked, cursor, limit)
    last = _last_sales([row.id for row in rows])
    return InsightPage([Insight(row, policy, last.get(row.id), today) for row in rows], goes_on, as_of=as_of)


@dataclass(frozen=True, slots=True)
class _Asked:
    policy: Policy
    today: date
    sort: Sort
    status: Status | None
    is_left: bool
    filters: Mapping[str, Any]

    @property
    def falls(self) -> bool:
        """Whether the highest comes first."""
        return self.sort != Sort.COVER

    def keys(self, found: FromClause) -> list[tuple[Any, bool]]:
        """What a list is ordered by; the ids go the way of the measure, as one index does."""
        return [(found.c[self.sort.value], self.falls), (found.c.id, self.falls)]


Rows = Sequence[Any]


def _summed_up(asked: _Asked, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
    """Rows by what is sold of all products, summed up for them."""
    days, asin = asked.policy.days, asked.filters.get("asin")
    sold = demand_by_asin([days], asked.today - timedelta(days=1), asins=None if asin is None else [asin]).subquery()
    units, squares = (func.coalesce(sold.c[f"{name}_{days}"], 0) for name in ("units", "squares"))
    tables = PRODUCT.join(STOCK, STOCK.c.product_id == PRODUCT.c.id).outerjoin(sold, sold.c.asin == PRODUCT.c.asin)
    found = _products(asked, units, squares).select_from(tables).subquery("insight")
    keys = asked.keys(found)
    wanted = select(found).where(*_of_status(found, asked))
    if cursor:
        wanted = wanted.where(behind(keys, read_cursor(cursor, keys)))
    rows = _rows(_ordered(wanted, keys), limit, asked)
    more = len(rows) > limit
    shown = rows[:limit]
    return shown, make_cursor([getattr(shown[-1], asked.sort.value), shown[-1].id], keys) if more else None


def _kept(asked: _Asked, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
    """Rows along what is kept, a part at a time, until there are enough."""
    rows: list[Any] = []
    few = few_of(asked.filters)
    order: dict[str, Any] = {"falls": asked.falls, "within": _implied(asked), "few": few}
    keys = asked.keys(_insights(asked, places(asked.policy.days, asked.sort, **order)))
    at: Place | None = read_cursor(cursor, keys) if cursor else None
    for size in sizes(limit, few):
        part = places(asked.policy.days, asked.sort, after=at, **order)
        found = _insights(asked, part.limit(size))
        wanted = select(found).where(*_of_status(found, asked))
        rows += _rows(
            _ordered(wanted, [(found.c.place, asked.falls), (found.c.id, asked.falls)]), limit - len(rows), asked
        )
        if len(rows) > limit:
            at = (rows[limit - 1].place, rows[limit - 1].id)
            break
        at = end_of(part, size)
        if at is None:
            break
    shown = sorted(rows[:limit], key=lambda row: (getattr(row, asked.sort.value), row.id), reverse=asked.falls)
    return shown, None if at is None else make_cursor(at, keys)


def _insights(asked: _Asked, part: Select[Any]) -> FromClause:
    """The products of a part with what is of now."""
    place = part.subquery("place")
    tables = place.join(PRODUCT, PRODUCT.c.id == place.c.id).join(STOCK, STOCK.c.product_id == place.c.id)
    found = _products(asked, place.c.units, place.c.squares).add_columns(place.c.place).select_from(tables)
    return found.prefix_with("STRAIGHT_JOIN", dialect="mysql").subquery("insight")


def _implied(asked: _Asked) -> list[ColumnElement[bool]]:
    """What the order itself says of a status, so that nobody looks where nothing of it can be."""
    if asked.sort == Sort.VALUE:
        return []
    is_sold = OUTLOOK.c.units > 0 if asked.sort == Sort.UNITS else OUTLOOK.c.cover < NEVER
    ended = [OUTLOOK.c.cover > 0] if asked.is_left and asked.sort == Sort.COVER else []
    if asked.status == Status.USED_UP:
        return [is_sold if asked.sort == Sort.UNITS else OUTLOOK.c.cover == 0]
    if asked.status == Status.REORDER:
        return [is_sold, *ended]
    # what nobody bought for longer than the window was not sold in it
    unsold = asked.status == Status.DEAD and asked.policy.days <= asked.policy.dead_days
    return [~is_sold, *ended] if unsold else ended


def _ordered(wanted: Select[Any], keys: Sequence[tuple[Any, bool]]) -> Select[Any]:
    return wanted.order_by(*(column.desc() if down else column.asc() for column, down in keys))


def _rows(wanted: Select[Any], limit: int, asked: _Asked) -> Rows:
    """So many rows and one more, which says that there are more."""
    try:
        return rows_within(wanted.limit(limit + 1), {}, most_s=MOST_S)
    except TakesTooLong:
        days = asked.policy.days
        fewer = next((kept for kept in reversed(WINDOWS) if kept < days), FEWEST_DAYS)
        said = f"Summing up {days} days takes too long. Ask for fewer, such as {fewer}."
        raise PeriodTooWide(said, errors=(FieldError("/days", f"must be fewer, such as {fewer}.", "query"),)) from None


def _products(asked: _Asked, units: Any, squares: Any) -> Select[Any]:
    """The columns of insights into the products that fit the filters; whoever calls says from which tables."""
    policy = asked.policy
    # said as a number: rows that were read within a time have no types of their own
    is_new = case(
        (PRODUCT.c.created_at >= beginning_of(_dead_since(policy, asked.today), settings().timezone), 1), else_=0
    )
    return (
        select(PRODUCT.c.id, PRODUCT.c.asin, PRODUCT.c.name, PRODUCT.c.brand, is_new.label("is_new"))
        .add_columns(PRODUCT.c.price_minor, PRODUCT.c.currency, STOCK.c.on_hand, STOCK.c.allocated)
        .add_columns(AVAILABLE.label("available"), units.label("units"), squares.label("squares"))
        .add_columns(cover(units, policy.days).label(Sort.COVER.value), VALUE.label(Sort.VALUE.value))
        .add_columns(case((is_to_reorder(units, squares, policy), 1), else_=0).label("is_to_reorder"))
        .where(PRODUCT.c.deleted_at.is_(None), *_fitting(asked))
    )


def _fitting(asked: _Asked) -> Sequence[ColumnElement[bool]]:
    filters = asked.filters
    conditions = [AVAILABLE > 0] if asked.is_left else []
    conditions += [PRODUCT.c[name] == filters[name] for name in ("asin", "brand") if name in filters]
    if "category" in filters:
        inside = exists().where(_MEMBER.c.category_id == filters["category"], _MEMBER.c.product_id == PRODUCT.c.id)
        conditions.append(inside.correlate(PRODUCT))
    return conditions


def _of_status(found: FromClause, asked: _Asked) -> Sequence[ColumnElement[bool]]:
    if asked.status == Status.REORDER:
        return [found.c.is_to_reorder == 1]
    if asked.status is None:
        return []
    if asked.status == Status.USED_UP:
        return [found.c.units > 0, found.c.available <= 0]
    since = _dead_since(asked.policy, asked.today)
    sold = exists().where(_SALE.c.asin == found.c.asin, _SALE.c.sold_on >= since, _SALE.c.kind == SaleKind.SALE)
    return [found.c.on_hand > 0, found.c.is_new == 0, ~sold.correlate(found)]


def _dead_since(policy: Policy, today: date) -> date:
    """From which day on dead stock was not sold."""
    return today - timedelta(days=policy.dead_days)


def _last_sales(product_ids: Sequence[int]) -> dict[int, date]:
    """On which day each of some products was sold last."""
    found: dict[int, date] = {}
    own = (_SALE.c.asin == PRODUCT.c.asin, _SALE.c.kind == SaleKind.SALE)
    last = select(_SALE.c.sold_on).where(*own).order_by(_SALE.c.sold_on.desc(), _SALE.c.id.desc()).limit(1)
    wanted = select(PRODUCT.c.id, last.correlate(PRODUCT).scalar_subquery().label("last_sold_on"))
    for at in range(0, len(product_ids), _IDS_AT_ONCE):
        rows = db.session.execute(wanted.where(PRODUCT.c.id.in_(product_ids[at : at + _IDS_AT_ONCE])))
        found |= {row.id: row.last_sold_on for row in rows if row.last_sold_on is not None}
    return found
