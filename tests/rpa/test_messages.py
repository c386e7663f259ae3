"""Messages on Redis: sent again only when they are lost, and never waited for inside a transaction."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from redis import Redis
from sqlalchemy import update

from app import create_base
from app.config import Settings
from app.core import outbox, permissions
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.core.queues import BACKGROUND, doorbell
from app.rpa.models.jobs import Action
from app.rpa.services import dispatch, leases, submitting
from tests.rpa.conftest import ASINS, FarmDriver
from tests.servers import on_sqlite, private_folder, redis_server


def _nobody_came() -> None:
    """As if it were long ago that the messages were sent."""
    db.session.execute(update(Outbox).values(rung_until=utc_now().replace(year=2020)))
    db.session.commit()


def test_without_a_background_worker_its_queue_does_not_grow(farm: FarmDriver) -> None:
    submitting.submit_job(
        actor=permissions.system(), action=Action.VIEW_PRODUCT, storefront="shop", name="check", asins=ASINS
    )
    for _ in range(3):
        _nobody_came()
        outbox.ring_due()
    assert len(doorbell().queue(BACKGROUND).job_ids) == 1
    doorbell().redis.flushdb()
    _nobody_came()
    assert outbox.ring_due() == 1
    assert len(doorbell().queue(BACKGROUND).job_ids) == 1


@contextmanager
def _stopped_redis(folder: Path) -> Iterator[str]:
    """A Redis that takes connections and never answers."""
    with redis_server(folder) as server:
        pid = int(Redis.from_url(server).info("server")["process_id"])
        os.kill(pid, signal.SIGSTOP)
        try:
            yield f"{server}?db=0"
        finally:
            os.kill(pid, signal.SIGCONT)


@on_sqlite
def test_others_can_write_while_the_dispatcher_waits_for_redis(
    context: Flask, farm: FarmDriver, settings: Settings
) -> None:
    farm.submit()
    farm.release()
    impatient = dataclasses.replace(farm.farm, batch_stale_s=0, interactive_stale_s=0)
    with private_folder() as folder, _stopped_redis(folder) as url:
        app = create_base(dataclasses.replace(settings, redis_queue_url=url))
        app.extensions["doorbell"].redis.connection_pool.connection_kwargs["socket_timeout"] = 10

        def ask() -> None:
            with app.app_context():
                dispatch.release_again(farm=impatient)

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.3)
        leases.register_worker(name="w", host="h", pid=1)
        assert asking.is_alive()
        asking.join(timeout=60)
        assert not asking.is_alive()
