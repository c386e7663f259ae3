"""Stripe's webhooks: whether one is genuine, what it is about, and what of it may be kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
import stripe

from app.orders.providers.port import Notice, NoticeForged

TOLERANCE_S: Final = 300
"""How old a signature may be; what Stripe's own libraries allow (https://docs.stripe.com/webhooks#replay-attacks)."""
SIGNATURE: Final = "Stripe-Signature"
_NOT_KEPT: Final = frozenset(
    {
        "client_secret",
        "address",
        "billing_details",
        "customer_details",
        "customer_email",
        "customer_name",
        "customer_phone",
        "email",
        "evidence",
        "name",
        "phone",
        "receipt_email",
        "receipt_url",
        "shipping",
    }
)
"""Members that are secrets, or say who somebody is: what we know of our customers is in their orders."""


def read(body: bytes, headers: Mapping[str, str], secret: str) -> Notice:
    """The event in a webhook; raises NoticeForged unless Stripe signed these very bytes a moment ago."""
    try:
        stripe.WebhookSignature.verify_header(body, headers.get(SIGNATURE), secret, TOLERANCE_S)
        event = orjson.loads(body)
        about = event["data"]["object"]
        return Notice(
            event_id=_text(event["id"], 128),
            kind=_text(event["type"], 200)[:64],
            payment_ref=_payment_of(about),
            body=orjson.dumps(_kept(event)).decode(),
        )
    except stripe.SignatureVerificationError:
        raise NoticeForged("The signature is not Stripe's, or too old.") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NoticeForged("This is no event of Stripe's.") from None


def _text(value: Any, longest: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
        raise ValueError(value)
    return value


def _payment_of(about: Mapping[str, Any]) -> str | None:
    """The PaymentIntent that an object is, or that it belongs to as charges, refunds and disputes do."""
    found = about.get("id") if about.get("object") == "payment_intent" else about.get("payment_intent")
    return _text(found, 128) if isinstance(found, str) else None


def _kept(event: Any) -> Any:
    """The event without what is not kept, however deep; it is the caller's own, so it is changed in place."""
    to_look_at = [event]
    while to_look_at:
        part = to_look_at.pop()
        if isinstance(part, dict):
            for name in _NOT_KEPT & part.keys():
                del part[name]
            to_look_at.extend(part.values())
        elif isinstance(part, list):
            to_look_at.extend(part)
    return event
