"""The threads beside an errand: they end it in time, whatever the database does, and never touch the next one."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import update

from app.config import Farm
from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import WRITE, utc_now
from app.products.services.products import create_product
from app.rpa.models.jobs import Task
from app.rpa.services import controlling, leases
from tests.rpa.conftest import ASINS, FarmDriver
from tests.servers import on_sqlite
from workers.pulse import Pulse, Stop

FARM = Farm(lease_s=3, renew_s=0.5)


@pytest.fixture
def lease(context: Flask) -> leases.Lease:
    """A lease of the only task of a job."""
    price = Money.parse("10.00", "USD")
    create_product(
        actor=permissions.system(), now=utc_now(), asin=ASINS[0], name="K", brand="B", description="", price=price
    )
    driver = FarmDriver(context, replace(FARM, release_window=100))
    driver.storefront()
    job = driver.submit([ASINS[0]])
    driver.release()
    return driver.leased(driver.task_ids(job)[0])


@pytest.fixture
def pulse(context: Flask) -> Pulse:
    """A pulse that does not beat yet."""
    return Pulse(context, FARM, leases.register_worker(name="w", host="h", pid=1))


def test_an_errand_ends_before_its_lease_even_while_the_database_does_not_answer(
    lease: leases.Lease, context: Flask
) -> None:
    farm = Farm(lease_s=8, renew_s=3)
    pulse = Pulse(context, farm, leases.register_worker(name="w", host="h", pid=1))
    killed = threading.Event()
    with db.engine.connect().execution_options(**{WRITE: True}) as other, other.begin() as hold:
        other.execute(update(Task).where(Task.id == lease.task_id).values(detail="held"))
        with pulse.watching(lease, limit_s=60) as watch:
            watch.kill = killed.set
            pulse.start()
            assert killed.wait(farm.lease_s)
            assert watch.stop is Stop.LEASE_LOST
        hold.rollback()
    pulse.end()


def test_an_errand_is_over_only_when_nobody_kills_its_browser_any_more(lease: leases.Lease, pulse: Pulse) -> None:
    begun, done = threading.Event(), threading.Event()

    def kill() -> None:
        begun.set()
        time.sleep(0.5)
        done.set()

    pulse.start()
    with pulse.watching(lease, limit_s=0.1) as watch:
        watch.kill = kill
        assert begun.wait(5)
    assert done.is_set()
    pulse.end()


def test_a_cancelled_errand_is_killed_long_before_its_lease_is_renewed(lease: leases.Lease, context: Flask) -> None:
    seldom = Farm(lease_s=60, renew_s=30, cancel_check_s=0.2)
    pulse = Pulse(context, seldom, leases.register_worker(name="w", host="h", pid=1))
    killed = threading.Event()
    pulse.start()
    with pulse.watching(lease, limit_s=60) as watch:
        watch.kill = killed.set
        assert not killed.wait(1)
        controlling.cancel_job(actor=permissions.system(), job_id=lease.job_id)
        assert killed.wait(20)
        assert watch.stop is Stop.CANCELLED
    pulse.end()


def test_an_errand_of_a_paused_job_goes_on(lease: leases.Lease, context: Flask) -> None:
    pulse = Pulse(context, Farm(lease_s=20, renew_s=0.3, cancel_check_s=0.1), lease.worker_id or 0)
    pulse.start()
    with pulse.watching(lease, limit_s=60) as watch:
        controlling.pause_job(actor=permissions.system(), job_id=lease.job_id)
        time.sleep(1)
        assert watch.stop is None
    pulse.end()


@on_sqlite
def test_the_heart_beats_on_after_an_error_that_nobody_foresaw(
    context: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    no_integer = 2**70
    pulse = Pulse(context, replace(FARM, renew_s=0.1), no_integer)
    pulse.start()
    time.sleep(1)
    pulse.end()
    assert sum("heartbeat" in record.message for record in caplog.records) >= 3
