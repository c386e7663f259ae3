"""Pages of one's own account: profile, security, sessions and privacy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response, flash, redirect, render_template, request, url_for

from app.auth import preferences
from app.auth.agents import describe
from app.auth.browser import forget_browser
from app.auth.forms.account import EraseForm, ProfileForm, ThemeForm
from app.auth.queries.credentials import list_sessions
from app.auth.queries.preferences import get_own
from app.auth.queries.users import get_user
from app.auth.services import privacy as privacy_services
from app.auth.services import profile as profile_services
from app.auth.services import sessions as session_services
from app.core.api import current_principal
from app.core.orm import utc_now
from app.core.pages import PageBlueprint, next_path

pages = PageBlueprint("account", __name__, url_prefix="/account")

_OPTIONAL = frozenset(kind for kind, each in preferences.NOTIFICATIONS.items() if each.is_optional)


@pages.route("", methods=["GET", "POST"])
@pages.signed_in
def profile() -> Any:
    """Show and change one's name and preferences."""
    form = ProfileForm(_read_profile)
    if form.saves(lambda version: _save_profile(form, version)):
        flash("Your profile is saved.", "success")
        return redirect(url_for("account.profile"))
    return render_template("account/profile.html", form=form, user=_me()), form.status()


@pages.post("/theme")
@pages.signed_in
def theme() -> Any:
    """Change the theme, from any page."""
    form, user = ThemeForm(), get_own(current_principal().require_person())
    if form.validate():
        profile_services.update_profile(
            actor=current_principal(), now=utc_now(), expected_version=user.version, theme=form.theme.data
        )
    return redirect(next_path(url_for("account.profile")))


@pages.get("/security")
@pages.signed_in
def security() -> Any:
    """Show what lets one in, with the ways to change it."""
    return render_template("account/security.html", user=_me())


@pages.get("/sessions")
@pages.signed_in
def sessions() -> Any:
    """Show where one is logged in."""
    actor = current_principal()
    page = list_sessions(actor.require_person(), now=utc_now(), limit=50, cursor=request.args.get("cursor"))
    return render_template("account/sessions.html", page=page, present=actor.session_id, describe=describe)


@pages.post("/sessions/<int:session_id>/end")
@pages.signed_in
def end_session(session_id: int) -> Any:
    """Log out one of one's other devices."""
    actor = current_principal()
    session_services.end_session(
        actor=actor, user_id=actor.require_person(), session_id=session_id, now=utc_now(), reason="ended by its user"
    )
    flash("That session is logged out.", "success")
    return redirect(url_for("account.sessions"))


@pages.post("/sessions/end-others")
@pages.signed_in
def end_other_sessions() -> Any:
    """Log out everywhere but here."""
    actor = current_principal()
    count = session_services.end_sessions(
        actor=actor, user_id=actor.require_person(), now=utc_now(), reason="ended by its user", but=actor.session_id
    )
    flash(f"Logged out of {count} other session{'' if count == 1 else 's'}.", "success")
    return redirect(url_for("account.sessions"))


@pages.get("/privacy")
@pages.signed_in
def privacy() -> Any:
    """Show what one may ask for: a copy of what is kept, and its end."""
    return render_template("account/privacy.html")


@pages.post("/privacy/export")
@pages.fresh
def export() -> Any:
    """Give all that is kept of the person who is logged in, as a file."""
    kept = privacy_services.export_own(actor=current_principal())
    answer = Response(orjson.dumps(kept, option=orjson.OPT_INDENT_2), mimetype="application/json")
    answer.headers["Content-Disposition"] = 'attachment; filename="cartwright-account.json"'
    return answer


@pages.route("/privacy/erase", methods=["GET", "POST"])
@pages.fresh
def erase() -> Any:
    """Erase one's account, after asking."""
    form = EraseForm()
    if form.does(lambda: privacy_services.erase_own(actor=current_principal())):
        forget_browser()
        flash("Your account is erased.", "success")
        return redirect(url_for("login.log_in"))
    return render_template("account/erase.html", form=form, user=_me()), form.status()


def _me() -> Any:
    return get_user(current_principal().require_person())


def _read_profile() -> tuple[int, Mapping[str, Any]]:
    user = get_own(current_principal().require_person())
    wanted = preferences.all_wanted(user.notifications)
    return user.version, {
        "name": user.name,
        "language": user.language,
        "time_zone": user.time_zone or "",
        "theme": user.theme,
        "notifications": [kind for kind in sorted(_OPTIONAL) if wanted[kind]],
    }


def _save_profile(form: ProfileForm, version: int) -> None:
    profile_services.update_profile(
        actor=current_principal(),
        now=utc_now(),
        expected_version=version,
        name=form.name.data,
        language=form.language.data,
        time_zone=form.time_zone.data or None,
        theme=form.theme.data,
        notifications={kind: kind in (form.notifications.data or []) for kind in _OPTIONAL},
    )
