"""The order of products that is kept, along which insights into stock are read, a bounded part at a time.

A part begins behind a place and has so many products; whoever reads it joins what is of now, leaves out what does not
fit, and goes on behind the part's end where that left too few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import repeat
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select

from app.analytics.models.stock_outlook import StockOutlook, StockOutlookWindow
from app.core.extensions import db
from app.core.orm import table_of
from app.core.pagination import MAX_LIMIT, behind
from app.products.models.categories import ProductCategory
from app.products.models.products import Product

LOOK_AT: Final = (1_000, 10_000)
"""How many products a page looks at for what fits: first a bit, then on, then it ends."""
FEW: Final = 5_000
"""Products of a filter that are sorted themselves instead of being looked for along the order."""
OUTLOOK: Final = table_of(StockOutlook)
WINDOW: Final = table_of(StockOutlookWindow)
_PRODUCT: Final = table_of(Product)
_MEMBER: Final = table_of(ProductCategory)
Place = Sequence[Any]
"""The measure that is ordered by, and the id."""


def kept_as_of(days: int, last_on: date) -> datetime | None:
    """Until when the demand of so many days up to a day is known to be whole; None where it is not kept."""
    known: datetime | None = db.session.scalar(
        select(WINDOW.c.as_of).where(WINDOW.c.days == days, WINDOW.c.last_on == last_on)
    )
    return known


def places(
    days: int,
    measure: str,
    *,
    falls: bool,
    after: Place | None = None,
    within: Iterable[ColumnElement[bool]] = (),
    few: Select[Any] | None = None,
) -> Select[Any]:
    """``id``, ``place``, ``units`` and ``squares`` of the products behind a place in the order of a measure.

    ``few``: the ids of some of them. ``within``: conditions on the columns of OUTLOOK.
    """
    column = OUTLOOK.c[measure]
    keys = [(column, falls), (OUTLOOK.c.product_id, falls)]
    names = (OUTLOOK.c.product_id.label("id"), column.label("place"), OUTLOOK.c.units, OUTLOOK.c.squares)
    wanted = select(*names).where(OUTLOOK.c.days == days, *within)
    if after is not None:
        wanted = wanted.where(behind(keys, after))
    if few is None:
        wanted = wanted.with_hint(OUTLOOK, f"FORCE INDEX (ix_stock_outlook_{measure})", "mysql")
    else:
        wanted = wanted.where(OUTLOOK.c.product_id.in_(few))
    return wanted.order_by(*(each.desc() if down else each.asc() for each, down in keys))


def sizes(limit: int, few: Select[Any] | None) -> Iterable[int | None]:
    """How many places each part has; None: all there are. A page ends after some parts, more than a page never."""
    if few is not None:
        return (None,)
    return LOOK_AT if limit <= MAX_LIMIT else repeat(LOOK_AT[-1])


def end_of(part: Select[Any], size: int | None) -> Place | None:
    """The last place of a part of so many; None where it ends before that."""
    if size is None:
        return None
    row = db.session.execute(part.limit(1).offset(size - 1)).first()
    return None if row is None else (row.place, row.id)


def few_of(filters: Mapping[str, Any]) -> Select[Any] | None:
    """The ids of the products that a filter leaves, where these are FEW at most; None where none leaves so few."""
    for name, value in filters.items():
        ids = _ids(name, value)
        count = db.session.execute(select(func.count()).select_from(ids.limit(FEW + 1).subquery())).scalar_one()
        if count <= FEW:
            return ids
    return None


def _ids(name: str, value: Any) -> Select[Any]:
    if name == "category":
        return select(_MEMBER.c.product_id).where(_MEMBER.c.category_id == value)
    return select(_PRODUCT.c.id).where(_PRODUCT.c[name] == value)
