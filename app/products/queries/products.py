"""Reads of the product master."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Any, Final

from sqlalchemy import select

from app.core.extensions import db
from app.core.money import Money
from app.core.running import settings
from app.products.errors import ProductNotFound
from app.products.models.products import Product
from app.products.queries.walks import among_of, ids_of

_CHUNK: Final = 1000
_NARROW: Final = ("asin", "gtin", "category", "brand")
"""Filters whose index is gone along, the narrowest first; without any of them all products are looked at."""


def get_product(product_id: int) -> Product:
    """A product; raises ProductNotFound also for a deleted one."""
    present = select(Product).where(Product.id == product_id, Product.deleted_at.is_(None))
    product = db.session.scalar(present)
    if product is None:
        raise ProductNotFound(f"There is no product {product_id}.")
    return product


def find_products_by_asins(asins: Iterable[str]) -> dict[str, int]:
    """The ids of the products that have these ASINs, by ASIN; unknown and deleted ones are absent."""
    found: dict[str, int] = {}
    remaining = iter(asins)
    while chunk := list(islice(remaining, _CHUNK)):
        part = select(Product.asin, Product.id).where(Product.asin.in_(chunk), Product.deleted_at.is_(None))
        found.update((row.asin, row.id) for row in db.session.execute(part))
    return found


def find_fitting_ids(filters: Mapping[str, Any], *, limit: int) -> list[int]:
    """The ids of products that fit a filter (names as in the list of products, prices as decimal strings), ascending.

    At most ``limit`` of them, and then not the lowest ones. Prices are in the shop's currency.
    """
    given = _compared(filters)
    walk = next((name for name in _NARROW if name in given), "created")
    found = db.session.connection().execute(ids_of(walk, frozenset(given)), {**given, "limit": limit})
    return sorted(found.scalars())


def find_fitting_among(filters: Mapping[str, Any], ids: Collection[int]) -> set[int]:
    """Those of some products that fit a filter, as in ``find_fitting_ids``."""
    given, fitting = _compared(filters), set[int]()
    remaining = iter(sorted(ids))
    while chunk := list(islice(remaining, _CHUNK)):
        part = db.session.connection().execute(among_of(frozenset(given)), {**given, "ids": chunk})
        fitting.update(part.scalars())
    return fitting


def _compared(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a filter compares with."""
    given = dict(filters)
    for name in ("price_min", "price_max"):
        if name in given:
            given[name] = Money.parse(given[name], settings().currency).minor
    return given
