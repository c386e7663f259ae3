"""Which prices may stand otherwise than when they were compared last: visits, changes of ours, and what grew old.

Each is read along an index from an instant on, some rows at a time; one row may be told several times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from app.analytics.models.prices import PriceGap
from app.analytics.rules.price_index import STALE_AFTER
from app.core.extensions import db
from app.core.pagination import behind
from app.products.changes import DELETED
from app.products.models.products import ProductUpdate
from app.products.queries.updates import number_before
from app.rpa.models.observations import Observation

CHUNK: Final = 500
_OURS: Final = ("price", "is_active", DELETED)
_VISITS: Final = [(Observation.observed_at, False), (Observation.id, False)]
_AGED: Final = [(PriceGap.observed_at, False), (PriceGap.product_id, False), (PriceGap.storefront_id, False)]


@dataclass(frozen=True, slots=True)
class News:
    """Products to compare again; ``storefront_ids`` None: at all storefronts."""

    product_ids: list[int]
    storefront_ids: list[int] | None


def read_news(*, since: datetime, now: datetime) -> Iterator[News]:
    """All that may stand otherwise than at ``since``; no transaction is open while one is looked at."""
    yield from _visited(since)
    yield from _changed(since)
    yield from _aged(since, now)


def _visited(since: datetime) -> Iterator[News]:
    """What was visited since then."""
    visits = select(Observation.observed_at, Observation.id, Observation.product_id, Observation.storefront_id)
    for rows in _walk(visits.where(Observation.observed_at >= since), _VISITS):
        yield _news(rows)


def _changed(since: datetime) -> Iterator[News]:
    """What changed of our products since then; of prices of storefronts as well, also those that people accepted."""
    db.session.rollback()
    first = number_before(since)
    updates = select(ProductUpdate.id, ProductUpdate.product_id).where(
        ProductUpdate.attribute.in_(_OURS), ProductUpdate.id > first
    )
    for rows in _walk(updates, [(ProductUpdate.id, False)]):
        yield News(sorted({row.product_id for row in rows}), None)


def _aged(since: datetime, now: datetime) -> Iterator[News]:
    """What was too old to count by ``now`` and was not by ``since``."""
    old = select(PriceGap.observed_at, PriceGap.product_id, PriceGap.storefront_id).where(
        PriceGap.observed_at >= since - STALE_AFTER, PriceGap.observed_at <= now - STALE_AFTER
    )
    for rows in _walk(old, _AGED):
        yield _news(rows)


def _news(rows: Sequence[Any]) -> News:
    return News(sorted({row.product_id for row in rows}), sorted({row.storefront_id for row in rows}))


def _walk(wanted: Any, keys: list[tuple[Any, bool]]) -> Iterator[Sequence[Any]]:
    """All rows in the order of these keys, some at a time, each a read of its own."""
    columns = [column for column, _ in keys]
    some = wanted.order_by(*columns).limit(CHUNK)
    while True:
        db.session.rollback()
        rows = db.session.execute(some).all()
        db.session.rollback()
        if rows:
            yield rows
        if len(rows) < CHUNK:
            return
        some = wanted.where(behind(keys, [getattr(rows[-1], column.key) for column in columns]))
        some = some.order_by(*columns).limit(CHUNK)
