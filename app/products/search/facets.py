"""Facets: how many of the products that fit have which brand, category and price, are in stock and active.

What is counted is bounded: the best hits of a search, or at most LOOKED_AT products, all where no more fit along the
index of the narrowest filter. Of a larger catalogue as a whole a background worker counts all products now and then,
and again when an operation has written to it; while one does, there is no such count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import Select, Text, outerjoin, select, type_coerce

from app.core.extensions import db
from app.core.running import settings
from app.core.transactions import in_transaction
from app.operations.kinds import writing_to
from app.operations.models import Operation
from app.operations.queries import find_writer
from app.products.kinds import CATALOGUE
from app.products.models.categories import Category
from app.products.models.products import Product
from app.products.models.search import SearchQueue, SearchState
from app.products.models.stock import Stock
from app.products.queries.categories import find_paths
from app.products.queries.counting import products_to_count
from app.products.search.bands import Band, make_bands
from app.products.search.finding import find
from app.products.search.matching import PRODUCT, fitting
from app.products.search.port import NO_FILTERS, Filters, Query

LOOKED_AT: Final = 5_000
MAX_BRANDS: Final = 20
MAX_CATEGORIES: Final = 50
KEEP: Final = timedelta(minutes=10)
"""How long the count of all products is kept where no operation writes."""
MANY_QUEUED: Final = 5_000
"""So many changed products that search has yet to learn of are a large change under way."""
_ALL: Final = "facets"
_CHUNK: Final = 5_000
_RECENT: Final = 100
"""Operations that may have ended lately, by their ids."""
_MARGIN: Final = timedelta(seconds=10)
"""How far clocks of machines may differ."""


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
    """Whether more products may fit than were counted: every count is then the least that there are."""
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
    given = {name: value for name, value in asdict(filters).items() if value is not None}
    rows, are_all = products_to_count(given, most=LOOKED_AT)
    tally = _Tally()
    tally.add(rows)
    return _shown(tally, filters, is_capped=not are_all)


def keep_counted(*, now: datetime) -> None:
    """Count all products when that was not done for KEEP, or an operation wrote to the catalogue since.

    While the catalogue changes at large the last count is forgotten: it would say what is no longer so.
    """
    counted_at = db.session.scalar(select(SearchState.updated_at).where(SearchState.name == _ALL))
    is_changing, is_fresh = _is_changing(), counted_at is not None and now - counted_at < KEEP
    if is_changing:
        _forget_all()
    elif not is_fresh or counted_at is None or _has_written(since=counted_at):
        count_all(now=now)
        if _is_changing() or _has_written(since=now):
            _forget_all()


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


def _is_changing() -> bool:
    """Whether an operation writes to the catalogue, or very much of it was changed just now."""
    queued = select(SearchQueue.id).where(SearchQueue.for_server.is_(False)).order_by(SearchQueue.id)
    is_it = find_writer(CATALOGUE) is not None or db.session.scalar(queued.offset(MANY_QUEUED).limit(1)) is not None
    db.session.rollback()
    return is_it


def _has_written(*, since: datetime) -> bool:
    """Whether an operation that writes to the catalogue has ended since then."""
    recent = select(Operation.kind, Operation.finished_at).order_by(Operation.id.desc()).limit(_RECENT).subquery()
    ended = select(recent.c.kind).where(
        recent.c.finished_at >= since - _MARGIN, recent.c.kind.in_(writing_to(CATALOGUE))
    )
    has = db.session.scalar(ended.limit(1)) is not None
    db.session.rollback()
    return has


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
