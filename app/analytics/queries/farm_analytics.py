"""The figures of the farm as the API asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.analytics.models.farm import FarmWorker
from app.analytics.queries.farm_figures import FarmFigures, find_figures
from app.analytics.rules.farm_buckets import Grain
from app.analytics.rules.farm_figures import FarmGroup, Which, Window
from app.analytics.rules.farm_slices import WORKER
from app.analytics.rules.farm_windows import check_window, check_workers_kept, last_hours, whole_days
from app.analytics.rules.periods import Period
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.orm import database_now
from app.core.running import settings
from app.rpa.models.jobs import Job
from app.rpa.models.workers import Worker
from app.rpa.queries.storefronts import find_storefront

MOST_TASKS: Final = 200_000
"""Of one job, whose tasks are counted while somebody waits."""


@dataclass(frozen=True, slots=True)
class FarmAnalytics(FarmFigures):
    """The figures of a window, and what they are of."""

    window: Window
    which: Which
    per: list[FarmGroup] | None
    """Each storefront or worker, where it was asked for."""


def analyse(
    *,
    period: Period,
    hours: int | None = None,
    group: str | None = None,
    storefront: str | None = None,
    kind: str | None = None,
    worker_id: int | None = None,
    job_id: int | None = None,
    per: str | None = None,
) -> FarmAnalytics:
    """Figures of whole days, or of the last ``hours``, by ``group`` (minute, hour or day; None chooses).

    ``per`` is storefront, worker or None.
    Raises Invalid, naming a field of the query, and NotAddedUpYet.
    """
    now, zone = database_now(db.session()), settings().timezone
    grain = None if group is None else Grain(group)
    window = whole_days(period, grain, zone=zone) if hours is None else last_hours(hours, grain, now=now, zone=zone)
    check_window(window, now=now, of_worker=worker_id is not None, of_job=job_id is not None)
    if per == WORKER and job_id is None:
        check_workers_kept(window, now=now)
    if worker_id is not None:
        _check_worker(worker_id)
    which = Which(None if storefront is None else _shop_of(storefront), kind, worker_id, job_id)
    if job_id is not None:
        _check_job(job_id)
    found = find_figures(window, which, per=() if per is None else (per,))
    told = None if per is None else found.groups[per]
    return FarmAnalytics(found.complete_until, found.summary, found.throughput, found.groups, window, which, told)


def _shop_of(code: str) -> int:
    shop = find_storefront(code)
    if shop is None:
        raise Invalid.field("/storefront", "must be the code of a storefront.", place="query")
    return shop.id


def _check_worker(worker_id: int) -> None:
    if all(db.session.get(kept, worker_id) is None for kept in (FarmWorker, Worker)):
        raise Invalid.field("/worker_id", "must be the number of a worker.", place="query")


def _check_job(job_id: int) -> None:
    job = db.session.get(Job, job_id)
    if job is None:
        raise Invalid.field("/job_id", "must be the number of a job.", place="query")
    if job.total_count > MOST_TASKS:
        raise Invalid.field("/job_id", f"must be a job of at most {MOST_TASKS:,} tasks.", place="query")
