"""Sessions: starting one at a login, confirming who one is, ending them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import delete, select

from app.auth.errors import BrowserSessionNeeded, LogInRefused, SessionNotFound
from app.auth.events import LoggedIn
from app.auth.models import MAX_USER_AGENT, Session, User
from app.auth.services import access
from app.core import audit, events
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import after_commit, in_transaction

KEEP_ENDED: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Client:
    """Where a login comes from, as the request says."""

    address: str | None
    user_agent: str
    request_id: str | None = None
    visitor: str | None = None
    """The hash of the guest's token that the request brings (``app.auth.visitor``)."""

    def as_user(self, user_id: int, name: str) -> Principal:
        """The user who logs in from here, as the audit log names the one who did something."""
        return Principal(
            kind="user",
            id=user_id,
            name=name,
            permissions=frozenset(),
            request_id=self.request_id,
            address=self.address,
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """How somebody has shown who they are."""

    user_id: int
    via: str
    """``password``, ``passkey``, ``oauth:<provider>`` or ``session``."""
    second_factor: bool
    """Whether a second factor was part of it; a passkey is both in one."""
    at: datetime | None = None
    """When, if not now: a session made out of another one is no fresher than that."""
    password: str | None = None
    """Which password it was, by ``name_of_password``; None where none was given."""


@dataclass(frozen=True, slots=True)
class Started:
    """A session that was just started."""

    id: int
    sid: str
    token: str
    """``browser``: what its cookie holds, kept nowhere else. ``api``: the same as ``sid``."""
    user_id: int
    expires_at: datetime


def sid_of(token: str) -> str:
    """The name under which a browser's token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def name_of_password(password_hash: str) -> str:
    """A name for the password that a user has now, which says nothing about it; another password has another name."""
    return hashlib.sha256(password_hash.encode()).hexdigest()[:32]


@in_transaction
def start_session(
    *, proof: Proof, kind: str, client: Client, now: datetime, lifetime: timedelta, is_remembered: bool = False
) -> Started:
    """Start a session for somebody who has proven who they are, note the login in the audit log, and publish LoggedIn.

    ``kind`` is ``browser`` or ``api``; ``lifetime`` is how long it lives when it is not used. Raises LogInRefused for
    who was deactivated since, or has another password by now than the one that was the proof: what ends all sessions
    then ends those, too, that are about to start.
    """
    session = db.session()
    user = session.get_one(User, proof.user_id, with_for_update=True)
    if not user.is_active or proof.password not in {None, name_of_password(user.password_hash)}:
        raise LogInRefused("Your account was changed meanwhile; log in again.")
    token = secrets.token_urlsafe(32)
    sid = sid_of(token) if kind == "browser" else secrets.token_hex(16)
    row = Session(
        sid=sid,
        kind=kind,
        user_id=proof.user_id,
        via=proof.via,
        is_remembered=is_remembered,
        created_at=now,
        last_seen_at=now,
        authenticated_at=proof.at or now,
        second_factor_at=(proof.at or now) if proof.second_factor else None,
        expires_at=now + lifetime,
        address=client.address,
        user_agent=client.user_agent[:MAX_USER_AGENT],
    )
    session.add(row)
    session.flush()
    audit.record(
        actor=client.as_user(user.id, user.name),
        action="user.log_in",
        subject=("user", proof.user_id),
        after={"session": row.id, "kind": kind, "via": proof.via, "second_factor": proof.second_factor},
    )
    events.publish(LoggedIn(user.id, client.visitor, now))
    return Started(row.id, sid, token if kind == "browser" else sid, proof.user_id, row.expires_at)


def proof_of_session(actor: Principal) -> Proof:
    """The proof that an open session of a browser is, for an API session made out of it.

    Raises SessionNotFound, and BrowserSessionNeeded for an API session: whoever has its access token for 15 minutes
    would get a family of refresh tokens, which lives on when the theft is noticed and that session ends.
    """
    row = db.session.get(Session, actor.session_id) if actor.session_id is not None else None
    if row is None or row.ended_at is not None:
        raise SessionNotFound("This session has ended.")
    if row.kind != "browser":
        raise BrowserSessionNeeded("Only a browser's session is exchanged for tokens; refresh the ones you have.")
    return Proof(actor.require_person(), "session", row.second_factor_at is not None, row.authenticated_at)


@in_transaction
def confirm_session(*, actor: Principal, now: datetime, second_factor: bool) -> None:
    """Note that the person of this session has just proven again who they are."""
    row = db.session().get(Session, actor.session_id, with_for_update=True)
    if row is None or row.ended_at is not None:
        raise SessionNotFound("This session has ended.")
    row.authenticated_at = now
    if second_factor:
        row.second_factor_at = now
    audit.record(actor=actor, action="session.confirm", subject=("session", row.id))
    after_commit(partial(access.forget, [f"s:{row.sid}"]))


@in_transaction
def end_session(*, actor: Principal, user_id: int, session_id: int, now: datetime, reason: str = "ended") -> None:
    """End one session of a user; ending it again changes nothing. Raises SessionNotFound."""
    row = db.session().get(Session, session_id, with_for_update=True)
    if row is None or row.user_id != user_id:
        raise SessionNotFound(f"There is no session {session_id}.")
    if row.ended_at is None:
        row.ended_at, row.end_reason = now, reason
        audit.record(actor=actor, action="session.end", subject=("session", row.id), after={"reason": reason})
        after_commit(partial(access.forget, [f"s:{row.sid}"]))


@in_transaction
def end_sessions(*, actor: Principal, user_id: int, now: datetime, reason: str, but: int | None = None) -> int:
    """End all sessions of a user, or all but the one with the id ``but``; returns how many."""
    session = db.session()
    open_ones = select(Session).where(Session.user_id == user_id, Session.ended_at.is_(None))
    rows = [row for row in session.scalars(open_ones.order_by(Session.id).with_for_update()) if row.id != but]
    for row in rows:
        row.ended_at, row.end_reason = now, reason
    if rows:
        audit.record(
            actor=actor, action="session.end_all", subject=("user", user_id), after={"count": len(rows), "why": reason}
        )
        after_commit(partial(access.forget, [f"s:{row.sid}" for row in rows]))
    return len(rows)


@in_transaction
def purge_sessions(*, now: datetime) -> int:
    """Delete sessions that ended or expired more than 30 days ago; returns how many."""
    session = db.session()
    old = select(Session.id).where(Session.expires_at < now - KEEP_ENDED).order_by(Session.id).limit(5000)
    ids = list(session.scalars(old))
    session.execute(delete(Session).where(Session.id.in_(ids)))
    return len(ids)
