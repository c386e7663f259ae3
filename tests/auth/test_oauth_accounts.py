"""Whose account it is that a provider's person gets, on every database; and connecting and disconnecting."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.auth import passwords
from app.auth.errors import (
    IdentityNotFound,
    IdentityTaken,
    OnlyWayIn,
    ProviderEmailNotVerified,
    ProviderLogInRefused,
    ProviderNotFound,
    RegistrationClosed,
)
from app.auth.models import ApiKey, OauthIdentity, OneTimeToken, Passkey, Registration, Totp, User
from app.auth.models import Session as SessionRow
from app.auth.providers import Person, Provider
from app.auth.queries.providers import provider_to_use
from app.auth.services import access, oauth, providers
from app.auth.services.second_factor import hash_of
from app.auth.services.sessions import Client, Proof, start_session
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import Principal, system
from app.core.transactions import in_transaction
from tests.concurrency import at_once

FROM: Final = Client("192.0.2.7", "a browser", "request-1")
ADA: Final = Person("ada-at-acme", "ada@example.org", "Ada L.")
IDLE: Final = access.Idle(timedelta(hours=1), timedelta(days=1))


@pytest.fixture
def acme(context: Flask) -> Provider:
    return new_provider("acme")


def new_provider(code: str) -> Provider:
    providers.create_provider(
        actor=system(), now=utc_now(), loopback=False, code=code, name=code.title(), preset="oidc",
        issuer=f"https://{code}.example", client_id="us", client_secret="s",
    )  # fmt: skip
    return provider_to_use(code)


def log_in(provider: Provider, person: Person = ADA, *, registration_open: bool = True) -> int:
    return oauth.log_in(
        provider=provider, person=person, client=FROM, now=utc_now(), registration_open=registration_open
    )


@in_transaction
def add(*rows: Any) -> None:
    db.session.add_all(rows)


def new_user(email: str = "ada@example.org", **values: Any) -> int:
    now = utc_now()
    user = User(**({"email": email, "name": "Somebody", "email_verified_at": now, "password_hash": "x"} | values))
    add(user)
    return user.id


def count(table: Any) -> int:
    db.session.rollback()  # what other threads have committed counts, too
    return db.session.scalar(select(func.count()).select_from(table)) or 0


def as_actor(user_id: int) -> Principal:
    return Principal(kind="user", id=user_id, user_id=user_id, name="x", permissions=frozenset())


def actions() -> list[str]:
    return list(db.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)))


def test_the_same_person_gets_the_same_account_whatever_their_address_is_by_then(acme: Provider) -> None:
    user_id = log_in(acme)
    other = new_user("new@example.org")
    assert log_in(acme, replace(ADA, email="new@example.org")) == user_id != other
    assert log_in(acme, replace(ADA, email=None)) == user_id
    assert db.session.scalars(select(OauthIdentity.email)).one() == "new@example.org"
    assert db.session.get_one(User, user_id).email == "ada@example.org"


def test_subjects_are_compared_letter_by_letter_and_by_provider(acme: Provider) -> None:
    ids = {log_in(acme, Person(subject, f"{at}@example.org", "x")) for at, subject in enumerate(["ada", "Ada", "àda"])}
    assert len(ids) == 3
    assert log_in(new_provider("other"), Person("ada", "9@example.org", "x")) not in ids


def test_a_verified_account_with_the_address_is_connected_and_stays_as_it_is(acme: Provider) -> None:
    user_id = new_user()
    assert log_in(acme) == user_id
    user = db.session.get_one(User, user_id)
    assert (user.name, user.password_hash, count(User), count(OauthIdentity)) == ("Somebody", "x", 1, 1)
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "identity.connect")).one()
    assert (event.actor_kind, event.actor_id, event.subject_id, event.after) == (
        "user", user_id, user_id, {"provider": acme.id},
    )  # fmt: skip


def test_an_address_that_the_provider_has_not_verified_connects_nothing(acme: Provider) -> None:
    new_user()
    with pytest.raises(ProviderEmailNotVerified):
        log_in(acme, replace(ADA, email=None))
    assert (count(User), count(OauthIdentity)) == (1, 0)
    assert actions()[-1] == "user.log_in_refused"


def test_what_a_squatter_left_on_an_unverified_account_lets_nobody_in_any_more(acme: Provider) -> None:
    now = utc_now()
    user_id = new_user(
        email_verified_at=None, password_hash=passwords.hash_password("the squatter's words", email="ada@example.org")
    )
    proof = Proof(user_id, "password", second_factor=False)
    sessions = [
        start_session(proof=proof, kind=kind, client=FROM, now=now, lifetime=timedelta(hours=1))
        for kind in ("browser", "api")
    ]
    other = new_provider("other")
    add(
        ApiKey(user_id=user_id, name="k", prefix="cw_x", secret_hash=hash_of("cw_key"), scopes=[], created_at=now),
        Totp(user_id=user_id, secret="JBSWY3DPEHPK3PXP", created_at=now, confirmed_at=now),
        Passkey(
            user_id=user_id, credential_hash="h", credential_id=b"c", public_key=b"p", name="n", created_at=now,
            transports=[],
        ),
        OauthIdentity(
            user_id=user_id, provider_id=other.id, subject="squatter", email="", created_at=now, last_used_at=now
        ),
        OneTimeToken(
            purpose="reset_password", token_hash="t", email="ada@example.org", user_id=user_id, created_at=now,
            expires_at=now + timedelta(hours=1),
        ),
    )  # fmt: skip
    assert all(of_session(started.sid) for started in sessions)
    assert of_key("cw_key") is not None
    assert log_in(acme) == user_id
    user = db.session.get_one(User, user_id)
    assert user.password_hash == ""
    assert user.email_verified_at is not None
    assert [of_session(started.sid) for started in sessions] == [None, None]
    assert of_key("cw_key") is None
    assert [count(table) for table in (Totp, Passkey, OneTimeToken)] == [0, 0, 0]
    assert db.session.scalars(select(OauthIdentity.subject)).all() == ["ada-at-acme"]
    assert db.session.scalars(select(SessionRow.ended_at)).all().count(None) == 0
    assert log_in(other, Person("squatter", "squatter@example.org", "x")) != user_id


def of_session(sid: str) -> Any:
    return access.of_session(sid, now=utc_now(), address=None, idle=IDLE, staff_second_factor=False)


def of_key(key: str) -> Any:
    return access.of_key(hash_of(key), now=utc_now(), address=None)


def test_pending_registrations_of_the_address_are_void(acme: Provider) -> None:
    now = utc_now()
    rows = [
        Registration(email=email, name="x", password_hash="x", created_at=now, expires_at=now + timedelta(days=1))
        for email in ("ada@example.org", "ada@example.org", "eve@example.org")
    ]
    add(*rows)
    log_in(acme)
    assert db.session.scalars(select(Registration.email)).all() == ["eve@example.org"]


def test_a_second_person_with_the_same_address_at_the_provider_does_not_get_the_account(acme: Provider) -> None:
    log_in(acme)
    with pytest.raises(ProviderLogInRefused, match="connected to another account at Acme"):
        log_in(acme, replace(ADA, subject="the next owner of the address"))
    assert count(OauthIdentity) == 1


def test_a_closed_account_is_neither_opened_nor_connected(acme: Provider) -> None:
    new_user(is_active=False)
    with pytest.raises(ProviderLogInRefused):
        log_in(acme)
    assert count(OauthIdentity) == 0


def test_while_registration_is_closed_only_those_get_in_who_have_an_account(acme: Provider) -> None:
    with pytest.raises(RegistrationClosed):
        log_in(acme, registration_open=False)
    assert (count(User), count(OauthIdentity)) == (0, 0)
    invited = new_user(email_verified_at=None, password_hash="")
    assert log_in(acme, registration_open=False) == invited


def test_a_provider_that_was_switched_off_meanwhile_lets_nobody_in(acme: Provider) -> None:
    log_in(acme)
    row = providers.update_provider(
        actor=system(), now=utc_now(), provider_id=acme.id, expected_version=1, name="Acme", client_id="us",
        issuer=acme.issuer, is_enabled=False, loopback=False,
    )  # fmt: skip
    for person in (ADA, Person("new", "new@example.org", "x")):
        with pytest.raises(ProviderNotFound):
            log_in(acme, person)
    assert count(User) == 1
    providers.delete_provider(actor=system(), provider_id=acme.id, expected_version=row.version, with_identities=True)
    with pytest.raises(ProviderNotFound):
        log_in(acme)


def test_four_answers_for_one_new_person_at_once_make_one_account(context: Flask, acme: Provider) -> None:
    ids = at_once(context, *(lambda: log_in(acme) for _ in range(4)))
    assert all(isinstance(found, int) for found in ids), ids
    assert len(set(ids)) == 1
    assert (count(User), count(OauthIdentity)) == (1, 1)


def test_one_person_with_two_addresses_at_once_gets_one_account(context: Flask, acme: Provider) -> None:
    people = [replace(ADA, email=f"{at}@example.org") for at in range(3)]
    ids = at_once(context, *(lambda person=person: log_in(acme, person) for person in people))
    assert all(isinstance(found, int) for found in ids), ids
    assert len(set(ids)) == 1
    assert count(OauthIdentity) == 1


def test_an_errand_is_used_once_also_when_it_is_used_twice_at_once(context: Flask) -> None:
    oauth._note_errand(state="s", now=utc_now())
    used = at_once(context, *(lambda: oauth.use_errand(state="s", now=utc_now()) for _ in range(4)))
    assert sorted(used) == [False, False, False, True]


def test_an_account_elsewhere_belongs_to_one_user_here(acme: Provider) -> None:
    first, second = log_in(acme), new_user("eve@example.org")
    with pytest.raises(IdentityTaken):
        oauth.connect(actor=as_actor(second), provider=acme, person=ADA, now=utc_now())
    oauth.connect(actor=as_actor(first), provider=acme, person=ADA, now=utc_now())
    assert db.session.scalars(select(OauthIdentity.user_id)).all() == [first]
    oauth.connect(actor=as_actor(second), provider=acme, person=Person("eve", None, "x"), now=utc_now())
    assert log_in(acme, Person("eve", None, "x")) == second


def test_of_users_that_connect_one_account_at_once_one_gets_it(context: Flask, acme: Provider) -> None:
    users = [new_user(f"{at}@example.org") for at in range(6)]
    ends = at_once(
        context,
        *(
            lambda user_id=user_id: oauth.connect(actor=as_actor(user_id), provider=acme, person=ADA, now=utc_now())
            for user_id in users
        ),
    )
    assert [type(end) for end in ends if end is not None] == [IdentityTaken] * 5
    assert count(OauthIdentity) == 1


def test_the_only_way_in_stays(acme: Provider) -> None:
    user_id = log_in(acme)
    (mine,) = db.session.scalars(select(OauthIdentity.id)).all()
    with pytest.raises(OnlyWayIn):
        oauth.disconnect(actor=as_actor(user_id), identity_id=mine)
    off = new_provider("off")
    oauth.connect(actor=as_actor(user_id), provider=off, person=ADA, now=utc_now())
    providers.update_provider(
        actor=system(), now=utc_now(), provider_id=off.id, expected_version=1, name="Off", client_id="us",
        issuer=off.issuer, is_enabled=False, loopback=False,
    )  # fmt: skip
    with pytest.raises(OnlyWayIn):
        oauth.disconnect(actor=as_actor(user_id), identity_id=mine)
    assert count(OauthIdentity) == 2


@pytest.mark.parametrize("way", ["password", "passkey", "provider"])
def test_with_another_way_in_an_account_can_be_disconnected(acme: Provider, way: str) -> None:
    user_id = log_in(acme)
    mine = db.session.scalars(select(OauthIdentity.id)).one()
    if way == "password":
        user = db.session.get_one(User, user_id)
        user.password_hash = "x"
        db.session.commit()
    elif way == "passkey":
        add(
            Passkey(
                user_id=user_id, credential_hash="h", credential_id=b"c", public_key=b"p", name="n",
                created_at=utc_now(), transports=[],
            )
        )  # fmt: skip
    else:
        oauth.connect(actor=as_actor(user_id), provider=new_provider("other"), person=ADA, now=utc_now())
    oauth.disconnect(actor=as_actor(user_id), identity_id=mine)
    assert db.session.get(OauthIdentity, mine) is None
    assert actions()[-1] == "identity.disconnect"


def test_of_two_accounts_that_are_disconnected_at_once_one_stays(context: Flask, acme: Provider) -> None:
    user_id = log_in(acme)
    oauth.connect(actor=as_actor(user_id), provider=new_provider("other"), person=ADA, now=utc_now())
    mine = db.session.scalars(select(OauthIdentity.id)).all()
    db.session.rollback()
    ends = at_once(
        context,
        *(lambda each=each: oauth.disconnect(actor=as_actor(user_id), identity_id=each) for each in mine),
    )
    assert [type(end) for end in ends if end is not None] == [OnlyWayIn]
    assert count(OauthIdentity) == 1


def test_nobody_disconnects_somebody_elses_account(acme: Provider) -> None:
    log_in(acme)
    mine = db.session.scalars(select(OauthIdentity.id)).one()
    with pytest.raises(IdentityNotFound):
        oauth.disconnect(actor=as_actor(new_user("eve@example.org")), identity_id=mine)
    assert count(OauthIdentity) == 1


def test_what_is_kept_of_a_person_is_exported_and_erased(acme: Provider) -> None:
    user_id, other = log_in(acme), log_in(acme, Person("eve", "eve@example.org", "x"))
    (kept,) = oauth.export(user_id)
    assert (kept["provider"], kept["subject"], kept["email"]) == ("acme", "ada-at-acme", "ada@example.org")
    in_transaction(lambda: oauth.erase(user_id))()
    assert oauth.export(user_id) == []
    assert len(oauth.export(other)) == 1
