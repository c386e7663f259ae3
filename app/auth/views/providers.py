"""Pages of OAuth providers."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for

from app.auth.forms.admin import PRESET_NAMES, DeleteProviderForm, NewProviderForm, ProviderForm
from app.auth.models import OauthProvider
from app.auth.providers import OIDC
from app.auth.queries.providers import count_identities, get_provider, list_providers
from app.auth.services import providers
from app.core.api import current_principal
from app.core.orm import utc_now
from app.core.pages import PageBlueprint
from app.core.running import settings

pages = PageBlueprint("admin_providers", __name__, url_prefix="/admin/providers")


@pages.get("")
@pages.requires("providers:read")
def index() -> Any:
    """List providers."""
    page = list_providers(limit=50, cursor=request.args.get("cursor"))
    return render_template("admin/providers.html", page=page, preset_names=PRESET_NAMES)


@pages.route("/new", methods=["GET", "POST"])
@pages.requires("providers:write", fresh=True)
def create() -> Any:
    """Add a provider."""
    form, made = NewProviderForm(), list[OauthProvider]()
    if form.does(lambda: made.append(_create(form))):
        flash(f"{made[0].name} is added.", "success")
        return redirect(url_for("admin_providers.edit", provider_id=made[0].id))
    return render_template("admin/provider_new.html", form=form, base=_base()), form.status()


@pages.route("/<int:provider_id>/edit", methods=["GET", "POST"])
@pages.requires("providers:write", fresh=True)
def edit(provider_id: int) -> Any:
    """Change a provider."""
    form, row = ProviderForm(lambda: _read(provider_id)), get_provider(provider_id)
    if form.saves(lambda version: _update(form, provider_id, version)):
        flash("The provider is saved.", "success")
        return redirect(url_for("admin_providers.index"))
    count = count_identities(provider_id)
    return render_template(
        "admin/provider_edit.html", form=form, row=row, base=_base(), preset_names=PRESET_NAMES, count=count
    ), form.status()


@pages.route("/<int:provider_id>/delete", methods=["GET", "POST"])
@pages.requires("providers:write", fresh=True)
def delete(provider_id: int) -> Any:
    """Delete a provider, after asking."""
    form, row = DeleteProviderForm(lambda: (get_provider(provider_id).version, {})), get_provider(provider_id)
    name, count = row.name, count_identities(provider_id)
    if form.saves(lambda version: _delete(form, provider_id, version)):
        flash(f"{name} is deleted.", "success")
        return redirect(url_for("admin_providers.index"))
    return render_template("admin/provider_delete.html", form=form, name=name, count=count), form.status()


def _base() -> str:
    return f"{settings().public_url}/login/with/"


def _create(form: NewProviderForm) -> OauthProvider:
    return providers.create_provider(
        actor=current_principal(),
        now=utc_now(),
        loopback=not settings().production,
        code=form.code.data or "",
        name=form.name.data or "",
        preset=form.preset.data,
        issuer=form.issuer.data or None,
        client_id=form.client_id.data or "",
        client_secret=form.client_secret.data or "",
        is_enabled=form.is_enabled.data,
    )


def _read(provider_id: int) -> tuple[int, dict[str, Any]]:
    row = get_provider(provider_id)
    return row.version, {
        "name": row.name,
        "issuer": (row.issuer or "") if row.preset == OIDC else "",
        "client_id": row.client_id,
        "is_enabled": row.is_enabled,
    }


def _update(form: ProviderForm, provider_id: int, version: int) -> None:
    providers.update_provider(
        actor=current_principal(),
        now=utc_now(),
        loopback=not settings().production,
        provider_id=provider_id,
        expected_version=version,
        name=form.name.data or "",
        issuer=form.issuer.data or None,
        client_id=form.client_id.data or "",
        client_secret=form.client_secret.data or None,
        is_enabled=form.is_enabled.data,
    )


def _delete(form: DeleteProviderForm, provider_id: int, version: int) -> None:
    providers.delete_provider(
        actor=current_principal(),
        provider_id=provider_id,
        expected_version=version,
        with_identities=form.with_identities.data,
    )
