"""Pages of logging in by OAuth providers, and of connecting accounts there."""

from __future__ import annotations

import logging
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from werkzeug import Response

from app.auth import flows
from app.auth.authentication import client
from app.auth.errors import (
    IdentityTaken,
    OnlyWayIn,
    ProviderAnswerRefused,
    ProviderEmailNotVerified,
    ProviderLogInRefused,
    ProviderNotFound,
    ProviderUnavailable,
    RegistrationClosed,
)
from app.auth.flows import Flow
from app.auth.providers import Person, Provider
from app.auth.queries.providers import list_identities, offered_providers
from app.auth.services import oauth
from app.auth.services.oauth_client import Answer
from app.auth.views import login
from app.core.api import current_principal
from app.core.errors import Refusal
from app.core.orm import utc_now
from app.core.pages import PageBlueprint, next_path
from app.core.rates import limited
from app.core.running import settings

pages = PageBlueprint("oauth", __name__)
pages.app_context_processor(lambda: {"offered_providers": offered_providers})

log = logging.getLogger(__name__)

_SHOWN = (ProviderNotFound, ProviderLogInRefused, RegistrationClosed, IdentityTaken)


@pages.get("/login/with/<code>")
@pages.public
@limited("login")
def start(code: str) -> Any:
    """Send the browser to a provider to log in."""
    target = next_path("/")
    try:
        return redirect(_depart(code, target, session_id=None))
    except (ProviderNotFound, ProviderUnavailable) as refusal:
        return _refused(refusal, code, target, None)


@pages.get("/login/with/<code>/callback")
@pages.public
@limited("login")
def callback(code: str) -> Any:
    """Take the browser back from a provider: log in, or connect an account."""
    flow = flows.take(request.args.get("state"), now=utc_now())
    if flow is None:
        flash("That was not begun in this browser, took too long, or was used before. Try again.", "warning")
        return redirect(url_for("login.log_in"))
    try:
        return _arrive(code, flow)
    except Refusal as refusal:
        return _refused(refusal, code, flow.target, flow.session_id)


@pages.get("/account/connections")
@pages.signed_in
def connections() -> Any:
    """Show by which providers one can log in, and which others there are."""
    user_id = current_principal().require_person()
    page = list_identities(user_id, limit=50, cursor=request.args.get("cursor"))
    return render_template("auth/connections.html", page=page)


@pages.post("/account/connections/<code>/connect")
@pages.fresh
@limited("login")
def connect(code: str) -> Any:
    """Send the browser to a provider to connect the account there."""
    actor, target = current_principal(), url_for("oauth.connections")
    try:
        url = _depart(code, target, session_id=actor.session_id)
    except (ProviderNotFound, ProviderUnavailable) as refusal:
        return _refused(refusal, code, target, actor.session_id)
    # a page of ours in between: the browser would not let a form lead to another site (CSP form-action)
    return render_template("auth/leaving.html", url=url, name=_name(code))


@pages.post("/account/connections/<int:identity_id>/disconnect")
@pages.fresh
def disconnect(identity_id: int) -> Any:
    """Take a connected account away."""
    try:
        oauth.disconnect(actor=current_principal(), identity_id=identity_id)
        flash("The account is disconnected.", "success")
    except OnlyWayIn as refusal:
        flash(refusal.detail, "warning")
    return redirect(url_for("oauth.connections"))


def _depart(code: str, target: str, *, session_id: int | None) -> str:
    now = utc_now()
    departure = oauth.depart(code=code, redirect_uri=_redirect_uri(code), loopback=_loopback(), now=now)
    flows.remember(departure, target=target, session_id=session_id, now=now)
    return departure.url


def _arrive(code: str, flow: Flow) -> Response:
    if flow.session_id is not None and current_session() != flow.session_id:
        raise ProviderNotFound("You logged out meanwhile. Log in and try again.")
    brought = request.args
    provider, person = oauth.arrive(
        code=code,
        departure_id=flow.provider_id,
        errand=flow.errand,
        answer=Answer(brought.get("code"), brought.get("error"), brought.get("iss")),
        redirect_uri=_redirect_uri(code),
        loopback=_loopback(),
        now=utc_now(),
    )
    if flow.session_id is not None:
        oauth.connect(actor=current_principal(), provider=provider, person=person, now=utc_now())
        flash(f"Your account at {provider.name} is connected: you can log in by it.", "success")
        return redirect(flow.target)
    return _log_in(provider, person, flow.target)


def _log_in(provider: Provider, person: Person, target: str) -> Response:
    user_id = oauth.log_in(
        provider=provider,
        person=person,
        client=client(),
        now=utc_now(),
        registration_open=settings().accounts.registration_open,
    )
    login.complete(user_id, f"oauth:{provider.code}", is_remembered=False)
    return redirect(url_for("login.code", next=target) if login.find_pending() else target)


def current_session() -> int | None:
    """The id of the session that this request comes with."""
    try:
        return current_principal().session_id
    except Refusal:
        return None


def _refused(refusal: Refusal, code: str, target: str, session_id: int | None) -> Any:
    """Say what went wrong where the person can try another way; what a provider says goes to the log only."""
    log.warning("log-in by the provider %r: %s", code, refusal.detail)
    if isinstance(refusal, ProviderEmailNotVerified):
        return render_template("auth/oauth_refused.html", name=_name(code), target=target), 403
    if isinstance(refusal, ProviderUnavailable):
        text = f"{_name(code)} cannot be reached at the moment. Log in another way, or try again in a while."
    elif isinstance(refusal, ProviderAnswerRefused) and request.args.get("error") == "access_denied":
        text = f"You did not agree at {_name(code)}, or it did not let you in."
    elif isinstance(refusal, ProviderAnswerRefused):
        text = f"{_name(code)} did not confirm who you are. Try again, or log in another way."
    elif isinstance(refusal, _SHOWN):
        text = refusal.detail
    else:
        raise refusal
    flash(text, "warning")
    return redirect(url_for("login.log_in", next=target) if session_id is None else url_for("oauth.connections"))


def _name(code: str) -> str:
    return next((offer.name for offer in offered_providers() if offer.code == code), "The provider")


def _redirect_uri(code: str) -> str:
    """From the configured address, never from what the request says its host is."""
    return settings().public_url + url_for("oauth.callback", code=code)


def _loopback() -> bool:
    return not settings().production
