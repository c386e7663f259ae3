"""What the API of one's own account takes and gives."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields, validate

from app.auth.preferences import NOTIFICATIONS, THEMES
from app.core.fields import Instant, StrictSchema, Text

_NAME: Final = {"examples": ["Ada Example"]}
_LANGUAGE: Final = {"description": "BCP 47 tag: how dates and numbers are written", "examples": ["de-AT"]}
_TIME_ZONE: Final = {"description": "IANA name; null: the shop's", "examples": ["Europe/Vienna"]}
_THEME: Final = {"examples": ["dark"]}
_KINDS: Final = "; ".join(f"{kind}: {known.description}" for kind, known in NOTIFICATIONS.items())
_NOTIFICATIONS: Final = {
    "description": f"Which mails one gets. {_KINDS}",
    "examples": [{kind: known.usual for kind, known in NOTIFICATIONS.items()}],
}


class AccountSchema(Schema):
    """The user that an access token or an API key belongs to."""

    id = fields.Integer(metadata={"examples": [7]})
    email = fields.String(metadata={"examples": ["ada@example.org"]})
    name = fields.String(metadata=_NAME)
    roles = fields.List(fields.String(), metadata={"examples": [["catalogue manager"]]})
    permissions = fields.List(
        fields.String(), metadata={"description": "What this access allows", "examples": [["products:read"]]}
    )
    language = fields.String(metadata=_LANGUAGE)
    time_zone = fields.String(allow_none=True, metadata=_TIME_ZONE)
    theme = fields.String(validate=validate.OneOf(THEMES), metadata=_THEME)
    notifications = fields.Dict(keys=fields.String(), values=fields.Boolean(), metadata=_NOTIFICATIONS)
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    created_at = Instant(metadata={"examples": ["2026-11-21T10:00:00.000000Z"]})


class AccountChange(StrictSchema):
    """What is to be different about one's own account."""

    name = Text(longest=255, metadata=_NAME)
    language = Text(longest=35, metadata=_LANGUAGE)
    time_zone = Text(longest=64, allow_none=True, metadata=_TIME_ZONE)
    theme = fields.String(validate=validate.Length(1, 8), metadata=_THEME)
    notifications = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 32)),
        values=fields.Boolean(truthy={True}, falsy={False}),
        validate=validate.Length(max=20),
        metadata=_NOTIFICATIONS | {"description": f"{_NOTIFICATIONS['description']}. The others stay as they are."},
    )
