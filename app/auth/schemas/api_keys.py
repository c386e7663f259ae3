"""What the API of API keys takes and gives."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields

from app.auth.schemas.roles import Names
from app.core.fields import Instant, StrictSchema, Text, page_of
from app.core.permissions import CATALOGUE

_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_KEY_NAME: Final = {"examples": ["nightly price import"]}
_SCOPES: Final = {
    "description": "What it may do, as far as its owner still may",
    "examples": [["products:read", "products:write"]],
}
_ENDS: Final = {
    "description": "From when on it no longer works, at most 366 days from now; 365 days when left out",
    "examples": ["2027-05-01T00:00:00.000000Z"],
}


class KeyIn(StrictSchema):
    """A new API key."""

    name = Text(longest=64, required=True, metadata=_KEY_NAME)
    scopes = Names(
        required=True,
        fewest=1,
        most=len(CATALOGUE),
        metadata=_SCOPES | {"description": "What it may do, by names of the catalogue; not more than you may"},
    )
    expires_at = Instant(load_default=None, metadata=_ENDS)


class KeyChange(StrictSchema):
    """What is to be different about an API key."""

    name = Text(longest=64, required=True, metadata=_KEY_NAME)


class KeySchema(Schema):
    """An API key, without its secret."""

    id = fields.Integer(metadata={"examples": [3]})
    name = fields.String(metadata=_KEY_NAME)
    prefix = fields.String(metadata={"description": "How the secret begins", "examples": ["cw_Zk3vQ9a"]})
    scopes = fields.List(fields.String(), metadata=_SCOPES)
    created_at = Instant(metadata=_WHEN)
    expires_at = Instant(allow_none=True, metadata=_ENDS)
    last_used_at = Instant(allow_none=True, metadata=_WHEN)
    last_used_address = fields.String(
        allow_none=True, metadata={"description": "Network address", "examples": ["192.0.2.7"]}
    )
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})


class NewKeySchema(Schema):
    """An API key that was just made; the secret is shown only now."""

    key = fields.Nested(KeySchema)
    secret = fields.String(
        metadata={
            "description": "Send it as Authorization: Bearer cw_...",
            "examples": ["cw_Zk3vQ9aXw7Jr2mTqB5uYh8nLc0dEfGi4KsPoV1xCz6A"],
        }
    )


KeyPage = page_of(KeySchema)
