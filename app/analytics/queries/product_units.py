"""Units that were sold of each product, less those that came back: the rollups by day, and the facts not in them yet.

Sales are those under a product's present ASIN, as in all figures by product.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, Select, case, cast, func, select, union_all
from sqlalchemy.sql.selectable import Subquery

from app.analytics.models.sales_rollups import SalesDayProduct
from app.analytics.queries.sales_sources import SALE, UNCOUNTED
from app.analytics.queries.stock_measures import EXACT
from app.core.orm import table_of

_DAY: Final = table_of(SalesDayProduct)


def units_by_asin(first_on: date, last_on: date) -> Select[Any]:
    """``asin`` and ``units`` of what was sold or came back from one day to another, both included."""
    every = _quantities(first_on, last_on, None)
    return select(every.c.asin, _sum(every)).group_by(every.c.asin)


def units_by_asin_and_day(first_on: date, last_on: date, *, asins: Sequence[str] | None = None) -> Select[Any]:
    """``asin``, ``sold_on`` and ``units`` of each day on which something was sold or came back; of all or some."""
    every = _quantities(first_on, last_on, asins)
    return select(every.c.asin, every.c.sold_on, _sum(every)).group_by(every.c.asin, every.c.sold_on)


def demand_by_asin(windows: Sequence[int], last_on: date, *, asins: Sequence[str] | None = None) -> Select[Any]:
    """``asin``, and of each number of days up to ``last_on`` the units and the sum of the squares of each day's units.

    They are called like ``units_30`` and ``squares_30``.
    """
    first_on = {days: last_on - timedelta(days=days - 1) for days in windows}
    daily = units_by_asin_and_day(min(first_on.values()), last_on, asins=asins).subquery("daily")
    columns = []
    for days, begin in first_on.items():
        within = case((daily.c.sold_on >= begin, daily.c.units), else_=0)
        columns.append(cast(func.sum(within), BigInteger).label(f"units_{days}"))
        columns.append(func.sum(EXACT * within * within).label(f"squares_{days}"))
    return select(daily.c.asin, *columns).group_by(daily.c.asin)


def _quantities(first_on: date, last_on: date, asins: Sequence[str] | None) -> Subquery:
    parts = []
    for table, *conditions in ((_DAY,), (SALE, UNCOUNTED)):
        within = [table.c.sold_on.between(first_on, last_on), *conditions]
        within += [] if asins is None else [table.c.asin.in_(asins)]
        parts.append(select(table.c.asin, table.c.sold_on, table.c.quantity).where(*within))
    return union_all(*parts).subquery("every")


def _sum(every: Subquery) -> Any:
    return cast(func.sum(every.c.quantity), BigInteger).label("units")
