"""Several workers in one process that share Chrome: they work at the same time and take no task of another along."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import psutil
import pytest
from flask import Flask
from sqlalchemy import func, select

from app.config import Settings
from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.tallies import read_total
from app.products.services.products import create_product
from app.rpa.models.jobs import Action, Attempt, Job, JobState, Task, TaskState
from app.rpa.models.workers import Wanted, WorkerState
from app.rpa.queries.workers import get_worker
from app.rpa.services import controlling, storefronts, submitting
from app.rpa.services.workers import tell_worker
from tests.servers import on_sqlite, private_folder
from tests.workers.allowing import allowed
from tests.workers.farm import RunningFarm, name_of
from tests.workers.market import assert_exactly_once
from tests.workers.shop import Shop

SYSTEM = permissions.system()
HANGS, KILLS = "HANG000001", "KILLS00001"
HELD = tuple(f"HELD00000{number}" for number in range(1, 5))
PLAIN = tuple(f"PLAIN000{number}" for number in range(10, 34))
ENDS_S = 180.0
LANES = {"WORKER_COUNT": "1", "CONTEXTS_PER_BROWSER": "4", "LEASE_S": "20", "STOP_GRACE_S": "60"}

pytestmark = [on_sqlite, pytest.mark.timeout(400)]


@pytest.fixture
def farm(context: Flask, settings: Settings, shop: Shop) -> Iterator[RunningFarm]:
    """A farm for a storefront whose pages may take their time."""
    document = shop.document(
        timeouts={"page_load_s": 60, "ready_s": 20, "script_s": 20},
        retry={"attempts": 1, "losses": 1},
        pace={"gap_ms": 0, "concurrency": 8},
    )
    for asin in (HANGS, KILLS, *HELD, *PLAIN):
        price = Money.parse("24.99", "USD")
        create_product(actor=SYSTEM, now=utc_now(), asin=asin, name="Kettle", brand="B", description="", price=price)
    with allowed(shop.port):
        storefronts.create_storefront(actor=SYSTEM, now=utc_now(), code="shop", name="Shop", profile=document)
    shop.requests.clear()
    with private_folder() as folder:
        running = RunningFarm(context, settings, folder, shop.port)
        yield running
        shop.gate.set()
        running.stop()
        left = running.alive()
        for process in left:
            process.kill()
        assert left == [], running.last_words()


@pytest.fixture
def gate(shop: Shop) -> Iterator[Shop]:
    """The shop, which answers nothing that is HELD before the test says so."""
    shop.gate.clear()
    yield shop
    shop.gate.set()


def _submit(asins: Sequence[str], action: Action = Action.VIEW_PRODUCT) -> Job:
    return submitting.submit_job(actor=SYSTEM, action=action, storefront="shop", name="check", asins=list(asins))


def _asked(farm: RunningFarm, shop: Shop, asins: Sequence[str]) -> None:
    """Wait until the shop is asked for all these pages."""
    farm.until(lambda: {f"/p/{asin}" for asin in asins} <= set(shop.paths), f"{asins} to be asked for", seconds=ENDS_S)


def _attempts(*asins: str) -> list[str | None]:
    """How the attempts of tasks ended."""
    db.session.rollback()
    return list(db.session.scalars(select(Attempt.code).join(Task).where(Task.asin.in_(asins)).order_by(Attempt.id)))


def _drivers(farm: RunningFarm) -> set[int]:
    return {process.pid for process in farm.browsers() if name_of(process) == "chromedriver"}


def test_four_pages_are_open_at_once_in_one_browser_and_each_is_recorded_once(farm: RunningFarm, gate: Shop) -> None:
    farm.start_all(**LANES)
    job = _submit(HELD)
    _asked(farm, gate, HELD)
    workers = farm.workers()
    assert len({worker.pid for worker in workers}) == 1
    assert len(_drivers(farm)) == 1
    gate.gate.set()
    done = farm.finished(job, seconds=ENDS_S)
    assert (done.state, done.succeeded_count) == (JobState.COMPLETED, 4), farm.last_words()
    assert_exactly_once(done)
    assert _attempts(*HELD) == [None] * 4
    did = set(db.session.scalars(select(Attempt.worker_id)))
    assert did == {worker.id for worker in workers}
    browsers = get_worker(workers[0].id).browsers
    farm.until(lambda: get_worker(workers[0].id).browsers, "the browser to be told")
    assert [browser["storefront"] for browser in get_worker(workers[0].id).browsers] == ["shop"], browsers


def test_a_task_that_is_killed_leaves_those_beside_it_alone(farm: RunningFarm, gate: Shop) -> None:
    farm.start_all(**LANES)
    hanging = _submit([HANGS])
    job = _submit(HELD[:3])
    _asked(farm, gate, [HANGS, *HELD[:3]])
    controlling.cancel_job(actor=SYSTEM, job_id=hanging.id)
    assert farm.finished(hanging, seconds=ENDS_S).cancelled_count == 1
    gate.gate.set()
    done = farm.finished(job, seconds=ENDS_S)
    assert (done.succeeded_count, _attempts(*HELD)) == (3, [None] * 3), farm.last_words()


def _kill_browsers(farm: RunningFarm) -> None:
    """Kill every Chrome, and no driver."""
    for process in farm.browsers():
        with suppress(psutil.Error):
            if process.name() != "chromedriver" and not any("--type=" in word for word in process.cmdline()):
                process.kill()


def test_a_page_that_kills_its_browser_is_poison_and_takes_those_beside_it_along_once(
    farm: RunningFarm, gate: Shop
) -> None:
    farm.start_all(**LANES)
    job = _submit(HELD[:3])
    _asked(farm, gate, HELD[:3])
    kills: list[float] = []
    others_ended = threading.Event()

    def kill() -> None:
        kills.append(time.monotonic())
        if len(kills) > 1:
            others_ended.wait(ENDS_S)
        _kill_browsers(farm)
        gate.gate.set()

    gate.on_kills = kill
    bad = _submit([KILLS])
    done = farm.finished(job, seconds=ENDS_S)
    others_ended.set()
    failed = farm.finished(bad, seconds=ENDS_S)
    code = db.session.scalar(select(Task.code).where(Task.asin == KILLS))
    assert (failed.failed_count, code) == (1, "POISON"), farm.last_words()
    assert _attempts(KILLS) == ["CHROME_CRASH"] * 3, farm.last_words()
    assert db.session.scalar(select(Task.loss_count).where(Task.asin == KILLS)) == 2  # the first one does not count
    assert done.succeeded_count == 3
    assert_exactly_once(done)
    losses = db.session.scalars(select(Task.loss_count).where(Task.asin.in_(HELD)))
    assert list(losses) == [0, 0, 0]
    assert _attempts(*HELD).count("CHROME_CRASH") == 3


def test_asked_to_stop_every_lane_finishes_its_task(farm: RunningFarm, gate: Shop) -> None:
    farm.start_all(**LANES)
    job = _submit(HELD)
    _asked(farm, gate, HELD)
    pool = farm.processes.pop("pool")
    pool.send_signal(signal.SIGTERM)
    farm.until(lambda: len(_attempts(*HELD)) == 4, "the attempts")
    gate.gate.set()
    assert pool.wait(timeout=60) == 0, farm.last_words()
    assert farm.browsers() == []
    done = farm.finished(job, seconds=ENDS_S)
    assert (done.succeeded_count, _attempts(*HELD)) == (4, [None] * 4)
    assert farm.workers() == []


def test_idle_and_drained_lanes_stop_without_being_waited_for(farm: RunningFarm) -> None:
    farm.start_all(**LANES)
    tell_worker(actor=SYSTEM, worker_id=farm.workers()[0].id, wanted=Wanted.DRAIN)
    drained = farm.workers()[0].id
    farm.until(lambda: get_worker(drained).state is WorkerState.DRAINED, "the lane to be drained")
    pool = farm.processes.pop("pool")
    pool.send_signal(signal.SIGTERM)
    assert pool.wait(timeout=40) == 0, farm.last_words()
    farm.until(lambda: get_worker(drained).state is WorkerState.STOPPED, "the lane to have stopped")


def test_a_lane_that_is_stopped_takes_its_process_along_after_their_tasks(farm: RunningFarm, gate: Shop) -> None:
    farm.start_all(**LANES)
    job = _submit(HELD[:2])
    _asked(farm, gate, HELD[:2])
    known = {worker.id for worker in farm.workers()}
    tell_worker(actor=SYSTEM, worker_id=min(known), wanted=Wanted.STOP)
    farm.until(lambda: get_worker(min(known)).wanted == Wanted.STOP, "the order")
    gate.gate.set()
    assert farm.finished(job, seconds=ENDS_S).succeeded_count == 2
    assert _attempts(*HELD) == [None] * 2
    farm.until(lambda: len({worker.id for worker in farm.workers()} - known) == 4, "four fresh lanes", seconds=ENDS_S)


def test_a_killed_process_leaves_no_browser_and_its_tasks_are_done_by_the_next_one(
    farm: RunningFarm, gate: Shop
) -> None:
    farm.start_all(**LANES | {"LEASE_S": "3"})
    job = _submit(HELD)
    _asked(farm, gate, HELD)
    before = _drivers(farm)
    psutil.Process(farm.workers()[0].pid).kill()
    farm.until(lambda: not before & _drivers(farm), "the browser to end", seconds=ENDS_S)
    gate.gate.set()
    done = farm.finished(job, seconds=ENDS_S)
    assert (done.state, done.succeeded_count) == (JobState.COMPLETED, 4), farm.last_words()
    assert_exactly_once(done)


def test_browsers_are_replaced_under_load_and_no_task_notices(farm: RunningFarm) -> None:
    farm.start_all(**LANES, BROWSER_MAX_CONTEXTS="5")
    done = farm.finished(_submit(PLAIN), seconds=ENDS_S)
    assert (done.state, done.succeeded_count) == (JobState.COMPLETED, len(PLAIN)), farm.last_words()
    assert_exactly_once(done)
    assert _attempts(*PLAIN) == [None] * len(PLAIN)
    farm.until(lambda: len(_drivers(farm)) <= 1, "the old browsers to end")
    farm.stop()
    db.session.rollback()
    told = read_total()
    ends = {labels[0]: numbers[0] for labels, numbers in told["cartwright_browser_ends"]}
    assert ends["contexts"] >= 3
    assert ends.keys() == {"contexts", "stop"}
    assert sum(ends.values()) == told["cartwright_browser_start_seconds"][0][1][-2]


def test_a_cart_is_filled_in_a_browser_of_its_own_beside_pages_that_are_viewed(farm: RunningFarm, gate: Shop) -> None:
    farm.start_all(**LANES)
    views = _submit(HELD[:3])
    _asked(farm, gate, HELD[:3])
    shared = _drivers(farm)
    cart = farm.finished(_submit([PLAIN[0]], Action.ADD_TO_CART), seconds=ENDS_S)
    assert cart.succeeded_count == 1, farm.last_words()
    assert len(_drivers(farm) - shared) == 1
    gate.gate.set()
    assert farm.finished(views, seconds=ENDS_S).succeeded_count == 3
    assert db.session.scalar(select(func.count()).where(Task.state == TaskState.SUCCEEDED)) == 4
    assert _attempts(*HELD) == [None] * 3
