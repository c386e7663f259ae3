"""Which products a bulk action is about: those that fit a filter, or a list.

The products of a filter are walked by ascending id up to the highest one at the time of asking, and looked for some
hundred at a time: one that begins to fit because of the action itself is not met twice, and one that is added later is
not met at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, func, select

from app.core.extensions import db
from app.core.money import Money
from app.core.running import settings
from app.products.models.products import Product
from app.products.search.matching import fitting
from app.products.search.port import Filters

MAX_LISTED: Final = 10_000
_PART: Final = 1_000
_PRODUCT: Final[Table] = Product.__table__  # type: ignore[assignment]  # a plain table, which hints can name


def conditions(which: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """A filter (names as in the list of products, prices as decimal strings) as conditions; no deleted product fits."""
    named = dict(which)
    for name in ("price_min", "price_max"):
        if name in named:
            named[name] = Money.parse(named[name], settings().currency).minor
    return fitting(Filters(**named))


def highest_id() -> int:
    """The number of the newest product."""
    return db.session.scalar(select(func.max(Product.id))) or 0


def find_fitting(which: Mapping[str, Any], *, after: int, until: int, limit: int, is_walk: bool = False) -> list[int]:
    """The next products that fit a filter, by id behind ``after`` up to ``until``; ``is_walk`` is who will go on."""
    found = select(_PRODUCT.c.id).where(_PRODUCT.c.id > after, _PRODUCT.c.id <= until, *conditions(which))
    found = found.order_by(_PRODUCT.c.id).limit(limit)
    return list(db.session.scalars(by_number(found) if is_walk else found))


def by_number(statement: Select[Any]) -> Select[Any]:
    """Have MySQL and MariaDB find products by their ids.

    By themselves they go through all products that are not deleted, from the first one, every time.
    """
    for dialect in ("mysql", "mariadb"):
        statement = statement.with_hint(_PRODUCT, "FORCE INDEX (PRIMARY)", dialect)
    return statement


def count_fitting(which: Mapping[str, Any], *, until: int) -> int:
    """How many products fit a filter, up to an id."""
    fits = select(func.count()).select_from(Product).where(Product.id <= until, *conditions(which))
    return db.session.scalar(fits) or 0


def find_listed(product_ids: Iterable[int], asins: Iterable[str]) -> tuple[list[int], list[int], list[str]]:
    """The ids of products of a list, each once and ascending, deleted ones too; then what is unknown of either kind."""
    by_id, by_asin = sorted(set(product_ids)), sorted(set(asins))
    known: set[int] = set()
    for start in range(0, len(by_id), _PART):
        known.update(db.session.scalars(select(Product.id).where(Product.id.in_(by_id[start : start + _PART]))))
    found: dict[str, int] = {}
    for start in range(0, len(by_asin), _PART):
        part = select(Product.asin, Product.id).where(Product.asin.in_(by_asin[start : start + _PART]))
        found |= {row.asin: row.id for row in db.session.execute(part)}
    missing = [product_id for product_id in by_id if product_id not in known]
    return sorted(known | set(found.values())), missing, [asin for asin in by_asin if asin not in found]
