"""Reads of alert rules and alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.rpa.errors import AlertNotFound, AlertRuleNotFound
from app.rpa.models.alerts import Alert, AlertRule

MAX_COUNTED: Final = 1000


def get_rule(rule_id: int) -> AlertRule:
    """One rule; raises AlertRuleNotFound."""
    row = db.session.get(AlertRule, rule_id)
    if row is None:
        raise AlertRuleNotFound("There is no such alert rule.")
    return row


def list_rules(*, limit: int, cursor: str | None) -> Page[AlertRule]:
    """Rules in the order they were made."""
    return fetch_page(select(AlertRule), keys=[(AlertRule.id, False)], limit=limit, cursor=cursor)


def rule_names() -> dict[int, str]:
    """The names of all rules by their ids, in the order of names; there are few."""
    return dict(db.session.execute(select(AlertRule.id, AlertRule.name).order_by(AlertRule.name, AlertRule.id)).all())


def get_alert(alert_id: int) -> Alert:
    """One alert; raises AlertNotFound."""
    row = db.session.get(Alert, alert_id)
    if row is None:
        raise AlertNotFound("There is no such alert.")
    return row


@dataclass(frozen=True, slots=True)
class Unread:
    """How many alerts nobody has read."""

    count: int
    is_capped: bool
    """Whether there may be more."""


def count_unread() -> Unread:
    """How many alerts nobody has read or put away, up to MAX_COUNTED."""
    unread = select(Alert.id).where(Alert.dismissed_at.is_(None), Alert.read_at.is_(None)).limit(MAX_COUNTED)
    count = db.session.scalar(select(func.count()).select_from(unread.subquery())) or 0
    return Unread(count, is_capped=count == MAX_COUNTED)


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
