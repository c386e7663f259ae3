"""The database as a backend: which statement finds the products that have some words, on each of the databases.

Full text indexes are asked for words that at most RARE products have; the others are checked on what that leaves
(PostgreSQL is asked for more, as it intersects before it reads).
Where all words are common, products are looked at from the newest on, at most WINDOW of them: those of the brand or
else the category that is asked for, else those that have the rarest of the words, else all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, exists, inspect, select

from app.core.extensions import db
from app.core.reading import plain
from app.products.models.categories import ProductCategory
from app.products.models.products import Product
from app.products.models.search import SearchDocument, SearchPosting
from app.products.models.stock import Stock
from app.products.search import mysql, postgresql, sqlite
from app.products.search.dictionary import Counts, count, starts_with
from app.products.search.port import CANDIDATES, NO_FILTERS, RARE, WINDOW, Candidate, Candidates, Filters
from app.products.search.text import Words, encode

FullText = Callable[[Sequence[str], str | None], ColumnElement[bool]]
"""The condition that a document has these words and one that begins so, all as ``encode`` makes them."""

FULL_TEXT: Final[Mapping[str, FullText]] = {
    "sqlite": sqlite.has_words,
    "mysql": mysql.has_words,
    "mariadb": mysql.has_words,
    "postgresql": postgresql.has_words,
}
TITLES: Final = 100
"""How many products whose name begins with what was typed are ranked besides, however old they are."""

DOCUMENT: Final = SearchDocument.__table__.c
PRODUCT: Final = Product.__table__.c
_MEMBER: Final = ProductCategory.__table__.c
_STOCK: Final = Stock.__table__.c
_OF_BRAND: Final = Product.__table__.alias("of_brand")
"""The table of products again, of which nothing is read that its index by brand does not have."""


def candidates(words: Words, filters: Filters) -> Candidates:
    """The newest products that have all words and fit the filters, and some whose name begins with them."""
    counts = count(words)
    if not all(counts.whole.values()) or (words.prefix is not None and not counts.prefix):
        return Candidates([], is_capped=False)
    newest, is_windowed = _statement(words, counts, filters)
    rows = _fetch(newest.limit(CANDIDATES + 1))
    is_capped = len(rows) > CANDIDATES or is_windowed
    return Candidates([*rows[:CANDIDATES], *(_by_title(words, filters) if is_capped else ())], is_capped)


def among(product_ids: Sequence[int], filters: Filters) -> list[Candidate]:
    """Those of some products that are there and fit the filters, in the given order; for other backends."""
    if not product_ids:
        return []
    found = {row.product_id: row for row in _fetch(_documents(filters).where(DOCUMENT.product_id.in_(product_ids)))}
    return [found[product_id] for product_id in product_ids if product_id in found]


def fitting(filters: Filters) -> list[ColumnElement[bool]]:
    """The filters as conditions on ``product``, which are only compared: no index is chosen for their sake.

    A deleted product fits none.
    """
    conditions: list[ColumnElement[bool]] = [plain(PRODUCT.deleted_at).is_(None)]
    for name in ("brand", "asin", "gtin", "is_active"):
        wanted = getattr(filters, name)
        if wanted is not None:
            conditions.append(plain(PRODUCT[name]) == wanted)
    if filters.price_min is not None:
        conditions.append(plain(PRODUCT.price_minor) >= filters.price_min)
    if filters.price_max is not None:
        conditions.append(plain(PRODUCT.price_minor) <= filters.price_max)
    if filters.category is not None:
        inside = select(_MEMBER.product_id).where(_MEMBER.category_id == filters.category)
        conditions.append(exists(inside.where(_MEMBER.product_id == PRODUCT.id).correlate(Product)))
    if filters.in_stock is not None:
        known = select(_STOCK.is_available).where(_STOCK.product_id == PRODUCT.id).correlate(Product)
        conditions.append(known.scalar_subquery() == filters.in_stock)
    return conditions


def _statement(words: Words, counts: Counts, filters: Filters) -> tuple[Select[Any], bool]:
    """The select of documents with all words, the newest first, and whether it looks at a window of them only."""
    beginning = None if words.prefix is None else encode(words.prefix)
    looked_up = _looked_up(counts)
    rare = [encode(word) for word in words.whole if word in looked_up]
    rare_beginning = beginning if counts.prefix <= RARE else None
    checks = [_contains(f" {encode(word)} ") for word in words.whole if word not in looked_up]
    if beginning is not None and rare_beginning is None:
        checks.append(_contains(f" {beginning}"))
    if rare or rare_beginning is not None:
        condition = FULL_TEXT[_dialect()](rare, rare_beginning)
        return _documents(filters).where(condition, *checks).order_by(DOCUMENT.product_id.desc()), False
    newest, column, start = _window(words, counts, filters)
    floor = db.session.connection().scalar(newest.offset(WINDOW - 1).limit(1))
    if floor is not None:
        start = start.where(column >= floor)
    return start.where(*checks).order_by(column.desc()), floor is not None


def _looked_up(counts: Counts) -> Collection[str]:
    """The words that the full text index is asked for."""
    if _dialect() == "postgresql" and postgresql.can_look_up(counts.whole.values()):
        return counts.whole
    return {word for word, documents in counts.whole.items() if documents <= RARE}


def _window(words: Words, counts: Counts, filters: Filters) -> tuple[Select[Any], Any, Select[Any]]:
    """The ids of the products that are looked at, the newest first; their column; and the documents, joined to it."""
    if filters.brand is not None:
        of_it = _OF_BRAND.c.brand == filters.brand
        newest = select(_OF_BRAND.c.id).where(of_it).order_by(_OF_BRAND.c.id.desc())
        tables = [_OF_BRAND, SearchDocument, Product]
        return newest, _OF_BRAND.c.id, _joined(tables, _OF_BRAND.c.id, filters).where(of_it)
    if filters.category is not None:
        of_it = _MEMBER.category_id == filters.category
        newest = select(_MEMBER.product_id).where(of_it).order_by(_MEMBER.product_id.desc())
        tables = [ProductCategory, SearchDocument, Product]
        return newest, _MEMBER.product_id, _joined(tables, _MEMBER.product_id, filters).where(of_it)
    if _dialect() in {"mysql", "mariadb"} and (listed := mysql.listed(words.whole)):
        return _listed(sorted(listed, key=counts.whole.__getitem__), filters)
    if words.whole and _dialect() == "sqlite":
        matches = sqlite.matches([encode(word) for word in words.whole], None)
        column = sqlite.FTS.c.rowid
        tables = [sqlite.FTS, SearchDocument, *([] if filters == NO_FILTERS else [Product])]
        return (
            select(column).where(matches).order_by(column.desc()),
            column,
            _joined(tables, column, filters).where(matches),
        )
    newest = select(DOCUMENT.product_id).order_by(DOCUMENT.product_id.desc())
    return newest, DOCUMENT.product_id, _documents(filters)


def _listed(words: Sequence[str], filters: Filters) -> tuple[Select[Any], Any, Select[Any]]:
    """The lists of some words, the rarest first: its products are looked at, the others say which of them fit."""
    lists = [SearchPosting.__table__.alias(f"list_{number}") for number in range(len(words))]
    of_words = [one.c.word_key == mysql.key_of(word) for one, word in zip(lists, words, strict=True)]
    column = lists[0].c.product_id
    newest = select(column).where(of_words[0]).order_by(column.desc())
    tables = [*lists, SearchDocument, *([] if filters == NO_FILTERS else [Product])]
    return newest, column, _joined(tables, column, filters).where(*of_words)


def _documents(filters: Filters) -> Select[Any]:
    """Documents of what fits; without filters of all, also of what was deleted a moment ago."""
    return _joined([SearchDocument, *([] if filters == NO_FILTERS else [Product])], DOCUMENT.product_id, filters)


def _joined(tables: Sequence[Any], product_id: Any, filters: Filters) -> Select[Any]:
    """A select of documents by a join in this order, which MySQL keeps to; ``product_id`` is of the first table."""
    source: Any = inspect(tables[0]).selectable
    for table in tables[1:]:
        joined = inspect(table).selectable
        column = joined.c.id if table is Product else joined.c.product_id
        source = source.join(joined, column == product_id)
    start: Select[Any] = select(DOCUMENT.product_id, DOCUMENT.title, DOCUMENT.brand).select_from(source)
    for dialect in ("mysql", "mariadb"):
        start = start.prefix_with("STRAIGHT_JOIN", dialect=dialect)
    return start.where(*fitting(filters)) if Product in tables else start


def _contains(part: str) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = DOCUMENT.words.like(f"%{part}%")
    return condition


def _dialect() -> str:
    return db.session.get_bind().dialect.name


def _by_title(words: Words, filters: Filters) -> Sequence[Candidate]:
    """Where not all that has the words is ranked: products whose name begins with them, the shortest names first."""
    named = starts_with(DOCUMENT.title, " ".join(words.every))
    by_name = _documents(filters).where(named).order_by(DOCUMENT.title, DOCUMENT.product_id)
    return _fetch(by_name.limit(TITLES))


def _fetch(statement: Select[Any]) -> list[Candidate]:
    return [Candidate._make(row) for row in db.session.connection().execute(statement).all()]
