"""Facets: how many of the products that fit have which brand, category and price, are in stock and active.

What is counted is bounded: the best hits of a search, or the newest LOOKED_AT products (of the brand or category that
is asked for). Of a larger catalogue as a whole a background worker counts all products now and then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Select, Text, outerjoin, select, type_coerce

from app.core.extensions import db
from app.core.running import settings
from app.core.transactions import in_transaction
from app.products.models.categories import Category, ProductCategory
from app.products.models.products import Product
from app.products.models.search import SearchState
from app.products.models.stock import Stock
from app.products.queries.categories import find_paths
from app.products.search.bands import Band, make_bands
from app.products.search.finding import find
from app.products.search.matching import PRODUCT, fitting
from app.products.search.port import NO_FILTERS, Filters, Query

LOOKED_AT: Final = 5_000
MAX_BRANDS: Final = 20
MAX_CATEGORIES: Final = 50
_ALL: Final = "facets"
_CHUNK: Final = 5_000


@dataclass(frozen=True, slots=True)
class OfCategory:
    """How many products are in a category or below it."""

    id: int
    name: str
    parent_id: int | None
    count: int


@dataclass(frozen=True, slots=True)
class OfBrand:
    """How many products have a brand."""

    brand: str
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """Counts of the products that fit all filters, the largest first; prices ascending, in minor units."""

    counted: int
    is_capped: bool
    """Whether more products fit than were counted."""
    brands: list[OfBrand]
    categories: list[OfCategory]
    prices: list[Band]
    in_stock: int
    out_of_stock: int
    active: int
    inactive: int
    corrected: str | None = None
    counted_at: datetime | None = None
    """When all products were counted; None: just now."""


@dataclass(slots=True)
class _Tally:
    counted: int = 0
    brands: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    """By the text of their ids, as products have it."""
    prices: Counter[int] = field(default_factory=Counter)
    available: int = 0
    active: int = 0

    def add(self, rows: Sequence[Any]) -> None:
        self.counted += len(rows)
        self.brands.update(row.brand for row in rows if row.brand is not None)
        self.categories.update(row.categories for row in rows)
        self.prices.update(row.price_minor for row in rows)
        self.available += sum(1 for row in rows if row.is_available)
        self.active += sum(1 for row in rows if row.is_active)


def count_facets(*, q: str | None = None, **chosen: Any) -> Facets:
    """Count what fits the filters (those of ``Filters``) and, with ``q``, is found by it."""
    filters = Filters(**chosen)
    if q is not None:
        found = find(Query(q, filters))
        tally = _count(_rows().where(PRODUCT.id.in_(found.ids), *fitting(filters)))
        return _shown(tally, filters, is_capped=found.is_capped, corrected=found.corrected)
    if filters == NO_FILTERS and (known := _counted_before()) is not None:
        return known
    rows, is_capped = _newest(filters)
    return _shown(_count(rows), filters, is_capped=is_capped)


def count_all(*, now: datetime) -> None:
    """Count all products of a catalogue that is larger than what is counted at once, and keep the facets.

    Reads some thousand rows at a time, so that no read is long.
    """
    if _floor(select(PRODUCT.id).order_by(PRODUCT.id.desc())) is None:
        _forget_all()
        return
    tally, after = _Tally(), 0
    while True:
        part = _rows(PRODUCT.id).where(PRODUCT.id > after, PRODUCT.deleted_at.is_(None))
        rows = db.session.connection().execute(part.order_by(PRODUCT.id).limit(_CHUNK)).all()
        db.session.rollback()
        tally.add(rows)
        if len(rows) < _CHUNK:
            break
        after = rows[-1].id
    facets = _shown(tally, NO_FILTERS, is_capped=False)
    db.session.rollback()
    _keep_all(facets=facets, now=now)


@in_transaction
def _keep_all(*, facets: Facets, now: datetime) -> None:
    value = orjson.dumps(asdict(facets)).decode()
    db.session.merge(SearchState(name=_ALL, value=value, updated_at=now))


@in_transaction
def _forget_all() -> None:
    kept = db.session.get(SearchState, _ALL)
    if kept is not None:
        db.session.delete(kept)


def _counted_before() -> Facets | None:
    row = db.session.execute(
        select(SearchState.value, SearchState.updated_at).where(SearchState.name == _ALL)
    ).one_or_none()
    if row is None:
        return None
    kept = orjson.loads(row.value)
    for name, kind in (("brands", OfBrand), ("categories", OfCategory), ("prices", Band)):
        made: Callable[..., Any] = kind
        kept[name] = [made(**one) for one in kept[name]]
    return Facets(**(kept | {"counted_at": row.updated_at}))


def _rows(*further: Any) -> Select[Any]:
    product, stock = Product.__table__, Stock.__table__
    columns = (product.c.brand, product.c.price_minor, product.c.is_active, stock.c.is_available)
    categories = type_coerce(product.c.categories, Text).label("categories")
    chosen: Any = select(*columns, categories, *further)
    joined: Select[Any] = chosen.select_from(outerjoin(product, stock, stock.c.product_id == product.c.id))
    return joined


def _newest(filters: Filters) -> tuple[Select[Any], bool]:
    """The newest products that are looked at, as far as they fit, and whether there are more."""
    rows = _rows().where(*fitting(filters))
    ids = select(PRODUCT.id).order_by(PRODUCT.id.desc())
    if filters.brand is not None:
        of_it = PRODUCT.brand == filters.brand
        rows, ids = rows.where(of_it), ids.where(of_it)
    elif filters.category is not None:
        member = ProductCategory.__table__.c
        of_it = member.category_id == filters.category
        rows = rows.join(ProductCategory.__table__, member.product_id == PRODUCT.id).where(of_it)
        ids = select(member.product_id).where(of_it).order_by(member.product_id.desc())
    floor = _floor(ids)
    return (rows if floor is None else rows.where(PRODUCT.id >= floor)), floor is not None


def _floor(ids: Select[int]) -> int | None:
    return db.session.scalar(ids.offset(LOOKED_AT).limit(1))


def _count(rows: Select[Any]) -> _Tally:
    tally = _Tally()
    tally.add(db.session.connection().execute(rows).all())
    return tally


def _shown(tally: _Tally, filters: Filters, *, is_capped: bool, corrected: str | None = None) -> Facets:
    brands = sorted(tally.brands.items(), key=lambda item: (-item[1], item[0]))[:MAX_BRANDS]
    return Facets(
        counted=tally.counted,
        is_capped=is_capped,
        brands=[OfBrand(brand, count) for brand, count in brands],
        categories=_categories(tally.categories, filters.category),
        prices=make_bands(tally.prices, settings().currency),
        in_stock=tally.available,
        out_of_stock=tally.counted - tally.available,
        active=tally.active,
        inactive=tally.counted - tally.active,
        corrected=corrected,
    )


def _categories(direct: Counter[str], chosen: int | None) -> list[OfCategory]:
    """The categories with the most products, with all below them; of a chosen one, those right below it."""
    sets = {text: orjson.loads(text) for text in direct}
    paths = find_paths({id_ for ids in sets.values() for id_ in ids})
    counts: Counter[int] = Counter()
    for text, count in direct.items():
        counts.update(dict.fromkeys({above for id_ in sets[text] for above in paths.get(id_, ())}, count))
    named = select(Category.id, Category.name, Category.parent_id)
    named = (
        named.where(Category.parent_id == chosen) if chosen is not None else named.where(Category.id.in_(_most(counts)))
    )
    shown = [OfCategory(row.id, row.name, row.parent_id, counts[row.id]) for row in db.session.execute(named)]
    return sorted((one for one in shown if one.count), key=lambda one: (-one.count, one.id))[:MAX_CATEGORIES]


def _most(counts: Counter[int]) -> Iterable[int]:
    return sorted(counts, key=lambda id_: (-counts[id_], id_))[:MAX_CATEGORIES]
