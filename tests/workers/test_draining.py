"""Draining and stopping real workers: what they hold ends well, and they begin nothing else; and what they log."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import psutil
import pytest
from flask import Flask
from sqlalchemy import select

from app.config import Settings
from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.products.services.products import create_product
from app.rpa.models.jobs import Action, Attempt, Job, Task, TaskState
from app.rpa.models.workers import Wanted, Worker, WorkerState
from app.rpa.queries.workers import get_worker
from app.rpa.services import controlling, storefronts, submitting
from app.rpa.services.workers import tell_worker
from tests.servers import on_sqlite, private_folder
from tests.workers.allowing import allowed
from tests.workers.farm import RunningFarm
from tests.workers.shop import Shop

HANGS = "HANG000001"
PLAIN = tuple(f"PLAIN0000{number}" for number in range(1, 7))
SYSTEM = permissions.system()

pytestmark = on_sqlite


@pytest.fixture
def farm(context: Flask, settings: Settings, shop: Shop) -> Iterator[RunningFarm]:
    """A farm with a storefront where one product hangs for a while, and no retry."""
    document = shop.document(timeouts={"page_load_s": 12}, retry={"attempts": 1}, pace={"gap_ms": 0, "concurrency": 4})
    for asin in (HANGS, *PLAIN):
        price = Money.parse("24.99", "USD")
        create_product(actor=SYSTEM, now=utc_now(), asin=asin, name="Kettle", brand="B", description="", price=price)
    with allowed(shop.port):
        storefronts.create_storefront(actor=SYSTEM, now=utc_now(), code="shop", name="Shop", profile=document)
    with private_folder() as folder:
        running = RunningFarm(context, settings, folder, shop.port)
        yield running
        running.stop()
        left = running.alive()
        for process in left:
            process.kill()
        assert left == [], running.last_words()


def _submit(asins: Sequence[str]) -> Job:
    return submitting.submit_job(
        actor=SYSTEM, action=Action.VIEW_PRODUCT, storefront="shop", name="check", asins=list(asins)
    )


def _busy_worker(farm: RunningFarm, job: Job) -> Worker:
    """The worker that runs the job's task, once it runs."""
    held = select(Task.worker_id).where(Task.job_id == job.id, Task.state == TaskState.LEASED)
    farm.until(lambda: db.session.scalar(held), "the task to run")
    return db.session.get_one(Worker, db.session.scalars(held).one())


def _tell(farm: RunningFarm, worker: Worker, wanted: Wanted) -> None:
    """Tell a worker and wait until it has heard."""
    tell_worker(actor=SYSTEM, worker_id=worker.id, wanted=wanted)
    heard = f"is to {wanted}"
    farm.until(lambda: any(heard in line["event"] and line["worker_id"] == worker.id for line in _log(farm)), heard)


def _log(farm: RunningFarm) -> list[dict[str, Any]]:
    """What the pool's workers logged."""
    lines = (farm.folder / "pool.log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def _did(job: Job) -> set[int | None]:
    """The workers that had a task of the job."""
    db.session.rollback()
    return set(db.session.scalars(select(Attempt.worker_id).join(Task).where(Task.job_id == job.id)))


def test_a_drained_worker_finishes_its_task_and_begins_none_until_it_is_resumed(farm: RunningFarm) -> None:
    farm.start_all(LOG_JSON="1")
    hanging = _submit([HANGS])
    drained = _busy_worker(farm, hanging)
    other = next(worker for worker in farm.workers() if worker.id != drained.id)
    _tell(farm, drained, Wanted.DRAIN)
    assert get_worker(drained.id).state is WorkerState.DRAINING
    first = farm.finished(_submit(PLAIN))
    assert (first.succeeded_count, _did(first)) == (6, {other.id}), farm.last_words()
    assert farm.finished(hanging).failed_count == 1
    farm.until(lambda: get_worker(drained.id).state is WorkerState.DRAINED, "the worker to be drained")
    assert db.session.scalar(select(Attempt.code).where(Attempt.worker_id == drained.id)) == "NAV_TIMEOUT"
    _tell(farm, other, Wanted.DRAIN)
    second = _submit(PLAIN)
    time.sleep(2)
    assert _did(second) == set()
    tell_worker(actor=SYSTEM, worker_id=drained.id, wanted=Wanted.WORK)
    done = farm.finished(second)
    assert (done.succeeded_count, _did(done)) == (6, {drained.id}), farm.last_words()
    shown = get_worker(drained.id)
    farm.until(lambda: (get_worker(drained.id).vitals or {}).get("succeeded") == 6, "the counts")
    assert shown.vitals is not None
    assert shown.vitals["memory_bytes"] > 20_000_000
    assert [browser["storefront"] for browser in shown.browsers] == ["shop"]


def test_a_worker_that_is_stopped_finishes_its_task_and_a_fresh_one_takes_its_place(farm: RunningFarm) -> None:
    farm.start_all(LOG_JSON="1")
    job = _submit([HANGS])
    stopped = _busy_worker(farm, job)
    known = {worker.id for worker in farm.workers()}
    _tell(farm, stopped, Wanted.STOP)
    assert psutil.pid_exists(stopped.pid)
    assert farm.finished(job).failed_count == 1
    codes = list(db.session.scalars(select(Attempt.code).where(Attempt.worker_id == stopped.id)))
    assert codes == ["NAV_TIMEOUT"], farm.last_words()
    farm.until(lambda: get_worker(stopped.id).state is WorkerState.STOPPED, "the worker's end")
    farm.until(lambda: {worker.id for worker in farm.workers()} - known, "a fresh worker")
    assert farm.finished(_submit(PLAIN[:2])).succeeded_count == 2


def test_an_idle_worker_stops_at_once(farm: RunningFarm) -> None:
    farm.start_all(LOG_JSON="1")
    idle = farm.workers()[0]
    tell_worker(actor=SYSTEM, worker_id=idle.id, wanted=Wanted.STOP)
    farm.until(lambda: get_worker(idle.id).state is WorkerState.STOPPED, "the worker's end", seconds=20)
    farm.until(lambda: len(farm.workers()) == 2, "a fresh worker")


def test_every_line_of_a_worker_names_its_task_and_no_other(farm: RunningFarm) -> None:
    farm.start_all(LOG_JSON="1", WORKER_COUNT="2")
    job = _submit([HANGS])
    worker = _busy_worker(farm, job)
    controlling.cancel_job(actor=SYSTEM, job_id=job.id)
    farm.finished(job)
    plain = farm.finished(_submit(PLAIN))
    _tell(farm, worker, Wanted.DRAIN)
    asins = dict(db.session.execute(select(Task.id, Task.asin)).all())
    jobs = dict(db.session.execute(select(Task.id, Task.job_id)).all())
    lines = _log(farm)
    ends = [line for line in lines if line["event"].startswith("view-product")]
    assert len(ends) == 1 + plain.total_count
    for line in ends:
        assert line["event"].split()[1] == f"{asins[line['task_id']]}:"
        assert line["job_id"] == jobs[line["task_id"]]
    (told,) = [line for line in lines if "is stopped: cancelled" in line["event"]]
    assert (told["task_id"], told["job_id"], told["worker_id"]) == (ends[0]["task_id"], job.id, worker.id)
    (idle,) = [line for line in lines if "is to drain" in line["event"]]
    assert (idle["worker_id"], "task_id" in idle, "job_id" in idle) == (worker.id, False, False)
