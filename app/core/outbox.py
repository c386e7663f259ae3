"""What has to happen after a commit, as rows of the same transaction; a background worker delivers it at least once."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import JSON, ColumnElement, Index, String, and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.core.extensions import db
from app.core.orm import (
    Base,
    BigId,
    Instant,
    PrimaryKey,
    Timestamps,
    UtcDateTime,
    clock,
    count_changed,
    database_now,
    key_text,
    table_of,
)
from app.core.queues import BACKGROUND, doorbell
from app.core.transactions import after_commit, connection, in_transaction

LEASE_S: Final = 60
MAX_ATTEMPTS: Final = 20
KEEP_DAYS: Final = 7
_MOST_TROUBLED: Final = 1000

Handler = Callable[..., None]

log = logging.getLogger(__name__)


class Outbox(Timestamps, Base):
    """One effect that is due: ``kind`` names its handler, ``unique_key`` makes it one.

    ``arguments`` are ids, or the address that a mail goes to; once it is done they are forgotten.
    """

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_due", "done_at", "not_before", "id"),)

    id: Mapped[PrimaryKey]
    kind: Mapped[str] = mapped_column(key_text(64))
    unique_key: Mapped[str] = mapped_column(key_text(128), unique=True)
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    not_before: Mapped[Instant]
    attempts: Mapped[int] = mapped_column(BigId, default=0)
    lease_token: Mapped[str | None] = mapped_column(key_text(32))
    leased_until: Mapped[Instant | None] = mapped_column(UtcDateTime)
    rung_until: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """Until when a message for it is assumed to be on its way."""
    done_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(500))


@dataclass(frozen=True, slots=True)
class Troubled:
    """An effect that was tried and failed so far."""

    arguments: dict[str, Any]
    attempts: int
    is_given_up: bool
    not_before: datetime
    """When it is tried again."""
    error: str
    """The class of what was raised, and its text: for logs and for who knows what may be in it."""


_ADD: Final = insert(table_of(Outbox)).values(
    {name: bindparam(name) for name in ("kind", "unique_key", "arguments")}
    | {"not_before": clock(), "rung_until": clock(5), "attempts": 0}
)


_DUE: Final = (
    select(Outbox.id, Outbox.attempts)
    .where(Outbox.done_at.is_(None), Outbox.not_before <= clock(), Outbox.attempts < MAX_ATTEMPTS)
    .where(or_(Outbox.leased_until.is_(None), Outbox.leased_until < clock()))
    .where(or_(Outbox.rung_until.is_(None), Outbox.rung_until < clock()))
)
IS_DUE: Final = _DUE.exists()
"""Whether ``ring_due`` has something to look at."""


def add(kind: str, *, key: str, **ids: int | str) -> None:
    """Ask for an effect in the open transaction; a second row with the same key is a programming error."""
    (id_,) = connection().execute(_ADD, {"kind": kind, "unique_key": key, "arguments": ids}).inserted_primary_key or (
        0,
    )
    after_commit(partial(_ring, [(id_, 0)]))


def list_troubled(kind: str, key_prefixes: Collection[str]) -> list[Troubled]:
    """Effects of a kind that failed at their last attempt, whose keys begin like one of these; at most 1,000.

    Each prefix ends with a colon. Effects that were given up are forgotten after KEEP_DAYS.
    """
    if not key_prefixes:
        return []
    rows = db.session.scalars(
        select(Outbox).where(_failing(kind, key_prefixes)).order_by(Outbox.id).limit(_MOST_TROUBLED)
    )
    return [
        Troubled(row.arguments, row.attempts, row.attempts >= MAX_ATTEMPTS, row.not_before, row.last_error or "")
        for row in rows
    ]


def try_again(kind: str, key_prefixes: Collection[str]) -> int:
    """Have such effects tried now, with all attempts before them, in the open transaction; returns how many."""
    session = db.session()
    now = database_now(session)
    idle = or_(Outbox.leased_until.is_(None), Outbox.leased_until < now)
    wanted = select(Outbox).where(_failing(kind, key_prefixes), idle).limit(_MOST_TROUBLED).with_for_update()
    rows = list(session.scalars(wanted.execution_options(populate_existing=True)))
    for row in rows:
        row.attempts, row.not_before, row.rung_until = 0, now, None
    after_commit(partial(_ring, [(row.id, 0) for row in rows]))
    return len(rows)


def _failing(kind: str, key_prefixes: Collection[str]) -> ColumnElement[bool]:
    begins = [Outbox.unique_key.between(prefix, f"{prefix[:-1]};") for prefix in key_prefixes]  # ; is next to :
    return and_(Outbox.kind == kind, Outbox.done_at.is_(None), Outbox.last_error.is_not(None), or_(*begins))


def ring_due(*, limit: int = 200) -> int:
    """Ring for every effect that is due and whose message is gone; returns how many. Called by the dispatcher.

    Redis is asked outside of any transaction: who waits for it must hold no lock.
    """
    session = db.session()
    rows = [(row.id, row.attempts) for row in session.execute(_DUE.order_by(Outbox.id).limit(limit))]
    session.rollback()
    if not rows:
        return 0
    held = doorbell().held([(BACKGROUND, _message(*row)) for row in rows])
    lost = [row for row, still_there in zip(rows, held, strict=True) if not still_there]
    _ring_again(looked_at=[id_ for id_, _ in rows], lost=lost)
    return len(lost)


@in_transaction
def _ring_again(*, looked_at: list[int], lost: list[tuple[int, int]]) -> None:
    session = db.session()
    later = database_now(session, plus_s=30)
    count_changed(session, update(Outbox).where(Outbox.id.in_(looked_at)).values(rung_until=later))
    if lost:
        after_commit(partial(_ring, lost))


def deliver(outbox_id: int, handlers: dict[str, Handler]) -> bool:
    """Run the handler of one row under a lease; False when another has it, it is done, or not yet due.

    A handler that raises is tried again later, with doubling pauses, at most MAX_ATTEMPTS times. Handlers must be safe
    to repeat: a worker may die between the effect and its mark.
    """
    token = secrets.token_hex(16)
    row = _lease(outbox_id=outbox_id, token=token)
    if row is None:
        return False
    kind, arguments = row
    try:
        handlers[kind](**arguments)
    except Exception as error:
        _postpone(outbox_id=outbox_id, token=token, error=f"{type(error).__name__}: {error}"[:500])
        raise
    _finish(outbox_id=outbox_id, token=token)
    return True


@in_transaction
def purge_done(*, keep_days: int = KEEP_DAYS) -> int:
    """Delete effects that were done or given up longer ago than ``keep_days``; returns how many."""
    session = db.session()
    before = database_now(session, plus_s=-86400 * keep_days)
    given_up = and_(Outbox.done_at.is_(None), Outbox.attempts >= MAX_ATTEMPTS, Outbox.not_before < before)
    return count_changed(session, delete(Outbox).where(or_(Outbox.done_at < before, given_up)))


@in_transaction
def _lease(*, outbox_id: int, token: str) -> tuple[str, dict[str, Any]] | None:
    session = db.session()
    now = database_now(session)
    taken = count_changed(
        session,
        update(Outbox)
        .where(Outbox.id == outbox_id, Outbox.done_at.is_(None), Outbox.not_before <= now)
        .where(Outbox.attempts < MAX_ATTEMPTS)
        .where(or_(Outbox.leased_until.is_(None), Outbox.leased_until < now))
        .values(lease_token=token, leased_until=now + timedelta(seconds=LEASE_S), attempts=Outbox.attempts + 1),
    )
    if taken == 0:
        return None
    row = session.execute(select(Outbox.kind, Outbox.arguments).where(Outbox.id == outbox_id)).one()
    return row.kind, row.arguments


@in_transaction
def _finish(*, outbox_id: int, token: str) -> None:
    session = db.session()
    mine = update(Outbox).where(Outbox.id == outbox_id, Outbox.lease_token == token)
    session.execute(mine.values(done_at=database_now(session), leased_until=None, last_error=None, arguments={}))


@in_transaction
def _postpone(*, outbox_id: int, token: str, error: str) -> None:
    session = db.session()
    row = session.scalar(select(Outbox).where(Outbox.id == outbox_id, Outbox.lease_token == token))
    if row is not None:
        pause = min(3600, 2**row.attempts)
        row.not_before = database_now(session, plus_s=pause)
        row.leased_until, row.rung_until, row.last_error = None, None, error
        if row.attempts >= MAX_ATTEMPTS:
            log.error("outbox row %d (%s) is given up after %d attempts: %s", row.id, row.kind, row.attempts, error)


def _ring(rows: list[tuple[int, int]]) -> None:
    calls: list[tuple[str, tuple[int | str, ...]]] = [(_message(*row), row[:1]) for row in rows]
    doorbell().ring(BACKGROUND, "deliver_outbox", calls)


def _message(id_: int, attempts: int) -> str:
    return f"outbox-{id_}-{attempts}"
