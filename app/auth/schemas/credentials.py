"""What the API of one's own password and address takes."""

from __future__ import annotations

from app.auth.schemas.fields import NewPassword, Password
from app.auth.schemas.registration import Email, LinkToken
from app.core.fields import StrictSchema


class PasswordChangeSchema(StrictSchema):
    """The present password and the one to come."""

    current_password = Password(required=True)
    new_password = NewPassword(required=True)


class EmailChangeSchema(StrictSchema):
    """The address to come, and the present password."""

    email = Email(required=True)
    password = Password(required=True)


class LinkSchema(StrictSchema):
    """The link that was sent to the address to come."""

    token = LinkToken(required=True)
