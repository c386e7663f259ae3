"""How a list of products is read: along which index, from where to where, and what is left to be compared.

Every statement is built once for its shape and gets values as parameters: building one takes as long as running it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, Select, Text, bindparam, func, select, type_coerce

from app.core.pagination import behind, up_to
from app.core.reading import instant, plain, raw_json
from app.products.models.categories import ProductCategory
from app.products.models.products import Product
from app.products.models.stock import Stock

PRODUCT: Final = Product.__table__.c
_MEMBER: Final = ProductCategory.__table__.c
_STOCK: Final = Stock.__table__.c

COLUMNS: Final = (
    PRODUCT.id,
    PRODUCT.asin,
    PRODUCT.name,
    PRODUCT.brand,
    PRODUCT.price_minor,
    PRODUCT.currency,
    PRODUCT.description,
    PRODUCT.is_active,
    PRODUCT.gtin,
    raw_json(PRODUCT.attributes),
    raw_json(PRODUCT.images),
    raw_json(PRODUCT.categories),
    PRODUCT.version,
    instant(PRODUCT.created_at),
    instant(PRODUCT.updated_at),
)
"""A product as its schema shows it, ready to be sent."""

SORTS: Final = {
    "created": (PRODUCT.id,),
    "name": (PRODUCT.name, PRODUCT.id),
    "price": (PRODUCT.price_minor, PRODUCT.id),
    "updated": (PRODUCT.updated_at, PRODUCT.id),
}
"""What each order is made of; ``-`` before its name turns it round."""

LOOK_AT: Final = (1_000, 10_000)
"""How far a page goes along an index for what fits: first a bit, then on, then it ends."""

Keys = list[tuple[Any, bool]]


def keys_of(sort: str) -> Keys:
    """The columns of an order, with True for descending."""
    return [(column, sort.startswith("-")) for column in SORTS[sort.removeprefix("-")]]


@dataclass(frozen=True, slots=True)
class Walk:
    """Rows of one index in its order; ``fixed`` filters are what the index begins with."""

    index: str
    id: Any
    """The column of the driving table that is the product's id."""
    fixed: frozenset[str]
    order: str = "created"
    """The order that its rows have."""

    @property
    def table(self) -> Any:
        """What drives: product, or a table that leads to it."""
        return self.id.table


