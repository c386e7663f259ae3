"""Logging in by an OAuth provider, and connecting accounts there with accounts here.

An account there is connected by itself only when both sides have verified the same address; what somebody else left on
an unverified account here is wiped first (the "pre-hijacking" of Sudhodanan and Paverd, USENIX Security 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import IntegrityError

from app.auth.errors import (
    IdentityNotFound,
    IdentityTaken,
    OnlyWayIn,
    ProviderEmailNotVerified,
    ProviderLogInRefused,
    ProviderNotFound,
    RegistrationClosed,
)
from app.auth.models import Challenge, OauthIdentity, OauthProvider, User
from app.auth.providers import Person, Provider
from app.auth.queries.providers import has_other_way_in, provider_to_use
from app.auth.services import oauth_client
from app.auth.services.accounts import claim_account
from app.auth.services.oauth_client import Answer, Errand
from app.auth.services.providers import CODE
from app.auth.services.sessions import Client
from app.core import audit
from app.core.extensions import db
from app.core.fields import utc_text
from app.core.orm import count_changed
from app.core.permissions import Principal, guest
from app.core.transactions import in_transaction

LASTS: Final = timedelta(minutes=10)
"""How long somebody may stay at the provider."""

_PURPOSE: Final = "oauth"


@dataclass(frozen=True, slots=True)
class Departure:
    """Somebody who is about to be sent to a provider."""

    provider_id: int
    url: str
    errand: Errand


def depart(*, code: str, redirect_uri: str, loopback: bool, now: datetime) -> Departure:
    """Begin a log-in by the provider with this code.

    Raises ProviderNotFound, or ProviderUnavailable when the provider cannot be asked where to send people.
    """
    provider = _provider(code)
    errand = oauth_client.new_errand()
    url = oauth_client.address_to_log_in(provider, errand, redirect_uri=redirect_uri, loopback=loopback)
    _note_errand(state=errand.state, now=now)
    return Departure(provider.id, url, errand)


def arrive(
    *, code: str, departure_id: int, errand: Errand, answer: Answer, redirect_uri: str, loopback: bool, now: datetime
) -> tuple[Provider, Person]:
    """Who came back from a provider; works once for each departure.

    Raises ProviderNotFound where the provider is gone or off or another one, also when the errand is too old or was
    used before; ProviderUnavailable; ProviderAnswerRefused.
    """
    if not use_errand(state=errand.state, now=now):
        raise ProviderNotFound("That took too long, or was used before. Try again.")
    provider = _provider(code)
    if provider.id != departure_id:
        raise ProviderNotFound("This way to log in was changed meanwhile. Try again.")
    return provider, oauth_client.ask_who(provider, errand, answer, redirect_uri=redirect_uri, loopback=loopback)


@in_transaction
def use_errand(*, state: str, now: datetime) -> bool:
    """Whether this errand is open; it is not any more afterwards, also when it is used twice at once."""
    mine = delete(Challenge).where(Challenge.token == state, Challenge.purpose == _PURPOSE, Challenge.expires_at > now)
    return count_changed(db.session(), mine) == 1


def log_in(*, provider: Provider, person: Person, client: Client, now: datetime, registration_open: bool) -> int:
    """The id of the active user that this person is, who is connected or created where that is safe.

    Raises ProviderEmailNotVerified, ProviderLogInRefused, RegistrationClosed, or ProviderNotFound when the provider is
    gone or off.
    """
    try:
        try:
            return _log_in(
                provider=provider, person=person, client=client, now=now, registration_open=registration_open
            )
        except IntegrityError:  # the same person was quicker in another window
            return _log_in(
                provider=provider, person=person, client=client, now=now, registration_open=registration_open
            )
    except (ProviderLogInRefused, ProviderEmailNotVerified, RegistrationClosed):
        _record_refusal(provider_id=provider.id, client=client)
        raise


def connect(*, actor: Principal, provider: Provider, person: Person, now: datetime) -> None:
    """Let the person who is logged in log in by this account at the provider from now on.

    Raises IdentityTaken where it belongs to another user, or ProviderNotFound when the provider is gone or off.
    """
    try:
        _connect(actor=actor, provider=provider, person=person, now=now)
    except IntegrityError:
        _connect(actor=actor, provider=provider, person=person, now=now)


@in_transaction
def disconnect(*, actor: Principal, identity_id: int) -> None:
    """Take a connected account away from the person who is logged in; raises IdentityNotFound or OnlyWayIn."""
    user_id = actor.require_person()
    session = db.session()
    session.get(User, user_id, with_for_update=True)  # of two at once, the second sees what the first has left
    row = session.get(OauthIdentity, identity_id)
    if row is None or row.user_id != user_id:
        raise IdentityNotFound(f"There is no connected account {identity_id}.")
    if not has_other_way_in(user_id, but_identity=row.id):
        raise OnlyWayIn("You could not log in any more. Set a password or add a passkey first.")
    audit.record(
        actor=actor, action="identity.disconnect", subject=("user", user_id), before={"provider": row.provider_id}
    )
    session.delete(row)


def export(user_id: int) -> list[dict[str, Any]]:
    """What is kept of a person's accounts at providers, as plain JSON values."""
    rows = db.session.execute(
        select(OauthIdentity, OauthProvider.code)
        .join(OauthProvider, OauthProvider.id == OauthIdentity.provider_id)
        .where(OauthIdentity.user_id == user_id)
        .order_by(OauthIdentity.id)
    )
    return [
        {
            "provider": code,
            "subject": row.subject,
            "email": row.email,
            "created_at": utc_text(row.created_at),
            "last_used_at": utc_text(row.last_used_at),
        }
        for row, code in rows
    ]


