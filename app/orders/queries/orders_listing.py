"""The lists of orders: any filters, any order, and never more than a fixed number of orders looked at.

Few orders that fit a filter are fetched and sorted. Many are not: the list goes along an index in the order that is
asked for and leaves out what does not fit, through at most LOOK_AT orders. So a page may have fewer orders than were
asked for, even none, and still a cursor, with which the next one goes on where this one stopped looking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, func, select

from app.cart.shopper import Shopper
from app.core.pagination import MAX_LIMIT, Page, make_cursor, read_cursor
from app.core.reading import reading
from app.orders.models.fulfilment import Shipment
from app.orders.models.orders import OrderLine, OrderState
from app.orders.queries.orders_rows import COLUMNS
from app.orders.queries.orders_walks import (
    LOOK_AT,
    ORDER,
    WALKS,
    Shape,
    Sort,
    bound_of,
    keys_of,
    rows_of,
    size_of,
)
from app.products.models.products import Product

FEW: Final = 5_000
"""So many are fetched and sorted for one page."""
SORTS: Final[dict[str, Sort]] = {
    "newest": ("id", True),
    "oldest": ("id", False),
    "total": ("total", False),
    "-total": ("total", True),
}
"""By its number an order is newer or older; where days of placing are asked for, by when it was placed."""
_PLACED: Final = frozenset({"placed_from", "placed_to"})
_SHOWN: Final = [state for state in OrderState if state != OrderState.EXPIRED]
_LAST_CHARACTER: Final = "\U0010ffff"
_LINE: Final = OrderLine.__table__.c
_UNITS: Final = (
    select(func.coalesce(func.sum(_LINE.quantity), 0))
    .where(_LINE.order_id == ORDER.id)
    .scalar_subquery()
    .label("unit_count")
)
_SOME: Final = select(*COLUMNS, _UNITS).where(ORDER.id.in_(bindparam("ids", expanding=True)))
_OF_TRACKING: Final = (
    select(Shipment.order_id).where(Shipment.tracking_number == bindparam("tracking_number")).limit(FEW)
)
_OF_ASIN: Final = select(Product.id).where(Product.asin == bindparam("asin"))
_OF_CART: Final = select(ORDER.id).where(ORDER.cart_id == bindparam("cart_id"))

Given = Mapping[str, Any]
Position = Sequence[Any] | None


def list_orders(*, limit: int, cursor: str | None = None, sort: str = "newest", **filters: Any) -> Page[Row[Any]]:
    """Orders that fit every filter given, with how many units they have, in the order ``sort``.

    Filters: order_id, cart_id, customer (the user's id), email, product (an id), asin, tracking_number, recipient and
    postal_code (as ``app.orders.addresses`` spells them; of the recipient the beginning is enough), state,
    payment_state, fulfilment_state, payment_method, attention (each one value or a list), coupon, placed_from and
    placed_to (instants; the second is not included), total_min and total_max (minor units); None is none. Raises
    Invalid for a cursor of another order.
    """
    given, several = _split({name: value for name, value in filters.items() if value is not None})
    name, down = SORTS[sort]
    if name == "id" and _PLACED & given.keys():
        name = "placed"
    after: Position = read_cursor(cursor, keys_of((name, down))) if cursor else None
    bounded = max(1, min(limit, MAX_LIMIT))
    with reading() as connection:
        found = _with_numbers(connection, given)
        if found is None:
            return Page([], None)
        page = _Reader(connection, found, several, (name, down)).page(after, bounded)
        return Page(_orders(connection, page.items), page.next_cursor)


def list_own_orders(shopper: Shopper, *, limit: int, cursor: str | None = None, state: str | None = None) -> Page[Any]:
    """A shopper's own orders, newest first: those of their account, or the one that a guest's cart has become.

    Without ``state`` checkouts that have expired are left out.
    """
    shown = [state] if state is not None else _SHOWN
    if shopper.user_id is not None:
        return list_orders(limit=limit, cursor=cursor, customer=shopper.user_id, state=shown)
    if shopper.guest_cart_id is not None:
        return list_orders(limit=limit, cursor=cursor, cart_id=shopper.guest_cart_id, state=shown)
    return Page([], None)


def _split(given: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """Filters with one value each, or a list where there are several; and the names of these."""
    several = set()
    for name, value in list(given.items()):
        if isinstance(value, list | tuple | set | frozenset):
            values = sorted(set(value))
            given[name] = values if len(values) > 1 else values[0]
            if len(values) > 1:
                several.add(name)
    if "recipient" in given:
        given["recipient_end"] = given["recipient"] + _LAST_CHARACTER
    return given, frozenset(several)


def _with_numbers(connection: Connection, given: dict[str, Any]) -> dict[str, Any] | None:
    """Filters with what they lead to instead of what was typed; None where one leads to nothing."""
    if "asin" in given:
        product = connection.scalar(_OF_ASIN, {"asin": given.pop("asin")})
        if product is None or given.get("product", product) != product:
            return None
        given["product"] = product
    sets: list[set[int]] = []
    if "order_id" in given:
        sets.append({given.pop("order_id")})
    if "tracking_number" in given:
        sets.append(set(connection.scalars(_OF_TRACKING, {"tracking_number": given.pop("tracking_number")})))
    if "cart_id" in given:
        sets.append(set(connection.scalars(_OF_CART, {"cart_id": given.pop("cart_id")})))
    if not sets:
        return given
    ids = set.intersection(*sets)
    return {**given, "ids": sorted(ids)} if ids else None


class _Reader:
    """Reads one page of the numbers of orders."""

    def __init__(self, connection: Connection, given: Given, several: frozenset[str], sort: Sort) -> None:
        self._connection = connection
        self._given = given
        self._filters = frozenset(given) - {"recipient_end"}
        self._several = several
        self._sort = sort

    def page(self, after: Position, limit: int) -> Page[Row[Any]]:
        """The rows behind a position."""
        walk, is_few = self._choose()
        if is_few or not self._filters - WALKS[walk].fixed:
            return self._cut(self._rows(walk, limit + 1, after, None), limit)
        rows: list[Row[Any]] = []
        for count in LOOK_AT:
            bound = self._bound(walk, after, count)
            rows += self._rows(walk, limit + 1 - len(rows), after, bound)
            if len(rows) > limit or bound is None:
                return self._cut(rows, limit)
            after = bound
        return Page(rows, make_cursor(list(after or ()), keys_of(self._sort)))

    def _choose(self) -> tuple[str, bool]:
        """The walk to take, and whether it meets so few that they can be sorted."""
        if "ids" in self._filters:
            return "ids", True
        sets = [name for name, walk in WALKS.items() if walk.fixed & self._filters]
        along = [name for name in sets if self._is_along(name)]
        if len(sets) == 1 and along:
            return sets[0], False
        sizes = {name: self._size(name) for name in sets}
        if sizes and min(sizes.values()) <= FEW:
            return min(sizes, key=lambda name: sizes[name]), True
        return (along[0] if along else self._sort[0]), False

    def _is_along(self, name: str) -> bool:
        return WALKS[name].order == self._sort[0] and not WALKS[name].fixed & self._several

    def _size(self, name: str) -> int:
        size: int = self._connection.execute(size_of(self._shape(name)), {**self._given, "limit": FEW + 1}).scalar_one()
        return size

    def _rows(self, walk: str, limit: int, after: Position, until: Position) -> list[Row[Any]]:
        shape = self._shape(walk, begins=after is not None, ends=until is not None)
        values = {**self._given, "limit": limit, **_numbered("from", after), **_numbered("to", until)}
        return self._connection.execute(rows_of(shape), values).all()  # type: ignore[return-value]  # a Row is typed as a tuple

    def _bound(self, walk: str, after: Position, count: int) -> Sequence[Any] | None:
        """The position ``count`` rows of the walk further on; None where it ends before that."""
        shape = self._shape(walk, begins=after is not None)
        values = {**self._given, "offset": count, **_numbered("from", after)}
        found = self._connection.execute(bound_of(shape), values).first()
        return None if found is None else list(found)

    def _shape(self, walk: str, *, begins: bool = False, ends: bool = False) -> Shape:
        return Shape(walk, self._sort, self._filters, self._several, begins, ends)

    def _cut(self, rows: list[Row[Any]], limit: int) -> Page[Row[Any]]:
        more = len(rows) > limit
        rows = rows[:limit]
        return Page(rows, make_cursor(list(rows[-1]), keys_of(self._sort)) if more else None)


def _numbered(prefix: str, position: Position) -> dict[str, Any]:
    return {f"{prefix}{number}": value for number, value in enumerate(position or ())}


def _orders(connection: Connection, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The orders of some rows, whose last column is the id, in their order."""
    ids = [row[-1] for row in rows]
    found: dict[int, Any] = {row.id: row for row in connection.execute(_SOME, {"ids": ids})} if ids else {}
    return [found[id_] for id_ in ids if id_ in found]
