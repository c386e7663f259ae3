"""Comparing prices: every product that a storefront has shown a price of with ours, and what it comes to today.

The timetable asks for it. It walks the last known values in the order of their key, some in a transaction, and writes
what differs from the time before; two walks at once write the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, case, delete, func, select
from sqlalchemy.orm import Session

from app.analytics.models.prices import PriceGap, PriceIndexDay
from app.analytics.rules.price_index import Comparison, compare, log_ratio
from app.core.extensions import db
from app.core.many_rows import upsert
from app.core.orm import table_of
from app.core.pagination import behind, up_to
from app.core.transactions import connection, in_transaction
from app.orders.services.sales import day_of
from app.products.models.products import Product
from app.rpa.models.observations import ObservationCurrent
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.changes import money_of

CHUNK: Final = 1_000
_Key = tuple[int, int]
_BEGINNING: Final = (0, 0)
_SEEN: Final = [(ObservationCurrent.product_id, False), (ObservationCurrent.storefront_id, False)]
_KEPT: Final = [(PriceGap.product_id, False), (PriceGap.storefront_id, False)]
_GAP: Final = table_of(PriceGap)
SELLABLE: Final = and_(Product.is_active.is_(True), Product.deleted_at.is_(None))


def compare_prices(*, now: datetime) -> None:
    """Bring what is known of storefronts' prices up to date, and today's index of each."""
    after: _Key | None = _BEGINNING
    while after is not None:
        after = _compare_some(after=after, now=now)
    _sum_up(now=now)


@in_transaction
def _compare_some(*, after: _Key, now: datetime) -> _Key | None:
    """Compare the next prices; where to go on, None at the end."""
    session = db.session()
    seen = _seen(session, after)
    ours = _ours(session, {row.product_id for row in seen})
    last = (seen[-1].product_id, seen[-1].storefront_id) if len(seen) == CHUNK else None
    gaps = (_gap(row, ours[row.product_id], now) for row in seen if row.product_id in ours)
    found = {(gap["product_id"], gap["storefront_id"]): gap for gap in gaps if gap}
    kept = _kept(session, after, last)
    changed = [gap for key, gap in found.items() if kept.get(key) != gap]
    if changed:
        upsert(connection(), _GAP, changed)
    gone = [key for key in kept if key not in found]
    for product_id, storefront_id in gone:
        mine = delete(_GAP).where(_GAP.c.product_id == product_id, _GAP.c.storefront_id == storefront_id)
        connection().execute(mine)
    return last


def _seen(session: Session, after: _Key) -> Sequence[Any]:
    """The next prices that were seen, whether or not we sell the product.

    Joined with products, MariaDB would begin with those, and sort all there are for every step.
    """
    columns = (ObservationCurrent.product_id, ObservationCurrent.storefront_id, ObservationCurrent.value)
    prices = select(*columns, ObservationCurrent.observed_at).where(
        ObservationCurrent.attribute == "price", behind(_SEEN, after)
    )
    return session.execute(prices.order_by(*(column for column, _ in _SEEN)).limit(CHUNK)).all()


def _ours(session: Session, ids: Collection[int]) -> Mapping[int, Any]:
    """What we ask for those of these products that we sell, by their id."""
    columns = (Product.id, Product.price_minor, Product.currency, Product.is_active, Product.deleted_at)
    rows = session.execute(select(*columns).where(Product.id.in_(ids)))  # by the primary key, and by nothing else
    return {row.id: row for row in rows if row.is_active and row.deleted_at is None}


def _gap(row: Any, ours: Any, now: datetime) -> dict[str, Any] | None:
    """The row of a price that was seen; None of a text that is no price."""
    theirs = money_of(row.value)
    if theirs is None:
        return None
    prices = {"our_minor": ours.price_minor, "their_minor": theirs.minor, "their_currency": theirs.currency}
    verdict = compare(currency=ours.currency, age=now - row.observed_at, **prices)
    return {
        "product_id": row.product_id,
        "storefront_id": row.storefront_id,
        "comparison": str(verdict),
        "currency": ours.currency,
        **prices,
        "log_ratio": log_ratio(theirs.minor, ours.price_minor) if verdict is Comparison.COMPARED else None,
        "observed_at": row.observed_at,
    }


def _kept(session: Session, after: _Key, last: _Key | None) -> Mapping[_Key, dict[str, Any]]:
    """What was written the time before of the same part of the walk."""
    rows = select(_GAP).where(behind(_KEPT, after))
    if last is not None:
        rows = rows.where(up_to(_KEPT, last))
    return {(row["product_id"], row["storefront_id"]): dict(row) for row in session.execute(rows).mappings()}


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
