"""Who a credential lets in, from memory, from Redis or from SQL, in this order.

What is remembered is at most IN_PROCESS_S + IN_REDIS_S = 45 s old, so an ended session or a deactivated user is out
everywhere within a minute; where it was ended, at once. SQL is the truth: a Redis that forgets or is away logs nobody
out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import orjson
from cachetools import TTLCache
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from app.auth.models import ApiKey, Session, UserRole
from app.auth.queries.access import Access, find_key_access, find_session_access
from app.core.cache import cache
from app.core.extensions import db
from app.core.transactions import after_commit, in_transaction

IN_PROCESS_S: Final = 15
IN_REDIS_S: Final = 30
NOTE_USE_EVERY: Final = timedelta(minutes=1)
LONGEST_SESSION: Final = timedelta(days=90)
"""However often it is used, a session ends after this; what RFC 9700, 4.14.2, asks of refresh tokens."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Idle:
    """How long browser sessions live without being used."""

    plain: timedelta
    remembered: timedelta


_remembered: TTLCache[str, Access] = TTLCache(maxsize=20_000, ttl=IN_PROCESS_S)
_lock = threading.Lock()


def of_session(sid: str, *, now: datetime, address: str | None, idle: Idle, staff_second_factor: bool) -> Access | None:
    """The access of an open session of an active user, None for all others; notes its use once a minute.

    ``idle`` says how long a browser session lives on after a use; an API session lives as long as its refresh tokens.
    """
    read = partial(find_session_access, sid, now=now, staff_second_factor=staff_second_factor)
    return _find(f"s:{sid}", read, partial(_note_session, now=now, address=address, idle=idle), now)


def of_key(secret_hash: str, *, now: datetime, address: str | None) -> Access | None:
    """The access of a valid API key, None for all others; notes its use and from where, once a minute."""
    read = partial(find_key_access, secret_hash, now=now)
    return _find(f"k:{secret_hash}", read, partial(_note_key, now=now, address=address), now)


def forget(credentials: Sequence[str]) -> None:
    """Forget at once what is remembered of some credentials (``s:<sid>``, ``k:<hash>``); call it after the commit."""
    with _lock:
        for credential in credentials:
            _remembered.pop(credential, None)
    cache().forget([_name(credential) for credential in credentials])


def forget_users(user_ids: Sequence[int]) -> None:
    """Once the open transaction has committed, forget all that is remembered of these users' sessions and keys."""
    session = db.session()
    sids = session.scalars(select(Session.sid).where(Session.user_id.in_(user_ids), Session.ended_at.is_(None)))
    hashes = session.scalars(select(ApiKey.secret_hash).where(ApiKey.user_id.in_(user_ids)))
    after_commit(partial(forget, [f"s:{sid}" for sid in sids] + [f"k:{found}" for found in hashes]))


def forget_holders(role_id: int) -> None:
    """The same for everybody who has this role."""
    holders = db.session.scalars(select(UserRole.user_id).where(UserRole.role_id == role_id))
    forget_users(list(holders))


def _find(
    credential: str, read: Callable[[], Access | None], note_use: Callable[[Access], None], now: datetime
) -> Access | None:
    with _lock:
        known = _remembered.get(credential)
    if known is not None and _is_live(known, now):
        return known
    stored = cache().find(_name(credential))
    known = _from_json(stored) if stored else None
    if known is None or not _is_live(known, now):
        known = read()
        if known is None:
            return None
        known = _used(known, note_use, now)
        cache().keep(_name(credential), _to_json(known), seconds=IN_REDIS_S)
    with _lock:
        _remembered[credential] = known
    return known


def _is_live(access: Access, now: datetime) -> bool:
    return access.expires_at is None or access.expires_at > now


def _used(access: Access, note_use: Callable[[Access], None], now: datetime) -> Access:
    if access.seen_at is not None and access.seen_at > now - NOTE_USE_EVERY:
        return access
    try:
        note_use(access)
    except DBAPIError as error:  # nobody is kept out because a note could not be made
        log.warning("the use of %s %d could not be noted: %s", access.kind, access.id, error.orig)
    return replace(access, seen_at=now)


def _note_session(access: Access, *, now: datetime, address: str | None, idle: Idle) -> None:
    _touch_session.aside(session_id=access.id, now=now, address=address, idle=idle)


@in_transaction
def _touch_session(*, session_id: int, now: datetime, address: str | None, idle: Idle) -> None:
    row = db.session().get(Session, session_id, with_for_update=True)
    if row is None or row.ended_at is not None:
        return
    row.last_seen_at, row.address = now, address
    if row.kind == "browser":
        lifetime = idle.remembered if row.is_remembered else idle.plain
        row.expires_at = min(max(row.expires_at, now + lifetime), row.created_at + LONGEST_SESSION)


def _note_key(access: Access, *, now: datetime, address: str | None) -> None:
    _touch_key.aside(key_id=access.id, now=now, address=address)


@in_transaction
def _touch_key(*, key_id: int, now: datetime, address: str | None) -> None:
    used = update(ApiKey).where(ApiKey.id == key_id)
    db.session.execute(used.values(last_used_at=now, last_used_address=address))


def _name(credential: str) -> str:
    return f"access:{credential}"


def _to_json(access: Access) -> bytes:
    return orjson.dumps(
        {name: getattr(access, name) for name in Access.__slots__} | {"permissions": sorted(access.permissions)}
    )


def _from_json(stored: bytes) -> Access | None:
    try:
        fields: dict[str, Any] = orjson.loads(stored)
        for name in ("expires_at", "authenticated_at", "seen_at"):
            fields[name] = fields[name] and datetime.fromisoformat(fields[name])
        return Access(**(fields | {"permissions": frozenset(fields["permissions"])}))
    except (ValueError, TypeError, KeyError):
        return None  # written by another version
