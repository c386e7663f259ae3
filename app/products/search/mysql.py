"""Full text on MySQL and MariaDB: a FULLTEXT index of InnoDB for words that few products have, lists for the others.

FULLTEXT reads and sorts all products of a word before it gives the first one, which for a word in 100,000 products
takes a tenth of a second. So the products of a word that more than RARE have are listed in a table of which the newest
are a range. A word is listed once it is that common, and stays so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, delete, insert, select, tuple_, update
from sqlalchemy.dialects import mysql

from app.core.extensions import db
from app.products.models.search import SearchDocument, SearchPosting, SearchWord
from app.products.search.port import RARE
from app.products.search.text import encode

_WORDS: Final[ColumnElement[Any]] = SearchDocument.__table__.c.words
_POSTINGS: Final[Any] = SearchPosting.__table__
_CHUNK: Final = 5_000


def has_words(whole: Sequence[str], beginning: str | None) -> ColumnElement[bool]:
    """The condition that a document has these words and one that begins so."""
    terms = [f"+{word}" for word in whole] + ([] if beginning is None else [f"+{beginning}*"])
    return mysql.match(_WORDS, against=" ".join(terms)).in_boolean_mode()


def listed(words: Collection[str]) -> set[str]:
    """Those of some words whose products are listed."""
    return set(db.session.scalars(_among(words).where(SearchWord.is_listed)))


def key_of(word: str) -> int:
    """The number that stands for a word in the lists."""
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), signed=True)


def keep_lists(added: Mapping[int, Collection[str]], removed: Mapping[int, Collection[str]]) -> None:
    """Write into the lists which products have got and lost which words; under the lock of who writes the index."""
    every = {word for words in (*added.values(), *removed.values()) for word in words}
    keys = {word: key_of(word) for word in db.session.scalars(_among(every).where(SearchWord.is_listed))}
    gone = [(keys[word], product_id) for product_id, words in removed.items() for word in words if word in keys]
    new = [(keys[word], product_id) for product_id, words in added.items() for word in words if word in keys]
    for at in range(0, len(gone), _CHUNK):
        pairs = tuple_(SearchPosting.word_key, SearchPosting.product_id).in_(sorted(gone)[at : at + _CHUNK])
        db.session.execute(delete(SearchPosting).where(pairs).execution_options(synchronize_session=False))
    _insert(sorted(new))


def to_be_listed(words: Collection[str]) -> list[str]:
    """Those of some words that have become common and are not listed yet."""
    return list(db.session.scalars(_among(words).where(SearchWord.documents > RARE, ~SearchWord.is_listed)))


def make_list(word: str) -> None:
    """List the products of a word; under the lock, in a transaction that has not written documents.

    FULLTEXT finds only what is committed.
    """
    key = key_of(word)
    db.session.execute(delete(SearchPosting).where(SearchPosting.word_key == key))
    ids = db.session.scalars(select(SearchDocument.product_id).where(has_words([encode(word)], None)))
    _insert([(key, product_id) for product_id in sorted(ids)])
    db.session.execute(update(SearchWord).where(SearchWord.word == word).values(is_listed=True))


def _among(words: Collection[str]) -> Select[str]:
    return select(SearchWord.word).where(SearchWord.word.in_(words))


def _insert(pairs: Sequence[tuple[int, int]]) -> None:
    rows = [{"word_key": key, "product_id": product_id} for key, product_id in pairs]
    if rows:
        db.session.connection().execute(insert(_POSTINGS), rows)
