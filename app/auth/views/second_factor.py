"""Pages of one's own second factor: authenticator app, recovery codes, remembered devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import flash, redirect, render_template, url_for

from app.auth.agents import describe
from app.auth.errors import SecondFactorRequired
from app.auth.forms.second_factor import FirstCodeForm, NewPasskeyForm
from app.auth.qr import qr_code
from app.auth.queries.second_factor import get_second_factor, list_devices, list_passkeys
from app.auth.services import devices, second_factor, totp
from app.core.api import current_principal
from app.core.errors import Conflict, NotFound
from app.core.orm import utc_now
from app.core.pages import PageBlueprint, next_path
from app.core.rates import limited

pages = PageBlueprint("second_factor", __name__, url_prefix="/account/second-factor", setup=True)


@pages.get("")
@pages.signed_in
def overview() -> Any:
    """Show what one has of a second factor, and what can be done about it."""
    actor, now = current_principal(), utc_now()
    user_id = actor.require_person()
    return render_template(
        "account/second_factor.html",
        state=get_second_factor(user_id, now),
        is_proven=second_factor.is_proven(actor.session_id),
        devices=list_devices(user_id, now).items,
        passkeys=list_passkeys(user_id).items,
        form=NewPasskeyForm(),
        describe=describe,
        onward=next_path(""),
    )


@pages.post("/app/start")
@pages.fresh
def start_app() -> Any:
    """Start to set up an authenticator app."""
    return act(lambda: totp.start_totp(actor=current_principal(), now=utc_now()), onward=url_for(".app", next=_next()))


@pages.route("/app", methods=["GET", "POST"])
@pages.fresh
@limited("login", but_reads=True)
def app() -> Any:
    """Show what the app needs to know, and take its first code."""
    actor, now, form = current_principal(), utc_now(), FirstCodeForm()
    waiting = totp.find_set_up(actor.require_person(), now)
    if waiting is None:
        return redirect(url_for(".overview", next=_next()))
    codes: list[str] = []
    if form.does(lambda: codes.extend(totp.confirm_totp(actor=actor, code=form.code.data, now=now))):
        return _show_codes(codes)
    shown = render_template("account/totp.html", form=form, set_up=waiting, qr=qr_code(waiting.uri))
    return shown, form.status()


@pages.post("/app/off")
@pages.fresh
def switch_off() -> Any:
    """Switch the authenticator app off."""
    return act(lambda: totp.disable_totp(actor=current_principal()), "The authenticator app is switched off.")


@pages.post("/codes")
@pages.fresh
def renew_codes() -> Any:
    """Make new recovery codes and show them, once."""
    codes: list[str] = []
    refused = act(lambda: codes.extend(totp.renew_recovery_codes(actor=current_principal(), now=utc_now())))
    return _show_codes(codes) if codes else refused


@pages.post("/devices/<int:device_id>/forget")
@pages.signed_in
def forget_device(device_id: int) -> Any:
    """Forget one remembered device."""
    return act(
        lambda: devices.forget_device(actor=current_principal(), device_id=device_id),
        "That device needs a code at its next log-in.",
    )


@pages.post("/devices/forget-all")
@pages.signed_in
def forget_devices() -> Any:
    """Forget all remembered devices."""
    actor = current_principal()
    return act(
        lambda: devices.forget_devices(actor=actor, user_id=actor.require_person()),
        "Every device needs a code at its next log-in.",
    )


def act(work: Callable[[], Any], done: str | None = None, *, onward: str | None = None) -> Any:
    """Do something and go onward, else back to the overview, with what was done or why it was refused."""
    back = url_for("second_factor.overview", next=_next())
    try:
        work()
    except SecondFactorRequired as refusal:
        flash(refusal.detail, "warning")
        return redirect(url_for("login.confirm", next=back))
    except (Conflict, NotFound) as refusal:
        flash(refusal.detail, "danger")
        return redirect(back)
    if done:
        flash(done, "success")
    return redirect(onward or back)


def _show_codes(codes: list[str]) -> Any:
    return render_template("account/recovery_codes.html", codes=codes, onward=next_path(url_for(".overview")))


def _next() -> str | None:
    return next_path("") or None
