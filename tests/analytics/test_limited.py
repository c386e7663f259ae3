"""Reads that take too long are stopped by the database, and refused with a narrower period."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import add

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from app.analytics.queries import limited
from app.analytics.queries.limited import TakesTooLong, rows_within
from app.analytics.queries.sales_sources import SALE
from app.core.extensions import db
from tests.analytics.facts import record, sale
from tests.servers import on_sqlite

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_a_read_that_takes_too_long_is_stopped_and_the_next_one_is_not(app: Flask) -> None:
    with app.app_context():
        record(facts=[sale(NOON + timedelta(hours=at)) for at in range(60)])
        others = [SALE.alias(f"sale_{at}") for at in range(5)]
        # nothing but the rows themselves decides, so no database can count them without looking at each
        all_pairs = select(func.count()).where(reduce(add, (each.c.id for each in others)) % 7 == 3)
        began_at = time.monotonic()
        with pytest.raises(TakesTooLong):
            rows_within(all_pairs, {}, most_s=0.2)
        assert time.monotonic() - began_at < 30
        assert rows_within(select(func.count()).select_from(SALE), {})[0][0] == 60
        assert rows_within(select(SALE.c.sold_at).order_by(SALE.c.id).limit(1), {})[0].sold_at == NOON
        assert db.session.scalar(select(func.count()).select_from(SALE)) == 60
        if db.engine.dialect.name == "postgresql":
            assert db.session.scalar(text("SHOW statement_timeout")) == "1min"


@on_sqlite
def test_what_takes_too_long_is_refused_with_a_narrower_period(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        record(facts=[sale(NOON + timedelta(minutes=at), asin="B000000001") for at in range(1500)])
    monkeypatch.setattr(limited, "MOST_S", 0.0)
    for path in ("analytics?brand=Lumo&asin=B000000001", "top-products?brand=Lumo"):
        joint = "&from=2026-03-01&to=2026-03-20"
        answer = client.get(f"/api/v1/sales/{path}{joint}", headers=auth_headers)
        problem = answer.get_json()
        assert (answer.status_code, problem["code"]) == (422, "PERIOD_TOO_WIDE")
        assert problem["errors"][0]["pointer"] == "/from"
        assert "2026-03-16 to 2026-03-20" in problem["detail"]
