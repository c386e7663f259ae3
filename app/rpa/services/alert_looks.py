"""What rules see that are not about the history of changes: storefronts, schedules, selectors, jobs and carts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, or_, select

from app.core.extensions import db
from app.rpa.models.alerts import AlertRule
from app.rpa.models.jobs import BATCH, Action, Job, JobState, Task, TaskState
from app.rpa.models.schedules import JobSchedule, JobScheduleRun, RunState
from app.rpa.models.storefronts import Storefront
from app.rpa.queries.alert_scopes import find_watched
from app.rpa.rules import rotting
from app.rpa.rules.alerting import Step
from app.rpa.rules.codes import CART_IMPOSSIBLE
from app.rpa.rules.job_moves import OPEN
from app.rpa.services.alert_telling import Subject, holding_alert, take, tell

LATE: Final = timedelta(minutes=5)
"""How long the transaction that ends a job or a task may take to commit."""
MOST_JOBS: Final = 1000
MOST_TASKS: Final = 20_000
"""Ended tasks that are looked at in one transaction: more than add-to-cart tasks end within LATE, so that they are
looked at together, and an older end never undoes what a newer one told."""
_OVER: Final = frozenset(JobState) - frozenset(OPEN)

Holds = Iterator[tuple[str, tuple[Subject, str]]]
"""What holds now: the name of its subject, the subject, and a sentence."""


def blocked_storefronts(rule: AlertRule) -> Holds:
    """Storefronts that are left alone because they block us."""
    blocked = select(Storefront).where(Storefront.cooldown_until.is_not(None), *_on(rule))
    for shop in db.session.scalars(blocked.order_by(Storefront.id)):
        subject = Subject(f"storefront:{shop.id}", storefront=shop.code)
        yield subject.name, (subject, f"{shop.code} has blocked {shop.blocks} visits in a row and is left alone.")


def rotten_selectors(rule: AlertRule) -> Holds:
    """Parts of profiles that the last visits of a storefront did not find."""
    wanted = select(Storefront.id, Storefront.code, Storefront.misses).where(Storefront.misses.is_not(None), *_on(rule))
    for shop in db.session.execute(wanted.order_by(Storefront.id)):
        for field, task_id in rotting.rotten(shop.misses).items():
            subject = Subject(f"field:{shop.id}:{field}", storefront=shop.code, task_id=task_id)
            detail = f"{field} was not found on {shop.code} by {rotting.NEEDED} visits in a row; mend the profile."
            yield subject.name, (subject, detail)


def missed_schedules(rule: AlertRule) -> Holds:
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
        subject = Subject(f"schedule:{number}", storefront=shop)
        yield subject.name, (subject, f"The schedule {name} {what}")


def look_at_jobs(rule: AlertRule, now: datetime) -> int:
    """Tell jobs that ended with failed tasks since the last look, each once; not errands, which somebody waits for."""
    ended = (
        select(Job.id, Job.name, Job.failed_count, Job.total_count, Storefront.code)
        .join(Storefront, Storefront.id == Job.storefront_id)
        .where(Job.finished_at >= _since(rule), Job.lane == BATCH)
        .where(Job.state == JobState.COMPLETED_WITH_ERRORS, Job.failed_count > 0, *_on(rule))
        .order_by(Job.finished_at)
        .limit(MOST_JOBS)
    )
    count = 0
    for number, name, failed, total, code in db.session.execute(ended):
        subject = Subject(f"job:{number}", storefront=code, job_id=number)
        if holding_alert(rule, subject.name) is None:
            detail = f"{failed} of {total} tasks of the job {name} failed."
            count += tell(rule, subject, subject.name, detail, now, has_ended=True)
    return count


def look_at_carts(rule: AlertRule, now: datetime) -> tuple[int, bool]:
    """Tell products that cannot be put into the cart of a storefront, by their last task that says something of it.

    What came and went between two looks is not told. How many alerts there are more, and whether that was all.
    """
    rows = _cart_ends(rule)
    newest = {(row.product_id, row.storefront_id): row for row in rows}
    watched = find_watched(rule, {row.product_id: row.asin for row in newest.values()})
    count = sum(_take_cart(rule, row, now) for (product_id, _), row in newest.items() if product_id in watched)
    is_end = len(rows) < MOST_TASKS
    rule.seen_at = now if is_end else rows[-1].finished_at + LATE
    return count, is_end


def _take_cart(rule: AlertRule, row: Row[Any], now: datetime) -> int:
    name = f"cart:{row.product_id}@{row.storefront_id}"
    subject = Subject(name, row.asin, row.storefront, row.job_id, row.id)
    detail = f"{row.asin} cannot be put into the cart of {row.storefront}: {row.code}."
    step = Step.END if row.state == TaskState.SUCCEEDED else Step.FIRE
    return take(rule, subject, step, detail, now, is_flapping=False)


def _cart_ends(rule: AlertRule) -> Sequence[Any]:
    """The next ends of add-to-cart tasks that say whether the shop's cart can be filled, the oldest first."""
    since = _since(rule)
    is_over = and_(Job.state.in_(_OVER), Job.finished_at >= since)
    jobs = select(Job.id).where(Job.action == Action.ADD_TO_CART, or_(Job.state.in_(OPEN), is_over))
    says = or_(Task.state == TaskState.SUCCEEDED, Task.code.in_(CART_IMPOSSIBLE))
    ends = (
        select(
            Task.id, Task.job_id, Task.product_id, Task.asin, Task.storefront_id, Task.state, Task.code,
            Task.finished_at, Storefront.code.label("storefront"),
        )
        .join(Storefront, Storefront.id == Task.storefront_id)
        .where(Task.job_id.in_(jobs), Task.finished_at >= since, says, *_on(rule))
        .order_by(Task.finished_at, Task.id)
        .limit(MOST_TASKS)
    )  # fmt: skip
    return db.session.execute(ends).all()


def _since(rule: AlertRule) -> datetime:
    return max(rule.seen_at - LATE, rule.updated_at)


def _on(rule: AlertRule) -> list[ColumnElement[bool]]:
    """The condition that a storefront is the rule's."""
    return [] if rule.storefront is None else [Storefront.code == rule.storefront]
