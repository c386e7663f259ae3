"""Links in mails: a secret that works once, for one purpose, for a while; only its hash is kept."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NoReturn

from sqlalchemy import delete, select, update

from app.auth.errors import LinkRefused
from app.auth.models import OneTimeToken
from app.auth.services.second_factor import hash_of
from app.core import audit
from app.core.errors import FieldError
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal
from app.core.transactions import in_transaction

REGISTER: Final = "register"
RESET: Final = "reset_password"
INVITE: Final = "invite"
CHANGE_EMAIL: Final = "change_email"

LIFETIMES: Final = {
    REGISTER: timedelta(days=2),
    RESET: timedelta(hours=1),
    INVITE: timedelta(days=7),
    CHANGE_EMAIL: timedelta(hours=1),
}
_BATCH: Final = 5000


@dataclass(frozen=True, slots=True)
class Link:
    """What a link that may be used is for."""

    id: int
    purpose: str
    email: str
    """Where it was sent to."""
    user_id: int | None
    registration_id: int | None


@in_transaction
def issue_link(
    *,
    actor: Principal,
    purpose: str,
    email: str,
    now: datetime,
    user_id: int | None = None,
    registration_id: int | None = None,
) -> str:
    """Make the secret of a link that is about to be sent to ``email``, for a user or a registration; returns it."""
    token = secrets.token_urlsafe(32)
    db.session.add(
        OneTimeToken(
            purpose=purpose,
            token_hash=hash_of(token),
            email=email,
            user_id=user_id,
            registration_id=registration_id,
            created_at=now,
            expires_at=now + LIFETIMES[purpose],
        )
    )
    subject = ("user", user_id) if user_id is not None else ("registration", registration_id)
    audit.record(actor=actor, action="link.issue", subject=subject, after={"purpose": purpose})
    return token


def find_link(token: str, *purposes: str, now: datetime) -> Link:
    """What a link is for, without using it up.

    Raises LinkRefused, which says the same of one that is unknown, was used, has expired or has another purpose.
    """
    known = select(OneTimeToken).where(
        OneTimeToken.token_hash == hash_of(token),
        OneTimeToken.purpose.in_(purposes),
        OneTimeToken.used_at.is_(None),
        OneTimeToken.expires_at > now,
    )
    row = db.session.scalar(known)
    if row is None:
        refuse_link()
    return Link(row.id, row.purpose, row.email, row.user_id, row.registration_id)


def is_invitation(token: str, *, now: datetime) -> bool:
    """Whether this is the secret of an invitation that may be used."""
    try:
        return find_link(token, INVITE, now=now).purpose == INVITE
    except LinkRefused:
        return False


def use_link(link: Link, *, now: datetime) -> None:
    """Use a link up in the open transaction; raises LinkRefused when somebody else was faster."""
    unused = update(OneTimeToken).where(OneTimeToken.id == link.id, OneTimeToken.used_at.is_(None))
    if count_changed(db.session(), unused.values(used_at=now)) == 0:
        refuse_link()


def void_links(user_id: int, *purposes: str) -> None:
    """Make a user's links for these purposes useless, in the open transaction."""
    db.session.execute(delete(OneTimeToken).where(OneTimeToken.user_id == user_id, OneTimeToken.purpose.in_(purposes)))


def refuse_link() -> NoReturn:
    """Raise LinkRefused, which never says why."""
    problem = "The link is not valid: it has expired, was used before, or was not copied as a whole."
    raise LinkRefused(problem, errors=(FieldError("/token", "is not valid (any more); ask for a new mail."),))


@in_transaction
def purge_links(*, now: datetime) -> int:
    """Delete links that have expired; returns how many."""
    session = db.session()
    ids = list(session.scalars(select(OneTimeToken.id).where(OneTimeToken.expires_at < now).limit(_BATCH)))
    session.execute(delete(OneTimeToken).where(OneTimeToken.id.in_(ids)))
    return len(ids)
