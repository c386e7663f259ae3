"""Passkeys (WebAuthn): adding them, logging in with them, taking them away."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import webauthn
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from webauthn.helpers import options_to_json_dict
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from app.auth.errors import (
    PasskeyKnown,
    PasskeyNotAccepted,
    PasskeyNotFound,
    PasskeyRefused,
    SecondFactorNeeded,
    TooManyPasskeys,
)
from app.auth.models import Passkey, User
from app.auth.queries.second_factor import roles_that_require_it
from app.auth.services import second_factor, sessions
from app.auth.services.ceremonies import (
    CHALLENGE_FOR,
    Asked,
    RelyingParty,
    handle_of,
    hash_of_id,
    new_challenge,
    parsed_answer,
    take_challenge,
    verified_answer,
    verified_registration,
)
from app.auth.services.notices import request_notice
from app.auth.services.sessions import Client, Proof
from app.core import audit
from app.core.errors import FieldError
from app.core.extensions import db
from app.core.permissions import Principal, guest
from app.core.transactions import in_transaction

MAX_PASSKEYS: Final = 20
"""Of one user."""
LONGEST_NAME: Final = 64
_TRANSPORTS: Final = {transport.value for transport in AuthenticatorTransport}


@in_transaction
def start_registration(*, actor: Principal, party: RelyingParty, now: datetime) -> Asked:
    """Ask for a new passkey of the person who is logged in.

    Raises TooManyPasskeys, and SecondFactorRequired for a session that has not seen the second factor that there is.
    """
    user = second_factor.lock_user(actor.require_person())
    second_factor.require_proven(actor)
    known = list(db.session().scalars(select(Passkey).where(Passkey.user_id == user.id).order_by(Passkey.id)))
    _require_room(len(known))
    row = new_challenge("register", now, user.id)
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=handle_of(user.id),
        user_name=user.email,
        user_display_name=user.name or user.email,
        challenge=row.challenge,
        timeout=int(CHALLENGE_FOR.total_seconds() * 1000),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=one.credential_id, transports=_transports(one.transports)) for one in known
        ],
    )
    return Asked(row.token, options_to_json_dict(options))


@in_transaction
def start_log_in(*, party: RelyingParty, now: datetime) -> Asked:
    """Ask for any passkey of this site: whose it is, the browser knows; so the question says nothing about anybody."""
    row = new_challenge("log_in", now, None)
    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=row.challenge,
        timeout=int(CHALLENGE_FOR.total_seconds() * 1000),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return Asked(row.token, options_to_json_dict(options))


def add_passkey(
    *, actor: Principal, party: RelyingParty, challenge: str, credential: dict[str, Any], name: str, now: datetime
) -> Passkey:
    """Add a passkey from a browser's answer; this session counts as proven by a second factor from now on.

    Raises PasskeyNotAccepted for an answer to another question or without the user's verification, PasskeyKnown,
    TooManyPasskeys and SecondFactorRequired.
    """
    asked = take_challenge.aside(token=challenge, purpose="register", now=now, user_id=actor.require_person())
    found = verified_registration(party, asked, credential)
    if found is None:
        rule = "is no answer to what was asked; start again."
        raise PasskeyNotAccepted("The passkey was not accepted.", errors=(FieldError("/credential", rule),))
    response = credential.get("response")
    sent = response.get("transports") if isinstance(response, dict) else None
    transports = sorted(_TRANSPORTS & {one for one in sent if isinstance(one, str)}) if isinstance(sent, list) else []
    try:
        return _add(actor=actor, found=found, transports=transports, name=name, now=now)
    except IntegrityError as error:
        raise PasskeyKnown("This passkey is registered already.") from error


@in_transaction
def _add(*, actor: Principal, found: VerifiedRegistration, transports: list[str], name: str, now: datetime) -> Passkey:
    user = second_factor.lock_user(actor.require_person())
    second_factor.require_proven(actor)
    session = db.session()
    _require_room(session.scalar(select(func.count()).where(Passkey.user_id == user.id)) or 0)
    row = Passkey(
        user_id=user.id,
        credential_hash=hash_of_id(found.credential_id),
        credential_id=found.credential_id,
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        transports=transports,
        name=name,
        created_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(actor=actor, action="passkey.add", subject=("passkey", row.id), after={"name": name})
    request_notice(user.id, "passkey_added")
    sessions.confirm_session.joined(actor=actor, now=now, second_factor=True)
    return row


def log_in(*, party: RelyingParty, challenge: str, credential: dict[str, Any], client: Client, now: datetime) -> Proof:
    """The proof that a passkey's answer is: both factors in one, as it was unlocked by its owner.

    Raises PasskeyRefused, which says the same for an unknown passkey, a wrong or late answer, a copied passkey (its
    counter goes back) and an owner who is not active.
    """
    actor = guest(client.request_id, client.address)
    user_id = _use.aside(party=party, token=challenge, credential=parsed_answer(credential), actor=actor, now=now)
    return Proof(_accepted(user_id), "passkey", second_factor=True)


def confirm(
    *, actor: Principal, party: RelyingParty, challenge: str, credential: dict[str, Any], now: datetime
) -> None:
    """Note that the person of this session has proven again who they are, by one of their passkeys.

    Raises PasskeyRefused, also for a passkey of somebody else.
    """
    owner = actor.require_person()
    parsed = parsed_answer(credential)
    _accepted(_use.aside(party=party, token=challenge, credential=parsed, actor=actor, now=now, owner=owner))
    sessions.confirm_session(actor=actor, now=now, second_factor=True)


@in_transaction
def rename_passkey(*, actor: Principal, passkey_id: int, name: str) -> Passkey:
    """Give one's own passkey another name; raises PasskeyNotFound."""
    actor.require_complete_login()
    row = _own(actor, passkey_id)
    audit.record(
        actor=actor,
        action="passkey.rename",
        subject=("passkey", row.id),
        before={"name": row.name},
        after={"name": name},
    )
    row.name = name
    return row


