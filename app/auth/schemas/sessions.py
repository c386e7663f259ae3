"""What the API of sessions takes and gives."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields

from app.core.fields import Instant, page_of

_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}


class SessionSchema(Schema):
    """One login, of a browser or of an API client."""

    id = fields.Integer(metadata={"examples": [12]})
    kind = fields.String(metadata={"description": "browser or api", "examples": ["browser"]})
    via = fields.String(
        metadata={"description": "password, passkey, session or oauth:<provider>", "examples": ["password"]}
    )
    user_agent = fields.String(metadata={"examples": ["Mozilla/5.0 (X11; Linux x86_64) ... Chrome/150.0"]})
    address = fields.String(allow_none=True, metadata={"description": "Network address", "examples": ["192.0.2.7"]})
    created_at = Instant(metadata=_WHEN)
    last_seen_at = Instant(metadata=_WHEN)
    second_factor_at = Instant(allow_none=True, metadata=_WHEN)
    expires_at = Instant(metadata=_WHEN)


class OwnSessionSchema(SessionSchema):
    """One of one's own logins."""

    is_current = fields.Boolean(metadata={"description": "Whether this request belongs to it", "examples": [True]})


class EndedSchema(Schema):
    """How many sessions were ended."""

    count = fields.Integer(metadata={"examples": [2]})


SessionPage = page_of(SessionSchema)
OwnSessionPage = page_of(OwnSessionSchema)