def erase(user_id: int) -> None:
    """Forget a person's accounts at providers, in the open transaction."""
    db.session.execute(delete(OauthIdentity).where(OauthIdentity.user_id == user_id))


def _provider(code: str) -> Provider:
    if not CODE.fullmatch(code):
        raise ProviderNotFound("This way to log in is not offered here.")
    found = provider_to_use(code)
    db.session.rollback()  # nobody waits for a provider with a connection in hand
    return found


@in_transaction
def _note_errand(*, state: str, now: datetime) -> None:
    session = db.session()
    session.execute(delete(Challenge).where(Challenge.purpose == _PURPOSE, Challenge.expires_at <= now))
    session.add(Challenge(token=state, purpose=_PURPOSE, challenge=b"", expires_at=now + LASTS))


@in_transaction
def _log_in(*, provider: Provider, person: Person, client: Client, now: datetime, registration_open: bool) -> int:
    _hold(provider)
    known = _find(provider, person) or _connect_by_address(person, provider, client, now, registration_open)
    if not db.session.get_one(User, known.user_id).is_active:
        raise ProviderLogInRefused("Your account here is closed. Ask us if you think it should not be.")
    known.last_used_at, known.email = now, person.email or known.email
    return known.user_id


def _connect_by_address(
    person: Person, provider: Provider, client: Client, now: datetime, registration_open: bool
) -> OauthIdentity:
    if person.email is None:
        raise ProviderEmailNotVerified(f"{provider.name} does not say that it has verified your email address.")
    unknown = guest(client.request_id, client.address)
    user_id = claim_account.joined(
        actor=unknown, email=person.email, name=person.name, now=now, may_create=registration_open
    )
    known = _find(provider, person)
    if known is not None:  # the same person was quicker in another window
        return known
    _check_not_connected(user_id, provider)
    return _add(client.as_user(user_id, person.name), user_id, provider, person, now)


@in_transaction
def _connect(*, actor: Principal, provider: Provider, person: Person, now: datetime) -> None:
    user_id = actor.require_person()
    _hold(provider)
    known = _find(provider, person)
    if known is None:
        _add(actor, user_id, provider, person, now)
    elif known.user_id != user_id:
        raise IdentityTaken(f"This account at {provider.name} is connected to another account here.")


def _hold(provider: Provider) -> None:
    """Keep the provider from being deleted or switched off until the open transaction ends."""
    held = select(OauthProvider.id).where(OauthProvider.id == provider.id, OauthProvider.is_enabled.is_(True))
    if db.session.scalar(held.with_for_update(read=True)) is None:
        raise ProviderNotFound("This way to log in is not offered here any more.")


def _find(provider: Provider, person: Person) -> OauthIdentity | None:
    named = select(OauthIdentity).where(
        OauthIdentity.provider_id == provider.id, OauthIdentity.subject == person.subject
    )
    return db.session.scalar(named.with_for_update())


def _check_not_connected(user_id: int, provider: Provider) -> None:
    """Refuse a second subject with the same address: providers give addresses to new people, subjects never."""
    other = exists().where(OauthIdentity.user_id == user_id, OauthIdentity.provider_id == provider.id)
    if db.session.scalar(select(other)):
        raise ProviderLogInRefused(
            f"The account with your address is connected to another account at {provider.name}. Log in in another way,"
            " then connect this one under your account."
        )


def _add(actor: Principal, user_id: int, provider: Provider, person: Person, now: datetime) -> OauthIdentity:
    session = db.session()
    row = OauthIdentity(
        user_id=user_id, provider_id=provider.id, subject=person.subject, email=person.email or "",
        created_at=now, last_used_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(actor=actor, action="identity.connect", subject=("user", user_id), after={"provider": provider.id})
    return row


@in_transaction
def _record_refusal(*, provider_id: int, client: Client) -> None:
    actor = guest(client.request_id, client.address)
    audit.record(actor=actor, action="user.log_in_refused", subject=("provider", provider_id))