@in_transaction
def remove_passkey(*, actor: Principal, passkey_id: int) -> None:
    """Take away one's own passkey.

    Raises PasskeyNotFound, SecondFactorNeeded for the last second factor where a role needs one, and
    SecondFactorRequired for a session that has not seen a second factor.
    """
    user_id = second_factor.lock_user(actor.require_person()).id
    second_factor.require_proven(actor)
    session = db.session()
    row = _own(actor, passkey_id)
    session.delete(row)
    session.flush()
    requiring = roles_that_require_it(user_id)
    if requiring and not second_factor.is_set_up(user_id):
        raise SecondFactorNeeded(f"Your role {requiring[0]} needs a second factor; set up another one first.")
    audit.record(actor=actor, action="passkey.remove", subject=("passkey", row.id), before={"name": row.name})
    request_notice(user_id, "passkey_removed")


def _own(actor: Principal, passkey_id: int) -> Passkey:
    row = db.session().get(Passkey, passkey_id, with_for_update=True)
    if row is None or row.user_id != actor.require_person():
        raise PasskeyNotFound(f"You have no passkey {passkey_id}.")
    return row


@in_transaction
def _use(
    *,
    party: RelyingParty,
    token: str,
    credential: AuthenticationCredential | None,
    actor: Principal,
    now: datetime,
    owner: int | None = None,
) -> int | None:
    """The owner of the passkey whose answer this is; None, and a note in the audit log, where it is refused."""
    session = db.session()
    challenge = take_challenge.joined(token=token, purpose="log_in", now=now)
    row = found = None
    if credential is not None:
        known = select(Passkey).where(Passkey.credential_hash == hash_of_id(credential.raw_id))
        row = session.scalar(known.with_for_update())
    if row is not None and credential is not None:
        found = verified_answer(party, challenge, credential, row.user_id, row.public_key)
    if row is None or found is None or (why := _why_not(row, found.new_sign_count, owner)):
        subject = ("passkey", row.id if row else None)
        why = "unknown" if row is None else "answer" if found is None else why
        audit.record(actor=actor, action="passkey.refused", subject=subject, after={"why": why})
        return None
    row.sign_count, row.last_used_at = found.new_sign_count, now
    return row.user_id


def _why_not(row: Passkey, counter: int, owner: int | None) -> str | None:
    if owner is not None and row.user_id != owner:
        return "of another user"
    if (counter or row.sign_count) and counter <= row.sign_count:  # a copy is ahead (WebAuthn 3, 6.1.1)
        return "counter went back"
    if not db.session.scalar(select(User.is_active).where(User.id == row.user_id)):
        return "inactive user"
    return None


def _accepted(user_id: int | None) -> int:
    if user_id is None:
        raise PasskeyRefused("The passkey was not accepted; try again, or log in another way.")
    return user_id


def _require_room(known: int) -> None:
    if known >= MAX_PASSKEYS:
        raise TooManyPasskeys(f"There may be {MAX_PASSKEYS} passkeys; remove one first.")


def _transports(names: list[str]) -> list[AuthenticatorTransport]:
    return [AuthenticatorTransport(name) for name in names if name in _TRANSPORTS]
