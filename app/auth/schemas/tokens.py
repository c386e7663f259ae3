"""What the tokens' API takes and gives."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.auth.models import MAX_EMAIL
from app.auth.schemas.fields import Code, Password
from app.core.fields import Instant, StrictSchema, Text


class TokenArguments(StrictSchema):
    """Where the refresh token goes."""

    cookie = fields.Boolean(
        load_default=False,
        metadata={"description": "Put the refresh token into an HttpOnly cookie instead of into the answer"},
    )


class LogInSchema(TokenArguments):
    """Who wants tokens."""

    email = Text(longest=MAX_EMAIL, required=True)
    password = Password(required=True)
    code = Code(load_default=None)
    device_token = fields.String(
        load_default=None,
        validate=validate.Length(1, 100),
        metadata={"description": "Of a device that was told to be remembered; instead of a code"},
    )
    remember_device = fields.Boolean(
        load_default=False,
        metadata={"description": "Beside a code: answer with a device_token, with which 30 days need no code"},
    )


class RefreshSchema(StrictSchema):
    """A refresh token; without one, that of the cookie is meant (with its CSRF token in X-CSRF-TOKEN)."""

    refresh_token = fields.String(load_default=None, validate=validate.Length(1, 2000))


class TokenSchema(Schema):
    """An access token and, unless it is in a cookie, the refresh token that follows it."""

    access_token = fields.String(metadata={"description": "Send it as Authorization: Bearer ..."})
    token_type = fields.Constant("Bearer")
    expires_in = fields.Integer(metadata={"description": "Seconds from now"})
    refresh_token = fields.String(metadata={"description": "Works once; absent where it is in a cookie"})
    refresh_expires_at = Instant()
    device_token = fields.String(metadata={"description": "Only where remember_device asked for it"})


class ConfirmSchema(StrictSchema):
    """A proof of who one is: the password or a code."""

    password = Password(load_default=None)
    code = Code(load_default=None)
