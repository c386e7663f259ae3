"""Pages of logging in and out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import flask
from flask import flash, redirect, render_template, url_for

from app.auth.authentication import client
from app.auth.browser import (
    PENDING,
    device_token,
    log_in_browser,
    log_out_browser,
    remember_browser,
    remember_pending,
)
from app.auth.errors import (
    EmailNotVerified,
    LogInRefused,
    SecondFactorRefused,
    SecondFactorRequired,
)
from app.auth.forms.login import CodeForm, ConfirmForm, LogInForm
from app.auth.queries.accounts import get_account
from app.auth.queries.second_factor import get_second_factor
from app.auth.services import login
from app.core.api import current_principal
from app.core.orm import utc_now
from app.core.pages import PageBlueprint, next_path
from app.core.permissions import Principal
from app.core.rates import limited

pages = PageBlueprint("login", __name__, setup=True)

PENDING_FOR: Final = timedelta(minutes=10)


@pages.route("/login", methods=["GET", "POST"])
@pages.public
@limited("login", but_reads=True)
def log_in() -> Any:
    """Log in by email and password."""
    form = LogInForm()
    if form.does(lambda: _by_password(form), also=(LogInRefused, EmailNotVerified)):
        return _onward()
    return render_template("auth/log_in.html", form=form), form.status()


@pages.route("/login/code", methods=["GET", "POST"])
@pages.public
@limited("login", but_reads=True)
def code() -> Any:
    """Complete a login by a code of the authenticator app or a recovery code."""
    pending = find_pending()
    if pending is None:
        flash("That took too long. Log in again.", "warning")
        return redirect(url_for("login.log_in", next=next_path("/")))
    form = CodeForm()
    if form.does(lambda: _by_code(pending, form), also=(SecondFactorRefused, LogInRefused)):
        return _onward()
    return render_template("auth/code.html", form=form), form.status()


@pages.route("/confirm", methods=["GET", "POST"])
@pages.signed_in
@limited("login", but_reads=True)
def confirm() -> Any:
    """Prove again who one is, before something sensitive."""
    form, actor = ConfirmForm(), current_principal()
    if form.does(lambda: _confirm(form, actor), also=(LogInRefused, SecondFactorRefused)):
        return redirect(next_path("/account"))
    state = get_second_factor(actor.require_person(), utc_now())
    has_code, has_passkey = state.totp_confirmed_at is not None, state.passkey_count > 0
    ways = {"has_code": has_code, "has_passkey": has_passkey, "email": get_account(actor).email}
    return render_template("auth/confirm.html", form=form, **ways), form.status()


@pages.route("/logout", methods=["POST"])
@pages.signed_in
def log_out() -> Any:
    """End this browser's session."""
    log_out_browser(current_principal(), now=utc_now())
    flash("You are logged out.", "success")
    return redirect(url_for("login.log_in"))


def complete(user_id: int, via: str, *, is_remembered: bool, password: str | None = None) -> None:
    """Log this browser in after a first proof, or note in its cookie that a code is awaited.

    ``password`` names the password that was the proof, as ``login.prove`` takes it.
    """
    now = utc_now()
    try:
        proof = login.prove(
            user_id=user_id, via=via, client=client(), now=now, password=password, device=device_token()
        )
    except SecondFactorRequired:
        until = (now + PENDING_FOR).timestamp()
        first = {"user": user_id, "via": via, "password": password, "remembered": is_remembered, "until": until}
        remember_pending(first, now=now)
    else:
        log_in_browser(proof, now=now, is_remembered=is_remembered)


def find_pending() -> dict[str, Any] | None:
    """The first proof that waits for its second, where there is one that is not too old."""
    pending: dict[str, Any] | None = flask.session.get(PENDING)
    return pending if pending and pending["until"] > utc_now().timestamp() else None


def _confirm(form: ConfirmForm, actor: Principal) -> None:
    password, code = form.password.data, form.code.data or None
    login.confirm(actor=actor, client=client(), now=utc_now(), password=password, code=code)


def _by_password(form: LogInForm) -> None:
    known = login.check_password(email=form.email.data, password=form.password.data, client=client())
    complete(known.user_id, "password", is_remembered=form.stay.data, password=known.password)


def _by_code(pending: dict[str, Any], form: CodeForm) -> None:
    now = utc_now()
    proof = login.prove(
        user_id=pending["user"],
        via=pending["via"],
        client=client(),
        now=now,
        password=pending.get("password"),
        code=form.code.data or " ",
    )
    log_in_browser(proof, now=now, is_remembered=pending["remembered"])
    if form.remember.data:
        remember_browser(pending["user"], now=now)


def _onward() -> Any:
    target = next_path("/")
    return redirect(url_for("login.code", next=target) if find_pending() else target)
