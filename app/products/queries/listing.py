"""The list of products: any filters, any order, and never more than a fixed number of products looked at.

Few products that fit a filter are fetched and sorted. Many are not: the list goes along an index in the order that is
asked for and leaves out what does not fit, through at most LOOK_AT products. So a page may have fewer products than
were asked for, even none, and still a cursor, with which the next one goes on where this one stopped looking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row

from app.core.pagination import MAX_LIMIT, Page, make_cursor, read_cursor
from app.core.reading import reading
from app.products.errors import ProductNotFound
from app.products.queries.walks import LOOK_AT, ONE, SETS, SOME, WALKS, Shape, bound_of, keys_of, rows_of, size_of

FEW: Final = 5_000
"""So many are fetched and sorted for one page."""
_LAST_ID: Final = 2**63 - 1

Given = Mapping[str, Any]
Position = Sequence[Any] | None


def read_product(product_id: int) -> Row[Any]:
    """A product as its schema shows it; raises ProductNotFound also for a deleted one."""
    with reading() as connection:
        found = connection.execute(ONE, {"id": product_id}).first()
    if found is None:
        raise ProductNotFound(f"There is no product {product_id}.")
    return found  # type: ignore[return-value]  # a Row is typed as the tuple it is like


def read_products(ids: Sequence[int]) -> list[Row[Any]]:
    """The same of several products, in the order of ``ids``; those that were deleted or never were are left out."""
    with reading() as connection:
        found: dict[int, Any] = {row.id: row for row in connection.execute(SOME, {"ids": list(ids)})}
    return [found[id_] for id_ in ids if id_ in found]


def list_products(*, limit: int, cursor: str | None = None, sort: str = "created", **filters: Any) -> Page[Row[Any]]:
    """Products that fit every filter given, as their schema shows them, in the order ``sort`` (``-price``: falling).

    Filters: brand, category (an id, with all below it), price_min and price_max (minor units), in_stock, is_active,
    asin and gtin; None is none. Raises Invalid for a cursor of another order.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    after: Position = read_cursor(cursor, keys_of(sort)) if cursor else None
    bounded = max(1, min(limit, MAX_LIMIT))
    with reading() as connection:
        walk, is_few = _choose(connection, sort.removeprefix("-"), given)
        if is_few:
            rows = _rows(connection, walk, sort, given, bounded + 1, after, None)
            return _page(rows, sort, bounded)
        if walk == "created" and not given and (after or sort == "created"):
            return _by_number(connection, sort, after or [0], bounded)
        return _go_along(connection, walk, sort, given, after, bounded)


def _choose(connection: Connection, order: str, given: Given) -> tuple[str, bool]:
    """The walk to take, and whether it meets so few that they can be sorted."""
    for name in ("asin", "gtin"):
        if name in given:
            return name, True
    sets = [name for name, needed in SETS.items() if needed & given.keys()]
    if not sets:
        return order, False
    if len(sets) == 1 and WALKS[sets[0]].order == order:
        return sets[0], False
    sizes = {name: _size(connection, name, given) for name in sets}
    smallest = min(sizes, key=lambda name: sizes[name])
    if sizes[smallest] <= FEW:
        return smallest, True
    return next((name for name in sets if WALKS[name].order == order), order), False


def _size(connection: Connection, name: str, given: Given) -> int:
    statement = size_of(name, frozenset(given) & WALKS[name].fixed)
    size: int = connection.execute(statement, {**given, "limit": FEW + 1}).scalar_one()
    return size


def _by_number(connection: Connection, sort: str, after: Sequence[int], limit: int) -> Page[Row[Any]]:
    """All products by their ids, which say by themselves how far to look; a gap between them is leapt over once."""
    step = -1 if sort.startswith("-") else 1
    rows: list[Row[Any]] = []
    for _ in LOOK_AT:
        last = max(-_LAST_ID, min(_LAST_ID, after[0] + step * LOOK_AT[-1]))
        rows += _rows(connection, "created", sort, {}, limit + 1 - len(rows), after, [last])
        if len(rows) > limit:
            break
        beyond = _bound(connection, "created", sort, {}, [last], 0)
        if beyond is None:
            break
        after = [beyond[0] - step]
    else:
        return Page(rows, make_cursor(after, keys_of(sort)))
    return _page(rows, sort, limit)


def _go_along(
    connection: Connection, walk: str, sort: str, given: Given, after: Position, limit: int
) -> Page[Row[Any]]:
    rows: list[Row[Any]] = []
    for count in LOOK_AT:
        bound = _bound(connection, walk, sort, given, after, count)
        rows += _rows(connection, walk, sort, given, limit + 1 - len(rows), after, bound)
        if len(rows) > limit or bound is None:
            return _page(rows, sort, limit)
        after = bound
    return Page(rows, make_cursor(list(after or ()), keys_of(sort)))


def _rows(
    connection: Connection, walk: str, sort: str, given: Given, limit: int, after: Position, until: Position
) -> list[Row[Any]]:
    shape = Shape(walk, sort, frozenset(given), begins=after is not None, ends=until is not None)
    values = {**given, "limit": limit, **_numbered("from", after), **_numbered("to", until)}
    return connection.execute(rows_of(shape), values).all()  # type: ignore[return-value]  # a Row is typed as a tuple


def _bound(
    connection: Connection, walk: str, sort: str, given: Given, after: Position, count: int
) -> Sequence[Any] | None:
    """The position ``count`` rows of the walk further on; None where it ends before that."""
    filters = frozenset(given) & WALKS[walk].fixed
    shape = Shape(walk, sort, filters, begins=after is not None, ends=False)
    values = {name: given[name] for name in filters}
    found = connection.execute(bound_of(shape), {**values, "offset": count, **_numbered("from", after)}).first()
    return None if found is None else list(found)


def _numbered(prefix: str, position: Position) -> dict[str, Any]:
    return {f"{prefix}{number}": value for number, value in enumerate(position or ())}


def _page(rows: list[Row[Any]], sort: str, limit: int) -> Page[Row[Any]]:
    if len(rows) <= limit:
        return Page(rows, None)
    keys = keys_of(sort)
    last = rows[limit - 1]
    return Page(rows[:limit], make_cursor([getattr(last, column.key) for column, _ in keys], keys))
