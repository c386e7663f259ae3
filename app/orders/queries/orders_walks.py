"""How a list of orders is read: along which index, from where to where, and what is left to be compared.

Every statement is built once for its shape and gets values as parameters: building one takes as long as running it.
What is read here are the numbers of orders and what they are sorted by; the orders themselves come in one read more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import ge, le, lt
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, func, select

from app.core.pagination import behind, up_to
from app.core.reading import plain
from app.orders.models.orders import Order, OrderLine

ORDER: Final = Order.__table__.c
_LINE: Final = OrderLine.__table__.c

ORDERS: Final = {
    "id": (ORDER.id,),
    "placed": (ORDER.placed_at, ORDER.id),
    "total": (ORDER.total_minor, ORDER.id),
}
"""What each order is made of."""
LOOK_AT: Final = (1_000, 10_000)
"""How far a page goes along an index for what fits: first a bit, then on, then it ends."""

Keys = list[tuple[Any, bool]]
Sort = tuple[str, bool]
"""One of ORDERS, and True for descending."""


def keys_of(sort: Sort) -> Keys:
    """The columns of an order, with True for descending."""
    name, down = sort
    return [(column, down) for column in ORDERS[name]]


@dataclass(frozen=True, slots=True)
class Walk:
    """Rows of one index; ``fixed`` filters are what the index begins with."""

    index: str
    fixed: frozenset[str]
    order: str | None = "id"
    """The order that its rows have, where each of its filters has one value; None: none of ours."""
    id: Any = ORDER.id
    """The column of the driving table that is the order's id."""

    @property
    def table(self) -> Any:
        """What drives: order, or a table that leads to it."""
        return self.id.table


