"""What the API of webhooks takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate

from app.core.fields import Instant, PageArguments, StrictSchema, Text, page_of
from app.core.outgoing import MAX_URL
from app.notifications.kinds import EVERYTHING, KINDS, PRODUCT_UPDATED, STOCK_LOW
from app.notifications.models import DeliveryState
from app.notifications.services.schedule import MAX_FAILURES

_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_NAME: Final = {"description": "As people read it", "examples": ["warehouse"]}
_URL: Final = {
    "description": "http or https, without credentials; not in a private network, unless the installation allows the "
    "very host and port (ALLOWED_PRIVATE_TARGETS)",
    "examples": ["https://hooks.example.org/cartwright"],
}
_KINDS: Final = {
    "description": "What it is told of, `*` for everything: "
    + "; ".join(f"`{kind}`: {meaning}" for kind, meaning in KINDS.items()),
    "examples": [[PRODUCT_UPDATED, STOCK_LOW]],
}
_ACTIVE: Final = {
    "description": "Whether it is told of anything. Switched on again, it gets what waited in the last three days",
    "examples": [True],
}
_SECRET: Final = {
    "description": "Its receiver checks signatures with it; shown now and never again",
    "examples": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="],
}


class Kinds(fields.List[Any]):
    """Kinds of events, each once."""

    def __init__(self, **kwargs: Any) -> None:
        one = fields.String(validate=validate.OneOf([EVERYTHING, *KINDS]))
        super().__init__(one, validate=validate.Length(1, len(KINDS) + 1), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        found = super()._deserialize(value, attr, data, **kwargs)
        if len(set(found)) != len(found):
            raise ValidationError("names a kind twice.")
        return found


class WebhookIn(StrictSchema):
    """A webhook to add."""

    name = Text(longest=120, required=True, metadata=_NAME)
    url = Text(longest=MAX_URL, required=True, metadata=_URL)
    kinds = Kinds(required=True, metadata=_KINDS)
    is_active = fields.Boolean(load_default=True, truthy={True}, falsy={False}, metadata=_ACTIVE)


class WebhookChange(StrictSchema):
    """What is to be different about a webhook; what is left out stays."""

    name = Text(longest=120, metadata=_NAME)
    url = Text(longest=MAX_URL, metadata=_URL)
    kinds = Kinds(metadata=_KINDS)
    is_active = fields.Boolean(truthy={True}, falsy={False}, metadata=_ACTIVE)


class WebhookSchema(Schema):
    """A webhook, without its secret."""

    id = fields.Integer(metadata={"examples": [3]})
    name = fields.String(metadata=_NAME)
    url = fields.String(metadata=_URL)
    kinds = fields.List(fields.String(), metadata=_KINDS)
    is_active = fields.Boolean(metadata=_ACTIVE)
    disabled_reason = fields.String(
        allow_none=True,
        metadata={
            "description": f"Why it was switched off by itself: {MAX_FAILURES} failures in a row, or 410 Gone",
            "examples": ["15 attempts in a row failed; the last: The receiver answers 500."],
        },
    )
    failures = fields.Integer(
        metadata={"description": "Failed attempts since the last that went well; makes no new version", "examples": [0]}
    )
    paused_until = Instant(
        allow_none=True,
        metadata=_WHEN | {"description": "After a failure, nothing is sent until then; makes no new version"},
    )
    old_secret_until = Instant(
        allow_none=True, metadata=_WHEN | {"description": "Until when the secret before the present one signs as well"}
    )
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


class SecretSchema(Schema):
    """A webhook and the secret that was just made for it."""

    webhook = fields.Nested(WebhookSchema)
    secret = fields.String(metadata=_SECRET)


class DeliveryArguments(PageArguments):
    """Which deliveries to list."""

    state = fields.Enum(
        DeliveryState, by_value=True, load_default=None, metadata={"description": "Only those in this state"}
    )


class DeliverySchema(Schema):
    """An event on its way to a webhook, or what became of it."""

    id = fields.Integer(metadata={"examples": [41]})
    webhook_id = fields.Integer(metadata={"examples": [3]})
    event_id = fields.String(
        metadata={
            "description": "The header webhook-id, the same in every attempt",
            "examples": ["evt_019b0d3c5a00c2f8e7a1b4d96035"],
        }
    )
    kind = fields.String(metadata={"examples": [PRODUCT_UPDATED]})
    state = fields.String(
        validate=validate.OneOf(list(DeliveryState)),
        metadata={
            "description": "PENDING, DELIVERED, FAILED after all attempts, ABANDONED when it waited for three days",
            "examples": ["DELIVERED"],
        },
    )
    attempts = fields.Integer(metadata={"examples": [1]})
    next_attempt_at = Instant(allow_none=True, metadata=_WHEN | {"description": "While it is pending"})
    last_attempt_at = Instant(allow_none=True, metadata=_WHEN)
    last_status = fields.Integer(allow_none=True, metadata={"description": "null without an answer", "examples": [200]})
    last_error = fields.String(allow_none=True, metadata={"examples": ["The receiver answers 500."]})
    response = fields.String(
        allow_none=True, metadata={"description": "How the last answer begins: 1000 characters", "examples": ["ok"]}
    )
    duration_ms = fields.Integer(allow_none=True, metadata={"description": "Of the last attempt", "examples": [38]})
    created_at = Instant(metadata=_WHEN | {"description": "When it happened"})


class WholeDeliverySchema(DeliverySchema):
    """A delivery with what is sent."""

    payload = fields.Raw(
        metadata={
            "type": "object",
            "description": "The body, as the section on webhooks describes it",
            "examples": [
                {
                    "id": "evt_019b0d3c5a00c2f8e7a1b4d96035",
                    "type": STOCK_LOW,
                    "timestamp": "2026-11-21T10:00:00.000000Z",
                    "data": {
                        "product_id": 7, "asin": "B0CW1A0001", "name": "Kettle", "available": 4, "threshold": 5
                    },
                }
            ],
        }
    )  # fmt: skip


WebhookPage = page_of(WebhookSchema)
DeliveryPage = page_of(DeliverySchema)
