"""Making the tasks of a job that was accepted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.core.extensions import db
from app.core.orm import count_changed, database_now, table_of
from app.core.transactions import in_transaction
from app.products.models.products import Product
from app.rpa.models.jobs import Job, JobState, Task, TaskState
from app.rpa.rules.job_moves import LIVES

CHUNK: Final = 2_000
"""Tasks in a transaction, and so how many exist when the first of them may start."""
_ASINS: Final = 1_000


def prepare_job(*, job_id: int) -> None:
    """Make the tasks of an accepted job, chunk by chunk; safe to repeat and to resume after a crash.

    From the first chunk on the job can run. It is gone on with while the job is paused, and no longer once it is
    cancelled or its deadline has passed.
    """
    products = db.session.scalar(select(Job.selection).where(Job.id == job_id)) or []
    db.session.rollback()
    while _prepare_chunk(job_id=job_id, products=products):
        pass


@in_transaction
def _prepare_chunk(*, job_id: int, products: Sequence[int]) -> bool:
    session = db.session()
    columns = (Job.state, Job.prepared_count, Job.total_count, Job.storefront_id, Job.deadline_at)
    job = session.execute(select(*columns).where(Job.id == job_id).with_for_update()).one_or_none()
    now = database_now(session)
    if job is None or job.state not in LIVES or job.deadline_at <= now or job.prepared_count >= job.total_count:
        return False
    chunk = products[job.prepared_count : job.prepared_count + CHUNK]
    asins = _asins_of(session, chunk)
    common = {"job_id": job_id, "storefront_id": job.storefront_id, "state": TaskState.READY, "not_before": now}
    common |= {"release_no": 0, "attempt_count": 0, "loss_count": 0, "rate_limited_count": 0}
    common |= {"created_at": now, "updated_at": now}
    rows = [
        {**common, "seq": job.prepared_count + at, "product_id": id_, "asin": asins[id_]}
        for at, id_ in enumerate(chunk, start=1)
    ]
    session.connection().execute(insert(table_of(Task)), rows)
    prepared = job.prepared_count + len(rows)
    is_whole = prepared >= job.total_count
    mine = update(Job).where(Job.id == job_id)
    count_changed(session, mine.values(prepared_count=prepared, **({"selection": None} if is_whole else {})))
    first = mine.where(Job.state == JobState.PREPARING)
    count_changed(session, first.values(state=JobState.QUEUED))
    return not is_whole


def _asins_of(session: Session, product_ids: Sequence[int]) -> dict[int, str]:
    rows: dict[int, str] = {}
    for start in range(0, len(product_ids), _ASINS):
        part = select(Product.id, Product.asin).where(Product.id.in_(product_ids[start : start + _ASINS]))
        rows |= {row.id: row.asin for row in session.execute(part)}
    return rows
