"""Units that were sold of each product, less those that came back: the rollups by day, and the facts not in them yet.

Sales are those under a product's present ASIN, as in all figures by product.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from sqlalchemy import BigInteger, Select, cast, func, select, union_all
from sqlalchemy.sql.selectable import Subquery

from app.analytics.models.sales_rollups import SalesDayProduct
from app.analytics.queries.sales_sources import SALE, UNCOUNTED
from app.core.orm import table_of

_DAY: Final = table_of(SalesDayProduct)


def units_by_asin(first_on: date, last_on: date) -> Select[Any]:
    """``asin`` and ``units`` of what was sold or came back from one day to another, both included."""
    every = _quantities(first_on, last_on, None)
    return select(every.c.asin, _sum(every)).group_by(every.c.asin)


def units_by_asin_and_day(first_on: date, last_on: date, *, asin: str | None = None) -> Select[Any]:
    """``asin``, ``sold_on`` and ``units`` of each day on which something was sold or came back; of all or one ASIN."""
    every = _quantities(first_on, last_on, asin)
    return select(every.c.asin, every.c.sold_on, _sum(every)).group_by(every.c.asin, every.c.sold_on)


def _quantities(first_on: date, last_on: date, asin: str | None) -> Subquery:
    parts = []
    for table, *conditions in ((_DAY,), (SALE, UNCOUNTED)):
        within = [table.c.sold_on.between(first_on, last_on), *conditions]
        within += [] if asin is None else [table.c.asin == asin]
        parts.append(select(table.c.asin, table.c.sold_on, table.c.quantity).where(*within))
    return union_all(*parts).subquery("every")


def _sum(every: Subquery) -> Any:
    return cast(func.sum(every.c.quantity), BigInteger).label("units")
