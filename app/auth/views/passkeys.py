"""Pages' side of passkeys: what their script sends, to log in, to confirm, and to add, rename or remove one."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, url_for

from app.auth.authentication import client
from app.auth.browser import log_in_browser
from app.auth.errors import PasskeyRefused, SecondFactorRequired
from app.auth.forms.second_factor import AnswerForm, NameForm, NewPasskeyForm
from app.auth.relying_party import can_use_passkeys, relying_party
from app.auth.services import passkeys
from app.auth.views.second_factor import act
from app.core.api import current_principal
from app.core.orm import utc_now
from app.core.pages import PageBlueprint, next_path
from app.core.rates import limited

pages = PageBlueprint("passkey", __name__, setup=True)
pages.add_app_template_global(can_use_passkeys)


@pages.post("/login/passkey")
@pages.public
@limited("login")
def log_in() -> Any:
    """Log in with a passkey."""
    form = AnswerForm()
    if form.does(lambda: _log_in(form), also=(PasskeyRefused,)):
        return redirect(next_path("/"))
    flash(form.why_not(), "danger")
    return redirect(url_for("login.log_in", next=next_path("/")))


@pages.post("/confirm/passkey")
@pages.signed_in
@limited("login")
def confirm() -> Any:
    """Prove again who one is, with a passkey."""
    form = AnswerForm()
    if form.does(lambda: passkeys.confirm(actor=current_principal(), **_sent(form)), also=(PasskeyRefused,)):
        return redirect(next_path("/account"))
    flash(form.why_not(), "danger")
    return redirect(url_for("login.confirm", next=next_path("/account")))


@pages.post("/account/passkeys")
@pages.fresh
def add() -> Any:
    """Add a passkey."""
    form, actor = NewPasskeyForm(), current_principal()
    work = lambda: passkeys.add_passkey(actor=actor, name=form.name.data, **_sent(form))  # noqa: E731
    if form.does(work, also=(SecondFactorRequired,)):
        flash("The passkey is added; you can log in with it.", "success")
        return redirect(next_path(url_for("second_factor.overview")))
    flash(form.why_not(), "danger")
    return redirect(url_for("second_factor.overview", next=next_path("") or None))


@pages.post("/account/passkeys/<int:passkey_id>/rename")
@pages.signed_in
def rename(passkey_id: int) -> Any:
    """Give a passkey another name."""
    form, actor = NameForm(), current_principal()
    if not form.validate_on_submit():
        flash("A name has 1 to 64 characters.", "danger")
        return redirect(url_for("second_factor.overview"))
    return act(lambda: passkeys.rename_passkey(actor=actor, passkey_id=passkey_id, name=form.name.data), "Renamed.")


@pages.post("/account/passkeys/<int:passkey_id>/remove")
@pages.fresh
def remove(passkey_id: int) -> Any:
    """Remove a passkey."""
    actor = current_principal()
    return act(lambda: passkeys.remove_passkey(actor=actor, passkey_id=passkey_id), "The passkey is removed.")


def _log_in(form: AnswerForm) -> None:
    proof = passkeys.log_in(client=client(), **_sent(form))
    log_in_browser(proof, now=utc_now(), is_remembered=form.stay.data)


def _sent(form: AnswerForm) -> dict[str, Any]:
    return {
        "party": relying_party(),
        "challenge": form.challenge.data,
        "credential": form.answer(),
        "now": utc_now(),
    }
