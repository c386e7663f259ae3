"""Forms of one's own password and address; the rules themselves are the services'."""

from __future__ import annotations

from wtforms import PasswordField
from wtforms.validators import InputRequired, Length

from app.auth.forms.registration import AddressForm, email, new_password
from app.auth.passwords import LONGEST
from app.core.forms import Form


def present_password() -> PasswordField:
    """A field for the password that is in use."""
    return PasswordField(
        "Present password",
        validators=[InputRequired(), Length(max=LONGEST)],
        render_kw={"autocomplete": "current-password"},
    )


class PasswordForm(Form):
    """The present password and the one to come."""

    current_password = present_password()
    new_password = new_password("New password")


class EmailForm(AddressForm):
    """The address to come, and the present password."""

    email = email("New email")
    password = present_password()
