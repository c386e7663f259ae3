"""Idempotency keys: a POST that is sent twice is done once (IETF draft-ietf-httpapi-idempotency-key-header-07).

The claim is committed before the work, so that two calls in flight see each other; it carries a lock time on the
database's clock, so that a crash does not block the key; and it is completed inside the work's own transaction, so
that work and stored answer exist together or not at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import JSON, UniqueConstraint, bindparam, delete, insert, null, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.core.errors import Conflict, Invalid
from app.core.extensions import db
from app.core.orm import (
    WRITE,
    Base,
    Instant,
    LongText,
    PrimaryKey,
    UtcDateTime,
    clock,
    count_changed,
    database_now,
    key_text,
    table_of,
)
from app.core.transactions import connection, in_transaction, is_retryable

LOCK_S: Final = 60
KEEP_S: Final = 24 * 3600
MAX_KEY_LENGTH: Final = 255


class IdempotencyKeyInUse(Conflict):
    """The first request with this key is still being worked on."""

    code = "IDEMPOTENCY_KEY_IN_USE"


class IdempotencyKeyReused(Invalid):
    """The key came with another request before."""

    code = "IDEMPOTENCY_KEY_REUSED"


class AnswerNotStored(Conflict):
    """The request was done, but its answer holds a secret and was not kept."""

    code = "IDEMPOTENCY_ANSWER_NOT_STORED"


class ClaimLost(Conflict):
    """The lock ran out and another request took the key over; this one is undone."""

    code = "IDEMPOTENCY_CLAIM_LOST"


class IdempotencyKey(Base):
    """One key of one principal, what was asked with it, and what was answered."""

    __tablename__ = "idempotency_key"
    __table_args__ = (UniqueConstraint("principal", "key"),)

    id: Mapped[PrimaryKey]
    principal: Mapped[str] = mapped_column(key_text(80))
    key: Mapped[str] = mapped_column(key_text(MAX_KEY_LENGTH))
    request_hash: Mapped[str] = mapped_column(key_text(64))
    lock_token: Mapped[str | None] = mapped_column(key_text(32))
    locked_until: Mapped[Instant]
    completed_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[Instant] = mapped_column(UtcDateTime, index=True)
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    body: Mapped[str | None] = mapped_column(LongText)


_KEYS: Final = table_of(IdempotencyKey)
_NEW: Final = insert(_KEYS).values(
    {name: bindparam(name) for name in ("principal", "key", "request_hash", "lock_token")}
    | {"locked_until": clock(LOCK_S), "expires_at": clock(KEEP_S)}
)
_COMPLETE: Final = (
    update(_KEYS)
    .where(_KEYS.c.id == bindparam("of_id"), _KEYS.c.lock_token == bindparam("of_token"))
    .values(
        {name: bindparam(name) for name in ("status", "headers", "body")}
        | {"completed_at": clock(), "lock_token": null()}
    )
)
"""Built once: building a statement takes as long as running it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it can be stored and given again."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do the work of one key once."""

    id: int
    token: str


def claim(*, principal: str, key: str, request_hash: str) -> Claim | Answer:
    """Claim a key before the work, or get the answer it had.

    Raises Invalid for a malformed key, IdempotencyKeyInUse while the first request runs, IdempotencyKeyReused when it
    came with another request, AnswerNotStored when it is done but was answered with a secret.
    """
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
        raise Invalid.field(
            "/Idempotency-Key", f"must be 1 to {MAX_KEY_LENGTH} visible ASCII characters.", place="header"
        )
    try:
        return _claim_new(principal=principal, key=key, request_hash=request_hash)
    except DBAPIError as error:
        if not (isinstance(error, IntegrityError) or is_retryable(error)):
            raise
    try:
        return _claim(principal=principal, key=key, request_hash=request_hash)
    except IntegrityError:
        return _claim(principal=principal, key=key, request_hash=request_hash)


def _claim_new(*, principal: str, key: str, request_hash: str) -> Claim:
    """Claim a key that nobody has used, as nearly all are: one statement, which needs nothing of the session."""
    token = secrets.token_hex(16)
    values = {"principal": principal, "key": key, "request_hash": request_hash, "lock_token": token}
    if db.session.registry.has():
        db.session.rollback()  # one connection a request is enough
    with db.engine.connect().execution_options(**{WRITE: True}) as own, own.begin():
        (id_,) = own.execute(_NEW, values).inserted_primary_key or (0,)
    return Claim(id_, token)


@in_transaction
def _claim(*, principal: str, key: str, request_hash: str) -> Claim | Answer:
    session = db.session()
    now = database_now(session)
    of_key = select(IdempotencyKey).where(IdempotencyKey.principal == principal, IdempotencyKey.key == key)
    row = session.scalar(of_key.with_for_update())
    if row is not None and row.expires_at > now:
        if row.request_hash != request_hash:
            raise IdempotencyKeyReused.field("/Idempotency-Key", "was used for another request.", place="header")
        if row.completed_at is not None:
            return _stored(row)
        if row.locked_until > now:
            raise IdempotencyKeyInUse("The first request with this Idempotency-Key is still in progress.")
    if row is None:
        row = IdempotencyKey(principal=principal, key=key)
        session.add(row)
    row.request_hash, row.lock_token = request_hash, secrets.token_hex(16)
    row.locked_until, row.expires_at = now + timedelta(seconds=LOCK_S), now + timedelta(seconds=KEEP_S)
    row.completed_at = row.status = row.headers = row.body = None
    session.flush()
    return Claim(row.id, row.lock_token)


def complete(mine: Claim, answer: Answer | None) -> None:
    """Store the answer in the open transaction (None: done, but not to be given again); raises ClaimLost."""
    values = {
        "of_id": mine.id,
        "of_token": mine.token,
        "status": answer.status if answer else None,
        "headers": answer.headers if answer else None,
        "body": answer.body if answer else None,
    }
    if connection().execute(_COMPLETE, values).rowcount == 0:
        raise ClaimLost("This request took so long that its Idempotency-Key was taken over; it was undone.")


@in_transaction
def complete_alone(mine: Claim, answer: Answer | None) -> None:
    """``complete`` as a transaction of its own, for work that wrote nothing."""
    complete(mine, answer)


@in_transaction
def release(mine: Claim) -> None:
    """Give a key free again after a refusal, so that a corrected request may use it."""
    own = delete(IdempotencyKey).where(IdempotencyKey.id == mine.id, IdempotencyKey.lock_token == mine.token)
    db.session.execute(own.where(IdempotencyKey.completed_at.is_(None)))


@in_transaction
def purge_expired() -> int:
    """Delete keys older than 24 hours; returns how many."""
    session = db.session()
    return count_changed(session, delete(IdempotencyKey).where(IdempotencyKey.expires_at < database_now(session)))


def forget(principals: Collection[str]) -> None:
    """Delete the stored answers of principals (``Principal.key``), in the open transaction: they say who somebody is.

    What is still being worked on stays, such as the request that asks for this.
    """
    theirs = delete(IdempotencyKey).where(IdempotencyKey.principal.in_(principals))
    db.session.execute(theirs.where(IdempotencyKey.completed_at.is_not(None)))


def _stored(row: IdempotencyKey) -> Answer:
    if row.body is None or row.status is None:
        raise AnswerNotStored("This request was done; its answer held a secret and cannot be shown again.")
    return Answer(row.status, row.headers or {}, row.body)
