"""Looking whether alert rules fire. It reads only what is committed.

A rule is looked at under the lock of its row, which a second worker skips, and how far it has looked is written with
what it told: so each crossing is told once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from app.core import events
from app.core.extensions import db
from app.core.orm import database_now
from app.core.transactions import in_transaction
from app.products.models.products import ProductUpdate
from app.products.queries.updates import list_following
from app.rpa.alerting import OF_CHANGES, AlertKind, Change, Step, decide
from app.rpa.events import AlertFired
from app.rpa.models.alerts import Alert, AlertRule
from app.rpa.models.jobs import Job, JobState
from app.rpa.models.schedules import JobSchedule, JobScheduleRun, RunState
from app.rpa.models.storefronts import Storefront

PORTION: Final = 500
"""Rows of the history that are looked at in one transaction."""
PORTIONS: Final = 20
"""How many of them one look of a rule takes; the next goes on from there."""
_LATE: Final = timedelta(minutes=5)
"""How long the transaction that ends a job may take to commit."""
_MOST_JOBS: Final = 1000


@dataclass(frozen=True, slots=True)
class _Subject:
    """What an alert is about."""

    name: str
    asin: str | None = None
    storefront: str | None = None
    job_id: int | None = None
    task_id: int | None = None


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
    looks = {AlertKind.BLOCKED: _look_at_storefronts, AlertKind.SCHEDULE: _look_at_schedules}
    count = _look_at_jobs(rule, now) if kind is AlertKind.JOB else _settle(rule, dict(looks[kind](rule)), now)
    rule.seen_at = now
    return count, True


def _look_at_changes(rule: AlertRule, kind: AlertKind, now: datetime) -> tuple[int, bool]:
    """Go on through the history of what storefronts showed; values that flap are left out."""
    found = list_following(after_id=rule.seen_update_id, limit=PORTION, attribute=OF_CHANGES[kind], source="farm")
    shops = db.session.execute(select(Storefront.id, Storefront.code))
    codes = {shop.id: shop.code for shop in shops}
    count = 0
    for row in found.items:
        code = codes.get(row.storefront_id or 0)
        if code is not None and _is_watched(rule, row, code):
            count += _take(rule, kind, row, code, now)
    rule.seen_update_id = max(rule.seen_update_id, found.next_after_id)
    return count, found.is_end


def _is_watched(rule: AlertRule, row: ProductUpdate, code: str) -> bool:
    return rule.storefront in (None, code) and (rule.asins is None or row.asin in rule.asins)


def _take(rule: AlertRule, kind: AlertKind, row: ProductUpdate, code: str, now: datetime) -> int:
    """What one change makes of a rule: the number of new alerts."""
    subject = _Subject(f"product:{row.product_id}@{row.storefront_id}", row.asin, code, row.job_id, row.task_id)
    step = decide(kind, rule.when, Change(row.previous_attribute, row.current_attribute))
    holding = _holding(rule, subject.name) if step in (Step.FIRE, Step.END) else None
    if step is Step.END and holding is not None:
        _end(holding, now)
    if row.is_flapping or step in (Step.NOTHING, Step.END) or holding is not None:
        return 0
    detail = f"{row.asin} on {code}: {kind} from {row.previous_attribute} to {row.current_attribute}."
    key = f"{rule.id}:{subject.name}" if step is Step.FIRE else f"{rule.id}:update:{row.id}"
    return _fire(rule, subject, key, detail, now, has_ended=step is Step.TELL)


def _look_at_storefronts(rule: AlertRule) -> Iterator[tuple[str, tuple[_Subject, str]]]:
    """Storefronts that are left alone because they block us."""
    blocked = select(Storefront).where(Storefront.cooldown_until.is_not(None))
    if rule.storefront is not None:
        blocked = blocked.where(Storefront.code == rule.storefront)
    for shop in db.session.scalars(blocked.order_by(Storefront.id)):
        subject = _Subject(f"storefront:{shop.id}", storefront=shop.code)
        yield subject.name, (subject, f"{shop.code} has blocked {shop.blocks} visits in a row and is left alone.")


def _look_at_schedules(rule: AlertRule) -> Iterator[tuple[str, tuple[_Subject, str]]]:
    """Active schedules whose last run came too late or could not be submitted."""
    last = (
        select(JobSchedule.id, JobSchedule.name, JobSchedule.storefront, JobScheduleRun.state, JobScheduleRun.detail)
        .join(JobScheduleRun, JobScheduleRun.id == JobSchedule.last_run_id)
        .where(JobSchedule.is_active)
        .where((JobScheduleRun.state == RunState.FAILED) | JobScheduleRun.is_late)
    )
    if rule.storefront is not None:
        last = last.where(JobSchedule.storefront == rule.storefront)
    for number, name, shop, state, detail in db.session.execute(last.order_by(JobSchedule.id)):
        what = f"could not be run: {detail}" if state == RunState.FAILED else "was run too late."
        subject = _Subject(f"schedule:{number}", storefront=shop)
        yield subject.name, (subject, f"The schedule {name} {what}")


def _look_at_jobs(rule: AlertRule, now: datetime) -> int:
    """Jobs that ended with failed tasks since the last look, each once."""
    ended = (
        select(Job.id, Job.name, Job.failed_count, Job.total_count, Storefront.code)
        .join(Storefront, Storefront.id == Job.storefront_id)
        .where(Job.finished_at >= max(rule.seen_at - _LATE, rule.updated_at))
        .where(Job.state == JobState.COMPLETED_WITH_ERRORS, Job.failed_count > 0)
    )
    if rule.storefront is not None:
        ended = ended.where(Storefront.code == rule.storefront)
    count = 0
    for number, name, failed, total, code in db.session.execute(ended.order_by(Job.finished_at).limit(_MOST_JOBS)):
        subject = _Subject(f"job:{number}", storefront=code, job_id=number)
        key = f"{rule.id}:{subject.name}"
        if db.session.scalar(select(Alert.id).where(Alert.key == key)) is None:
            detail = f"{failed} of {total} tasks of the job {name} failed."
            count += _fire(rule, subject, key, detail, now, has_ended=True)
    return count


def _settle(rule: AlertRule, holds: dict[str, tuple[_Subject, str]], now: datetime) -> int:
    """Tell conditions that began to hold, and end those that do not hold any more."""
    holding = select(Alert).where(Alert.rule_id == rule.id, Alert.ended_at.is_(None))
    told = {alert.subject: alert for alert in db.session.scalars(holding)}
    for name in told.keys() - holds.keys():
        _end(told[name], now)
    new = [each for name, each in holds.items() if name not in told]
    return sum(_fire(rule, subject, f"{rule.id}:{subject.name}", detail, now) for subject, detail in new)


def _holding(rule: AlertRule, subject: str) -> Alert | None:
    """The alert of a condition that still holds."""
    return db.session.scalar(select(Alert).where(Alert.key == f"{rule.id}:{subject}"))


def _end(alert: Alert, now: datetime) -> None:
    alert.key, alert.ended_at = None, now
    db.session.flush()


def _fire(rule: AlertRule, subject: _Subject, key: str, detail: str, now: datetime, *, has_ended: bool = False) -> int:
    row = Alert(
        rule_id=rule.id, subject=subject.name, key=key, detail=detail[:500], asin=subject.asin,
        storefront=subject.storefront, job_id=subject.job_id, task_id=subject.task_id, fired_at=now,
        ended_at=now if has_ended else None,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    events.publish(
        AlertFired(
            alert_id=row.id, rule_id=rule.id, rule=rule.name, kind=rule.kind, subject=row.subject, detail=row.detail,
            asin=row.asin, storefront=row.storefront, job_id=row.job_id, task_id=row.task_id, at=now,
        )
    )  # fmt: skip
    return 1
