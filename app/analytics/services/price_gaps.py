"""Where storefronts' prices stand against ours, product by product: worked out and written where it differs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from app.analytics.models.prices import PriceGap
from app.analytics.rules.price_index import Comparison, compare, log_ratio
from app.core.extensions import db
from app.core.many_rows import is_among, upsert
from app.core.orm import table_of
from app.core.pagination import behind, up_to
from app.core.transactions import connection, in_transaction
from app.products.models.products import Product
from app.rpa.models.observations import ObservationCurrent
from app.rpa.rules.changes import money_of

CHUNK: Final = 1_000
"""Prices that one step of the walk compares."""
BEGINNING: Final = (0, 0)
Key = tuple[int, int]
"""The ids of a product and a storefront."""
_SEEN: Final = [(ObservationCurrent.product_id, False), (ObservationCurrent.storefront_id, False)]
_KEPT: Final = [(PriceGap.product_id, False), (PriceGap.storefront_id, False)]
_GAP: Final = table_of(PriceGap)
_Gaps = Mapping[Key, dict[str, Any]]


@in_transaction
def compare_next(*, after: Key, now: datetime) -> Key | None:
    """Compare the next prices in the order of their key; where to go on, None at the end."""
    some = _prices(behind(_SEEN, after)).order_by(*(column for column, _ in _SEEN)).limit(CHUNK)
    seen = db.session().execute(some).all()
    last = (seen[-1].product_id, seen[-1].storefront_id) if len(seen) == CHUNK else None
    kept = [behind(_KEPT, after)] if last is None else [behind(_KEPT, after), up_to(_KEPT, last)]
    _write(found=_gaps(seen, now), kept=_kept(*kept))
    return last


@in_transaction
def compare_some(*, product_ids: Sequence[int], storefront_ids: Collection[int] | None, now: datetime) -> None:
    """Compare what these storefronts (None: all) have shown of these products."""
    seen, kept = [is_among(ObservationCurrent.product_id, product_ids)], [is_among(PriceGap.product_id, product_ids)]
    if storefront_ids is not None:
        seen.append(ObservationCurrent.storefront_id.in_(storefront_ids))
        kept.append(PriceGap.storefront_id.in_(storefront_ids))
    _write(found=_gaps(db.session().execute(_prices(*seen)).all(), now), kept=_kept(*kept))


def _prices(*which: ColumnElement[bool]) -> Any:
    """The prices that were seen, whether or not we sell the product.

    Joined with products, MariaDB would begin with those, and sort all there are for every step.
    """
    columns = (ObservationCurrent.product_id, ObservationCurrent.storefront_id, ObservationCurrent.value)
    return select(*columns, ObservationCurrent.observed_at).where(ObservationCurrent.attribute == "price", *which)


def _gaps(seen: Sequence[Any], now: datetime) -> _Gaps:
    ours = _ours(db.session(), {row.product_id for row in seen})
    gaps = (_gap(row, ours[row.product_id], now) for row in seen if row.product_id in ours)
    return {(gap["product_id"], gap["storefront_id"]): gap for gap in gaps if gap}


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


def _kept(*which: ColumnElement[bool]) -> _Gaps:
    """What was written the time before."""
    rows = db.session().execute(select(_GAP).where(*which)).mappings()
    return {(row["product_id"], row["storefront_id"]): dict(row) for row in rows}


def _write(*, found: _Gaps, kept: _Gaps) -> None:
    changed = [gap for key, gap in sorted(found.items()) if kept.get(key) != gap]
    if changed:
        upsert(connection(), _GAP, changed)
    for product_id, storefront_id in sorted(key for key in kept if key not in found):
        mine = delete(_GAP).where(_GAP.c.product_id == product_id, _GAP.c.storefront_id == storefront_id)
        connection().execute(mine)
