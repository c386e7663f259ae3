"""Forms of one's own account; the rules themselves are the services'."""

from __future__ import annotations

from typing import Any, Final

from babel import Locale, UnknownLocaleError
from wtforms import BooleanField, RadioField, SelectChoice, SelectField
from wtforms.validators import InputRequired

from app.auth.preferences import NOTIFICATIONS, THEMES, time_zones
from app.core.forms import ChecksField, EditForm, Form, TextField
from app.core.permissions import CATALOGUE
from app.core.running import settings

LANGUAGES: Final = (
    "en", "en-GB", "en-IN", "ar", "cs", "da", "de", "de-AT", "de-CH", "el", "es", "es-MX", "fi", "fr", "fr-CA", "fr-CH",
    "he", "hi", "hu", "id", "it", "ja", "ko", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sv", "th", "tr", "uk", "vi",
    "zh-Hans", "zh-Hant",
)  # fmt: skip
"""What the page offers; the API takes every language that CLDR knows."""
KEY_DAYS: Final = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "One year"}


class ProfileForm(EditForm):
    """Name and preferences."""

    name = TextField("Name", longest=255, render_kw={"autocomplete": "name"})
    language = SelectField(
        "Dates and numbers", description="How they are written; the words of the product are English."
    )
    time_zone = SelectField("Time zone")
    theme = RadioField(
        "Theme", choices=[SelectChoice(theme, theme.capitalize()) for theme in sorted(THEMES, reverse=True)]
    )
    notifications = ChecksField(
        "Mails",
        choices=[SelectChoice(kind, each.description) for kind, each in NOTIFICATIONS.items() if each.is_optional],
        description="Mails about the security of your account are always sent.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        present = self._read()[1]["language"]
        tags = LANGUAGES if present in LANGUAGES else (present, *LANGUAGES)
        self.language.choices = [SelectChoice(tag, _language_name(tag)) for tag in tags]
        zones = [SelectChoice(zone, zone.replace("_", " ")) for zone in time_zones()]
        self.time_zone.choices = [SelectChoice("", f"The shop's ({settings().timezone.key})"), *zones]


class ThemeForm(Form):
    """The theme alone."""

    theme = RadioField(choices=list(THEMES))


class KeyForm(Form):
    """A new API key."""

    name = TextField(
        "Name",
        longest=64,
        description="What it is for, so that you recognise it later.",
        render_kw={"autocomplete": "off"},
    )
    days = SelectField("Works for", choices=[SelectChoice(*each) for each in KEY_DAYS.items()], default="90")
    scopes = ChecksField("What it may do", choices=list(CATALOGUE))


class EraseForm(Form):
    """The last question before an account is gone."""

    is_sure = BooleanField(
        "I understand that this cannot be undone", validators=[InputRequired("Tick the box to go on.")]
    )


def _language_name(tag: str) -> str:
    try:
        return f"{Locale.parse(tag, sep='-').english_name} ({tag})"
    except (ValueError, UnknownLocaleError):
        return tag
