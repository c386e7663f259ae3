"""The database as a backend: which statement finds the products that have some words, on each of the databases.

Full text indexes are asked for words that at most RARE products have; the others are checked on what that leaves.
Where all words are common, products are looked at from the newest on, at most WINDOW of them: those of the brand or
else the category that is asked for, else those that have the rarest of the words, else all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, exists, select

from app.core.extensions import db
from app.products.models.categories import ProductCategory
from app.products.models.products import Product
from app.products.models.search import SearchDocument, SearchPosting
from app.products.models.stock import Stock
from app.products.search import mysql, postgresql, sqlite
from app.products.search.dictionary import Counts, count, starts_with
from app.products.search.port import CANDIDATES, RARE, WINDOW, Candidate, Candidates, Filters
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
_DOCUMENT: Final = (SearchDocument.product_id, SearchDocument.title, SearchDocument.brand)


def candidates(words: Words, filters: Filters) -> Candidates:
    """The newest products that have all words and fit the filters, and some whose name begins with them."""
    counts = count(words)
    if not all(counts.whole.values()) or (words.prefix is not None and not counts.prefix):
        return Candidates([], is_capped=False)
    newest, is_windowed = _statement(words, counts, filters)
    rows = [Candidate(*row) for row in db.session.execute(newest.where(*fitting(filters)).limit(CANDIDATES + 1))]
    is_capped = len(rows) > CANDIDATES or is_windowed
    return Candidates([*rows[:CANDIDATES], *(_by_title(words, filters) if is_capped else ())], is_capped)


def among(product_ids: Sequence[int], filters: Filters) -> list[Candidate]:
    """Those of some products that are there and fit the filters, in the given order; for other backends."""
    if not product_ids:
        return []
    wanted = _from_documents().where(SearchDocument.product_id.in_(product_ids), *fitting(filters))
    found = {row.product_id: Candidate(*row) for row in db.session.execute(wanted)}
    return [found[product_id] for product_id in product_ids if product_id in found]


def fitting(filters: Filters) -> list[ColumnElement[bool]]:
    """The filters as conditions on ``product``; a deleted product fits none."""
    conditions: list[ColumnElement[bool]] = [Product.deleted_at.is_(None)]
    if filters.brand is not None:
        conditions.append(Product.brand == filters.brand)
    if filters.price_min is not None:
        conditions.append(Product.price_minor >= filters.price_min)
    if filters.price_max is not None:
        conditions.append(Product.price_minor <= filters.price_max)
    if filters.is_active is not None:
        conditions.append(Product.is_active.is_(filters.is_active))
    if filters.category_id is not None:
        of_it = ProductCategory.category_id == filters.category_id
        conditions.append(exists().where(of_it, ProductCategory.product_id == Product.id))
    if filters.in_stock is not None:
        available = exists().where(Stock.product_id == Product.id, Stock.is_available.is_(True))
        conditions.append(available if filters.in_stock else ~available)
    return conditions


def _statement(words: Words, counts: Counts, filters: Filters) -> tuple[Select[Any], bool]:
    """The select of documents with all words, the newest first, and whether it looks at a window of them only."""
    beginning = None if words.prefix is None else encode(words.prefix)
    rare = [encode(word) for word in words.whole if counts.whole[word] <= RARE]
    rare_beginning = beginning if counts.prefix <= RARE else None
    checks = [_contains(f" {encode(word)} ") for word in words.whole if counts.whole[word] > RARE]
    if beginning is not None and rare_beginning is None:
        checks.append(_contains(f" {beginning}"))
    if rare or rare_beginning is not None:
        condition = FULL_TEXT[_dialect()](rare, rare_beginning)
        return _from_documents().where(condition, *checks).order_by(SearchDocument.product_id.desc()), False
    newest, column, start = _window(words, counts, filters)
    floor = db.session.scalar(newest.offset(WINDOW - 1).limit(1))
    if floor is not None:
        start = start.where(column >= floor)
    return start.where(*checks).order_by(column.desc()), floor is not None


def _window(words: Words, counts: Counts, filters: Filters) -> tuple[Select[int], Any, Select[Any]]:
    """The ids of the products that are looked at, the newest first; their column; and the documents, joined to it."""
    if filters.brand is not None:
        newest = select(Product.id).where(Product.brand == filters.brand).order_by(Product.id.desc())
        return newest, Product.id, _in_this_order(Product).join(SearchDocument, SearchDocument.product_id == Product.id)
    if filters.category_id is not None:
        column: Any = ProductCategory.product_id
        of_it = ProductCategory.category_id == filters.category_id
        start = _in_this_order(ProductCategory).where(of_it).join(SearchDocument, SearchDocument.product_id == column)
        return select(column).where(of_it).order_by(column.desc()), column, _with_products(start)
    rarest = min(words.whole, key=counts.whole.__getitem__, default=None)
    newest_of_word = mysql.listed(rarest) if rarest is not None and _dialect() in {"mysql", "mariadb"} else None
    if rarest is not None and newest_of_word is not None:
        column = SearchPosting.product_id
        start = _in_this_order(SearchPosting).where(SearchPosting.word_key == mysql.key_of(rarest))
        return newest_of_word, column, _with_products(start.join(SearchDocument, SearchDocument.product_id == column))
    if words.whole and _dialect() == "sqlite":
        return sqlite.newest([encode(word) for word in words.whole]), SearchDocument.product_id, _from_documents()
    column = SearchDocument.product_id
    return select(column).order_by(column.desc()), column, _from_documents()


def _from_documents() -> Select[Any]:
    return _with_products(_in_this_order(SearchDocument))


def _in_this_order(table: Any) -> Select[Any]:
    """A select of documents that begins with this table; MySQL then keeps to the order of the joins."""
    start: Any = select(*_DOCUMENT).select_from(table)
    for dialect in ("mysql", "mariadb"):
        start = start.prefix_with("STRAIGHT_JOIN", dialect=dialect)
    kept: Select[Any] = start
    return kept


def _with_products(documents: Select[Any]) -> Select[Any]:
    return documents.join(Product, Product.id == SearchDocument.product_id)


def _contains(part: str) -> ColumnElement[bool]:
    return SearchDocument.words.like(f"%{part}%")


def _dialect() -> str:
    return db.session.get_bind().dialect.name


def _by_title(words: Words, filters: Filters) -> Sequence[Candidate]:
    """Where not all that has the words is ranked: products whose name begins with them, the shortest names first."""
    named = starts_with(SearchDocument.title, " ".join(words.every))
    by_name = _from_documents().where(named, *fitting(filters))
    by_name = by_name.order_by(SearchDocument.title, SearchDocument.product_id).limit(TITLES)
    return [Candidate(*row) for row in db.session.execute(by_name)]
