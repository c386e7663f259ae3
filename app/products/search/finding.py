"""Finding: codes first, then words; misspelt words put right; the search server where there is one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select

from app.core.extensions import db
from app.products.models.categories import Category
from app.products.search import dictionary, elasticsearch, matching
from app.products.search.codes import find_by_code
from app.products.search.elasticsearch import Server, ServerAway
from app.products.search.port import Candidates, Filters, Found, Query
from app.products.search.ranking import rank
from app.products.search.text import Words, read_query

FEW = 2
"""With so many hits or fewer, misspelt words are looked for."""

log = logging.getLogger(__name__)


def find(query: Query) -> Found:
    """The products for what was typed, the best first: at most some thousand ids.

    First an ASIN or a GTIN, then beginnings of one, then products that have all the words in name or brand, the last
    word also as a beginning. Where that is (nearly) nothing, words that are not in the dictionary are put right and
    what that finds follows, with ``corrected``. A query without a letter or a digit finds nothing. Never an error.
    """
    by_code = find_by_code(query.text, query.filters)
    words = read_query(query.text)
    if not words:
        return Found(by_code)
    found = _find_words(words, query.filters)
    ids = list(dict.fromkeys([*by_code, *found.ids]))
    if len(ids) > FEW or by_code:
        return replace(found, ids=ids)
    meant = _put_right(words)
    if meant is None:
        return replace(found, ids=ids)
    better = _find_words(meant, query.filters)
    more = list(dict.fromkeys([*ids, *better.ids]))
    if len(more) == len(ids):
        return replace(found, ids=ids)
    return replace(better, ids=more, corrected=" ".join(meant.every))


def _find_words(words: Words, filters: Filters) -> Found:
    candidates, answered_by = _candidates(words, filters)
    return Found(rank(candidates.rows, words), candidates.is_capped, answered_by=answered_by)


def _candidates(words: Words, filters: Filters) -> tuple[Candidates, str]:
    server = elasticsearch.server()
    if server is None:
        return matching.candidates(words, filters), "database"
    try:
        return _ask(server, words, filters), "elasticsearch"
    except ServerAway:
        return matching.candidates(words, filters), "fallback"


def _ask(server: Server, words: Words, filters: Filters) -> Candidates:
    """The server's candidates, as far as the database says of them what was asked for."""
    below = None if filters.category is None else _with_all_below(filters.category)
    db.session.rollback()  # no connection is held while the server is asked
    ids, is_capped = server.candidates(words, filters, below)
    return Candidates(matching.among(ids, filters), is_capped)


def _with_all_below(category_id: int) -> Sequence[int]:
    below = select(Category.id).where(Category.id == category_id).cte("below", recursive=True)
    below = below.union_all(select(Category.id).where(Category.parent_id == below.c.id))
    return db.session.scalars(select(below.c.id)).all()


def _put_right(words: Words) -> Words | None:
    """The words with those put right that (nearly) no product has; None where there are none."""
    counts = dictionary.count(words)
    right = {word: _right(word, counts.whole[word]) for word in words.whole}
    prefix = None if words.prefix is None else _right(words.prefix, counts.prefix)
    if all(word == other for word, other in right.items()) and prefix == words.prefix:
        return None
    return Words(tuple(dict.fromkeys(right.values())), prefix)


def _right(word: str, documents: int) -> str:
    if documents > FEW:
        return word
    return dictionary.correct(word, documents=documents) or word
