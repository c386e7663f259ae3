"""``flask analytics recommend``, and that background workers do the same."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from flask import Flask

from app.analytics.models.recommendations import BestSeller, Recommendation
from app.core.extensions import db
from app.core.orm import utc_now
from tests.analytics.baskets import sell
from tests.orders.selling import make_goods
from tests.servers import on_sqlite
from workers.jobs.outbox import HANDLERS
from workers.schedule import TIMETABLE


def _rows() -> tuple[int, int]:
    found = [
        db.session.scalar(sa.select(sa.func.count()).select_from(each)) or 0 for each in (Recommendation, BestSeller)
    ]
    db.session.rollback()
    return found[0], found[1]


@on_sqlite
def test_the_command_counts_and_ranks_and_counts_anew(app: Flask) -> None:
    with app.app_context():
        one, other = (make_goods("10.00", now=utc_now()) for _ in range(2))
        for order_id in range(1, 4):
            sell(order_id, {one: 1, other: 1}, at=utc_now() - timedelta(hours=1))

    for options in ([], [], ["--anew"]):
        result = app.test_cli_runner().invoke(args=["analytics", "recommend", *options])
        assert result.exit_code == 0, result.output
        assert result.stdout == "1 categories and brands ranked\n"
        with app.app_context():
            assert _rows() == (2, 4)  # of both products; of the brand and the shop


@on_sqlite
def test_background_workers_count_and_rank_by_themselves(app: Flask) -> None:
    with app.app_context():
        one, other = (make_goods("10.00", now=utc_now()) for _ in range(2))
        for order_id in range(1, 3):
            sell(order_id, {one: 1, other: 1}, at=utc_now())
        for kind in ("recommend", "rank_best_sellers"):
            assert kind in TIMETABLE
            HANDLERS[kind]()
        assert _rows() == (2, 4)
