"""Looking whether alert rules fire. It reads only what is committed.

A rule is looked at under the lock of its row, which a second worker skips, and how far it has looked is written with
what it told: so each crossing is told once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import select

from app.core.extensions import db
from app.core.orm import database_now
from app.core.transactions import in_transaction
from app.products.models.products import ProductUpdate, Source
from app.products.queries.updates import list_following
from app.rpa.models.alerts import AlertRule
from app.rpa.models.storefronts import Storefront
from app.rpa.queries.alert_scopes import find_watched
from app.rpa.rules.alerting import OF_CHANGES, AlertKind, Change, decide, describe_change
from app.rpa.services import alert_looks
from app.rpa.services.alert_telling import Subject, settle, take

PORTION: Final = 500
"""Rows of the history that are looked at in one transaction."""
PORTIONS: Final = 20
"""How many of them one look of a rule takes; the next goes on from there."""
_CONDITIONS: Final[dict[AlertKind, Callable[[AlertRule], alert_looks.Holds]]] = {
    AlertKind.BLOCKED: alert_looks.blocked_storefronts,
    AlertKind.SCHEDULE: alert_looks.missed_schedules,
    AlertKind.SELECTOR: alert_looks.rotten_selectors,
}
"""Kinds that tell what holds now, whenever it began."""


def sweep_alerts() -> int:
    """Look at every active rule; returns how many alerts there are more.

    A rule that cannot be looked at is in no other one's way; raises ExceptionGroup after all had their turn.
    """
    ids = list(db.session.scalars(select(AlertRule.id).where(AlertRule.is_active).order_by(AlertRule.id)))
    db.session.rollback()
    fired, failures = 0, []
    for rule_id in ids:
        try:
            for _ in range(PORTIONS):
                count, is_end = look(rule_id=rule_id)
                fired += count
                if is_end:
                    break
        except Exception as failure:  # noqa: BLE001  # raised below, after the others had their turn
            failures.append(failure)
    if failures:
        raise ExceptionGroup("alert rules could not be looked at", failures)
    return fired


@in_transaction
def look(*, rule_id: int) -> tuple[int, bool]:
    """Look at what is new to a rule: how many alerts that made, and whether there is nothing more to look at.

    A rule that another worker is looking at is left to it.
    """
    active = select(AlertRule).where(AlertRule.id == rule_id, AlertRule.is_active)
    rule = db.session.scalar(active.with_for_update(skip_locked=True))
    if rule is None:
        return 0, True
    now, kind = database_now(db.session()), AlertKind(rule.kind)
    if kind in OF_CHANGES:
        return _look_at_changes(rule, kind, now)
    if kind is AlertKind.CART:
        return alert_looks.look_at_carts(rule, now)
    is_job = kind is AlertKind.JOB
    count = alert_looks.look_at_jobs(rule, now) if is_job else settle(rule, dict(_CONDITIONS[kind](rule)), now)
    rule.seen_at = now
    return count, True


def _look_at_changes(rule: AlertRule, kind: AlertKind, now: datetime) -> tuple[int, bool]:
    """Go on through the history of what storefronts showed; values that flap are left out."""
    found = list_following(after_id=rule.seen_update_id, limit=PORTION, attribute=OF_CHANGES[kind], source=Source.FARM)
    codes = {shop.id: shop.code for shop in db.session.execute(select(Storefront.id, Storefront.code))}
    watched = find_watched(rule, {row.product_id: row.asin for row in found.items})
    count = 0
    for row in found.items:
        code = codes.get(row.storefront_id or 0)
        if code is not None and rule.storefront in (None, code) and row.product_id in watched:
            count += _take(rule, kind, row, code, now)
    rule.seen_update_id = max(rule.seen_update_id, found.next_after_id)
    return count, found.is_end


def _take(rule: AlertRule, kind: AlertKind, row: ProductUpdate, code: str, now: datetime) -> int:
    """What one change makes of a rule: the number of new alerts."""
    subject = Subject(f"product:{row.product_id}@{row.storefront_id}", row.asin, code, row.job_id, row.task_id)
    change = Change(row.previous_attribute, row.current_attribute)
    step, detail = decide(kind, rule.when, change), describe_change(kind, row.asin, code, change)
    return take(rule, subject, step, detail, now, once=f"update:{row.id}", is_flapping=row.is_flapping)
