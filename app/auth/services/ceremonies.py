"""The two ceremonies of WebAuthn: what a browser is asked, and whether its answer is right."""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import webauthn
from sqlalchemy import select
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import parse_authentication_credential_json
from webauthn.helpers.structs import AuthenticationCredential
from webauthn.registration.verify_registration_response import VerifiedRegistration

from app.auth.models import Challenge
from app.core.extensions import db
from app.core.transactions import in_transaction

CHALLENGE_FOR: Final = timedelta(minutes=5)
_MAX_ID: Final = 1023
_MAX_PUBLIC_KEY: Final = 2048

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Whom passkeys are for."""

    id: str
    """The host name; a passkey works at no other."""
    origin: str
    """Scheme, host and port of the pages."""
    name: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a browser is asked for."""

    challenge: str
    """Names what was asked; to be sent back with the answer, once, within five minutes."""
    options: dict[str, Any]
    """For ``navigator.credentials``: ``publicKey``, with bytes in base64url."""


def new_challenge(purpose: str, now: datetime, user_id: int | None) -> Challenge:
    """A challenge to sign, in the open transaction: ``register`` for a user, ``log_in`` for whoever it may be."""
    row = Challenge(token=secrets.token_hex(16), purpose=purpose, challenge=secrets.token_bytes(32), user_id=user_id)
    row.expires_at = now + CHALLENGE_FOR
    db.session.add(row)
    db.session.flush()
    return row


@in_transaction
def take_challenge(*, token: str, purpose: str, now: datetime, user_id: int | None = None) -> bytes | None:
    """The challenge of that name, which exists no more afterwards; None where there is none for this."""
    if not token.isalnum():  # PostgreSQL takes no NUL, not even to look for
        return None
    session = db.session()
    row = session.scalar(select(Challenge).where(Challenge.token == token).with_for_update())
    if row is None:
        return None
    session.delete(row)
    session.flush()
    fits = row.purpose == purpose and row.user_id == user_id and row.expires_at > now
    return row.challenge if fits else None


def handle_of(user_id: int) -> bytes:
    """The name under which a passkey knows its owner; says nothing about the person (WebAuthn 3, 14.6.1)."""
    return hashlib.sha256(f"cartwright passkey owner {user_id}".encode()).digest()


def hash_of_id(credential_id: bytes) -> str:
    """The name under which a passkey is stored."""
    return hashlib.sha256(credential_id).hexdigest()


def verified_registration(
    party: RelyingParty, challenge: bytes | None, credential: dict[str, Any]
) -> VerifiedRegistration | None:
    """The passkey that a browser made for this challenge, unlocked by its owner; None for anything else."""
    if challenge is None:
        return None
    try:
        found = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except Exception as error:  # noqa: BLE001  # five parsers read what anybody sends; whatever they raise means no
        log.info("a new passkey is refused: %s", error)
        return None
    fits = len(found.credential_id) <= _MAX_ID and len(found.credential_public_key) <= _MAX_PUBLIC_KEY
    return found if fits else None


def verified_answer(
    party: RelyingParty, challenge: bytes | None, credential: AuthenticationCredential, owner: int, public_key: bytes
) -> VerifiedAuthentication | None:
    """What a passkey of this owner has signed for this challenge, unlocked by its owner; None for anything else.

    Its counter is not compared with an earlier one: only what the passkey itself has signed may count as a copy.
    """
    if challenge is None or credential.response.user_handle != handle_of(owner):
        return None
    try:
        return webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception as error:  # noqa: BLE001  # see above
        log.info("a passkey is refused: %s", error)
        return None


def parsed_answer(credential: dict[str, Any]) -> AuthenticationCredential | None:
    """A browser's answer as bytes; None for what is no answer at all."""
    try:
        return parse_authentication_credential_json(credential)
    except Exception as error:  # noqa: BLE001  # see above
        log.info("what should be a passkey's answer is refused: %s", error)
        return None
