"""Passwords: their rules, their hashes, and a check that takes as long for users who do not exist."""

from __future__ import annotations

import importlib.util
import secrets
import unicodedata
from functools import cache
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.core.errors import FieldError, Invalid

SHORTEST: Final = 8
LONGEST: Final = 128
LENGTH_RULE: Final = f"must have {SHORTEST} to {LONGEST} characters."
_SHORTEST_NAME: Final = 4
"""Characters from which on the part of an address before the @ must not be in a password; less is in many words."""

# The least that OWASP's Password Storage Cheat Sheet asks of Argon2id: sixteen threads that check passwords at the same
# time then need 300 MB, not the library's 1 GB.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def hash_password(password: str, *, email: str, field: str = "password") -> str:
    """The Argon2id hash to store of a password that somebody with this address chose.

    Raises Invalid, which points at ``field``, for one that breaks a rule: 8 to 128 characters, not among the common
    ones, without the address in it (NIST SP 800-63B-4, 3.1.1.2).
    """
    broken = _problems(password, email)
    if broken:
        raise Invalid("The request breaks a rule.", errors=tuple(FieldError(f"/{field}", rule) for rule in broken))
    return _HASHER.hash(normalised(password))


def hash_again(password: str) -> str:
    """The hash, by today's parameters, of a password that was accepted in the past, whatever today's rules are."""
    return _HASHER.hash(normalised(password))


def is_correct(password: str, stored_hash: str | None) -> bool:
    """Whether the password has this hash; for ``None`` (no such user) False, after the same amount of work."""
    hashed = stored_hash or _nobodys_hash()
    same = _verify(hashed, normalised(password))
    if not same and password != normalised(password):
        same = _verify(hashed, password)  # hashed before passwords were normalised
    return same and bool(stored_hash)


def is_outdated(stored_hash: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _HASHER.check_needs_rehash(stored_hash)


def normalised(password: str) -> str:
    """A password as it is hashed: NFKC, so that keyboards which compose letters differently type the same one.

    NIST SP 800-63B-4, 3.1.1.2; for ASCII it changes nothing. What is far too long to be anybody's stays as it is.
    """
    if len(password) > 4 * LONGEST:  # the work goes by the square of the length where it is made to
        return password
    return unicodedata.normalize("NFKC", password)


def generate_password() -> str:
    """A random password of 120 bits that can be typed."""
    return secrets.token_urlsafe(15)


def _problems(password: str, email: str) -> list[str]:
    """Which rules a password breaks."""
    if any("\ud800" <= letter <= "\udfff" for letter in password):
        return ["must be valid Unicode."]
    chosen = normalised(password)
    folded = chosen.casefold()
    name = email.casefold().partition("@")[0].partition("+")[0]
    broken = []
    if not SHORTEST <= len(chosen) <= LONGEST:
        broken.append(LENGTH_RULE)
    if email.casefold() in folded or (len(name) >= _SHORTEST_NAME and name in folded):
        broken.append("must not contain the email address or its part before the @.")
    if folded in _common():
        broken.append("is one of the most common passwords; choose another.")
    return broken


def _verify(stored_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored_hash, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


@cache
def _common() -> frozenset[str]:
    """The common passwords that are long enough to be chosen: of the 30,000 of the package zxcvbn (MIT).

    The file alone is loaded, not the package: that would keep all of its dictionaries in memory.
    """
    package = importlib.util.find_spec("zxcvbn")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("the package zxcvbn, which has the list of common passwords, is not installed")
    path = f"{package.submodule_search_locations[0]}/frequency_lists.py"
    spec = importlib.util.spec_from_file_location("common_passwords", path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path} cannot be loaded")
    lists: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lists)
    return frozenset(word for word in lists.FREQUENCY_LISTS["passwords"] if len(word) >= SHORTEST)


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_urlsafe(32))
