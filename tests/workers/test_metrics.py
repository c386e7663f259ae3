"""Metrics of a farm of real processes: they say what the database says, also after a worker was killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select

from app.config import Settings
from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.tallies import fold_tallies
from app.products.services.products import create_product
from app.rpa.models.jobs import Action, Attempt, Job, Task, TaskState
from app.rpa.services import storefronts, submitting
from tests.servers import on_sqlite, private_folder
from tests.workers.allowing import allowed
from tests.workers.farm import RunningFarm
from tests.workers.shop import Shop

pytestmark = on_sqlite
SYSTEM = permissions.system()
HANGS = "HANG000001"
PLAIN = tuple(f"PLAIN0000{number}" for number in range(1, 7))
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def farm(context: Flask, settings: Settings, shop: Shop) -> Iterator[RunningFarm]:
    """A farm with a storefront where one product hangs for a while, and no retry."""
    document = shop.document(
        timeouts={"page_load_s": 10}, retry={"attempts": 1, "losses": 3}, pace={"gap_ms": 0, "concurrency": 4}
    )
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


def _run(farm: RunningFarm, *asins: str) -> Job:
    return submitting.submit_job(
        actor=SYSTEM, action=Action.VIEW_PRODUCT, storefront="shop", name="check", asins=list(asins)
    )


def _scrape(farm: RunningFarm, headers: dict[str, str]) -> Samples:
    db.session.rollback()
    answer = farm.app.test_client().get("/api/v1/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def _sum(samples: Samples, name: str, **labels: str) -> float:
    wanted = labels.items()
    return sum(value for (found, has), value in samples.items() if found == name and wanted <= dict(has).items())


def _counters(samples: Samples) -> Samples:
    ends = ("_total", "_bucket", "_count", "_sum")
    return {key: value for key, value in samples.items() if key[0].endswith(ends)}


def test_after_a_run_the_metrics_are_what_the_database_has(farm: RunningFarm, auth_headers: dict[str, str]) -> None:
    farm.start_all()
    farm.finished(_run(farm, HANGS, *PLAIN))
    ended = farm.finished(_run(farm, *PLAIN))
    farm.stop("pool", "dispatcher")
    told = _scrape(farm, auth_headers)
    rows = db.session.execute(select(Task.state, Task.code, func.count()).group_by(Task.state, Task.code)).all()
    found = {
        (dict(labels)["outcome"], dict(labels)["code"]): value
        for (name, labels), value in told.items()
        if name == "cartwright_tasks_total"
    }
    assert found == {(row[0], row[1] or "OK"): row[2] for row in rows}, farm.last_words()
    assert sum(found.values()) == 7 + ended.total_count == 13
    attempts = db.session.scalar(select(func.count()).select_from(Attempt))
    for stage in ("queue", "context", "navigate", "record"):
        assert _sum(told, "cartwright_task_stage_seconds_count", stage=stage) == attempts
    assert _sum(told, "cartwright_task_stage_seconds_count", stage="extract") == 12
    assert _sum(told, "cartwright_task_stage_seconds_sum", stage="navigate") > 2
    starts = _sum(told, "cartwright_browser_start_seconds_count")
    assert 1 <= starts <= 2
    assert _sum(told, "cartwright_browser_ends_total", reason="stop") == starts
    assert _sum(told, "cartwright_dispatcher_turn_seconds_count") > 5
    assert _sum(told, "cartwright_workers", state="stopped") == 2


def test_no_counter_goes_back_when_a_worker_is_killed_and_what_it_left_is_swept_and_counted(
    farm: RunningFarm, auth_headers: dict[str, str]
) -> None:
    farm.start_all(LEASE_S="3")
    farm.finished(_run(farm, *PLAIN))
    farm.until(lambda: _sum(_scrape(farm, auth_headers), "cartwright_tasks_total") == 6, "the report")
    before = _scrape(farm, auth_headers)
    job = _run(farm, HANGS)
    held = select(Task.worker_id).where(Task.job_id == job.id, Task.state == TaskState.LEASED)
    farm.until(lambda: db.session.scalar(held), "the task to run")
    victim = db.session.scalar(held)
    farm.until(farm.browsers, "a browser")
    os.kill(next(worker.pid for worker in farm.workers() if worker.id == victim), signal.SIGKILL)
    farm.finished(job)
    farm.stop("pool", "dispatcher")
    fold_tallies(idle_s=-60)
    after = _scrape(farm, auth_headers)
    assert {key: after[key] for key, value in _counters(before).items() if after[key] < value} == {}
    assert _sum(after, "cartwright_tasks_total", outcome="SUCCEEDED") == 6
    assert _sum(after, "cartwright_tasks_total") == 7
    assert _sum(after, "cartwright_leases_expired_total") == 1
    assert _sum(after, "cartwright_task_retries_total", code="WORKER_LOST") == 1
    assert _sum(after, "cartwright_browser_orphans_total") >= 1
