"""Forms of the accounts' pages; the rules themselves are the services'."""

from __future__ import annotations

from wtforms import BooleanField, EmailField, PasswordField, StringField
from wtforms.validators import InputRequired, Length, Optional, Regexp

from app.auth.models import MAX_EMAIL
from app.auth.passwords import LONGEST
from app.core.forms import Form


class LogInForm(Form):
    """Email and password."""

    email = EmailField(
        "Email",
        validators=[InputRequired(), Length(max=MAX_EMAIL), Regexp(r"[^\x00-\x1f\x7f]*\Z", message="Not an address.")],
        render_kw={"autocomplete": "username webauthn"},
    )
    password = PasswordField(
        "Password", validators=[InputRequired(), Length(max=LONGEST)], render_kw={"autocomplete": "current-password"}
    )
    stay = BooleanField("Stay logged in on this device")


class CodeForm(Form):
    """A code of the authenticator app, or a recovery code."""

    code = StringField(
        "Code",
        validators=[InputRequired(), Length(max=40)],
        render_kw={"autocomplete": "one-time-code", "inputmode": "text", "autofocus": True},
    )
    remember = BooleanField("Ask for no code on this device for 30 days")


class ConfirmForm(Form):
    """The password, or a code."""

    password = PasswordField(
        "Password", validators=[Optional(), Length(max=LONGEST)], render_kw={"autocomplete": "current-password"}
    )
    code = StringField("Code", validators=[Optional(), Length(max=40)], render_kw={"autocomplete": "one-time-code"})
