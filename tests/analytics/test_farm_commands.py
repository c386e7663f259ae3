"""The commands that check and rebuild what is added up of the farm."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.analytics.models.farm import FarmBucket
from app.analytics.rules.farm_buckets import Grain
from app.core.extensions import db
from app.core.orm import utc_now
from app.products.models.products import Product, ProductUpdate
from tests.analytics.farm_filling import Filler, clear
from tests.rpa.conftest import stock_master
from tests.servers import on_sqlite

pytestmark = on_sqlite


@pytest.fixture
def filled(app: Flask) -> Flask:
    """Three days of one storefront."""
    with app.app_context():
        stock_master()
        clear(ProductUpdate)
        filler = Filler(db.session.scalar(select(Product.id).limit(1)) or 0, random.Random(5))
        (shop,) = filler.shops("my-shop")
        now = utc_now()
        job = filler.job(shop.id, begun=now - timedelta(days=3))
        filler.tasks([(now - timedelta(hours=at, minutes=1), job, shop.id) for at in range(70)], filler.workers(2))
    return app


@pytest.mark.parametrize(
    ("grain", "word"), [(Grain.HOUR, "hours of 20"), (Grain.DAY, "\n20"), (Grain.MONTH, "month from 20")]
)
def test_what_was_rebuilt_is_right_and_what_was_spoilt_is_found(filled: Flask, grain: Grain, word: str) -> None:
    run = filled.test_cli_runner().invoke
    assert run(args=["analytics", "rebuild-farm"]).exit_code == 0
    right = run(args=["analytics", "check-farm"])
    assert (right.exit_code, ", 0 of them wrong" in right.output) == (0, True), right.output
    assert not right.output.startswith("0 sums")
    with filled.app_context():
        spoilt = update(FarmBucket).where(FarmBucket.grain == grain, FarmBucket.storefront_id == 0)
        db.session.execute(spoilt.values(succeeded=FarmBucket.succeeded + 1))
        db.session.commit()
    wrong = run(args=["analytics", "check-farm", "--days", "5"])
    assert wrong.exit_code == 1
    assert "sums are wrong" in wrong.output
    assert word in wrong.output
    assert run(args=["analytics", "rebuild-farm"]).exit_code == 0
    assert run(args=["analytics", "check-farm"]).exit_code == 0


def test_nothing_is_wrong_where_nothing_was_added_up(app: Flask) -> None:
    done = app.test_cli_runner().invoke(args=["analytics", "check-farm"])
    assert (done.exit_code, done.output) == (0, "0 sums compared, 0 of them wrong\n")
