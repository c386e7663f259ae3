"""Keeping search up to date: what background workers and commands do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, insert, select

from app.core.extensions import db
from app.core.orm import count_changed
from app.core.transactions import in_transaction
from app.products.models.products import Product
from app.products.models.search import SearchDocument, SearchQueue
from app.products.search import elasticsearch, indexing
from app.products.search.elasticsearch import Server, ServerAway
from app.products.search.text import decode

DRAIN_S: Final = 30.0
"""How long one message works on the queue, so that other messages have their turn."""
_BULK: Final = 1_000
_MARGIN: Final = timedelta(minutes=5)
"""How far clocks of machines may differ, generously: what changed since a rebuild began is sent again."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """How search is doing."""

    backend: str
    products: int
    documents: int
    words: int
    queued: int
    lag_s: float
    """How long what is queued longest has been waiting; 0 where nothing is."""
    server_queued: int = 0
    server_documents: int | None = None
    """None where there is no server, or it does not answer."""


def drain(*, seconds: float = DRAIN_S) -> int:
    """Index what is queued, in the database and then on the search server; how many rows of the queue were done.

    Safe to call at any time and by many at once; what the server does not take stays queued for it.
    """
    server = elasticsearch.server()
    done = indexing.drain(seconds=seconds, hand_on=server is not None)
    if server is None or server.is_resting:
        return done
    until = time.monotonic() + seconds
    while time.monotonic() < until and (sent := _send_queued(server)):
        done += sent
    return done


def rebuild_database(progress: Callable[[int], None], *, now: Callable[[], datetime]) -> None:
    """Bring all documents to what the product master says; goes on where an interrupted one was."""
    indexing.rebuild(progress, now=now)


def rebuild_server(server: Server, progress: Callable[[int], None], *, now: datetime) -> None:
    """Fill a new index on the search server and let it take the place of the old one from one moment to the next.

    What changes meanwhile is sent to it afterwards. Raises ServerAway; the old index then stays in use.
    """
    index = server.new_index(now=now)
    try:
        after = 0
        while ids := _next_ids(after):
            server.write(_server_documents(ids), [], index=index)
            after = ids[-1]
            progress(len(ids))
        server.switch_to(index)
    except BaseException:
        _drop(server, index)
        raise
    _queue_changed_since(since=now - _MARGIN)


def read_status(*, now: datetime) -> Status:
    """How search is doing; counts all rows, which takes a second for a million products."""
    server = elasticsearch.server()
    present = select(func.count()).select_from(Product).where(Product.deleted_at.is_(None))
    waiting = select(func.count(), func.min(SearchQueue.created_at)).where(SearchQueue.for_server.is_(False))
    queued, oldest = db.session.execute(waiting).one()
    for_server = select(func.count()).select_from(SearchQueue).where(SearchQueue.for_server.is_(True))
    return Status(
        backend="database" if server is None else "elasticsearch",
        products=db.session.scalar(present) or 0,
        documents=indexing.count_documents(),
        words=indexing.count_words(),
        queued=queued,
        lag_s=max(0.0, (now - oldest).total_seconds()) if queued else 0.0,
        server_queued=db.session.scalar(for_server) or 0,
        server_documents=_server_count(server),
    )


def _server_count(server: Server | None) -> int | None:
    try:
        return None if server is None else server.count()
    except ServerAway:
        return None


def _send_queued(server: Server) -> int:
    """Send the next products to the server and take them off the queue; no transaction is open meanwhile."""
    queued = select(SearchQueue.id, SearchQueue.product_id).where(SearchQueue.for_server.is_(True))
    rows = db.session.execute(queued.order_by(SearchQueue.id).limit(_BULK)).all()
    ids = sorted({row.product_id for row in rows})
    documents = _server_documents(ids)
    present = {document["product_id"] for document in documents}
    absent = [product_id for product_id in ids if product_id not in present]
    versions = select(Product.id, Product.version).where(Product.id.in_(absent))
    gone = [(row.id, row.version) for row in db.session.execute(versions)]
    db.session.rollback()
    try:
        server.write(documents, gone)
    except ServerAway as error:
        log.warning("the search server took nothing; %d products stay queued for it: %s", len(ids), error)
        return 0
    _forget(rows=[row.id for row in rows])
    return len(rows)


@in_transaction
def _forget(*, rows: list[int]) -> None:
    count_changed(db.session(), delete(SearchQueue).where(SearchQueue.id.in_(rows)))


@in_transaction
def _queue_changed_since(*, since: datetime) -> None:
    changed = select(Product.id, Product.updated_at).where(Product.updated_at >= since)
    from_select = insert(SearchQueue).from_select(["product_id", "created_at"], changed)
    db.session.execute(from_select)


def _next_ids(after: int) -> list[int]:
    following = select(SearchDocument.product_id).where(SearchDocument.product_id > after)
    ids = list(db.session.scalars(following.order_by(SearchDocument.product_id).limit(_BULK)))
    db.session.rollback()
    return ids


def _server_documents(ids: list[int]) -> list[dict[str, Any]]:
    """What the server keeps of those of some products that are there."""
    columns = (
        Product.id, Product.brand, Product.price_minor, Product.categories, Product.is_active, Product.version,
        SearchDocument.title, SearchDocument.words,
    )  # fmt: skip
    rows = select(*columns).join(SearchDocument, SearchDocument.product_id == Product.id)
    return [
        {
            "product_id": row.id,
            "title": row.title,
            "name": row.title,
            "terms": decode(row.words),
            "brand": row.brand,
            "price_minor": row.price_minor,
            "categories": row.categories,
            "is_active": row.is_active,
            "version": row.version,
        }
        for row in db.session.execute(rows.where(Product.id.in_(ids), Product.deleted_at.is_(None)))
    ]


def _drop(server: Server, index: str) -> None:
    try:
        server.drop(index)
    except ServerAway:
        log.warning("the unfinished index %s could not be deleted", index)
