"""The list of stock: any filters, by product id, and never more than a fixed number of products looked at.

The list goes along the index of its narrowest filter and leaves out what the others do not want, through at most
LOOK_AT products. So a page may have fewer products than were asked for, even none, and still a cursor, with which the
next one goes on where this one stopped looking.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, func, literal, select

from app.core.extensions import db
from app.core.pagination import MAX_LIMIT, Page, make_cursor, read_cursor
from app.core.reading import plain
from app.products.errors import ProductNotFound
from app.products.models.categories import ProductCategory
from app.products.models.products import Product
from app.products.models.stock import Stock

Rows = Select[*tuple[Any, ...]]

LOOK_AT: Final = (1_000, 10_000)
"""How far a page goes along an index for what fits: first a bit, then on, then it ends."""
_KEYS: Final = [(Stock.product_id, False)]
_PRODUCT: Final = Product.__table__.c
_MEMBER: Final = ProductCategory.__table__.c
_STOCK: Final = Stock.__table__.c


@dataclass(frozen=True, slots=True)
class _Walk:
    """Rows of one index by product id: those that ``fixed`` holds of."""

    id: Any
    index: str
    fixed: Any = None


def get_stock(product_id: int) -> Any:
    """The stock of a product with its ASIN and name; raises ProductNotFound also for a deleted one."""
    row = db.session.execute(_from(_Walk(_STOCK.product_id, "PRIMARY")).where(_STOCK.product_id == product_id)).first()
    if row is None:
        raise ProductNotFound(f"There is no product {product_id}.")
    return row


def list_stock(
    *, limit: int, cursor: str | None = None, product_ids: Collection[int] | None = None, **filters: Any
) -> Page[Any]:
    """Stock by product id, of products that fit every filter given; None is none.

    Filters: asin, brand, category (an id, with all below it), is_low, is_available. ``product_ids`` are some hundred at
    most. Raises Invalid for a cursor of another list.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    after: int = read_cursor(cursor, _KEYS)[0] if cursor else 0
    bounded = max(1, min(limit, MAX_LIMIT))
    name, walk = _choose(given)
    wanted = _from(walk).where(*(_compare(other, value) for other, value in given.items() if other != name))
    if product_ids is not None:
        wanted = wanted.where(_STOCK.product_id.in_(product_ids))
        return _page(_rows(wanted, walk, after, None, bounded), bounded, None)
    rows: list[Any] = []
    end: int | None = after
    for look_at in LOOK_AT:
        end = _end(walk, after, look_at)
        rows = _rows(wanted, walk, after, end, bounded)
        if len(rows) > bounded or end is None:
            break
    return _page(rows, bounded, end)


def _choose(given: dict[str, Any]) -> tuple[str | None, _Walk]:
    """The filter that probably leaves least, and the index that finds it."""
    if "asin" in given:
        return "asin", _Walk(_PRODUCT.id, "uq_product_asin", _PRODUCT.asin == given["asin"])
    if given.get("is_low"):
        return "is_low", _Walk(_STOCK.product_id, "ix_stock_low", _STOCK.is_low == literal(True))
    if "brand" in given:
        return "brand", _Walk(_PRODUCT.id, "ix_product_brand", _PRODUCT.brand == given["brand"])
    if given.get("is_available") is False:
        return "is_available", _Walk(_STOCK.product_id, "ix_stock_available", _STOCK.is_available == literal(False))
    if "category" in given:
        return "category", _Walk(_MEMBER.product_id, "PRIMARY", _MEMBER.category_id == given["category"])
    return None, _Walk(_STOCK.product_id, "PRIMARY")


def _compare(name: str, value: Any) -> Any:
    """A filter of what is looked at, spelled so that no other index is chosen for its sake."""
    if name == "category":
        inside = select(func.count()).where(_MEMBER.category_id == value, _MEMBER.product_id == _STOCK.product_id)
        return inside.correlate(Stock.__table__).scalar_subquery() == 1
    column = {"brand": _PRODUCT.brand, "is_low": _STOCK.is_low, "is_available": _STOCK.is_available}[name]
    return plain(column) == value


def _from(walk: _Walk) -> Rows:
    """The products of a walk that are there, in the order of its index."""
    tables = walk.id.table
    for column in (_STOCK.product_id, _PRODUCT.id):
        if column.table is not walk.id.table:
            tables = tables.join(column.table, column == walk.id)
    wanted = select(
        _STOCK.product_id,
        _PRODUCT.asin,
        _PRODUCT.name,
        _STOCK.on_hand,
        _STOCK.allocated,
        (_STOCK.on_hand - _STOCK.allocated).label("available"),
        _STOCK.low_stock_threshold.label("threshold"),
        _STOCK.is_low,
        _STOCK.updated_at,
    )
    wanted = wanted.select_from(tables).where(plain(_PRODUCT.deleted_at).is_(None))
    if walk.fixed is not None:
        wanted = wanted.where(walk.fixed)
    return _hinted(wanted, walk).prefix_with("STRAIGHT_JOIN", dialect="mysql")


def _end(walk: _Walk, after: int, look_at: int) -> int | None:
    """The product up to which ``look_at`` of a walk reach; None where it ends before. The index is enough for it."""
    some = select(walk.id).select_from(walk.id.table).where(walk.id > after)
    if walk.fixed is not None:
        some = some.where(walk.fixed)
    found: int | None = db.session.scalar(_hinted(some, walk).order_by(walk.id).limit(1).offset(look_at - 1))
    return found


def _rows(wanted: Rows, walk: _Walk, after: int, end: int | None, limit: int) -> list[Any]:
    wanted = wanted.where(walk.id > after)
    if end is not None:
        wanted = wanted.where(walk.id <= end)
    return list(db.session.execute(wanted.order_by(walk.id).limit(limit + 1)))


def _page(rows: list[Any], limit: int, end: int | None) -> Page[Any]:
    last = rows[limit - 1].product_id if len(rows) > limit else end
    return Page(rows[:limit], None if last is None else make_cursor([last], _KEYS))


def _hinted(wanted: Rows, walk: _Walk) -> Rows:
    return wanted.with_hint(walk.id.table, f"FORCE INDEX ({walk.index})", "mysql")
