"""Reads that take too long are stopped by the database, and refused with a narrower period."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from html import unescape
from operator import add
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import CompoundSelect, Select, func, literal, select, text, union_all
from sqlalchemy.dialects import mysql
from werkzeug.test import TestResponse

from app.analytics.errors import PeriodTooWide
from app.analytics.queries import limited
from app.analytics.queries.limited import TakesTooLong, hinted, rows_within
from app.analytics.queries.sales_narrowing import answered
from app.analytics.queries.sales_sources import SALE
from app.analytics.rules.periods import Period
from app.core.extensions import db
from tests.analytics.facts import record, sale
from tests.auth.people import new_person
from tests.browsing import Visitor
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


@pytest.mark.parametrize("shape", ["one read", "a union", "a union in one", "a common table"])
def test_reads_of_every_shape_are_stopped(app: Flask, shape: str) -> None:
    with app.app_context():
        record(facts=[sale(NOON + timedelta(hours=at)) for at in range(60)])
        others = [SALE.alias(f"sale_{at}") for at in range(5)]
        every = select(func.count().label("found")).where(reduce(add, (each.c.id for each in others)) % 7 == 3)
        quick, common = select(literal(0).label("found")), every.cte("common")
        both = union_all(quick, every)
        shapes: dict[str, Select[Any] | CompoundSelect[Any]] = {
            "one read": every,
            "a union": both,
            "a union in one": select(func.sum(both.subquery().c.found)),
            "a common table": select(common.c.found),
        }
        with pytest.raises(TakesTooLong):
            rows_within(shapes[shape], {}, most_s=0.2)
        assert rows_within(quick, {})[0].found == 0


def test_mysql_is_told_at_the_outermost_select() -> None:
    one, two = select(SALE.c.id).where(SALE.c.name == "(SELECT"), select(SALE.c.id)
    common = one.cte("common")
    hint = "/*+ MAX_EXECUTION_TIME(1500) */"
    said = {
        name: " ".join(hinted(str(read.compile(dialect=mysql.dialect())), 1.5).split())
        for name, read in {
            "one": one,
            "union": union_all(one, two),
            "inner": select(func.count()).select_from(union_all(one, two).subquery()),
            "common": select(common.c.id).where(common.c.id.in_(two)),
        }.items()
    }
    assert said["one"].startswith(f"SELECT {hint} sale.id FROM sale")
    assert said["union"].startswith(f"SELECT {hint} sale.id FROM sale")
    assert said["inner"].startswith(f"SELECT {hint} count(*)")
    assert f") SELECT {hint} common.id" in said["common"]
    assert [text.count(hint) for text in said.values()] == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="DELETE"):
        hinted("DELETE FROM sale", 1.0)


TOGETHER: Final = (
    "analytics?brand=Lumo&asin=B000000001",
    "analytics?brand=Lumo&asin=B000000001&group_by=category&compare=true",
    "revenue/comparison?brand=Lumo&asin=B000000001",
    "by-category?brand=Lumo&compare=true",
    "top-products?brand=Lumo",
)


@on_sqlite
@pytest.mark.parametrize("path", TOGETHER)
def test_the_narrower_period_that_a_refusal_names_is_answered(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    with app.app_context():
        record(facts=[sale(NOON + timedelta(hours=at), asin="B000000001") for at in range(2400)])
    monkeypatch.setattr(limited, "MOST_S", 0.0)  # SQLite looks at the clock after some steps: a few facts need fewer

    def ask(first: str, last: str) -> TestResponse:
        return client.get(f"/api/v1/sales/{path}&from={first}&to={last}", headers=auth_headers)

    refused = ask("2026-03-01", "2026-06-18")
    problem = refused.get_json()
    assert (refused.status_code, problem["code"]) == (422, "PERIOD_TOO_WIDE")
    assert problem["errors"][0]["pointer"] == "/from"
    first, last = problem["narrower"]["from"], problem["narrower"]["to"]
    assert f"such as {first} to {last}" in problem["detail"]
    assert "2026-03-01" < first <= last == "2026-06-18"
    assert ask(first, last).status_code == 200


@on_sqlite
def test_the_page_leads_to_the_narrower_period(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        record(facts=[sale(NOON + timedelta(hours=at), asin="B000000001") for at in range(2400)])
    new_person(app, "ada@example.org", role="analyst")
    ada = Visitor(app, "ada@example.org")
    monkeypatch.setattr(limited, "MOST_S", 0.0)
    refused = ada.get("/admin/sales?brand=Lumo&asin=B000000001&from=2026-03-01&to=2026-06-18")
    assert refused.status_code == 422
    assert "These are the figures of" not in refused.text
    (there,) = re.findall(r'href="([^"]+)">Show 2026-', refused.text)
    shown = ada.get(unescape(there))
    assert shown.status_code == 200
    assert "brand=Lumo" in there
    assert 'id="chart-time"' in shown.text


@on_sqlite
def test_a_day_that_takes_too_long_is_refused_without_a_narrower_one(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        record(facts=[sale(NOON + timedelta(seconds=at), asin="B000000001") for at in range(2000)])
    monkeypatch.setattr(limited, "MOST_S", 0.0)
    asked = "brand=Lumo&asin=B000000001&from=2026-03-01&to=2026-03-10"
    problem = client.get(f"/api/v1/sales/analytics?{asked}", headers=auth_headers).get_json()
    assert problem["code"] == "PERIOD_TOO_WIDE"
    assert "such as" not in problem["detail"]


@pytest.mark.parametrize(("most", "named"), [(1, 1), (2, 2), (13, 8), (299, 256), (0, None)])
def test_the_longest_period_that_is_answered_is_named(most: int, named: int | None) -> None:
    last_on, asked = date(2026, 3, 31), []

    def ask(period: Period) -> None:
        asked.append(period.days)
        if period.days > most:
            raise PeriodTooWide.whatever()

    with pytest.raises(PeriodTooWide) as refused:
        answered(ask, Period(last_on - timedelta(days=299), last_on))
    first = None if named is None else last_on - timedelta(days=named - 1)
    assert (f"such as {first} to {last_on}" in str(refused.value)) == (named is not None)
    assert len(asked) <= 12
    assert answered(lambda period: period.days, Period(last_on, last_on)) == 1
