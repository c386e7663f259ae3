"""Logging in with a password: what is checked, in which order, and what is noted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from app.auth import passwords
from app.auth.errors import EmailNotVerified, LogInRefused, SecondFactorRefused, SecondFactorRequired
from app.auth.models import User
from app.auth.services import second_factor, sessions
from app.auth.services.accounts import normalised_email
from app.auth.services.sessions import Client, Proof
from app.core import audit, throttle
from app.core.errors import FieldError, Invalid
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal, guest
from app.core.transactions import in_transaction


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody who has just given the right password."""

    user_id: int
    password: str
    """Which one it was, as ``Proof`` names it."""


def check_password(*, email: str, password: str, client: Client) -> Known:
    """The active user with this address and password.

    Raises TooManyRequests when it is tried too fast, LogInRefused, which takes as long and says the same whether the
    address, the password or the state of the account was the reason, and EmailNotVerified.
    """
    address = normalised_email(email)
    throttle.attempt(_account(address), address=client.address)
    known = select(User.id, User.password_hash, User.is_active, User.email_verified_at).where(User.email == address)
    row = db.session.execute(known).one_or_none()
    db.session.rollback()  # a connection is too dear to hold while a password is checked
    correct = passwords.is_correct(password, row.password_hash if row else None)
    if row is None or not correct or not row.is_active:
        _record_refusal.aside(actor=guest(client.request_id, client.address), user_id=row.id if row else None)
        raise LogInRefused("Email or password is wrong.")
    if row.email_verified_at is None:
        raise EmailNotVerified("Verify your email address first: we can send you another mail.")
    throttle.succeeded(_account(address), address=client.address)
    kept: str = row.password_hash
    if passwords.is_outdated(kept):
        renewed = passwords.hash_again(password)
        kept = renewed if _renew_hash.aside(user_id=row.id, before=kept, after=renewed) else kept
    return Known(row.id, sessions.name_of_password(kept))


def prove(
    *,
    user_id: int,
    via: str,
    client: Client,
    now: datetime,
    password: str | None = None,
    code: str | None = None,
    device: str | None = None,
) -> Proof:
    """Complete a first proof (password, OAuth) by the second factor, where the user has one.

    ``password`` names the password that was the first proof (``Known.password``): a session starts only while it is
    good. ``code`` is one of the authenticator app or a recovery code, ``device`` the token of a remembered device.
    Raises SecondFactorRequired without either, SecondFactorRefused for a wrong code, TooManyRequests after too many.
    """
    if not second_factor.is_needed(user_id):
        return Proof(user_id, via, second_factor=False, password=password)
    if code:
        check_code(user_id=user_id, code=code, client=client, now=now)
    elif not device or not second_factor.use_device.aside(
        user_id=user_id, token=device, now=now, address=client.address
    ):
        raise SecondFactorRequired(
            "Send the code of your authenticator app, or a recovery code.", errors=(FieldError("/code", "is needed."),)
        )
    return Proof(user_id, via, second_factor=True, password=password)


def check_code(*, user_id: int, code: str, client: Client, now: datetime) -> None:
    """Use up a code of the authenticator app or a recovery code; raises SecondFactorRefused or TooManyRequests."""
    throttle.attempt(f"code:{user_id}")
    name = db.session.scalar(select(User.name).where(User.id == user_id)) or ""
    actor = client.as_user(user_id, name)
    if not second_factor.use_code.aside(user_id=user_id, code=code, actor=actor, now=now):
        _record_refusal.aside(actor=guest(client.request_id, client.address), user_id=user_id)
        raise SecondFactorRefused("The code is wrong, too old or was used before.")
    throttle.succeeded(f"code:{user_id}")


def check_own_password(*, actor: Principal, password: str) -> None:
    """Whether the person who is logged in knows the password; raises LogInRefused or TooManyRequests."""
    user = db.session.get(User, actor.require_person())
    throttle.attempt(f"own:{actor.user_id}")
    if user is None or not passwords.is_correct(password, user.password_hash):
        _record_refusal.aside(actor=actor, user_id=actor.user_id)
        raise LogInRefused("The password is wrong.")
    throttle.succeeded(f"own:{actor.user_id}")


def confirm(*, actor: Principal, client: Client, now: datetime, password: str | None, code: str | None) -> None:
    """Note that the person of this session has proven again who they are, by the password or by a code.

    Raises Invalid without either, LogInRefused, SecondFactorRefused or TooManyRequests.
    """
    user_id = actor.require_person()
    if code:
        check_code(user_id=user_id, code=code, client=client, now=now)
    elif password:
        check_own_password(actor=actor, password=password)
    else:
        raise Invalid.field("/password", "or code is needed.")
    sessions.confirm_session(actor=actor, now=now, second_factor=bool(code))


def forget_attempts(*, user_id: int, email: str) -> None:
    """Forget how often somebody guessed at an account, because its user has shown who they are in another way."""
    throttle.forget(_account(email))
    throttle.forget(f"own:{user_id}")


def _account(address: str) -> str:
    # hashed: what people type there has no place in Redis, and any text makes a valid key
    return "account:" + hashlib.sha256(address.encode(errors="surrogatepass")).hexdigest()


@in_transaction
def _renew_hash(*, user_id: int, before: str, after: str) -> bool:
    # not over the hash of another password that was set meanwhile
    same = update(User).where(User.id == user_id, User.password_hash == before)
    return count_changed(db.session(), same.values(password_hash=after)) == 1


@in_transaction
def _record_refusal(*, actor: Principal, user_id: int | None) -> None:
    # the address is left out: people type their password there
    audit.record(actor=actor, action="user.log_in_refused", subject=("user", user_id))
