"""Forms of registering and of resetting a password; the rules themselves are the services'."""

from __future__ import annotations

from wtforms import EmailField, HiddenField, PasswordField
from wtforms.validators import InputRequired, Length

from app.auth.models import MAX_EMAIL
from app.auth.passwords import LENGTH_RULE, LONGEST, SHORTEST
from app.core.forms import Form, TextField


def new_password(label: str) -> PasswordField:
    """A field for a password to come."""
    return PasswordField(
        label,
        validators=[InputRequired(), Length(max=LONGEST, message=LENGTH_RULE.capitalize())],
        description=f"At least {SHORTEST} characters, not a common password, and without your email address.",
        render_kw={"autocomplete": "new-password"},
    )


def email(label: str = "Email") -> EmailField:
    """A field for an address to write to."""
    return EmailField(
        label, validators=[InputRequired(), Length(max=MAX_EMAIL)], render_kw={"autocomplete": "username"}
    )


class AddressForm(Form):
    """An address to write to."""

    email = email()


class RegisterForm(AddressForm):
    """Who wants an account."""

    name = TextField("Name", longest=255, render_kw={"autocomplete": "name"})
    password = new_password("Password")


class LinkForm(Form):
    """The secret of a mail's link; it comes with the address of the page."""

    token = HiddenField(validators=[InputRequired(), Length(max=200)])


class VerifyForm(LinkForm):
    """A link, and the password that was chosen when registering."""

    password = PasswordField(
        "Password", validators=[InputRequired(), Length(max=LONGEST)], render_kw={"autocomplete": "current-password"}
    )


class ResetForm(LinkForm):
    """A link, and the password to set."""

    password = new_password("New password")
