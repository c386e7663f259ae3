"""Cursors: where a list goes on, sealed, so that nobody can write one that we have not given."""

from __future__ import annotations

import base64
import hmac
from hashlib import blake2b
from typing import Any, Final

import orjson

from app.core.errors import Invalid
from app.core.running import settings

_SEAL_BYTES: Final = 9


class CursorRefused(ValueError):
    """The text is no cursor that was made here."""


def seal_cursor(values: list[Any]) -> str:
    """The cursor that holds some JSON values."""
    content = orjson.dumps(values)
    return base64.urlsafe_b64encode(_seal(content, settings().secret_key) + content).decode().rstrip("=")


def open_cursor(cursor: str) -> list[Any]:
    """The values that a cursor holds; raises CursorRefused for any that was not made here, or was changed."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise CursorRefused(cursor) from None
    seal, content = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
    known = (settings().secret_key, *settings().old_secret_keys)
    if not any(hmac.compare_digest(seal, _seal(content, key)) for key in known):
        raise CursorRefused(cursor)
    values: list[Any] = orjson.loads(content)
    return values


def refused_cursor() -> Invalid:
    """What to say of a cursor that is none of the list."""
    return Invalid.field("/cursor", "is not a cursor of this list.", place="query")


def _seal(content: bytes, secret_key: str) -> bytes:
    key = blake2b(secret_key.encode(), digest_size=32).digest()  # any length of secret becomes one that is allowed
    return blake2b(content, key=key, digest_size=_SEAL_BYTES, person=b"cursor").digest()
