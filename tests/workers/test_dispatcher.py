"""The dispatcher's rounds: what fails in one step is no reason to leave the others out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import update

from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.queues import BACKGROUND, doorbell
from app.products.services.products import create_product
from app.rpa.models.jobs import TaskState
from app.rpa.models.storefronts import Storefront
from tests.rpa.conftest import ASINS, FARM, FarmDriver
from tests.servers import on_sqlite
from workers.dispatcher import Dispatcher


@on_sqlite
def test_a_step_that_fails_every_time_does_not_stop_the_others(context: Flask) -> None:
    price = Money.parse("10.00", "USD")
    for asin in ASINS[:2]:
        create_product(
            actor=permissions.system(), now=utc_now(), asin=asin, name="K", brand="B", description="", price=price
        )
    farm = FarmDriver(context)
    broken, sound = farm.storefront("broken"), farm.storefront("sound")
    job = farm.submit([ASINS[0]], storefront=broken.code)
    farm.release()
    farm.leased(farm.task_ids(job)[0], lease_s=-1)
    db.session.execute(update(Storefront).where(Storefront.id == broken.id).values(profile={}))
    db.session.commit()
    other = farm.submit([ASINS[1]], storefront=sound.code)
    doorbell().redis.flushall()
    dispatcher = Dispatcher(context, replace(FARM, batch_stale_s=0, interactive_stale_s=0))
    with pytest.raises(ExceptionGroup) as caught:
        dispatcher.turn()
    assert [type(error) for error in caught.value.exceptions] == [KeyError]
    assert farm.task(farm.task_ids(other)[0]).state == TaskState.QUEUED
    assert doorbell().queue(BACKGROUND).job_ids, "the schedule was not fired"
