"""A search as pages of a list: the order is decided once, later pages show more of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Final

import orjson
from sqlalchemy import Row, select

from app.core.cache import cache
from app.core.cursors import CursorRefused, open_cursor, seal_cursor
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.pagination import MAX_LIMIT, Page
from app.products.queries.listing import read_products
from app.products.queries.walks import PRODUCT, keys_of
from app.products.search.finding import find
from app.products.search.port import Filters, Found, Query

KEPT_S: Final = 600
"""How long the order that a first page was taken from is kept, for the pages that follow."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: how many are before it, the last one of those, and under which key the order is kept."""

    query: str
    kept: str
    offset: int
    last: int


def search_products(
    *, q: str, limit: int, cursor: str | None = None, sort: str | None = None, **filters: Any
) -> Page[Row[Any]]:
    """Products for what was typed, the best first or, with ``sort``, in that order; ``search`` says how it was meant.

    Pages after the first go on in the order of the first one for KEPT_S seconds, whatever is written meanwhile; what
    was deleted is left out, so that a page may be short. Later, or without Redis, it is searched again, and they go
    on behind the last product that was shown, if it is still found. Raises Invalid for a cursor of another search.
    """
    query = Query(q, Filters(**filters))
    name = _name_of(query, sort)
    place = None if cursor is None else _read(cursor, name)
    found = None if place is None else _kept(place.kept)
    offset = 0 if place is None else place.offset
    if found is None:
        found = _find(query, sort)
        if place is not None and place.last in found.ids:
            offset = found.ids.index(place.last) + 1
        place = None
    end = offset + max(1, min(limit, MAX_LIMIT))
    ids = found.ids[offset:end]
    following = None
    if len(found.ids) > end:
        key = _keep(found) if place is None else place.kept
        following = _write(_Place(name, key, end, ids[-1]))
    return Page(read_products(ids) if ids else [], following, found)


def _find(query: Query, sort: str | None) -> Found:
    found = find(query)
    if sort is None or not found.ids:
        return found
    keys = [column.desc() if down else column.asc() for column, down in keys_of(sort)]
    ordered = select(PRODUCT.id).where(PRODUCT.id.in_(found.ids)).order_by(*keys)
    return Found(list(db.session.scalars(ordered)), found.is_capped, found.corrected, found.answered_by)


def _name_of(query: Query, sort: str | None) -> str:
    parts: Mapping[str, Any] = asdict(query.filters)
    return blake2b(orjson.dumps([query.text, parts, sort]), digest_size=9).hexdigest()


def _keep(found: Found) -> str:
    key = secrets.token_hex(8)
    cache().keep(f"search:{key}", orjson.dumps(asdict(found)), seconds=KEPT_S)
    return key


def _kept(key: str) -> Found | None:
    found = cache().find(f"search:{key}")
    return None if found is None else Found(**orjson.loads(found))


def _write(place: _Place) -> str:
    return seal_cursor([place.query, place.kept, place.offset, place.last])


def _read(cursor: str, query: str) -> _Place:
    try:
        place = _Place(*open_cursor(cursor))
        if place.query != query:
            raise CursorRefused(cursor)
    except (ValueError, TypeError):
        raise Invalid.field("/cursor", "is not a cursor of this search.", place="query") from None
    return place
