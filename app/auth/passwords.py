"""Passwords: their rules, their hashes, and a check that takes as long for users who do not exist."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.core.errors import Invalid

SHORTEST: Final = 8
LONGEST: Final = 128

# The least that OWASP's Password Storage Cheat Sheet asks of Argon2id: sixteen threads that check passwords at the same
# time then need 300 MB, not the library's 1 GB.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def hash_password(password: str) -> str:
    """The Argon2id hash to store; raises Invalid for a password that breaks a rule."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid.field("/password", f"must have {SHORTEST} to {LONGEST} characters.")
    if any("\ud800" <= letter <= "\udfff" for letter in password):
        raise Invalid.field("/password", "must be valid Unicode.")
    return _HASHER.hash(password)


def hash_again(password: str) -> str:
    """The hash, by today's parameters, of a password that was accepted in the past, whatever today's rules are."""
    return _HASHER.hash(password)


def is_correct(password: str, stored_hash: str | None) -> bool:
    """Whether the password has this hash; for ``None`` (no such user) False, after the same amount of work."""
    try:
        _HASHER.verify(stored_hash or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
    return bool(stored_hash)


def is_outdated(stored_hash: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _HASHER.check_needs_rehash(stored_hash)


def generate_password() -> str:
    """A random password of 120 bits that can be typed."""
    return secrets.token_urlsafe(15)


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_urlsafe(32))
