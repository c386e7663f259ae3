"""Signatures of webhooks, by the Standard Webhooks specification 1.0.0 (https://www.standardwebhooks.com).

The signed content is ``{webhook-id}.{webhook-timestamp}.{body}``. A receiver compares in constant time, refuses
timestamps that are more than five minutes off, and takes an id it has seen for a repeat.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
_BYTES: Final = 32
"""Of a secret; the specification asks for 24 to 64."""


def new_secret() -> str:
    """A secret as its receiver gets it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def signed_headers(event_id: str, body: bytes, *, signers: Sequence[str], now: datetime) -> dict[str, str]:
    """The headers of one attempt at ``now``, with a signature by each of these secrets."""
    timestamp = str(int(now.timestamp()))
    content = f"{event_id}.{timestamp}.".encode() + body
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_signature(secret, content)}" for secret in signers),
    }


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
