"""The dictionary: every word of every product with the number of products, and how misspelt words are put right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rapidfuzz.distance import OSA
from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.dialects import mysql, postgresql, sqlite

from app.core.extensions import db
from app.products.models.search import SearchWord
from app.products.search.text import Words

SHORTEST_CORRECTED: Final = 4
"""Letters; a shorter word is a neighbour of too many."""
LONG: Final = 8
"""From this length on, two letters may be wrong."""
_LAST: Final = "\U0010ffff"
_MOST_LOOKED_AT: Final = 4_000
_CHUNK: Final = 1_000


@dataclass(frozen=True, slots=True)
class Counts:
    """In how many products the words of a query are."""

    whole: Mapping[str, int]
    prefix: int = 0
    """The sum over the words that begin with the query's last one."""


def starts_with(column: Any, beginning: str) -> ColumnElement[bool]:
    """The range of an index in which all texts begin with this."""
    found: ColumnElement[bool] = and_(column >= beginning, column < beginning + _LAST)
    return found


def count(words: Words) -> Counts:
    """In how many products each word is."""
    found: dict[str, int] = dict.fromkeys(words.whole, 0)
    if words.whole:
        known = select(SearchWord.word, SearchWord.documents).where(SearchWord.word.in_(words.whole))
        found.update((row.word, row.documents) for row in db.session.execute(known))
    if words.prefix is None:
        return Counts(found)
    beginning = select(func.sum(SearchWord.documents)).where(starts_with(SearchWord.word, words.prefix))
    return Counts(found, int(db.session.scalar(beginning) or 0))


def correct(word: str, *, documents: int = 0) -> str | None:
    """The word of the dictionary that was most likely meant, if one is near enough.

    That is the one with the fewest changes of a letter (one in words of 4 to 7 letters, two from 8 on; exchanging
    neighbours is one change), then the one in the most products. None for words of fewer letters or with digits, and
    where no other word is in ten times as many products.
    """
    if len(word) < SHORTEST_CORRECTED or not word.isalpha():
        return None
    edits = 2 if len(word) >= LONG else 1
    best: tuple[int, int, str] | None = None
    for part in _parts_in_common(word, edits):
        near = select(SearchWord.word, SearchWord.documents).where(part, SearchWord.documents > documents * 10)
        near = near.order_by(SearchWord.documents.desc()).limit(_MOST_LOOKED_AT)
        for other, in_products in db.session.execute(near):
            distance = OSA.distance(word, other, score_cutoff=edits)
            if distance <= edits and (best is None or (distance, -in_products, other) < best):
                best = (distance, -in_products, other)
    return best[2] if best else None


def _parts_in_common(word: str, edits: int) -> Iterable[ColumnElement[bool]]:
    """A few wrong letters leave a part of the word as it is: its beginning, its end or its middle.

    So every word that is one change away is found by an index, and of those that are two away all that have the first
    letter, the last three or the ones in the middle.
    """
    lengths = list(range(len(word) - edits, len(word) + edits + 1))
    beginning = word[:2] if 5 < len(word) < LONG else word[:1]
    yield and_(SearchWord.length.in_(lengths), starts_with(SearchWord.word, beginning))
    yield and_(SearchWord.tail == word[-3:], SearchWord.length.in_(lengths))
    if edits > 1:
        middles = [word[at : at + 3] for at in range(5)]
        yield and_(SearchWord.middle.in_(middles), SearchWord.length.in_(lengths))
    else:
        exchanged = [word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)]
        yield SearchWord.word.in_(exchanged)


def add(changes: Mapping[str, int]) -> None:
    """Count words in so many more (or fewer) products; under the lock of who writes the index."""
    rows = [_row(word, more) for word, more in sorted(changes.items()) if more]
    for at in range(0, len(rows), _CHUNK):
        db.session.execute(_upsert(), rows[at : at + _CHUNK])
    fewer = [word for word, more in changes.items() if more < 0]
    for at in range(0, len(fewer), _CHUNK):
        unused = delete(SearchWord).where(SearchWord.word.in_(fewer[at : at + _CHUNK]), SearchWord.documents <= 0)
        db.session.execute(unused.execution_options(synchronize_session=False))


def _row(word: str, documents: int) -> dict[str, Any]:
    return {"word": word, "documents": documents, "length": len(word), "middle": word[2:5], "tail": word[-3:]}


def _upsert() -> Any:
    name = db.session.get_bind().dialect.name
    if name in {"mysql", "mariadb"}:
        added = mysql.insert(SearchWord)
        return added.on_duplicate_key_update(documents=SearchWord.documents + added.inserted.documents)
    insert = postgresql.insert if name == "postgresql" else sqlite.insert
    new: Any = insert(SearchWord)
    more = {"documents": SearchWord.documents + new.excluded.documents}
    return new.on_conflict_do_update(index_elements=[SearchWord.word], set_=more)
