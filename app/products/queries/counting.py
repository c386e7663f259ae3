"""Which products are counted for facets: all that fit where an index leaves few enough, else those next to its ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row

from app.core.reading import reading
from app.products.queries.walks import LOOK_AT, SETS, WALKS, Shape, bound_of, counted_of, size_of

WINDOW: Final = sum(LOOK_AT)
"""How many rows are looked at from either end of an index: as many as the first page of a list, in either order."""
ENOUGH: Final = 100
"""Of so many no further index is looked at for more."""

Given = Mapping[str, Any]
Position = Sequence[Any] | None
Counted = tuple[list[Row[Any]], bool]


def products_to_count(given: Given, *, most: int) -> Counted:
    """What is counted of the products that fit all filters given, and whether these are all that fit.

    They are all where the index of one filter leaves at most ``most``, or where all that there is could be looked at.
    Else they are at most ``most``, the newest first, from where a list in the order of creation looks too: there is
    one of them whenever such a list shows one on its first page.
    """
    with reading() as connection:
        sizes = {name: _size(connection, name, given, most + 1) for name in _indexed(given)}
        narrowest = min(sizes, key=lambda name: sizes[name], default=None)
        if narrowest is not None and sizes[narrowest] <= most:
            return _rows(connection, narrowest, WALKS[narrowest].order, given, most, None), True
        best: Counted = ([], False)
        for name in _walks(sizes):
            found = _near_ends(connection, name, given, most)
            best = max(best, found, key=lambda one: (one[1], len(one[0])))
            if best[1] or len(best[0]) >= min(ENOUGH, most):
                break
        return best


def _indexed(given: Given) -> list[str]:
    found = [name for name in ("asin", "gtin") if name in given]
    return found + [name for name, needed in SETS.items() if needed & given.keys()]


def _walks(sizes: Mapping[str, int]) -> list[str]:
    """The walks to take until enough is found: first those that meet new and old products, whatever they cost."""
    by_number = [name for name in sorted(sizes, key=lambda one: sizes[one]) if WALKS[name].order == "created"]
    others = [name for name in sizes if name not in by_number]
    return [*(by_number or ["created"]), *others]


def _near_ends(connection: Connection, walk: str, given: Given, most: int) -> Counted:
    order = WALKS[walk].order
    last = _bound(connection, walk, f"-{order}", given)
    rows = _rows(connection, walk, f"-{order}", given, most + 1, last)
    if len(rows) > most or last is None:
        return rows[:most], len(rows) <= most
    first = _bound(connection, walk, order, given)
    meet = first is None or first >= last
    further = _rows(connection, walk, order, given, most + 1, last if meet else first)
    different = {row.id: row for row in (*rows, *further)}
    found = list(different.values())
    return found[:most], meet and len(further) <= most and len(found) <= most


def _rows(connection: Connection, walk: str, sort: str, given: Given, limit: int, until: Position) -> list[Row[Any]]:
    shape = Shape(walk, sort, frozenset(given), begins=False, ends=until is not None)
    ends = {f"to{number}": value for number, value in enumerate(until or ())}
    return connection.execute(counted_of(shape), {**given, **ends, "limit": limit}).all()  # type: ignore[return-value]  # a Row is typed as a tuple


def _bound(connection: Connection, walk: str, sort: str, given: Given) -> list[Any] | None:
    """The position WINDOW rows from the beginning of a walk; None where it ends before that."""
    filters = frozenset(given) & WALKS[walk].fixed
    shape = Shape(walk, sort, filters, begins=False, ends=False)
    values = {name: given[name] for name in filters}
    found = connection.execute(bound_of(shape), {**values, "offset": WINDOW}).first()
    return None if found is None else list(found)


def _size(connection: Connection, name: str, given: Given, limit: int) -> int:
    filters = frozenset(given) & WALKS[name].fixed
    values = {filter_: given[filter_] for filter_ in filters}
    size: int = connection.execute(size_of(name, filters), {**values, "limit": limit}).scalar_one()
    return size
