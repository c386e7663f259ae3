"""The farm as its users run it: real processes, a real browser, a real marketplace; and what kills them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest
from flask import Flask
from sqlalchemy import func, select

from app.config import Settings
from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.products.models.products import Product, ProductUpdate
from app.products.services.products import create_product
from app.rpa.models.evidence import Evidence
from app.rpa.models.jobs import Action, Attempt, JobState, Task, TaskState
from app.rpa.rules.evidence import Why
from app.rpa.services import controlling
from demo.market import Catalogue
from tests.servers import on_sqlite, private_folder
from tests.workers.farm import RunningFarm
from tests.workers.market import assert_exactly_once, ended_tasks, open_market, stock_master, submit

PRICE = Money.parse("10.00", "USD")
on_mariadb = pytest.mark.parametrize("database", ["mariadb"], indirect=True)


@pytest.fixture
def farm(context: Flask, settings: Settings, market_port: int) -> Iterator[RunningFarm]:
    with private_folder() as folder:
        running = RunningFarm(context, settings, folder, market_port)
        yield running
        running.stop()
        left = running.alive()
        for process in left:
            process.kill()
        assert left == [], running.last_words()


@in_transaction
def _reprice(asin: str) -> None:
    """Let the master have another price than the marketplace."""
    product = db.session.scalars(select(Product).where(Product.asin == asin)).one()
    product.price = Money.parse("0.01", "USD")


@pytest.mark.parametrize("database", ["sqlite", "mariadb"], indirect=True)
def test_both_errands_run_from_submission_to_result(farm: RunningFarm, catalogue: Catalogue) -> None:
    asins = stock_master(catalogue, 8)
    open_market(farm.market_port)
    farm.start_all()
    views = farm.finished(submit(asins))
    assert (views.state, views.succeeded_count) == (JobState.COMPLETED, 8), farm.last_words()
    assert_exactly_once(views)
    assert db.session.scalar(select(func.count()).where(ProductUpdate.task_id.is_not(None))) == 0
    carts = farm.finished(submit(asins[:3], Action.ADD_TO_CART))
    assert (carts.state, carts.succeeded_count) == (JobState.COMPLETED, 3), farm.last_words()
    results = db.session.scalars(select(Task.result).where(Task.job_id == carts.id).order_by(Task.seq))
    assert [(result["quantity"], result["price_differs"]) for result in results if result] == [(1, False)] * 3


@on_sqlite
def test_what_changed_failed_was_bought_or_read_well_is_kept_in_the_store(
    farm: RunningFarm, catalogue: Catalogue
) -> None:
    plain, changed, unknown = stock_master(catalogue, 3)
    gone = create_product(actor=permissions.system(), now=utc_now(), asin="B0GONE0404", name="Gone", price=PRICE)
    _reprice(changed)
    open_market(farm.market_port)
    farm.start_all()
    farm.finished(submit([plain, changed, gone.asin]))
    farm.finished(submit([unknown], Action.ADD_TO_CART))
    rows = db.session.execute(
        select(Task.asin, Evidence.why, Evidence.kind, Evidence.path)
        .join(Task, Task.id == Evidence.task_id)
        .where(Evidence.why != Why.SAMPLE)
    ).all()
    assert sorted((row.asin, row.why, row.kind) for row in rows) == sorted(
        [
            (plain, "page", "html"),
            (changed, "page", "html"),
            (changed, "change", "screenshot"),
            (gone.asin, "failure", "html"),
            (gone.asin, "failure", "screenshot"),
            (unknown, "cart", "screenshot"),
        ]
    ), farm.last_words()
    stored = {row.kind: (farm.folder / "instance" / "files" / row.path).read_bytes()[:2] for row in rows}
    assert stored == {"screenshot": b"\xff\xd8", "html": b"\x1f\x8b"}


@on_mariadb
def test_a_cancelled_job_stops_long_before_its_lease_is_renewed_even_in_a_page_that_never_answers(
    farm: RunningFarm, catalogue: Catalogue
) -> None:
    silent = next(article for article in catalogue.articles.values() if article.page == "silent")
    create_product(
        actor=permissions.system(),
        now=utc_now(),
        asin=silent.asin,
        name=silent.name,
        brand=silent.brand,
        description="",
        price=Money.parse(silent.price, "USD"),
    )
    open_market(farm.market_port, timeouts={"page_load_s": 60})
    farm.start_all(LEASE_S="90", LEASE_RENEW_S="40")
    job = submit([silent.asin])
    leased = select(Task.state).where(Task.job_id == job.id)
    farm.until(lambda: db.session.scalar(leased) == TaskState.LEASED, "the task to run")
    controlling.cancel_job(actor=permissions.system(), job_id=job.id)
    ended = farm.finished(job, seconds=25)
    assert (ended.state, ended.cancelled_count) == (JobState.CANCELLED, 1)


@on_sqlite
def test_a_second_after_a_pause_nothing_more_starts_until_the_job_is_resumed(
    farm: RunningFarm, catalogue: Catalogue
) -> None:
    asins = stock_master(catalogue, 12)
    open_market(farm.market_port, pace={"gap_ms": 1000, "concurrency": 2})
    farm.start_all()
    job = submit(asins)
    attempts = select(func.count()).select_from(Attempt)
    farm.until(lambda: ended_tasks(job) >= 2, "the first tasks")
    controlling.pause_job(actor=permissions.system(), job_id=job.id)
    time.sleep(1)
    farm.until(lambda: db.session.scalar(attempts) == ended_tasks(job), "what had started to end")
    started = db.session.scalar(attempts)
    assert started is not None
    assert started < 12
    time.sleep(2)
    db.session.rollback()
    assert db.session.scalar(attempts) == started == ended_tasks(job)
    controlling.resume_job(actor=permissions.system(), job_id=job.id)
    done = farm.finished(job)
    assert (done.state, done.succeeded_count) == (JobState.COMPLETED, 12), farm.last_words()
    assert_exactly_once(done)


@on_sqlite
def test_a_single_errand_is_answered_within_the_request(
    farm: RunningFarm, catalogue: Catalogue, auth_headers: dict[str, str]
) -> None:
    (asin,) = stock_master(catalogue, 1)
    open_market(farm.market_port)
    farm.start_all()
    sent = {"asin": asin, "storefront": "market"}
    answer = farm.app.test_client().post("/api/v1/view-product?wait=30", json=sent, headers=auth_headers)
    assert answer.status_code == 200, farm.last_words()
    told = answer.get_json()
    assert (told["state"], told["code"]) == ("SUCCEEDED", None)
    assert told["result"]["price"]["value"] == f"{catalogue.articles[asin].price} USD"
    assert told["attempts"][0]["facts"]["http_status"] == 200


@on_sqlite
def test_browsers_never_run_as_root(farm: RunningFarm, catalogue: Catalogue) -> None:
    (asin,) = stock_master(catalogue, 1)
    open_market(farm.market_port)
    farm.start_all()
    farm.finished(submit([asin]))
    chrome = farm.browsers()
    assert chrome
    assert all(process.uids().effective != 0 for process in chrome)
    assert not any("--no-sandbox" in process.cmdline() for process in chrome)
    assert psutil.pid_exists(farm.processes["pool"].pid)
