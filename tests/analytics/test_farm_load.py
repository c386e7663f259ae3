"""How the farm stood from time to time, and what is deleted of its figures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.analytics.models.farm import FarmBucket, FarmSample
from app.analytics.queries.farm_load import find_load, list_load
from app.analytics.rules.farm_buckets import Grain
from app.analytics.services import farm_adding, farm_upkeep
from app.analytics.services.farm_upkeep import note_load, purge_farm_figures
from app.core.extensions import db
from app.core.orm import utc_now
from app.rpa.services import leases
from tests.rpa.conftest import FarmDriver
from tests.servers import on_sqlite


def count(model: Any, *which: Any) -> int:
    """Rows as they are now."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model).where(*which)) or 0


def test_the_load_is_what_waits_runs_and_works(farm: FarmDriver) -> None:
    workers = [leases.register_worker(name=f"w{at}", host="farm-1", pid=at) for at in range(3)]
    leases.retire_worker(worker_id=workers[2])
    first, *_ = farm.task_ids(farm.submit())
    farm.farm = type(farm.farm)(lease_s=30, release_window=2)
    farm.release()
    assert leases.claim_task(task_id=first, release_no=1, worker_id=workers[0], lease_s=30)
    load = find_load()
    assert load.waiting + load.queued + load.running == 5
    assert (load.running, load.busy, load.idle, load.draining) == (1, 1, 1, 0)


def test_a_moment_is_noted_once(farm: FarmDriver, in_threads: Any) -> None:
    before = utc_now()
    results = in_threads([note_load] * 3)
    assert not [result for result in results if result is not None]
    assert 1 <= count(FarmSample) <= 2
    points = list_load(before - timedelta(minutes=1), utc_now())
    assert points[0].waiting == 0
    assert points[0].at <= utc_now()


@on_sqlite
def test_old_samples_are_thinned_and_then_deleted(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    now = utc_now()
    for age, is_coarse in ((1, False), (60, False), (60, True), (24 * 91, True)):
        at = now - timedelta(hours=age, seconds=int(is_coarse))
        db.session.add(
            FarmSample(at=at, is_coarse=is_coarse, waiting=1, queued=0, running=0, idle=0, busy=0, draining=0)
        )
    db.session.commit()
    assert purge_farm_figures() == 2
    assert len(list_load(now - timedelta(days=3), now)) == 1, "of older moments only some are shown"
    assert len(list_load(now - timedelta(hours=2), now)) == 1


def test_buckets_are_deleted_when_they_are_too_old(context: Flask) -> None:
    farm_adding.begin_anew()
    now = utc_now()
    ages = {
        (Grain.MINUTE, 0): (1, 60), (Grain.HOUR, 0): (24 * 20, 24 * 91), (Grain.DAY, 0): (24 * 900,),
        (Grain.MINUTE, 4): (1, 5), (Grain.HOUR, 4): (24, 24 * 20), (Grain.DAY, 4): (24 * 20, 24 * 900),
    }  # fmt: skip
    none = dict.fromkeys(("succeeded", "refused", "failed", "skipped", "cancelled"), 0)
    for (grain, worker), hours in ages.items():
        for age in hours:
            at = now - timedelta(hours=age)
            db.session.add(
                FarmBucket(grain=grain, worker_id=worker, storefront_id=1, action="a", at=at, detail={}, **none)
            )
    db.session.commit()
    assert purge_farm_figures() == 5
    assert count(FarmBucket) == 6
    assert count(FarmBucket, FarmBucket.grain == Grain.DAY) == 2
    assert farm_upkeep.EVERY_S * 20 == farm_upkeep.COARSE_S
