"""Forms of those who look after accounts; the rules themselves are the services'."""

from __future__ import annotations

from typing import Final

from wtforms import BooleanField, EmailField, PasswordField, RadioField, SelectChoice
from wtforms.validators import InputRequired, Length, Optional

from app.auth.models import MAX_EMAIL
from app.auth.providers import PRESETS
from app.core.forms import ChecksField, EditForm, Form, TextField
from app.core.permissions import CATALOGUE

_OFF: Final = {"autocomplete": "off"}
PRESET_NAMES: Final = {"oidc": "OpenID Connect", "google": "Google", "github": "GitHub"}
FACTORS: Final = {"usual": "As the shop has it for staff", "yes": "Always", "no": "Never"}


class _RolesMixin:
    """A form with the roles that there are."""

    roles = ChecksField("Roles")

    def offer(self, names: list[str]) -> None:
        """Offer these roles."""
        self.roles.choices = names


class NewUserForm(_RolesMixin, Form):
    """Somebody to invite."""

    email = EmailField("Email", validators=[InputRequired(), Length(max=MAX_EMAIL)], render_kw=_OFF)
    name = TextField("Name", longest=255, render_kw=_OFF)


class UserForm(_RolesMixin, EditForm):
    """Somebody's name, address and roles."""

    name = TextField("Name", longest=255, render_kw=_OFF)
    email = EmailField("Email", validators=[InputRequired(), Length(max=MAX_EMAIL)], render_kw=_OFF)


class _RoleFields:
    name = TextField("Name", longest=64, render_kw=_OFF)
    description = TextField("What it is for", longest=255, blank=True, render_kw=_OFF)
    permissions = ChecksField("Permissions", choices=list(CATALOGUE))
    second_factor = RadioField(
        "Needs a second factor", choices=[SelectChoice(*each) for each in FACTORS.items()], default="usual"
    )


class NewRoleForm(_RoleFields, Form):
    """A role to make."""


class RoleForm(_RoleFields, EditForm):
    """A role to change."""


class _ProviderFields:
    name = TextField(
        "Name",
        longest=64,
        render_kw=_OFF,
        description="As people read it on the log-in page.",
    )
    issuer = TextField(
        "Issuer",
        longest=255,
        blank=True,
        render_kw=_OFF | {"inputmode": "url", "placeholder": "https://login.example.org"},
        description="For OpenID Connect only, exactly as the provider writes it.",
    )
    client_id = TextField("Client id", longest=255, render_kw=_OFF)
    is_enabled = BooleanField("People may log in by it", default=True)


class NewProviderForm(_ProviderFields, Form):
    """A provider to add."""

    preset = RadioField(
        "Kind", choices=[SelectChoice(preset, PRESET_NAMES[preset]) for preset in PRESETS], validators=[InputRequired()]
    )
    code = TextField(
        "Code",
        longest=64,
        render_kw=_OFF,
        description="Stands in addresses; lower case letters, digits and hyphens.",
    )
    client_secret = PasswordField(
        "Client secret",
        validators=[InputRequired(), Length(max=1000)],
        render_kw={"autocomplete": "new-password"},
        description="Is encrypted and never shown again.",
    )


class ProviderForm(_ProviderFields, EditForm):
    """A provider to change."""

    client_secret = PasswordField(
        "New client secret",
        validators=[Optional(), Length(max=1000)],
        render_kw={"autocomplete": "new-password"},
        description="Leave it empty to keep the present one.",
    )


class DeleteProviderForm(EditForm):
    """A provider to delete, with or without what people have there."""

    with_identities = BooleanField("Also disconnect everybody who logs in by it")
