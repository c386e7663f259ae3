"""Ranking what sold best in the last days, so that asking for it is quick: every few minutes, by the timetable."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final

from sqlalchemy import delete, insert

from app.analytics.models.sales_rollups import SalesRank
from app.analytics.queries.sales_shares import POOL, WINDOWS, rank_of
from app.analytics.queries.sales_sources import Dimension
from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import MEASURES
from app.analytics.services.sales_locking import lock_rollups
from app.core.extensions import db
from app.core.orm import table_of
from app.core.transactions import connection, in_transaction
from app.orders.services.sales import day_of

RANK_SALES: Final = "rank_sales"
_RANK: Final = table_of(SalesRank)
_CUTS: Final = (Dimension.PRODUCT, Dimension.BRAND)
_MOST_S: Final = 30.0


def rank_sales(*, now: datetime) -> int:
    """Rank products and brands by every measure for the windows up to today; returns how many places there are."""
    today, places = day_of(now), 0
    for days, dimension, measure in product(WINDOWS, _CUTS, MEASURES):
        window = Period(today - timedelta(days=days - 1), today)
        rows = rank_of(dimension, window, measure, POOL, most_s=_MOST_S)
        db.session.rollback()
        about = {"days": days, "cut": dimension.value, "measure": measure, "last_on": today}
        places += _replace(about=about, rows=rows)
    return places


@in_transaction
def _replace(*, about: dict[str, Any], rows: Iterable[Any]) -> int:
    lock_rollups()
    same = [_RANK.c[name] == about[name] for name in ("days", "cut", "measure")]
    connection().execute(delete(_RANK).where(*same))
    new = [about | {"currency": row.currency, "place": row.place, "key": row.key} for row in rows]
    if new:
        connection().execute(insert(_RANK), new)
    return len(new)
