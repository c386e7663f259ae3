"""The pages of alerts: what was told, by which rules, and what somebody has read."""

from __future__ import annotations

from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for

from app.core.api import current_principal
from app.core.pages import PageBlueprint, next_path
from app.rpa.queries.alerts import count_unread, list_alerts, list_rules, rule_names
from app.rpa.rules.alerting import describe_rule
from app.rpa.services import alerts

pages = PageBlueprint("alert_pages", __name__, url_prefix="/admin/alerts")

_WHICH: Final[dict[str, dict[str, Any]]] = {
    "": {"is_read": None, "is_dismissed": False},
    "unread": {"is_read": False, "is_dismissed": False},
    "read": {"is_read": True, "is_dismissed": False},
    "away": {"is_read": None, "is_dismissed": True},
}


@pages.get("")
@pages.requires("storefronts:read")
def index() -> Any:
    """List alerts, newest first, by the filters of the address."""
    rule_id = _number(request.args.get("rule", ""))
    which = _WHICH.get(request.args.get("which", ""), _WHICH[""])
    page = list_alerts(rule_id=rule_id, limit=50, cursor=request.args.get("cursor"), **which)
    return render_template(
        "rpa/alerts.html", page=page, rules=rule_names(), rule_id=rule_id, unread=count_unread(), tab="alerts"
    )


@pages.post("/read")
@pages.requires("storefronts:write")
def read_all() -> Any:
    """Say that what the page listed, and all that is older, was read."""
    up_to, rule_id = _number(request.form.get("up_to_id", "")), _number(request.form.get("rule_id", ""))
    if up_to is not None:
        marked = alerts.mark_read(actor=current_principal(), up_to_id=up_to, rule_id=rule_id)
        flash(f"{marked.count} alerts are marked as read{'' if marked.is_complete else ', there are more'}.", "success")
    return _back("alert_pages.index")


@pages.post("/<int:alert_id>/read")
@pages.requires("storefronts:write")
def read(alert_id: int) -> Any:
    """Say that an alert was read."""
    alerts.mark_alert(actor=current_principal(), alert_id=alert_id, dismiss=False)
    return _back("alert_pages.index")


@pages.post("/<int:alert_id>/dismiss")
@pages.requires("storefronts:write")
def dismiss(alert_id: int) -> Any:
    """Put an alert away."""
    alerts.mark_alert(actor=current_principal(), alert_id=alert_id, dismiss=True)
    return _back("alert_pages.index")


@pages.get("/rules")
@pages.requires("storefronts:read")
def rules() -> Any:
    """List the rules in the order they were made."""
    page = list_rules(limit=50, cursor=request.args.get("cursor"))
    return render_template("rpa/alert_rules.html", page=page, words=describe_rule, unread=count_unread(), tab="rules")


@pages.post("/rules/<int:rule_id>/pause")
@pages.requires("storefronts:write")
def pause(rule_id: int) -> Any:
    """Let a rule tell nothing for a while."""
    alerts.set_active(actor=current_principal(), rule_id=rule_id, is_active=False)
    return _back("alert_pages.rules")


@pages.post("/rules/<int:rule_id>/resume")
@pages.requires("storefronts:write")
def resume(rule_id: int) -> Any:
    """Let a paused rule look again from now on."""
    alerts.set_active(actor=current_principal(), rule_id=rule_id, is_active=True)
    return _back("alert_pages.rules")


def _back(endpoint: str) -> Any:
    return redirect(next_path(url_for(endpoint)))


def _number(text: str) -> int | None:
    """A number of the address or a form; None for what is none."""
    is_number = text.isascii() and text.isdigit() and len(text) < 19
    return int(text) if is_number and int(text) else None
