"""Products as rows of a file: walked by id some thousand at a time, each time as they are just then.

Nothing holds the catalogue still meanwhile: a product that changes during an export is in it as it was when its turn
came, one that is added is in it unless the end was reached, and none is in it twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Text, func, select, type_coerce

from app.core.fields import utc_text
from app.core.money import exponent
from app.core.reading import reading
from app.operations.files.table import JSONL
from app.products.columns import THRESHOLD
from app.products.models.categories import Category
from app.products.models.products import Product
from app.products.models.stock import Stock
from app.products.search.matching import fitting
from app.products.search.port import Filters
from app.products.services.imports.rows import amount

COLUMNS: Final = (
    "asin", "name", "brand", "price", "currency", "description", "is_active", "gtin", "images", "categories",
    "attributes", "low_stock_threshold", "id", "created_at", "updated_at",
)  # fmt: skip
_WITHOUT_STOCK: Final = tuple(name for name in COLUMNS if name != THRESHOLD)
FOR_STOCK: Final = "stock:read"
"""The permission that the column of thresholds needs."""
CHUNK: Final = 1_000
_LOOK_AT: Final = 50_000
"""Ids that one statement looks at, so that none takes long however few products fit."""
_BETWEEN_CATEGORIES: Final = " | "
_BETWEEN_IMAGES: Final = " "


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows, and the id behind which the next ones are."""

    rows: list[list[Any]]
    after: int


def columns(*, with_stock: bool) -> tuple[str, ...]:
    """What the rows of a file are: with_stock also what only those see who may read stock."""
    return COLUMNS if with_stock else _WITHOUT_STOCK


def chunks(which: Mapping[str, Any], *, format: str, with_stock: bool, after: int = 0) -> Iterator[Chunk]:  # noqa: A002
    """The products that fit the filters of a list, as rows with ``columns``, by ascending id from behind ``after``."""
    with reading() as connection:
        last = connection.scalar(select(func.max(Product.id))) or 0
    rows = _Rows(format, with_stock=with_stock)
    conditions = fitting(Filters(**which))
    while after < last:
        until = after + _LOOK_AT
        wanted = _SELECT.where(Product.id > after, Product.id <= until, *conditions).order_by(Product.id).limit(CHUNK)
        with reading() as connection:
            found = connection.execute(wanted).all()
        after = found[-1].id if len(found) == CHUNK else until
        yield Chunk(rows.make(found), min(after, last))


def count(which: Mapping[str, Any]) -> int:
    """How many products fit the filters of a list."""
    with reading() as connection:
        return connection.scalar(select(func.count(Product.id)).where(*fitting(Filters(**which)))) or 0


class _Rows:
    """Makes rows of what was read: of JSON Lines with JSON in them, of spreadsheets with texts."""

    def __init__(self, format: str, *, with_stock: bool) -> None:  # noqa: A002  # it is what it is called everywhere
        self._with_stock = with_stock
        self._is_json = format == JSONL
        self._slugs: dict[int, str] = {}
        self._decimals: dict[str, int] = {}

    def make(self, found: Any) -> list[list[Any]]:
        return [self._row(row) for row in found]

    def _row(self, row: Any) -> list[Any]:
        decimals = self._decimals.get(row.currency)
        if decimals is None:
            decimals = self._decimals[row.currency] = exponent(row.currency)
        categories = [] if row.categories == "[]" else self._names(orjson.loads(row.categories))
        images, attributes = row.images, row.attributes
        if self._is_json:
            documents = [orjson.Fragment(images), categories, orjson.Fragment(attributes)]
        else:
            texts = "" if images == "[]" else _BETWEEN_IMAGES.join(orjson.loads(images))
            documents = [texts, _BETWEEN_CATEGORIES.join(categories), "" if attributes == "{}" else attributes]
        return [
            row.asin, row.name, row.brand, amount(row.price_minor, decimals), row.currency, row.description,
            bool(row.is_active), row.gtin, *documents, *([row.low_stock_threshold] if self._with_stock else []), row.id,
            utc_text(row.created_at), utc_text(row.updated_at),
        ]  # fmt: skip

    def _names(self, ids: list[int]) -> list[str]:
        if any(id_ not in self._slugs for id_ in ids):
            with reading() as connection:
                rows = connection.execute(select(Category.id, Category.slug))
                self._slugs = {row.id: row.slug for row in rows}
        return [self._slugs[id_] for id_ in ids if id_ in self._slugs]


_SELECT: Final = select(
    Product.id, Product.asin, Product.name, Product.brand, Product.price_minor, Product.currency, Product.description,
    Product.is_active, Product.gtin, type_coerce(Product.images, Text).label("images"),
    type_coerce(Product.categories, Text).label("categories"),
    type_coerce(Product.attributes, Text).label("attributes"), Product.created_at, Product.updated_at,
    Stock.low_stock_threshold,
).outerjoin_from(Product, Stock, Stock.product_id == Product.id)  # fmt: skip
