"""A whole farm of real processes that keeps to a shop's robots.txt and says who it is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from flask import Flask
from sqlalchemy import select

from app.config import Settings
from app.core import permissions
from app.core.extensions import db
from app.core.orm import utc_now
from app.rpa.models.jobs import Action, Attempt, Task, TaskState
from app.rpa.models.robots import RobotsFile
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.codes import Code
from app.rpa.services import storefronts, submitting
from tests.rpa.conftest import ASINS, stock_master
from tests.servers import on_sqlite, private_folder
from tests.workers.allowing import allowed
from tests.workers.farm import RunningFarm
from tests.workers.shop import Shop

CONTACT = "https://farm.example/bot"
RULES = (
    "User-agent: *\nDisallow: /\n\n"
    f"User-agent: cartwright\nDisallow: /p/{ASINS[1]}\nDisallow: /cart\nCrawl-delay: 0.2\n"
)


@pytest.fixture
def shop() -> Iterator[Shop]:
    running = Shop()
    running.robots = (200, RULES.encode(), {})
    yield running
    running.close()


@pytest.fixture
def farm(context: Flask, settings: Settings, shop: Shop) -> Iterator[RunningFarm]:
    with private_folder() as folder:
        running = RunningFarm(context, settings, folder, shop.port)
        yield running
        running.stop()
        left = running.alive()
        for process in left:
            process.kill()
        assert left == [], running.last_words()


@on_sqlite
def test_what_robots_txt_denies_is_not_visited_and_the_shop_learns_who_comes(farm: RunningFarm, shop: Shop) -> None:
    stock_master()
    limits = {"start_s": 120, "page_load_s": 60, "ready_s": 30, "script_s": 30, "view_task_s": 240, "cart_task_s": 240}
    document = shop.document(pace={"gap_ms": 0, "concurrency": 2}, timeouts=limits)
    with allowed(shop.port):
        storefronts.create_storefront(
            actor=permissions.system(), now=utc_now(), code="real", name="Real", profile=document
        )
    farm.start_all(FARM_CONTACT=CONTACT, LEASE_S="60", LEASE_RENEW_S="2")
    me = permissions.system()
    view = submitting.submit_job(actor=me, action=Action.VIEW_PRODUCT, storefront="real", name="views", asins=ASINS[:3])
    cart = submitting.submit_job(actor=me, action=Action.ADD_TO_CART, storefront="real", name="carts", asins=ASINS[:1])
    farm.finished(view, seconds=110)
    farm.finished(cart, seconds=110)

    tasks = {task.asin: task for task in db.session.scalars(select(Task).where(Task.job_id == view.id))}
    states = [(tasks[asin].state, tasks[asin].code) for asin in ASINS[:3]]
    assert states == [(TaskState.SUCCEEDED, None), (TaskState.FAILED, Code.ROBOTS_DENIED), (TaskState.SUCCEEDED, None)]
    assert f"disallows {shop.address}/p/{ASINS[1]}" in (tasks[ASINS[1]].detail or "")
    denied = db.session.scalars(select(Task).where(Task.job_id == cart.id)).one()
    assert (denied.state, denied.code) == (TaskState.FAILED, Code.ROBOTS_DENIED)

    visited = [path for path in shop.paths if path != "/robots.txt"]
    assert {path for path in visited if path.startswith(("/p/", "/cart"))} == {f"/p/{ASINS[0]}", f"/p/{ASINS[2]}"}
    assert shop.paths[0] == "/robots.txt"
    assert shop.paths.count("/robots.txt") == 1
    agents = {path: headers["user-agent"] for path, headers in shop.requests}
    assert agents["/robots.txt"] == f"Cartwright/1.0 (+{CONTACT})"
    assert agents[f"/p/{ASINS[0]}"].startswith("Mozilla/5.0 ")
    assert agents[f"/p/{ASINS[0]}"].endswith(f" Cartwright/1.0 (+{CONTACT})")

    row = db.session.scalars(select(Storefront).execution_options(populate_existing=True)).one()
    assert (row.crawl_delay_ms, row.pages_count) == (200, 2)
    starts = db.session.scalars(
        select(Attempt.started_at).join(Task).where(Task.state == TaskState.SUCCEEDED).order_by(Attempt.started_at)
    ).all()
    assert (starts[1] - starts[0]).total_seconds() >= 0.2
    assert db.session.scalars(select(RobotsFile.body)).one() == RULES


@on_sqlite
def test_a_worker_that_claims_before_a_storefronts_turn_waits_for_it(farm: RunningFarm, shop: Shop) -> None:
    shop.robots = (404, b"", {})
    stock_master()
    document = shop.document(pace={"gap_ms": 3000, "concurrency": 2})
    with allowed(shop.port):
        storefronts.create_storefront(
            actor=permissions.system(), now=utc_now(), code="real", name="Real", profile=document
        )
    farm.start_all(LEASE_S="60", LEASE_RENEW_S="2", DISPATCH_S="2", LEADER_S="10")
    me = permissions.system()
    job = submitting.submit_job(actor=me, action=Action.VIEW_PRODUCT, storefront="real", name="views", asins=ASINS[:4])
    farm.finished(job, seconds=100)
    times = db.session.execute(select(Attempt.started_at, Attempt.ended_at).order_by(Attempt.started_at)).all()
    assert all((later[0] - earlier[0]).total_seconds() >= 3 for earlier, later in pairwise(times))
    assert all(ended_at is not None and ended_at > started_at for started_at, ended_at in times), times