WALKS: Final = {
    "ids": Walk("PRIMARY", frozenset({"ids"}), order=None),
    "product": Walk("ix_order_line_product", frozenset({"product"}), id=_LINE.order_id),
    "customer": Walk("ix_order_user", frozenset({"customer"})),
    "email": Walk("ix_order_email", frozenset({"email"})),
    "recipient": Walk("ix_order_recipient", frozenset({"recipient"}), order=None),
    "postal_code": Walk("ix_order_postal", frozenset({"postal_code"})),
    "coupon": Walk("ix_order_coupon", frozenset({"coupon"})),
    "attention": Walk("ix_order_attention", frozenset({"attention"})),
    "fulfilment_state": Walk("ix_order_fulfilment", frozenset({"fulfilment_state"})),
    "payment_state": Walk("ix_order_payment", frozenset({"payment_state"})),
    "state": Walk("ix_order_state", frozenset({"state"})),
    "placed": Walk("ix_order_placed", frozenset({"placed_from", "placed_to"}), order="placed"),
    "total": Walk("ix_order_total", frozenset({"total_min", "total_max"}), order="total"),
    "id": Walk("PRIMARY", frozenset()),
}
"""All walks, those that mostly meet the fewest first."""
_COLUMNS: Final[dict[str, Any]] = {
    "ids": ORDER.id,
    "product": _LINE.product_id,
    "customer": ORDER.user_id,
    "email": ORDER.email,
    "recipient": ORDER.recipient_key,
    "postal_code": ORDER.postal_key,
    "coupon": ORDER.coupon_code,
    "attention": ORDER.attention,
    "fulfilment_state": ORDER.fulfilment_state,
    "payment_state": ORDER.payment_state,
    "payment_method": ORDER.payment_method,
    "state": ORDER.state,
    "placed_from": ORDER.placed_at,
    "placed_to": ORDER.placed_at,
    "total_min": ORDER.total_minor,
    "total_max": ORDER.total_minor,
}
"""What each filter is compared with."""
_BOUNDS: Final[dict[str, Callable[[Any, Any], ColumnElement[bool]]]] = {
    "placed_from": ge,
    "placed_to": lt,
    "total_min": ge,
    "total_max": le,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """All that makes one statement differ from another but values."""

    walk: str
    sort: Sort
    filters: frozenset[str]
    several: frozenset[str]
    """Those of the filters that have several values."""
    begins: bool = False
    """Whether it goes on behind a position."""
    ends: bool = False
    """Whether it ends at one."""


@lru_cache(maxsize=1024)
def rows_of(shape: Shape) -> Select[Any]:
    """What the orders of a walk that fit are sorted by; parameters: the filters, from0.., to0.. and limit."""
    walk, keys = WALKS[shape.walk], _own(shape)
    chosen = select(*(column for column, _ in keys))
    if walk.table is Order.__table__:
        chosen = chosen.select_from(walk.table)
    else:
        chosen = chosen.select_from(walk.table.join(Order.__table__, ORDER.id == walk.id))
        chosen = chosen.prefix_with("STRAIGHT_JOIN", dialect="mysql")
    chosen = _hinted(walk, chosen).where(*(_compare(name, shape) for name in sorted(shape.filters)))
    return _between(chosen, shape, keys).order_by(*_ordered(keys)).limit(bindparam("limit"))


@lru_cache(maxsize=1024)
def bound_of(shape: Shape) -> Select[Any]:
    """The position that ``offset`` rows on: what the index has is enough for it."""
    walk, keys = WALKS[shape.walk], _own(shape)
    chosen = _hinted(walk, select(*(column for column, _ in keys)).select_from(walk.table))
    chosen = chosen.where(*(_compare(name, shape) for name in sorted(shape.filters & walk.fixed)))
    return _between(chosen, shape, keys).order_by(*_ordered(keys)).limit(1).offset(bindparam("offset"))


@lru_cache(maxsize=256)
def size_of(shape: Shape) -> Select[Any]:
    """How many rows of an index its own filters leave, counted up to ``limit``."""
    walk = WALKS[shape.walk]
    some = _hinted(walk, select(walk.id).select_from(walk.table))
    some = some.where(*(_compare(name, shape) for name in sorted(shape.filters & walk.fixed)))
    return select(func.count()).select_from(some.limit(bindparam("limit")).subquery())


def _own(shape: Shape) -> Keys:
    """The columns of an order, the id from the table that drives; not to be looked up where that has another order."""
    walk = WALKS[shape.walk]
    own = [(walk.id if column is ORDER.id else column, down) for column, down in keys_of(shape.sort)]
    is_along = walk.order == shape.sort[0] and not shape.several & walk.fixed
    return own if is_along else [(plain(column), down) for column, down in own]


def _hinted(walk: Walk, chosen: Select[Any]) -> Select[Any]:
    return chosen.with_hint(walk.table, f"FORCE INDEX ({walk.index})", "mysql")


def _between(chosen: Select[Any], shape: Shape, keys: Keys) -> Select[Any]:
    if shape.begins:
        chosen = chosen.where(behind(keys, _parameters("from", shape)))
    if shape.ends:
        chosen = chosen.where(up_to(keys, _parameters("to", shape)))
    return chosen


def _parameters(prefix: str, shape: Shape) -> Sequence[Any]:
    keys = keys_of(shape.sort)
    return [bindparam(f"{prefix}{number}", type_=column.type) for number, (column, _) in enumerate(keys)]


def _ordered(keys: Keys) -> list[Any]:
    return [column.desc() if down else column.asc() for column, down in keys]


def _compare(name: str, shape: Shape) -> ColumnElement[bool]:
    """A filter; by the index where the walk is along it, else so that nothing else is chosen for its sake."""
    by_index = name in WALKS[shape.walk].fixed
    if name == "product" and not by_index:
        has = select(func.count()).where(_LINE.order_id == ORDER.id, _LINE.product_id == bindparam("product"))
        return has.correlate(Order.__table__).scalar_subquery() > 0
    column: Any = _COLUMNS[name] if by_index else plain(_COLUMNS[name])
    compared: ColumnElement[bool]
    if name == "recipient":
        compared = (column >= bindparam("recipient")) & (column < bindparam("recipient_end"))
    elif name in _BOUNDS:
        compared = _BOUNDS[name](column, bindparam(name, type_=column.type))
    elif name in shape.several or name == "ids":
        compared = column.in_(bindparam(name, expanding=True))
    else:
        compared = column == bindparam(name)
    return compared
