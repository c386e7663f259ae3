"""Making, changing and deleting alert rules, and putting alerts away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import delete, func, select, update

from app.core import audit
from app.core.extensions import db
from app.core.orm import count_changed, database_now
from app.core.permissions import Principal
from app.core.running import settings
from app.core.transactions import in_transaction
from app.products.models.products import ProductUpdate
from app.rpa.errors import AlertNotFound, AlertRuleNotFound, AlertRuleStale, TooManyAlertRules
from app.rpa.models.alerts import Alert, AlertRule, Rhythm
from app.rpa.queries.alert_scopes import check_scope

MAX_RULES: Final = 200
"""Each is looked at every minute by one worker."""
MAX_READ: Final = 1000
"""Alerts that are marked as read, or deleted, in one transaction."""
_PORTIONS: Final = 100


@dataclass(frozen=True, slots=True)
class Marked:
    """How many alerts were marked as read, and whether that was all of them."""

    count: int
    is_complete: bool


@in_transaction
def create_rule(
    *,
    actor: Principal,
    name: str,
    kind: str,
    when: dict[str, Any],
    is_active: bool = True,
    **about: Any,
) -> AlertRule:
    """Watch from now on; a condition that holds already is told at once.

    ``about`` are ``storefront``, at most one of ``asins``, ``category_id`` and ``product_filter_id``, ``mail`` and
    ``tells_webhooks``. Raises StorefrontUnknown, AlertScopeUnknown, or TooManyAlertRules when there are MAX_RULES.
    """
    if (db.session.scalar(select(func.count()).select_from(AlertRule)) or 0) >= MAX_RULES:
        raise TooManyAlertRules(f"There are {MAX_RULES} alert rules, which is the most.")
    row = AlertRule(version=1, **actor.attribution())
    _fill(row, {"name": name, "kind": kind, "when": when, "is_active": is_active, **about})
    row.created_at = row.updated_at
    db.session.add(row)
    db.session.flush()
    audit.record(actor=actor, action="alert_rule.create", subject=("alert_rule", row.id), after=_audited(row))
    return row


@in_transaction
def update_rule(*, actor: Principal, rule_id: int, expected_version: int, **values: Any) -> AlertRule:
    """Replace what a rule watches, from now on; what it has told is over then, and told again where it still holds.

    ``values`` are as for ``create_rule``. Raises AlertRuleNotFound, AlertRuleStale, StorefrontUnknown or
    AlertScopeUnknown.
    """
    row = _lock(rule_id, expected_version)
    before = _audited(row)
    _fill(row, {"is_active": True} | values)
    row.version += 1
    _end_all(row)
    audit.record(
        actor=actor, action="alert_rule.update", subject=("alert_rule", row.id), before=before, after=_audited(row)
    )
    return row


@in_transaction
def set_active(*, actor: Principal, rule_id: int, is_active: bool) -> AlertRule:
    """Pause a rule, or let it watch again from now on; what held when it was paused is then told again.

    Asking again changes nothing. Raises AlertRuleNotFound.
    """
    row = _lock(rule_id)
    if row.is_active != is_active:
        row.is_active = is_active
        row.version += 1
        _begin(row)
        _end_all(row)
        audit.record(
            actor=actor,
            action=f"alert_rule.{'resume' if is_active else 'pause'}",
            subject=("alert_rule", row.id),
            before={"is_active": not is_active},
            after={"is_active": is_active},
        )
    return row


@in_transaction
def delete_rule(*, actor: Principal, rule_id: int, expected_version: int) -> None:
    """Delete a rule and what it told. Raises AlertRuleNotFound or AlertRuleStale."""
    row = _lock(rule_id, expected_version)
    audit.record(actor=actor, action="alert_rule.delete", subject=("alert_rule", row.id), before=_audited(row))
    db.session.execute(delete(Alert).where(Alert.rule_id == row.id))
    db.session.delete(row)


@in_transaction
def mark_alert(*, actor: Principal, alert_id: int, dismiss: bool) -> Alert:
    """Say that somebody has read an alert, or put it away, which is read as well; the first time counts.

    Raises AlertNotFound.
    """
    row = db.session.scalar(select(Alert).where(Alert.id == alert_id).with_for_update())
    if row is None:
        raise AlertNotFound("There is no such alert.")
    now = database_now(db.session())
    row.read_at = row.read_at or now
    if dismiss and row.dismissed_at is None:
        row.dismissed_at, row.dismissed_by = now, f"{actor.kind}:{actor.id}" if actor.id else actor.kind
    action = "alert.dismiss" if dismiss else "alert.read"
    audit.record(actor=actor, action=action, subject=("alert", row.id), after={"rule_id": row.rule_id})
    return row


@in_transaction
def mark_read(*, actor: Principal, up_to_id: int, rule_id: int | None = None) -> Marked:
    """Say that somebody has read the alerts up to one, the newest first; at most MAX_READ: who asks again goes on."""
    unread = select(Alert.id).where(Alert.dismissed_at.is_(None), Alert.read_at.is_(None), Alert.id <= up_to_id)
    if rule_id is not None:
        unread = unread.where(Alert.rule_id == rule_id)
    ids = list(db.session.scalars(unread.order_by(Alert.id.desc()).limit(MAX_READ)))
    if not ids:
        return Marked(0, is_complete=True)
    mine = update(Alert).where(Alert.id.in_(ids), Alert.read_at.is_(None))
    count = count_changed(db.session(), mine.values(read_at=database_now(db.session())))
    after = {"up_to_id": up_to_id, "rule_id": rule_id, "count": count}
    audit.record(actor=actor, action="alert.read_all", subject=("alert", up_to_id), after=after)
    return Marked(count, is_complete=len(ids) < MAX_READ)


def purge_alerts() -> int:
    """Delete alerts older than ALERT_DAYS but for those whose condition still holds, which would be told again.

    Returns how many, of very many some: the next call goes on.
    """
    counts = iter(_purge_some, 0)
    return sum(islice(counts, _PORTIONS))


@in_transaction
def _purge_some() -> int:
    before = database_now(db.session()) - timedelta(days=settings().evidence.alert_days)
    old = select(Alert.id).where(Alert.fired_at < before, Alert.ended_at.is_not(None))
    ids = list(db.session.scalars(old.order_by(Alert.fired_at, Alert.id).limit(MAX_READ)))
    return count_changed(db.session(), delete(Alert).where(Alert.id.in_(ids))) if ids else 0


def _lock(rule_id: int, expected_version: int | None = None) -> AlertRule:
    row = db.session.scalar(select(AlertRule).where(AlertRule.id == rule_id).with_for_update())
    if row is None:
        raise AlertRuleNotFound("There is no such alert rule.")
    if expected_version is not None and row.version != expected_version:
        raise AlertRuleStale(f"The rule is at version {row.version}, not {expected_version}; read it again.")
    return row


def _fill(row: AlertRule, values: Mapping[str, Any]) -> None:
    """Write what a rule watches and whom it tells; what is not said is as usual."""
    for name in ("name", "kind", "when", "is_active"):
        setattr(row, name, values[name])
    for name in ("storefront", "category_id", "product_filter_id"):
        setattr(row, name, values.get(name))
    row.asins = sorted(set(values.get("asins") or [])) or None
    row.mail, row.tells_webhooks = values.get("mail", Rhythm.NEVER), values.get("tells_webhooks", True)
    check_scope(row)
    _begin(row)


def _begin(row: AlertRule) -> None:
    """Watch from now on."""
    row.updated_at = row.seen_at = database_now(db.session())
    row.seen_update_id = db.session.scalar(select(func.max(ProductUpdate.id))) or 0


def _end_all(row: AlertRule) -> None:
    """Say that what a rule has told is over, so that it is told again where it still holds."""
    holding = update(Alert).where(Alert.rule_id == row.id, Alert.key.is_not(None), Alert.ended_at.is_(None))
    db.session.execute(holding.values(key=None, ended_at=row.seen_at))


def _audited(row: AlertRule) -> dict[str, Any]:
    counted = None if row.asins is None else len(row.asins)
    told = ("category_id", "product_filter_id", "mail", "tells_webhooks", "is_active", "version")
    about = {"name": row.name, "kind": row.kind, "when": row.when, "storefront": row.storefront, "asins": counted}
    return about | {name: getattr(row, name) for name in told}
