"""What the API of registering and of resetting a password takes and gives."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from app.auth.models import MAX_EMAIL
from app.auth.schemas.fields import NewPassword, Password
from app.core.fields import StrictSchema, Text


class LinkToken(fields.String):
    """What stands after ``token=`` in a mail's link."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "description": "What stands after token= in the link of the mail",
            "examples": ["VYb2hq0Ivk0f1QkGm7dYl6w4m1m3h9d3nWc6m0xkT9A"],
        }
        super().__init__(validate=validate.Length(1, 200), metadata=metadata, load_only=True, **kwargs)


class Email(Text):
    """An email address."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(longest=MAX_EMAIL, metadata={"format": "email", "examples": ["ada@example.org"]}, **kwargs)


class AddressSchema(StrictSchema):
    """An address to write to."""

    email = Email(required=True)


class RegistrationSchema(AddressSchema):
    """Who wants an account."""

    name = Text(longest=255, required=True, metadata={"examples": ["Ada Lovelace"]})
    password = NewPassword(required=True)


class VerificationSchema(StrictSchema):
    """The link of a registration, and the password that was chosen then."""

    token = LinkToken(required=True)
    password = Password(required=True)


class NewPasswordSchema(StrictSchema):
    """The link of a reset or an invitation, and the password to set."""

    token = LinkToken(required=True)
    password = NewPassword(required=True)


class AnnouncementSchema(Schema):
    """What happens next; the same for every address."""

    detail = fields.String(metadata={"examples": ["If this address can be written to, a mail is on its way."]})
