"""Reads of what the time of a job depends on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select

from app.core.extensions import db
from app.core.orm import database_now
from app.core.running import settings
from app.rpa.models.jobs import BATCH, Action, Attempt, Job, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.queries.workers import count_live_workers
from app.rpa.rules.codes import TAKES_ITS_TIME
from app.rpa.rules.holds import hours_of, next_day_at, pages_left, pages_of
from app.rpa.rules.job_moves import LIVES
from app.rpa.rules.planning import Cap, Estimate, Facts, estimate

SECONDS_UNKNOWN: Final = {Action.VIEW_PRODUCT: 3.0, Action.ADD_TO_CART: 10.0}
"""What a page is taken to need on a storefront that was not visited yet."""
_VISITS: Final = 100
"""How many of the last visits say how long one takes."""
_JOBS: Final = 300
"""How many of the last jobs are looked at for them, most of which may be errands and small scheduled jobs."""
_LARGE: Final = 3
"""Jobs of more than _VISITS tasks of which the last tasks are looked at; each is a query of its own."""
_SHORTEST_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Outlook:
    """How long so many tasks take, beside others and alone, and whether that is in time."""

    alone: Estimate
    facts: Facts
    others: int
    """Tasks of other open jobs that are still to be done on the storefront."""
    seconds_at_most: float | None
    """When all of these come first."""
    is_in_time: bool | None
    """Whether it ends before the deadline when nothing else runs; None where it cannot run at all."""


def look_ahead(
    shop: Storefront,
    action: Action,
    tasks: int,
    *,
    job_concurrency: int | None,
    deadline_at: datetime,
    job_id: int | None = None,
) -> Outlook:
    """How long so many tasks of a job (a new one: None) take on a storefront from now on."""
    facts = find_facts(shop, action, job_concurrency)
    others = count_others(shop.id, job_id)
    alone, behind = estimate(tasks, facts), estimate(tasks + others, facts)
    left_s = (deadline_at - facts.at).total_seconds()
    return Outlook(alone, facts, others, behind.seconds, None if alone.seconds is None else alone.seconds <= left_s)


def find_facts(shop: Storefront, action: Action, job_concurrency: int | None = None) -> Facts:
    """What the time of a job of this action on a storefront depends on now."""
    measured = find_seconds_per_task(shop.id, action)
    now = database_now(db.session())
    return Facts(
        at=now,
        hours=hours_of(shop),
        cap=_find_cap(shop, action, now),
        crawl_delay_ms=shop.crawl_delay_ms if shop.obeys_robots else 0,
        gap_ms=shop.gap_ms,
        concurrency=shop.concurrency,
        workers=count_live_workers(silent_s=settings().farm.worker_silent_s),
        seconds_per_task=SECONDS_UNKNOWN[action] if measured is None else measured,
        is_measured=measured is not None,
        job_concurrency=job_concurrency,
    )


def _find_cap(shop: Storefront, action: Action, now: datetime) -> Cap | None:
    """How many tasks of this action the storefront's daily cap allows."""
    left, pages = pages_left(shop, now), pages_of(action)
    if left is None or shop.daily_cap is None:
        return None
    return Cap(max(1, shop.daily_cap // pages), left // pages, (next_day_at(shop, now) - now).total_seconds())


def find_seconds_per_task(storefront_id: int, action: Action) -> float | None:
    """How long the last visits of this kind took on a storefront, from the claim to the record; None without any.

    The mean of the newest _VISITS of whatever job: of those that read a page, were refused by the shop, or failed after
    the page's time (TAKES_ITS_TIME), since these keep a worker busy as well. Not of those that ended before a page was
    there (robots.txt, no document), nor of browsers and workers that were lost.
    """
    small, large = _jobs_with_visits(storefront_id, action)
    visits = _visits(Task.job_id.in_(small)) if small else []
    for job_id in large:
        last = select(Task.id).where(Task.job_id == job_id, Task.finished_at.is_not(None))
        ids = db.session.scalars(last.order_by(Task.finished_at.desc()).limit(_VISITS)).all()
        visits += _visits(Task.id.in_(ids))
    newest = sorted(visits, key=lambda visit: visit[1], reverse=True)[:_VISITS]
    spent = [(end - start).total_seconds() for start, end in newest]
    return max(_SHORTEST_S, fmean(spent)) if spent else None


def _jobs_with_visits(storefront_id: int, action: Action) -> tuple[list[int], list[int]]:
    """The newest jobs that have _VISITS visits with an answer of the shop together: the small ones, and the large."""
    of_kind = select(Job.id, Job.total_count, (Job.succeeded_count + Job.refused_count).label("visited"))
    newest = of_kind.where(Job.storefront_id == storefront_id, Job.action == action).order_by(Job.id.desc())
    small: list[int] = []
    large: list[int] = []
    known = 0
    for job in db.session.execute(newest.limit(_JOBS)):
        if not job.visited:
            continue
        if job.total_count > _VISITS:
            large.append(job.id)
        elif known < _VISITS:
            small.append(job.id)
            known += job.visited
    return small, large[:_LARGE]


def _visits(which: ColumnElement[bool]) -> list[tuple[datetime, datetime]]:
    """When the newest visits of these tasks began and ended."""
    told = (TaskState.SUCCEEDED, TaskState.REFUSED, "VERIFY")  # the last: read well, and looked at once more
    took_time = or_(Attempt.outcome.in_(told), Attempt.code.in_(TAKES_ITS_TIME))
    query = (
        select(Attempt.started_at, Attempt.ended_at)
        .join(Task, Task.id == Attempt.task_id)
        .where(which, Task.finished_at.is_not(None), took_time)
        .order_by(Task.finished_at.desc(), Attempt.id.desc())
        .limit(_VISITS)
    )
    return [(start, end) for start, end in db.session.execute(query) if end is not None]


def count_others(storefront_id: int, job_id: int | None) -> int:
    """How many tasks of other open jobs are still to be done on a storefront."""
    left = select(func.coalesce(func.sum(Job.total_count - Job.current_count), 0))
    others = left.where(Job.storefront_id == storefront_id, Job.state.in_(LIVES), Job.lane == BATCH)
    if job_id is not None:
        others = others.where(Job.id != job_id)
    return int(db.session.scalar(others) or 0)
