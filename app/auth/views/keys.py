"""Pages of one's own API keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import flash, redirect, render_template, request, url_for

from app.auth.forms.account import KeyForm
from app.auth.queries.credentials import list_keys
from app.auth.services import api_keys
from app.auth.services.api_keys import NewKey
from app.core.api import current_principal
from app.core.orm import utc_now
from app.core.pages import PageBlueprint

pages = PageBlueprint("keys", __name__, url_prefix="/account/keys")


@pages.get("")
@pages.signed_in
def index() -> Any:
    """Show one's API keys."""
    page = list_keys(current_principal().require_person(), limit=50, cursor=request.args.get("cursor"))
    return render_template("account/keys.html", page=page, now=utc_now())


@pages.route("/new", methods=["GET", "POST"])
@pages.fresh
def create() -> Any:
    """Make an API key; its secret is in the answer and nowhere else."""
    form, made = KeyForm(), list[NewKey]()
    if form.does(lambda: made.append(_make(form))):
        return render_template("account/new_key.html", made=made[0])
    return render_template("account/key_form.html", form=form, held=current_principal().permissions), form.status()


@pages.post("/<int:key_id>/revoke")
@pages.signed_in
def revoke(key_id: int) -> Any:
    """Let a key never work again."""
    actor = current_principal()
    api_keys.revoke_key(actor=actor, user_id=actor.require_person(), key_id=key_id, now=utc_now())
    flash("The key is revoked.", "success")
    return redirect(url_for("keys.index"))


def _make(form: KeyForm) -> NewKey:
    now = utc_now()
    return api_keys.create_key(
        actor=current_principal(),
        now=now,
        name=form.name.data or "",
        scopes=form.scopes.data or [],
        expires_at=now + timedelta(days=int(form.days.data)),
    )
