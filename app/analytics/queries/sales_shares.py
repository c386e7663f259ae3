"""Figures of sales cut by category, brand or product.

    by_category(period, filters, parent_id=...)   -> the categories below one, or those at the top
    top_products(period, measure, limit, filters) -> what sold best
    top_brands(period, measure, limit, filters)   -> likewise
    beside_before(shares, dimension, period, ...) -> the same with their figures of the period before

Figures are exact as of now. Which products are looked at for the usual windows (``WINDOWS`` days up to today) is known
from a ranking that is made every few minutes, of several times as many as are shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby, islice
from typing import Any, Final

from sqlalchemy import bindparam, func, select, union_all

from app.analytics.errors import PeriodTooWide
from app.analytics.models.sales_rollups import NO_BRAND, NO_CATEGORY, SalesRank
from app.analytics.queries.limited import TakesTooLong, rows_within
from app.analytics.queries.sales_figures import each_of, empty_figures, read
from app.analytics.queries.sales_reading import spans_of
from app.analytics.queries.sales_sources import SALE, SOURCES, UNCOUNTED, Dimension, key_of_facts, summed
from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import EVERYTHING, Figures, Filters, Share
from app.core.extensions import db
from app.core.orm import table_of
from app.products.models.categories import Category
from app.products.models.products import Product

WINDOWS: Final = (7, 30, 90, 365)
MAX_SHARES: Final = 200
POOL: Final = 3 * MAX_SHARES + 20
"""How many places a ranking has; of three times as many as are shown, and some more, figures are looked up."""
MAX_CATEGORIES: Final = 500
COLUMNS: Final = {"net": "net_minor", "units": "quantity"}
_RANK: Final = table_of(SalesRank)


def by_category(
    period: Period,
    filters: Filters = EVERYTHING,
    *,
    parent_id: int | None = None,
    measure: str = "net",
    limit: int = MAX_SHARES,
) -> list[Share]:
    """The figures of the categories directly below one, by itself of those at the top; what sold best comes first.

    A category has the sales of all below it. A product counts once in each of its categories, so they may add up to
    more than the total; at the top, what is in no category is a row without a name. Raises PeriodTooWide.
    """
    wanted = select(Category.id, Category.name).where(Category.parent_id == parent_id).order_by(Category.id)
    names = {row.id: row.name for row in db.session.execute(wanted.limit(MAX_CATEGORIES))}
    keys = [*names, *([NO_CATEGORY] if parent_id is None else [])]
    if not keys:
        return []
    found = read(period, _below(parent_id, filters), each="key", by=Dimension.CATEGORY, keys=keys)
    shares = [
        Share(str(key) if key != NO_CATEGORY else "", names.get(key), figures)
        for key, figures in each_of(found)
        if _is_any(figures)
    ]
    return best(shares, measure, limit)


def top_products(period: Period, measure: str = "net", limit: int = 10, filters: Filters = EVERYTHING) -> list[Share]:
    """The products that sold best by ``net`` or ``units``, each ASIN by itself, MAX_SHARES at most.

    Amounts of several currencies are not ranked among each other: each currency has its own first ones. Raises
    PeriodTooWide.
    """
    found = _top(Dimension.PRODUCT, period, measure, limit, filters)
    asins = {asin for asin, _ in found}
    known = select(Product.asin, Product.id, Product.name).where(Product.asin.in_(asins))
    products = {row.asin: row for row in db.session.execute(known)} if asins else {}
    named = [(asin, figures, products.get(asin)) for asin, figures in found]
    return [
        Share(asin, product.name if product else None, figures, product.id if product else None)
        for asin, figures, product in named
    ]


def top_brands(period: Period, measure: str = "net", limit: int = 10, filters: Filters = EVERYTHING) -> list[Share]:
    """The brands that sold best; what has none is a row without a name. Raises PeriodTooWide."""
    found = _top(Dimension.BRAND, period, measure, limit, filters)
    return [Share(brand, None if brand == NO_BRAND else brand, figures) for brand, figures in found]


def beside_before(
    shares: list[Share],
    dimension: Dimension,
    period: Period,
    filters: Filters = EVERYTHING,
    *,
    parent_id: int | None = None,
) -> list[Share]:
    """The same shares of a period, with the figures of the equally long one before it, which may be of nothing.

    Raises PeriodTooWide.
    """
    keys = {share.key: _key_of(dimension, share) for share in shares}
    if not keys:
        return shares
    kept = _below(parent_id, filters) if dimension is Dimension.CATEGORY else filters
    found = read(period.before(), kept, each="key", by=dimension, keys=sorted(keys.values()))
    figures = {(key, each.currency): each for key, each in each_of(found)}

    def before(share: Share) -> Figures:
        currency = share.figures.currency
        return figures.get((keys[share.key], currency)) or empty_figures(currency, whole_shop=False)

    return [replace(share, before=before(share)) for share in shares]


def best(shares: Iterable[Share], measure: str, limit: int) -> list[Share]:
    """The first so many of each currency, those with the most first; equal ones in the order of their keys."""
    value = "net_minor" if measure == "net" else "units"
    ordered = sorted(shares, key=lambda each: (each.figures.currency, -getattr(each.figures, value), each.key))
    by_currency = groupby(ordered, key=lambda each: each.figures.currency)
    return [share for _, some in by_currency for share in islice(some, limit)]


def rank_of(
    dimension: Dimension,
    period: Period,
    measure: str,
    limit: int,
    *,
    currency: str | None = None,
    most_s: float | None = None,
) -> list[Any]:
    """The keys that have most of a measure in a period, by currency; from rollups and what is not counted yet.

    Rows have currency, key, value and place. Raises TakesTooLong.
    """
    source, column = SOURCES[dimension], COLUMNS[measure]
    parts, values = [], {"currency": currency, "first": period.first_on, "last": period.last_on}
    for span, days in spans_of(period).items():
        is_month = span == "months"
        table = source.month if is_month else source.day
        values |= {f"{span}_first": days.first_on, f"{span}_last": days.last_on}
        within = table.c["month_on" if is_month else "sold_on"].between(
            bindparam(f"{span}_first"), bindparam(f"{span}_last")
        )
        some = select(table.c.currency, table.c[source.key].label("key"), summed(table.c[column]).label("value"))
        some = some.where(within, *([] if currency is None else [table.c.currency == bindparam("currency")]))
        parts.append(some.group_by(table.c.currency, table.c[source.key]))
    key = key_of_facts(dimension, counted=False)
    new = select(SALE.c.currency, key.label("key"), summed(SALE.c[column]).label("value"))
    new = new.where(UNCOUNTED, SALE.c.sold_on.between(bindparam("first"), bindparam("last")))
    new = new.where(*([] if currency is None else [SALE.c.currency == bindparam("currency")]))
    every = union_all(*parts, new.group_by(SALE.c.currency, key)).subquery()
    value = summed(every.c.value).label("value")
    ranked = select(
        every.c.currency,
        every.c.key,
        value,
        func.row_number().over(partition_by=every.c.currency, order_by=(value.desc(), every.c.key)).label("place"),
    ).group_by(every.c.currency, every.c.key)
    placed = ranked.subquery()
    first = select(placed.c.currency, placed.c.key, placed.c.value, placed.c.place).where(placed.c.place <= limit)
    return list(rows_within(first, values, most_s=most_s))


def _top(dimension: Dimension, period: Period, measure: str, limit: int, filters: Filters) -> list[tuple[str, Figures]]:
    """The first ones of each currency, with their figures."""
    limit = min(limit, MAX_SHARES)
    keys = _candidates(dimension, period, measure, limit, filters)
    if keys is not None and not keys:
        return []
    found = read(period, filters, each="key", by=dimension, keys=keys)
    shares = (Share(key, None, figures) for key, figures in each_of(found) if _is_any(figures))
    return [(share.key, share.figures) for share in best(shares, measure, limit)]


def _candidates(dimension: Dimension, period: Period, measure: str, limit: int, filters: Filters) -> list[str] | None:
    """Of which to look up the figures; None for all, where filters leave few."""
    if not filters.is_whole_shop:
        return None
    ranked = _ranked(dimension, period, measure, 3 * limit + 20, filters)
    if ranked is None:
        try:
            rows = rank_of(dimension, period, measure, limit, currency=filters.currency)
        except TakesTooLong:
            raise PeriodTooWide.whatever() from None
        ranked = {row.key for row in rows}
    return sorted(ranked)


def _ranked(dimension: Dimension, period: Period, measure: str, places: int, filters: Filters) -> set[str] | None:
    """What the ranking of this window names, and what was sold since; None where there is no such ranking."""
    if period.days not in WINDOWS:
        return None
    wanted = select(_RANK.c.key, _RANK.c.currency).where(
        _RANK.c.days == period.days,
        _RANK.c.cut == dimension.value,
        _RANK.c.measure == measure,
        _RANK.c.place <= places,
        _RANK.c.last_on == period.last_on,
    )
    rows = db.session.execute(wanted).all()
    if not rows:
        return None
    ranked = {row.key for row in rows if filters.currency in {None, row.currency}}
    key = key_of_facts(dimension, counted=False)
    new = select(key).distinct().where(UNCOUNTED, SALE.c.sold_on.between(period.first_on, period.last_on)).limit(POOL)
    return ranked | set(db.session.scalars(new))


def _below(parent_id: int | None, filters: Filters) -> Filters:
    """What the categories below one are filtered by: what is in a category is in those above it, too."""
    return replace(filters, category_id=None) if filters.category_id == parent_id else filters


def _key_of(dimension: Dimension, share: Share) -> Any:
    return int(share.key or NO_CATEGORY) if dimension is Dimension.CATEGORY else share.key


def _is_any(figures: Figures) -> bool:
    return bool(figures.lines or figures.units or figures.net_minor or figures.refund_minor)
