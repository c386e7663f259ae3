"""What the accounts' API takes and gives."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.auth.models import MAX_EMAIL
from app.auth.passwords import LONGEST
from app.core.fields import StrictSchema, Text


class LogInSchema(StrictSchema):
    """Who wants an access token."""

    email = Text(longest=MAX_EMAIL, required=True)
    password = fields.String(
        required=True, validate=validate.Length(1, LONGEST), metadata={"format": "password"}, load_only=True
    )


class TokenSchema(Schema):
    """An access token."""

    access_token = fields.String(metadata={"description": "Send it as Authorization: Bearer ..."})
    token_type = fields.Constant("Bearer")
    expires_in = fields.Integer(metadata={"description": "Seconds from now"})


class AccountSchema(Schema):
    """The user that an access token belongs to."""

    id = fields.Integer()
    email = fields.String()
    name = fields.String()
    roles = fields.List(fields.String())
    permissions = fields.List(fields.String())
