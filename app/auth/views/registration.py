"""Pages of registering, of proving an address, and of a forgotten password.

A link only opens a page with a button: programs that look into mails follow links, and would use them up.
"""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for

from app.auth.addressee import addressee, owner
from app.auth.authentication import client
from app.auth.errors import LogInRefused, RegistrationClosed
from app.auth.forms.registration import AddressForm, RegisterForm, ResetForm, VerifyForm
from app.auth.services import credentials, links, registration
from app.auth.views import login
from app.core.orm import utc_now
from app.core.pages import PageBlueprint, next_path
from app.core.rates import limited

pages = PageBlueprint("registration", __name__)


@pages.route("/register", methods=["GET", "POST"])
@pages.public
@limited("registration", but_reads=True)
@limited("mail_to_one", by=addressee, but_reads=True, but_refusals=True)
def register() -> Any:
    """Ask for an account."""
    try:
        registration.require_open()
    except RegistrationClosed as refusal:
        return render_template("auth/closed.html", reason=refusal.detail), 403
    form = RegisterForm()
    if form.does(lambda: _register(form)):
        return redirect(url_for(".done"))
    return render_template("auth/register.html", form=form), form.status()


@pages.get("/register/done")
@pages.public
def done() -> Any:
    """Say that a mail is on its way."""
    return render_template("auth/look_into_mail.html", again=url_for(".resend"))


@pages.route("/resend-verification", methods=["GET", "POST"])
@pages.public
@limited("mail", but_reads=True)
@limited("mail_to_one", by=addressee, but_reads=True, but_refusals=True)
def resend() -> Any:
    """Ask for the mail of a registration again."""
    form = AddressForm()
    if form.does(lambda: registration.ask_for_verification(email=form.email.data)):
        return redirect(url_for(".done"))
    return render_template("auth/resend.html", form=form), form.status()


@pages.route("/verify-email", methods=["GET", "POST"])
@pages.public
@limited("login", but_reads=True)
def verify() -> Any:
    """Complete a registration by its link and its password, and log in."""
    form = VerifyForm(token=request.args.get("token"))
    if form.does(lambda: _verify(form), also=(LogInRefused,)):
        flash("Welcome! Your account is ready.", "success")
        return redirect(next_path("/"))
    return render_template("auth/verify.html", form=form), form.status()


@pages.route("/forgot-password", methods=["GET", "POST"])
@pages.public
@limited("mail", but_reads=True)
@limited("mail_to_one", by=owner, but_reads=True, but_refusals=True)
def forgot() -> Any:
    """Ask for a mail to set a new password."""
    form = AddressForm()
    if form.does(lambda: registration.ask_for_reset(client=client(), email=form.email.data)):
        return redirect(url_for(".sent"))
    return render_template("auth/forgot.html", form=form), form.status()


@pages.get("/forgot-password/done")
@pages.public
def sent() -> Any:
    """Say that a mail is on its way."""
    return render_template("auth/look_into_mail.html", again=url_for(".forgot"))


@pages.route("/reset-password", methods=["GET", "POST"])
@pages.public
@limited("login", but_reads=True)
def reset() -> Any:
    """Set a password by the link of a mail."""
    form = ResetForm(token=request.args.get("token"))
    if form.does(lambda: _reset(form)):
        flash("Your new password is set. Log in with it.", "success")
        return redirect(url_for("login.log_in", next=next_path("/")))
    is_invited = links.is_invitation(form.token.data or "", now=utc_now())
    return render_template("auth/reset.html", form=form, is_invited=is_invited), form.status()


def _register(form: RegisterForm) -> None:
    registration.register(
        client=client(),
        email=form.email.data,
        name=form.name.data,
        password=form.password.data,
        now=utc_now(),
    )


def _verify(form: VerifyForm) -> None:
    user_id = registration.verify_email(
        client=client(), token=form.token.data, password=form.password.data, now=utc_now()
    )
    login.complete(user_id, "password", is_remembered=False)


def _reset(form: ResetForm) -> None:
    credentials.reset_password(client=client(), token=form.token.data, password=form.password.data, now=utc_now())
