"""The page of the audit log."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import render_template, request

from app.auth.changes import changes
from app.auth.queries.audit import list_audit_events
from app.auth.queries.names import user_names
from app.core.audit import AuditEvent
from app.core.display import display
from app.core.pages import PageBlueprint, text_argument

pages = PageBlueprint("admin_audit", __name__, url_prefix="/admin/audit")

_KINDS = ("user", "key", "system", "job", "guest")


@pages.get("")
@pages.requires("audit:read")
def index() -> Any:
    """List what was done, by the filters of the address, newest first."""
    page = list_audit_events(limit=50, cursor=request.args.get("cursor"), **_filters())
    return render_template("admin/audit.html", page=page, changes=changes, names=_names(page.items), kinds=_KINDS)


def _filters() -> dict[str, Any]:
    until = _day("until")
    return {
        "action": text_argument("action"),
        "actor_kind": text_argument("actor"),
        "actor_id": _number("actor_id"),
        "subject_kind": text_argument("subject"),
        "subject_id": _number("subject_id"),
        "address": text_argument("address"),
        "request_id": text_argument("request_id"),
        "since": _day("since"),
        "until": until and until + timedelta(days=1),
    }


def _number(name: str) -> int | None:
    found = request.args.get(name, type=int)
    return found if found is not None and abs(found) < 2**63 else None


def _day(name: str) -> datetime | None:
    """The beginning of a day of the address, in the reader's time zone; None for what is no day."""
    try:
        return datetime.strptime(request.args.get(name, ""), "%Y-%m-%d").replace(tzinfo=display().zone)
    except ValueError:
        return None


def _names(events: list[AuditEvent]) -> dict[int, str]:
    """The names of the users that events are by or about, as they are now: the log itself has numbers only."""
    by = {event.actor_id for event in events if event.actor_kind == "user" and event.actor_id is not None}
    about = {event.subject_id for event in events if event.subject_kind == "user" and event.subject_id is not None}
    return user_names(by | about)
