"""The database as a backend, writing: documents and dictionary are brought to what the product master says.

One writer at a time, by a lock on the row ``index`` of search_state, so that what was read of a product last is written
last, and counts are right. A document and the counts of its words change in one transaction.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Final

import orjson
from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.core.extensions import db
from app.core.orm import count_changed
from app.core.transactions import after_commit, in_transaction
from app.products.models.products import Product
from app.products.models.search import SearchDocument, SearchQueue, SearchState, SearchWord
from app.products.search import dictionary, mysql
from app.products.search.text import Texts, decode, texts_of

BATCH: Final = 500
"""Products in one transaction; short, because SQLite has one writer."""
LOCK: Final = "index"
_REBUILT: Final = "rebuilt"
_REBUILD_BATCH: Final = 2_000


def drain(*, seconds: float, hand_on: bool) -> int:
    """Index what is queued, batch by batch, for so many seconds at most; returns how many rows of the queue were done.

    With ``hand_on`` they stay queued for the search server.
    """
    until, done = time.monotonic() + seconds, 0
    make_lock()
    while time.monotonic() < until:
        batch = _index_queued(hand_on=hand_on)
        done += batch
        if batch < BATCH:
            break
    return done


def rebuild(progress: Callable[[int], None], *, now: Callable[[], datetime]) -> None:
    """Bring every document to what the product master says, in the order of ids; ``progress`` gets how many are done.

    Nothing is emptied first: searches go on meanwhile. Interrupted, the next call goes on where this one was.
    """
    make_lock()
    after = last_rebuilt()
    while True:
        done, after = _rebuild_part(after=after, now=now())
        if not done:
            return
        progress(done)


def last_rebuilt() -> int:
    """Up to which product an interrupted rebuild has come; 0 where none was interrupted."""
    found = db.session.scalar(select(SearchState.value).where(SearchState.name == _REBUILT))
    db.session.rollback()
    return int(orjson.loads(found)) if found else 0


def make_lock() -> None:
    """Make the row that is locked, once and for all."""
    with suppress(IntegrityError):  # another process was quicker
        _make_lock()


@in_transaction
def _make_lock() -> None:
    if db.session.get(SearchState, LOCK) is None:
        db.session.add(SearchState(name=LOCK, value="null"))


@in_transaction
def _index_queued(*, hand_on: bool) -> int:
    lock()
    queued = select(SearchQueue.id, SearchQueue.product_id).where(SearchQueue.for_server.is_(False))
    rows = db.session.execute(queued.order_by(SearchQueue.id).limit(BATCH)).all()
    if rows:
        words = write(sorted({row.product_id for row in rows}))
        after_commit(partial(list_common, words))
        mine = SearchQueue.id.in_([row.id for row in rows])
        count_changed(
            db.session(),
            update(SearchQueue).where(mine).values(for_server=True) if hand_on else delete(SearchQueue).where(mine),
        )
    return len(rows)


@in_transaction
def _rebuild_part(*, after: int, now: datetime) -> tuple[int, int]:
    """Write the documents of the next products; returns how many and up to which, (0, 0) behind the last one."""
    lock()
    mark = db.session.get(SearchState, _REBUILT)
    ids = _ids(Product.id, after)
    last = ids[-1] if len(ids) == _REBUILD_BATCH else 2**62
    strays = select(SearchDocument.product_id).where(
        SearchDocument.product_id > after, SearchDocument.product_id <= last
    )
    words = write(sorted({*ids, *db.session.scalars(strays)}))
    after_commit(partial(list_common, words))
    if not ids:
        if mark is not None:
            db.session.delete(mark)
        return 0, 0
    if mark is None:
        db.session.add(SearchState(name=_REBUILT, value=str(ids[-1]), updated_at=now))
    else:
        mark.value, mark.updated_at = str(ids[-1]), now
    return len(ids), ids[-1]


def _ids(column: Any, after: int) -> Sequence[int]:
    return db.session.scalars(select(column).where(column > after).order_by(column).limit(_REBUILD_BATCH)).all()


def lock() -> None:
    """Be the only one who writes documents, until the open transaction ends."""
    db.session.execute(select(SearchState.name).where(SearchState.name == LOCK).with_for_update()).one()


def list_common(words: Collection[str]) -> None:
    """On MySQL and MariaDB, list the products of words that have become common."""
    if db.session.get_bind().dialect.name not in {"mysql", "mariadb"} or not words:
        return
    for word in mysql.to_be_listed(words):
        _make_list(word=word)
    db.session.rollback()


@in_transaction
def _make_list(*, word: str) -> None:
    lock()
    mysql.make_list(word)


def write(product_ids: Sequence[int]) -> Collection[str]:
    """Bring the documents of some products to what the product master says; under the lock. The words it touched."""
    wanted = {row.id: texts_of(row.name, row.brand) for row in _products(product_ids)}
    known = {row.product_id: row for row in _documents(product_ids)}
    added: dict[int, Collection[str]] = {}
    removed: dict[int, Collection[str]] = {}
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for product_id, texts in wanted.items():
        row = known.pop(product_id, None)
        if row is None:
            new.append({"product_id": product_id, **_values(texts)})
            added[product_id] = texts.terms
        elif (row.title, row.brand, row.words) != (texts.title, texts.brand, texts.words):
            changed.append({"key": product_id, **_values(texts)})
            before = set(decode(row.words))
            added[product_id], removed[product_id] = texts.terms - before, before - texts.terms
    for gone in known.values():
        removed[gone.product_id] = decode(gone.words)
    _store(new, changed, list(known))
    changes = Counter(word for words in added.values() for word in words)
    changes.subtract(Counter(word for words in removed.values() for word in words))
    if db.session.get_bind().dialect.name in {"mysql", "mariadb"}:
        mysql.keep_lists(added, removed)
    dictionary.add(changes)
    return changes


def _products(ids: Iterable[int]) -> Iterable[Any]:
    present = select(Product.id, Product.name, Product.brand).where(Product.id.in_(list(ids)))
    return db.session.execute(present.where(Product.deleted_at.is_(None)))


def _documents(ids: Iterable[int]) -> Iterable[Any]:
    columns = (SearchDocument.product_id, SearchDocument.title, SearchDocument.brand, SearchDocument.words)
    return db.session.execute(select(*columns).where(SearchDocument.product_id.in_(list(ids))))


def _values(texts: Texts) -> dict[str, str]:
    return {"title": texts.title, "brand": texts.brand, "words": texts.words}


def _store(new: list[dict[str, Any]], changed: list[dict[str, Any]], gone: list[int]) -> None:
    table: Any = SearchDocument.__table__
    connection = db.session.connection()
    if gone:
        connection.execute(delete(table).where(table.c.product_id.in_(gone)))
    if changed:
        texts: dict[str, Any] = {name: bindparam(name) for name in ("title", "brand", "words")}
        connection.execute(update(table).where(table.c.product_id == bindparam("key")).values(texts), changed)
    if new:
        connection.execute(insert(table), new)


def count_words() -> int:
    """How many words the dictionary has."""
    return int(db.session.scalar(select(func.count()).select_from(SearchWord)) or 0)


def count_products(*, after: int) -> int:
    """How many products there are behind one, deleted ones too."""
    return int(db.session.scalar(select(func.count()).select_from(Product).where(Product.id > after)) or 0)


def count_documents() -> int:
    """How many products can be found."""
    return int(db.session.scalar(select(func.count()).select_from(SearchDocument)) or 0)
