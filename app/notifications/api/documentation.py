"""The section of the OpenAPI document (3.1, ``webhooks``) that says what receivers are sent."""

from __future__ import annotations

from typing import Any, Final

from flask_smorest import Api

from app.notifications.kinds import KINDS
from app.notifications.schemas.events import EVENTS

_ABOUT: Final = """{meaning}.

Requests are signed by the [Standard Webhooks](https://www.standardwebhooks.com) specification, for which there are
libraries in most languages. By hand: take the text `{{webhook-id}}.{{webhook-timestamp}}.{{body}}` with the body's
bytes as they came, make its HMAC-SHA256 with the base64-decoded part of the secret after `whsec_`, and compare its
base64, in constant time, with each signature (`v1,...`, separated by spaces) of `webhook-signature`; after a change of
the secret there are two for 24 hours. Refuse a timestamp that is more than five minutes off.

Events come at least once and in no strict order: take a `webhook-id` that you have seen for a repeat. Answer 2xx within
10 seconds, before you begin to work. Redirects are not followed. Anything else is tried again after about 5 s, 30 s,
2 min, 10 min, 30 min, 1 h, 2 h, 4 h, 6 h and 10 h. A webhook that fails is sent one request at a time after pauses of
5 s to 15 min (or `Retry-After`, up to an hour); after 15 failures in a row, or 410 Gone, it is switched off."""

_HEADERS: Final = {
    "webhook-id": ("The event's id, the same in every attempt", "evt_019b0d3c5a00c2f8e7a1b4d96035"),
    "webhook-timestamp": ("When this attempt is made, in seconds since 1970", "1795255200"),
    "webhook-signature": (
        "Signatures, separated by spaces",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
}


def register_webhook_docs(api: Api) -> None:
    """Add every kind of event to the document."""
    for kind, schema in EVENTS.items():
        if schema.__name__ not in api.spec.components.schemas:
            api.spec.components.schema(schema.__name__, schema=schema)
        api.spec.options.setdefault("webhooks", {})[kind] = {"post": _operation(kind, schema.__name__)}


def _operation(kind: str, schema: str) -> dict[str, Any]:
    meaning = KINDS.get(kind, "Somebody asked for a test event")
    return {
        "summary": meaning,
        "description": _ABOUT.format(meaning=meaning),
        "operationId": f"webhook-{kind}",
        "tags": ["webhooks"],
        "security": [],
        "parameters": [
            {"in": "header", "name": name, "required": True, "description": text,
             "schema": {"type": "string", "examples": [example]}}
            for name, (text, example) in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
        },
        "responses": {"2XX": {"description": "Taken"}, "410": {"description": "No more events are wanted"}},
    }  # fmt: skip
