"""What the tokens' API takes and gives."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields, validate

from app.auth.models import MAX_EMAIL
from app.auth.schemas.fields import Code, Password
from app.core.fields import Instant, StrictSchema, Text

_REFRESH = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXBlIjoicmVmcmVzaCJ9.c2lnbmVk"
_DEVICE = "pX4mZ0u7cQ1sB9tRkJ2vLw8eYhN5dGf3aTq6xVbC0oE"
LOG_IN: Final = {"email": "ada@example.org", "password": "correct horse battery staple"}
CONFIRM: Final = {"password": "correct horse battery staple"}


class TokenArguments(StrictSchema):
    """Where the refresh token goes."""

    cookie = fields.Boolean(
        load_default=False,
        metadata={"description": "Put the refresh token into an HttpOnly cookie instead of into the answer"},
    )


class LogInSchema(TokenArguments):
    """Who wants tokens."""

    email = Text(longest=MAX_EMAIL, required=True, metadata={"format": "email", "examples": ["ada@example.org"]})
    password = Password(required=True)
    code = Code(load_default=None)
    device_token = fields.String(
        load_default=None,
        validate=validate.Length(1, 100),
        metadata={
            "description": "Of a device that was told to be remembered; instead of a code",
            "examples": [_DEVICE],
        },
    )
    remember_device = fields.Boolean(
        load_default=False,
        metadata={"description": "Beside a code: answer with a device_token, with which 30 days need no code"},
    )


class RefreshSchema(StrictSchema):
    """A refresh token; without one, that of the cookie is meant (with its CSRF token in X-CSRF-TOKEN)."""

    refresh_token = fields.String(
        load_default=None, validate=validate.Length(1, 2000), metadata={"examples": [_REFRESH]}
    )


class TokenSchema(Schema):
    """An access token and, unless it is in a cookie, the refresh token that follows it."""

    access_token = fields.String(
        metadata={
            "description": "Send it as Authorization: Bearer ...",
            "examples": ["eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXBlIjoiYWNjZXNzIn0.c2lnbmVk"],
        }
    )
    token_type = fields.Constant("Bearer", metadata={"type": "string", "examples": ["Bearer"]})
    expires_in = fields.Integer(metadata={"description": "Seconds from now", "examples": [900]})
    refresh_token = fields.String(
        metadata={"description": "Works once; absent where it is in a cookie", "examples": [_REFRESH]}
    )
    refresh_expires_at = Instant(metadata={"examples": ["2026-12-21T10:00:00.000000Z"]})
    device_token = fields.String(
        metadata={"description": "Only where remember_device asked for it", "examples": [_DEVICE]}
    )


class ConfirmSchema(StrictSchema):
    """A proof of who one is: the password or a code."""

    password = Password(load_default=None)
    code = Code(load_default=None)
