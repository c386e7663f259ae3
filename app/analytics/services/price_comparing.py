"""Comparing prices: every product that a storefront has shown a price of with ours, and what it comes to today.

The timetable asks for it. The first time of a day it walks all last known values, afterwards it looks at what is new
since the time before; two at once write the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, case, func, select

from app.analytics.models.prices import PriceGap, PriceIndexDay
from app.analytics.rules.price_index import Comparison
from app.analytics.services.price_gaps import BEGINNING, Key, compare_next, compare_some
from app.analytics.services.price_news import read_news
from app.core.extensions import db
from app.core.many_rows import upsert
from app.core.orm import table_of
from app.core.transactions import connection, in_transaction
from app.orders.services.sales import day_of
from app.products.models.products import Product
from app.rpa.models.storefronts import Storefront

OVERLAP: Final = timedelta(minutes=15)
"""Longer than a transaction takes and clocks of machines differ."""
SELLABLE: Final = and_(Product.is_active.is_(True), Product.deleted_at.is_(None))


def compare_prices(*, now: datetime, anew: bool = False) -> None:
    """Bring what is known of storefronts' prices up to date, and today's index of each.

    ``anew``: compare all there are, as the first time of each day.
    """
    last = None if anew else _last_compared(now)
    if last is None:
        _compare_all(now)
    else:
        for news in read_news(since=last - OVERLAP, now=now):
            compare_some(product_ids=news.product_ids, storefront_ids=news.storefront_ids, now=now)
    _sum_up(now=now)


def _last_compared(now: datetime) -> datetime | None:
    """When prices were compared last today."""
    db.session.rollback()
    found: datetime | None = db.session.scalar(
        select(func.max(PriceIndexDay.computed_at)).where(PriceIndexDay.day == day_of(now))
    )
    return found


def _compare_all(now: datetime) -> None:
    after: Key | None = BEGINNING
    while after is not None:
        after = compare_next(after=after, now=now)


@in_transaction
def _sum_up(*, now: datetime) -> None:
    """Write today's index of every storefront."""
    session = db.session()
    products = session.scalar(select(func.count()).select_from(Product).where(SELLABLE)) or 0
    sums = {row.storefront_id: row._mapping for row in session.execute(_SUMS)}  # noqa: SLF001  # SQLAlchemy's name for it is public
    rows = [
        {"day": day_of(now), "storefront_id": shop_id, "products": products}
        | {name: int(sums[shop_id][name]) if shop_id in sums else 0 for name in SUMMED}
        | {"computed_at": now}
        for shop_id in session.scalars(select(Storefront.id).order_by(Storefront.id))
    ]
    if rows:
        upsert(connection(), table_of(PriceIndexDay), rows)


def _count(condition: Any) -> Any:
    return func.sum(case((condition, 1), else_=0))


_SUMS: Final = select(
    PriceGap.storefront_id,
    func.count(PriceGap.log_ratio).label("compared"),
    _count(PriceGap.log_ratio < 0).label("cheaper"),
    _count(PriceGap.log_ratio > 0).label("dearer"),
    _count(PriceGap.comparison == Comparison.OTHER_CURRENCY).label("other_currency"),
    _count(PriceGap.comparison == Comparison.STALE).label("stale"),
    _count(PriceGap.comparison == Comparison.FREE).label("free"),
    func.coalesce(func.sum(PriceGap.log_ratio), 0).label("log_sum"),
).group_by(PriceGap.storefront_id)
SUMMED: Final = ("compared", "cheaper", "dearer", "other_currency", "stale", "free", "log_sum")
