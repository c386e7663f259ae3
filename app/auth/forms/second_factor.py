"""Forms of the second factor's pages."""

from __future__ import annotations

from typing import Any

import orjson
from wtforms import BooleanField, HiddenField, StringField
from wtforms.validators import InputRequired, Length

from app.auth.services.passkeys import LONGEST_NAME
from app.core.errors import Invalid
from app.core.forms import Form


class FirstCodeForm(Form):
    """The first code of an authenticator app."""

    code = StringField(
        "Code that the app shows",
        validators=[InputRequired(), Length(max=40)],
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True},
    )


class AnswerForm(Form):
    """What a browser answers about a passkey; its script fills it in."""

    challenge = HiddenField(validators=[InputRequired(), Length(max=64)])
    credential = HiddenField(validators=[InputRequired(), Length(max=200_000)])
    stay = BooleanField()

    def answer(self) -> dict[str, Any]:
        """The credential; raises Invalid for what is no JSON object."""
        try:
            found = orjson.loads(self.credential.data)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise Invalid.field("/credential", "must be a JSON object.")
        return found

    def why_not(self) -> str:
        """The refusal as a sentence."""
        return next(iter(self.form_errors), "The browser did not send a passkey; try again.")


class NameForm(Form):
    """By what people tell their passkeys apart."""

    name = StringField(
        "Name", validators=[InputRequired(), Length(max=LONGEST_NAME)], filters=[lambda x: x and x.strip()]
    )


class NewPasskeyForm(AnswerForm, NameForm):
    """A new passkey."""
