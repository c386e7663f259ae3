"""Pages of one's own password and address."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for

from app.auth.addressee import addressee
from app.auth.authentication import client
from app.auth.errors import LogInRefused
from app.auth.forms.credentials import EmailForm, PasswordForm
from app.auth.forms.registration import LinkForm
from app.auth.queries.accounts import get_account
from app.auth.services import credentials
from app.core.api import current_principal
from app.core.orm import utc_now
from app.core.pages import PageBlueprint, next_path
from app.core.rates import limited

pages = PageBlueprint("credentials", __name__)


@pages.route("/account/password", methods=["GET", "POST"])
@pages.signed_in
@limited("login", but_reads=True)
def password() -> Any:
    """Change one's password."""
    form = PasswordForm()
    if form.does(lambda: _change_password(form), also=(LogInRefused,)):
        flash("Your password is changed; all other sessions are logged out.", "success")
        return redirect(next_path("/account"))
    return render_template("account/password.html", form=form), form.status()


@pages.route("/account/email", methods=["GET", "POST"])
@pages.signed_in
@limited("mail", but_reads=True)
@limited("mail_to_one", by=addressee, but_reads=True, but_refusals=True)
def email() -> Any:
    """Ask for another address."""
    form = EmailForm()
    if form.does(lambda: _ask_to_change_email(form), also=(LogInRefused,)):
        flash("A mail is on its way to the new address; your address changes when you use its link.", "success")
        return redirect(next_path("/account"))
    account = get_account(current_principal())
    return render_template("account/email.html", form=form, present=account.email), form.status()


@pages.route("/change-email", methods=["GET", "POST"])
@pages.public
@limited("login", but_reads=True)
def change_email() -> Any:
    """Change to the address that a link was sent to."""
    form = LinkForm(token=request.args.get("token"))
    if form.does(lambda: credentials.change_email(client=client(), token=form.token.data, now=utc_now())):
        flash("Your address is changed.", "success")
        return redirect(url_for("login.log_in", next=next_path("/account")))
    return render_template("auth/change_email.html", form=form), form.status()


def _change_password(form: PasswordForm) -> None:
    credentials.change_password(
        actor=current_principal(),
        current_password=form.current_password.data,
        new_password=form.new_password.data,
        now=utc_now(),
    )


def _ask_to_change_email(form: EmailForm) -> None:
    actor = current_principal()
    credentials.ask_to_change_email(actor=actor, email=form.email.data, password=form.password.data)