WALKS: Final = {
    "created": Walk("PRIMARY", PRODUCT.id, frozenset()),
    "name": Walk("ix_product_name", PRODUCT.id, frozenset(), "name"),
    "price": Walk("ix_product_price", PRODUCT.id, frozenset({"price_min", "price_max"}), "price"),
    "updated": Walk("ix_product_updated", PRODUCT.id, frozenset(), "updated"),
    "asin": Walk("uq_product_asin", PRODUCT.id, frozenset({"asin"})),
    "gtin": Walk("ix_product_gtin", PRODUCT.id, frozenset({"gtin"})),
    "brand": Walk("ix_product_brand", PRODUCT.id, frozenset({"brand"})),
    "category": Walk("PRIMARY", _MEMBER.product_id, frozenset({"category"})),
    "in_stock": Walk("ix_stock_available", _STOCK.product_id, frozenset({"in_stock"})),
}
SETS: Final = {
    "brand": {"brand"},
    "category": {"category"},
    "in_stock": {"in_stock"},
    "price": {"price_min", "price_max"},
}
"""Filters that an index finds, by the walk along it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """All that makes one statement differ from another but values."""

    walk: str
    sort: str
    filters: frozenset[str]
    begins: bool
    """Whether it goes on behind a position."""
    ends: bool
    """Whether it ends at one."""


@lru_cache(maxsize=1024)
def rows_of(shape: Shape) -> Select[Any]:
    """The rows of a walk that fit: parameters are the filters, from0.., to0.. and limit."""
    walk, keys = WALKS[shape.walk], _own(WALKS[shape.walk], shape.sort)
    is_along = walk.order == shape.sort.removeprefix("-")
    chosen = _from(walk, select(*(COLUMNS if is_along else [PRODUCT.id]))).where(plain(PRODUCT.deleted_at).is_(None))
    chosen = chosen.where(*(_compare(name, walk) for name in sorted(shape.filters)))
    chosen = _between(chosen, shape, keys).order_by(*_ordered(keys)).limit(bindparam("limit"))
    if is_along:
        return chosen
    sorted_ids = chosen.subquery()  # texts are not sorted along, only fetched for what is left
    fetched = select(*COLUMNS).select_from(sorted_ids.join(Product.__table__, PRODUCT.id == sorted_ids.c.id))
    return fetched.order_by(*_ordered(keys_of(shape.sort))).prefix_with("STRAIGHT_JOIN", dialect="mysql")


@lru_cache(maxsize=1024)
def counted_of(shape: Shape) -> Select[Any]:
    """What is counted of the rows of a walk that fit, in its own order; parameters as of ``rows_of``."""
    walk, keys = WALKS[shape.walk], _own(WALKS[shape.walk], shape.sort)
    texts = (type_coerce(PRODUCT.categories, Text).label("categories"), _STOCK.is_available)
    chosen = _from(walk, select(PRODUCT.id, PRODUCT.brand, PRODUCT.price_minor, PRODUCT.is_active, *texts))
    if walk.table is not Stock.__table__:
        chosen = chosen.outerjoin(Stock.__table__, _STOCK.product_id == PRODUCT.id)
    chosen = chosen.where(plain(PRODUCT.deleted_at).is_(None))
    chosen = chosen.where(*(_compare(name, walk) for name in sorted(shape.filters)))
    return _between(chosen, shape, keys).order_by(*_ordered(keys)).limit(bindparam("limit"))


@lru_cache(maxsize=1024)
def bound_of(shape: Shape) -> Select[Any]:
    """The position that is ``offset`` rows on: what the index has is enough for it."""
    walk, keys = WALKS[shape.walk], _own(WALKS[shape.walk], shape.sort)
    chosen = _hinted(walk, select(*(column for column, _ in keys)).select_from(walk.table))
    chosen = chosen.where(*(_compare(name, walk) for name in sorted(shape.filters & walk.fixed)))
    return _between(chosen, shape, keys).order_by(*_ordered(keys)).limit(1).offset(bindparam("offset"))


@lru_cache(maxsize=256)
def ids_of(name: str, filters: frozenset[str]) -> Select[Any]:
    """The ids of the products on a walk that fit, in no order, at most ``limit``; parameters are the filters."""
    walk = WALKS[name]
    chosen = _from(walk, select(PRODUCT.id)).where(plain(PRODUCT.deleted_at).is_(None))
    return chosen.where(*(_compare(one, walk) for one in sorted(filters))).limit(bindparam("limit"))


@lru_cache(maxsize=64)
def among_of(filters: frozenset[str]) -> Select[Any]:
    """Those of some ``ids`` whose products fit, in no order; the other parameters are the filters."""
    walk = WALKS["created"]
    chosen = _from(walk, select(PRODUCT.id)).where(PRODUCT.id.in_(bindparam("ids", expanding=True)))
    chosen = chosen.where(plain(PRODUCT.deleted_at).is_(None))
    return chosen.where(*(_compare(one, walk) for one in sorted(filters)))


@lru_cache(maxsize=64)
def size_of(name: str, filters: frozenset[str]) -> Select[Any]:
    """How many rows of an index its own filters leave, counted up to ``limit``."""
    walk = WALKS[name]
    some = _hinted(walk, select(walk.id).select_from(walk.table))
    some = some.where(*(_compare(one, walk) for one in sorted(filters & walk.fixed))).limit(bindparam("limit"))
    return select(func.count()).select_from(some.subquery())


ONE: Final = select(*COLUMNS).where(PRODUCT.id == bindparam("id"), PRODUCT.deleted_at.is_(None))
"""The product with an id, unless it is deleted."""
SOME: Final = select(*COLUMNS).where(PRODUCT.id.in_(bindparam("ids", expanding=True)), PRODUCT.deleted_at.is_(None))
"""Those with some ids."""


def _own(walk: Walk, sort: str) -> Keys:
    """The columns of an order, the id from the table that drives; not to be looked up where that has another order."""
    own = [(walk.id if column is PRODUCT.id else column, down) for column, down in keys_of(sort)]
    return own if sort.removeprefix("-") == walk.order else [(plain(column), down) for column, down in own]


def _from(walk: Walk, chosen: Select[Any]) -> Select[Any]:
    if walk.table is Product.__table__:
        return _hinted(walk, chosen.select_from(walk.table))
    joined = chosen.select_from(walk.table.join(Product.__table__, PRODUCT.id == walk.id))
    return _hinted(walk, joined).prefix_with("STRAIGHT_JOIN", dialect="mysql")


def _hinted(walk: Walk, chosen: Select[Any]) -> Select[Any]:
    return chosen.with_hint(walk.table, f"FORCE INDEX ({walk.index})", "mysql")


def _between(chosen: Select[Any], shape: Shape, keys: Keys) -> Select[Any]:
    if shape.begins:
        chosen = chosen.where(behind(keys, _parameters("from", keys)))
    if shape.ends:
        chosen = chosen.where(up_to(keys, _parameters("to", keys)))
    return chosen


def _parameters(prefix: str, keys: Keys) -> Sequence[Any]:
    return [bindparam(f"{prefix}{number}", type_=column.type) for number, (column, _) in enumerate(keys)]


def _ordered(keys: Keys) -> list[Any]:
    return [column.desc() if down else column.asc() for column, down in keys]


def _compare(name: str, walk: Walk) -> ColumnElement[bool]:
    """A filter; by the index where the walk is along it, else so that nothing else is chosen for its sake."""
    value: BindParameter[Any] = bindparam(name)
    compared: ColumnElement[bool]
    if name in walk.fixed:
        compared = _BY_INDEX[name](value)
        return compared
    if name == "category":
        inside = select(func.count()).where(_MEMBER.category_id == value, _MEMBER.product_id == PRODUCT.id)
        return inside.correlate(Product.__table__).scalar_subquery() == 1
    if name == "in_stock":
        of_it = Stock.__table__.alias("stock_of_it")
        known = select(of_it.c.is_available).where(of_it.c.product_id == PRODUCT.id)
        return known.correlate(Product.__table__).scalar_subquery() == value
    compared = _BY_VALUE[name](value)
    return compared


_BY_INDEX: Final[dict[str, Any]] = {
    "brand": lambda value: PRODUCT.brand == value,
    "category": lambda value: _MEMBER.category_id == value,
    "in_stock": lambda value: _STOCK.is_available == value,
    "price_min": lambda value: PRODUCT.price_minor >= value,
    "price_max": lambda value: PRODUCT.price_minor <= value,
    "asin": lambda value: PRODUCT.asin == value,
    "gtin": lambda value: PRODUCT.gtin == value,
}
_BY_VALUE: Final[dict[str, Any]] = {
    "brand": lambda value: plain(PRODUCT.brand) == value,
    "is_active": lambda value: plain(PRODUCT.is_active) == value,
    "price_min": lambda value: plain(PRODUCT.price_minor) >= value,
    "price_max": lambda value: plain(PRODUCT.price_minor) <= value,
    "asin": lambda value: plain(PRODUCT.asin) == value,
    "gtin": lambda value: plain(PRODUCT.gtin) == value,
}
