"""Keyset pages: an opaque cursor, at most 100 rows, no counting; page 9,000 costs what page 1 costs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, and_, or_

from app.core.cursors import open_cursor, refused_cursor, seal_cursor
from app.core.extensions import db

T = TypeVar("T")

MAX_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and the cursor of the next page (None on the last one)."""

    items: list[T]
    next_cursor: str | None
    search: Any = None
    """What a search has to say of itself; None in lists that are none."""


def fetch_page(
    select: Select[Any], *, keys: Sequence[tuple[Any, bool]], limit: int, cursor: str | None, scalars: bool = True
) -> Page[Any]:
    """Run a select as one page.

    ``keys`` are the ORM columns it is ordered by with True for descending; together they must be unique and not null.
    Raises Invalid for a cursor that was not made by the same list.
    """
    bounded = max(1, min(limit, MAX_LIMIT))
    if cursor:
        select = select.where(behind(keys, _decode(cursor, keys)))
    select = select.order_by(*(column.desc() if down else column.asc() for column, down in keys)).limit(bounded + 1)
    result = db.session.execute(select)
    rows: list[Any] = list(result.scalars() if scalars else result)
    more = len(rows) > bounded
    rows = rows[:bounded]
    values: Callable[[Any], list[Any]] = lambda row: [getattr(row, column.key) for column, _ in keys]  # noqa: E731
    return Page(rows, seal_cursor([_order(keys), *values(rows[-1])]) if more else None)


def make_cursor(values: Sequence[Any], keys: Sequence[tuple[Any, bool]]) -> str:
    """The cursor behind a row with these values of ``keys``, for lists that fetch their rows themselves."""
    return seal_cursor([_order(keys), *values])


def read_cursor(cursor: str, keys: Sequence[tuple[Any, bool]]) -> list[Any]:
    """The values that a cursor was made of; raises Invalid for one that was not made by the same list."""
    return _decode(cursor, keys)


def behind(keys: Sequence[tuple[Any, bool]], values: Sequence[Any]) -> ColumnElement[bool]:
    """Rows behind ``values``, as ``a >= x AND (a > x OR id > y)``: MariaDB uses no index for a tuple comparison."""
    (column, down), rest = keys[0], keys[1:]
    beyond: ColumnElement[bool] = column < values[0] if down else column > values[0]
    if not rest:
        return beyond
    bound = column <= values[0] if down else column >= values[0]
    return and_(bound, or_(beyond, behind(rest, values[1:])))


def up_to(keys: Sequence[tuple[Any, bool]], values: Sequence[Any]) -> ColumnElement[bool]:
    """Rows up to and with ``values``, spelled likewise."""
    (column, down), rest = keys[0], keys[1:]
    bound: ColumnElement[bool] = column >= values[0] if down else column <= values[0]
    if not rest:
        return bound
    before = column > values[0] if down else column < values[0]
    return and_(bound, or_(before, up_to(rest, values[1:])))


def _order(keys: Sequence[tuple[Any, bool]]) -> int:
    """A number that tells one list's order from another's, so that their cursors are not mixed up."""
    return zlib.crc32(" ".join(f"{column} {down}" for column, down in keys).encode())


def _decode(cursor: str, keys: Sequence[tuple[Any, bool]]) -> list[Any]:
    try:
        order, *values = open_cursor(cursor)
        if order != _order(keys):
            raise ValueError(cursor)
        return [_typed(value, column.type.python_type) for value, (column, _) in zip(values, keys, strict=True)]
    except (ValueError, TypeError, OverflowError):
        raise refused_cursor() from None


def _typed(value: Any, kind: type[Any]) -> Any:
    """The value as its column takes it; what no database or only some would take is no cursor of ours."""
    if kind is datetime and isinstance(value, str):
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise ValueError(value)
        return instant.astimezone(UTC)
    if kind is date and isinstance(value, str):
        return date.fromisoformat(value)
    if type(value) is not kind or (kind is int and abs(value) >= 2**63) or (kind is str and "\0" in value):
        raise TypeError(kind)
    return value
