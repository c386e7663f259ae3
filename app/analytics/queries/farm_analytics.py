"""The figures of the farm as the API asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.analytics.queries.farm_figures import FarmFigures, find_figures
from app.analytics.rules.farm_buckets import Grain
from app.analytics.rules.farm_figures import Which, Window
from app.analytics.rules.farm_windows import check_window, last_hours, whole_days
from app.analytics.rules.periods import Period
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.orm import database_now
from app.core.running import settings
from app.rpa.models.jobs import Job
from app.rpa.queries.storefronts import find_storefront

MOST_TASKS: Final = 200_000
"""Of one job, whose tasks are counted while somebody waits."""


@dataclass(frozen=True, slots=True)
class FarmAnalytics(FarmFigures):
    """The figures of a window, and what they are of."""

    window: Window
    which: Which


def analyse(
    *,
    period: Period,
    hours: int | None = None,
    group: Grain | None = None,
    storefront: str | None = None,
    kind: str | None = None,
    worker_id: int | None = None,
    job_id: int | None = None,
    per: str | None = None,
) -> FarmAnalytics:
    """Figures of whole days, or of the last ``hours``, by ``group``; ``per`` is storefront, worker or None.

    Raises Invalid, naming a field of the query, and NotAddedUpYet.
    """
    now, zone = database_now(db.session()), settings().timezone
    window = whole_days(period, group, zone=zone) if hours is None else last_hours(hours, group, now=now, zone=zone)
    check_window(window, now=now, of_worker=worker_id is not None, of_job=job_id is not None)
    which = Which(None if storefront is None else _shop_of(storefront), kind, worker_id, job_id)
    if job_id is not None:
        _check_job(job_id)
    found = find_figures(window, which, per=per)
    return FarmAnalytics(found.complete_until, found.summary, found.throughput, found.groups, window, which)


def _shop_of(code: str) -> int:
    shop = find_storefront(code)
    if shop is None:
        raise Invalid.field("/storefront", "must be the code of a storefront.", place="query")
    return shop.id


def _check_job(job_id: int) -> None:
    job = db.session.get(Job, job_id)
    if job is None:
        raise Invalid.field("/job_id", "must be the number of a job.", place="query")
    if job.total_count > MOST_TASKS:
        raise Invalid.field("/job_id", f"must be a job of at most {MOST_TASKS:,} tasks.", place="query")
