"""Pages of one's own account: profile, security, sessions, keys, and what is kept."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for

from app.auth.agents import describe
from app.auth.queries.credentials import list_sessions
from app.auth.services import sessions as session_services
from app.core.api import current_principal
from app.core.orm import utc_now
from app.core.pages import PageBlueprint

pages = PageBlueprint("account", __name__, url_prefix="/account")


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
