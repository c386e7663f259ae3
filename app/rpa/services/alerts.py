"""Making, changing and deleting alert rules, and putting alerts away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import delete, func, select, update

from app.core import audit
from app.core.extensions import db
from app.core.orm import database_now
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.products.models.products import ProductUpdate
from app.rpa.errors import AlertNotFound, AlertRuleNotFound, AlertRuleStale, StorefrontUnknown, TooManyAlertRules
from app.rpa.models.alerts import Alert, AlertRule
from app.rpa.queries.storefronts import find_storefront

MAX_RULES: Final = 200
"""Each is looked at every minute by one worker."""


@in_transaction
def create_rule(
    *,
    actor: Principal,
    name: str,
    kind: str,
    when: dict[str, Any],
    storefront: str | None = None,
    asins: Sequence[str] | None = None,
    is_active: bool = True,
) -> AlertRule:
    """Watch from now on; a condition that holds already is told at once.

    Raises StorefrontUnknown, or TooManyAlertRules when there are MAX_RULES.
    """
    if (db.session.scalar(select(func.count()).select_from(AlertRule)) or 0) >= MAX_RULES:
        raise TooManyAlertRules(f"There are {MAX_RULES} alert rules, which is the most.")
    row = AlertRule(version=1, **actor.attribution())
    _fill(row, name=name, kind=kind, when=when, storefront=storefront, asins=asins, is_active=is_active)
    row.created_at = row.updated_at
    db.session.add(row)
    db.session.flush()
    audit.record(actor=actor, action="alert_rule.create", subject=("alert_rule", row.id), after=_audited(row))
    return row


@in_transaction
def update_rule(*, actor: Principal, rule_id: int, expected_version: int, **values: Any) -> AlertRule:
    """Replace what a rule watches, from now on; what it has told is over then, and told again where it still holds.

    ``values`` are as for ``create_rule``. Raises AlertRuleNotFound, AlertRuleStale or StorefrontUnknown.
    """
    row = _lock(rule_id, expected_version)
    before = _audited(row)
    _fill(row, **{"storefront": None, "asins": None, "is_active": True} | values)
    row.version += 1
    holding = update(Alert).where(Alert.rule_id == row.id, Alert.key.is_not(None), Alert.ended_at.is_(None))
    db.session.execute(holding.values(key=None, ended_at=row.seen_at))
    audit.record(
        actor=actor, action="alert_rule.update", subject=("alert_rule", row.id), before=before, after=_audited(row)
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


def _lock(rule_id: int, expected_version: int) -> AlertRule:
    row = db.session.scalar(select(AlertRule).where(AlertRule.id == rule_id).with_for_update())
    if row is None:
        raise AlertRuleNotFound("There is no such alert rule.")
    if row.version != expected_version:
        raise AlertRuleStale(f"The rule is at version {row.version}, not {expected_version}; read it again.")
    return row


def _fill(
    row: AlertRule,
    *,
    name: str,
    kind: str,
    when: dict[str, Any],
    storefront: str | None,
    asins: Sequence[str] | None,
    is_active: bool,
) -> None:
    if storefront is not None and find_storefront(storefront) is None:
        raise StorefrontUnknown.field("/storefront", "names no storefront.")
    row.name, row.kind, row.when, row.storefront, row.is_active = name, kind, when, storefront, is_active
    row.asins = sorted(set(asins)) if asins else None
    row.updated_at = row.seen_at = database_now(db.session())
    row.seen_update_id = db.session.scalar(select(func.max(ProductUpdate.id))) or 0


def _audited(row: AlertRule) -> dict[str, Any]:
    counted = None if row.asins is None else len(row.asins)
    return {"name": row.name, "kind": row.kind, "when": row.when, "storefront": row.storefront, "asins": counted,
            "is_active": row.is_active, "version": row.version}  # fmt: skip
