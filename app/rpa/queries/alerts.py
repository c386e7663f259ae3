"""Reads of alert rules and alerts."""

from __future__ import annotations

from sqlalchemy import select

from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.rpa.errors import AlertNotFound, AlertRuleNotFound
from app.rpa.models.alerts import Alert, AlertRule


def get_rule(rule_id: int) -> AlertRule:
    """One rule; raises AlertRuleNotFound."""
    row = db.session.get(AlertRule, rule_id)
    if row is None:
        raise AlertRuleNotFound("There is no such alert rule.")
    return row


def list_rules(*, limit: int, cursor: str | None) -> Page[AlertRule]:
    """Rules in the order they were made."""
    return fetch_page(select(AlertRule), keys=[(AlertRule.id, False)], limit=limit, cursor=cursor)


def get_alert(alert_id: int) -> Alert:
    """One alert; raises AlertNotFound."""
    row = db.session.get(Alert, alert_id)
    if row is None:
        raise AlertNotFound("There is no such alert.")
    return row


def list_alerts(
    *, rule_id: int | None, is_read: bool | None, is_dismissed: bool, limit: int, cursor: str | None
) -> Page[Alert]:
    """Alerts, newest first, without dismissed ones unless those are asked for."""
    query = select(Alert).where(Alert.dismissed_at.is_not(None) if is_dismissed else Alert.dismissed_at.is_(None))
    if rule_id is not None:
        query = query.where(Alert.rule_id == rule_id)
    if is_read is not None:
        query = query.where(Alert.read_at.is_not(None) if is_read else Alert.read_at.is_(None))
    return fetch_page(query, keys=[(Alert.id, True)], limit=limit, cursor=cursor)
