"""How the farm stood from time to time, and how it stands."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from app.analytics.models.farm import FarmSample
from app.analytics.rules.farm_figures import LoadPoint
from app.core.extensions import db
from app.core.orm import database_now, table_of
from app.core.reading import reading
from app.rpa.models.jobs import Job, Task, TaskState
from app.rpa.models.workers import Worker, WorkerState
from app.rpa.queries.workers import with_work
from app.rpa.rules.job_moves import OPEN

FINE_FOR: Final = timedelta(hours=48)
"""For how long there are all samples; of older ones some."""
_WORKERS: Final = 2_000
_SAMPLE = table_of(FarmSample)
_SHOWN: Final = tuple(_SAMPLE.c[name] for name in ("at", "waiting", "queued", "running", "idle", "busy", "draining"))


def list_load(since: datetime, until: datetime) -> list[LoadPoint]:
    """How the whole farm stood from an instant to before another, the first moment first.

    Every half minute where it begins within the last 48 hours, else every ten minutes; for at most 90 days.
    """
    with reading() as asked:
        query = select(*_SHOWN).where(_SAMPLE.c.at >= since, _SAMPLE.c.at < until).order_by(_SAMPLE.c.at)
        if since < database_now(db.session()) - FINE_FOR - timedelta(hours=1):
            query = query.where(_SAMPLE.c.is_coarse)
        return [LoadPoint(*row) for row in asked.execute(query)]


def find_load() -> LoadPoint:
    """How the whole farm stands now. Bounded by the number of open jobs, of tasks that are out, and of workers."""
    session = db.session()
    left = session.scalar(
        select(func.coalesce(func.sum(Job.total_count - Job.current_count), 0)).where(Job.state.in_(OPEN))
    )
    is_out = Task.state.in_((TaskState.QUEUED, TaskState.LEASED))
    out = {
        row[0]: row[1] for row in session.execute(select(Task.state, func.count()).where(is_out).group_by(Task.state))
    }
    queued, running = out.get(TaskState.QUEUED, 0), out.get(TaskState.LEASED, 0)
    there = select(Worker).where(Worker.stopped_at.is_(None)).order_by(Worker.id.desc()).limit(_WORKERS)
    states = [row.state for row in with_work(session.scalars(there).all())]
    return LoadPoint(
        at=database_now(session), waiting=max(0, int(left or 0) - queued - running), queued=queued, running=running,
        idle=states.count(WorkerState.IDLE), busy=states.count(WorkerState.BUSY),
        draining=states.count(WorkerState.DRAINING) + states.count(WorkerState.DRAINED),
    )  # fmt: skip
