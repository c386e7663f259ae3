"""Reads of the update history: of one product, of all newest first, and of all in order for who follows it.

A list newest first goes through one index: that of the filter which stands first in _LEADING, and all other filters
are checked on at most MAX_LOOKED_AT rows of it. So no combination of filters makes a page slow; a page may be short
instead, and even empty, with a cursor to go on from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Select, and_, case, exists, false, func, select

from app.core.extensions import db
from app.core.orm import database_now
from app.core.pagination import Page, fetch_page, make_cursor, read_cursor
from app.products.errors import ProductNotFound, UpdateNotFound
from app.products.models.products import Product, ProductUpdate

MAX_LOOKED_AT: Final = 10_000
"""Rows whose further filters are checked for one page."""
_LOOKED_AT: Final = (500, MAX_LOOKED_AT - 500)
"""In two steps, because mostly the first is enough."""
FEED_WINDOW: Final = 5_000
"""Ids that one answer of the feed goes through."""
PATIENCE_S: Final = 60.0
"""How long a missing number may belong to a transaction that is still open: no statement may take longer."""
_LATE: Final = timedelta(minutes=10)
"""How much later than its ``created_at`` a row may be written; they stand in the table in nearly that order."""
_KEYS: Final = [(ProductUpdate.id, True)]
_NEWEST: Final = ProductUpdate.id.desc()
_PROBES: Final = 16
"""Places of the history that one statement looks at."""

_LEADING: Final = ("product_id", "operation_id", "job_id", "storefront_id", "actor_id", "attribute", "source")
"""Each has an index with the number behind it."""


def get_update(update_id: int) -> ProductUpdate:
    """One row of the history; raises UpdateNotFound."""
    update = db.session.get(ProductUpdate, update_id)
    if update is None:
        raise UpdateNotFound(f"There is no product update {update_id}.")
    return update


def list_history(product_id: int, *, limit: int, cursor: str | None = None) -> Page[ProductUpdate]:
    """The changes of one product, newest first, also of a deleted one; raises ProductNotFound."""
    if not db.session.scalar(select(exists().where(Product.id == product_id))):
        raise ProductNotFound(f"There is no product {product_id}.")
    return list_updates(limit=limit, cursor=cursor, product_id=product_id)


def list_updates(
    *,
    limit: int,
    cursor: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    **which: Any,
) -> Page[ProductUpdate]:
    """Changes of all products that fit every filter given, newest first; a page may be short (see above).

    ``which`` are values of columns, and ``asin``: the product that has this ASIN now. ``since`` is included, ``until``
    is not.
    """
    filters = _filters(which)
    if filters is None:
        return Page([], None)
    leading = filters.pop(next((name for name in _LEADING if name in filters), ""), [])
    checks = [check for part in filters.values() for check in part] + _times(since, until)
    listed = select(ProductUpdate).where(*leading, *_bounds(since, until))
    if not checks:
        return fetch_page(listed, keys=_KEYS, limit=limit, cursor=cursor)
    return _fetch_checked(listed, checks, limit=limit, cursor=cursor)


@dataclass(frozen=True, slots=True)
class Following:
    """What follows in the history; ``next_after_id`` is where to go on, also when nothing was found."""

    items: list[ProductUpdate]
    next_after_id: int
    is_end: bool


def list_following(
    *, after_id: int, limit: int, since: datetime | None = None, until: datetime | None = None, **which: Any
) -> Following:
    """Changes in the order of their numbers from behind ``after_id``: who goes on from ``next_after_id`` misses none.

    Numbers are given before transactions commit, so a row may appear behind one with a higher number. Where a number
    is missing the answer therefore ends, until the row is there or the number has been missing for PATIENCE_S: then it
    was given to a transaction that failed.
    """
    horizon, is_end = _horizon(after_id)
    filters = _filters(which)
    if filters is None:
        return Following([], horizon, is_end)
    checks = [check for part in filters.values() for check in part] + _times(since, until)
    wanted = select(ProductUpdate).where(ProductUpdate.id > after_id, ProductUpdate.id <= horizon, *checks)
    rows = list(db.session.scalars(wanted.order_by(ProductUpdate.id).limit(limit + 1)))
    if len(rows) > limit:
        return Following(rows[:limit], rows[limit - 1].id, is_end=False)
    return Following(rows, horizon, is_end)


def number_before(at: datetime | None) -> int:
    """A number behind which all rows are that were made at an instant or later, and few others; None: the last one."""
    if at is None:
        return db.session.scalar(select(func.max(ProductUpdate.id))) or 0
    first = select(func.min(ProductUpdate.id)).where(ProductUpdate.id >= _first_id(at - _LATE))
    found = db.session.scalar(first)  # from a row on, because a number that is missing may end what follows it
    return number_before(None) if found is None else found - 1


def _filters(which: Mapping[str, Any]) -> dict[str, list[ColumnElement[bool]]] | None:
    """Conditions by the filter they belong to; None where a filter fits nothing."""
    named = dict(which)
    if "asin" in named:
        product_id = db.session.scalar(select(Product.id).where(Product.asin == named.pop("asin")))
        if product_id is None or named.get("product_id", product_id) != product_id:
            return None
        named["product_id"] = product_id
    filters = {name: [getattr(ProductUpdate, name) == value] for name, value in named.items()}
    if "actor_id" in filters:
        filters["actor_id"] += filters.pop("actor_kind")
    return filters


def _fetch_checked(
    listed: Select[Any], checks: list[ColumnElement[bool]], *, limit: int, cursor: str | None
) -> Page[ProductUpdate]:
    """A page of the rows that pass ``checks``, of which at most MAX_LOOKED_AT are looked at: some, then the rest."""
    below = read_cursor(cursor, _KEYS)[0] if cursor else None
    passing: list[int] = []
    for size in _LOOKED_AT:
        seen = _look_at(listed, and_(*checks), size, below)
        fitting = select(seen.c.id).where(seen.c.fits == 1).order_by(seen.c.id.desc())
        found = db.session.scalars(fitting.limit(limit + 1))
        passing += [number for number in found if number not in passing]  # rows that came meanwhile move the next look
        if len(passing) > limit:
            return Page(_updates(passing[:limit]), make_cursor([passing[limit - 1]], _KEYS))
        count, below = db.session.execute(select(func.count(), func.min(seen.c.id)).select_from(seen)).one()
        if count < size:
            return Page(_updates(passing), None)
    return Page(_updates(passing), make_cursor([below], _KEYS))


def _look_at(listed: Select[Any], fits: ColumnElement[bool], size: int, below: int | None) -> CTE:
    """The numbers of the next ``size`` rows, and whether each fits.

    That is a column and no condition, so that no database is tempted to begin with another index.
    """
    ids = listed.with_only_columns(ProductUpdate.id, case((fits, 1), else_=0).label("fits"))
    if below is not None:
        ids = ids.where(ProductUpdate.id < below)
    return ids.order_by(_NEWEST).limit(size).cte("seen")


def _updates(ids: list[int]) -> list[ProductUpdate]:
    return list(db.session.scalars(select(ProductUpdate).where(ProductUpdate.id.in_(ids)).order_by(_NEWEST)))


def _times(since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    checks = [] if since is None else [ProductUpdate.created_at >= since]
    return checks if until is None else [*checks, ProductUpdate.created_at < until]


def _bounds(since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    """Between which numbers the rows of a time are: numbers and times grow together, but for _LATE."""
    bounds = [] if since is None else [ProductUpdate.id >= _first_id(since - _LATE)]
    return bounds if until is None else [*bounds, ProductUpdate.id <= _first_id(until + _LATE)]


def _first_id(at: datetime) -> int:
    """About the number of the first row that was made at an instant or later; a few quick reads narrow it down."""
    low, high = 1, (db.session.scalar(select(func.max(ProductUpdate.id))) or 0) + 1
    while low < high:
        probes = list(range(low, high, math.ceil((high - low) / _PROBES)))
        made = db.session.execute(select(*(_made_from(probe) for probe in probes))).one()
        later = next((place for place, when in enumerate(made) if when is None or when >= at), len(probes))
        if later < len(probes):
            high = probes[later]
        if later > 0:
            low = probes[later - 1] + 1
    return low


def _made_from(number: int) -> ColumnElement[datetime]:
    """When the first row from a number on was made."""
    rows = select(ProductUpdate.created_at).where(ProductUpdate.id >= number)
    return rows.order_by(ProductUpdate.id).limit(1).scalar_subquery()


def _horizon(after_id: int) -> tuple[int, bool]:
    """Up to which number everything behind ``after_id`` has been written, and whether there is nothing more.

    One statement, so that it looks at one moment.
    """
    session = db.session()
    rows = select(ProductUpdate.id, ProductUpdate.created_at).where(ProductUpdate.id > after_id)
    window = rows.order_by(ProductUpdate.id).limit(FEED_WINDOW).cte("following")
    before = func.coalesce(func.lag(window.c.id).over(order_by=window.c.id), after_id)
    steps = select(window.c.id, window.c.created_at, before.label("before")).cte("steps")
    is_open = steps.c.id != steps.c.before + 1
    if session.get_bind().dialect.name == "sqlite":  # one writer at a time: numbers are in the order of commits
        is_open = false()
    else:
        is_open &= steps.c.created_at > database_now(session, plus_s=-PATIENCE_S)
    summary = select(func.count(), func.max(steps.c.id), func.min(case((is_open, steps.c.before))))
    count, last, known = session.execute(summary.select_from(steps)).one()
    if known is not None:
        return known, True
    return (last, count < FEED_WINDOW) if count else (after_id, True)
