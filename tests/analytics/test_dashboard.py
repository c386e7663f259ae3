"""The figures of the dashboard: what they count, who sees which, and that one reading serves everybody."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from app.analytics.queries.dashboard import read_figures
from app.analytics.rules.figures import CAP, changed, parts_of, visible
from app.analytics.views.figures import shown
from app.core.cache import cache
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import CATALOGUE
from app.core.transactions import in_transaction
from app.orders.models.sales import Sale, SaleKind
from app.orders.queries.sales import sum_sales
from app.orders.services.sales import day_of
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import TaskOutcome
from app.rpa.services import ending
from app.rpa.services.outcomes import finish_task
from tests.calls import add_person, token_of
from tests.rpa.conftest import SUCCESS, FarmDriver, stock_master
from tests.servers import on_sqlite

DASHBOARD = "/api/v1/analytics/dashboard"


@in_transaction
def add_sale(*, sold_at: datetime, total_minor: int, quantity: int = 1, key: str, kind: str = SaleKind.SALE) -> None:
    """A fact of an order that there need not be."""
    amounts = {"discount_minor": 0, "tax_minor": 0, "shipping_minor": 0, "net_minor": total_minor}
    db.session.add(
        Sale(
            unique_key=key, kind=kind, sold_at=sold_at, sold_on=day_of(sold_at), asin="B0CW1A0001", quantity=quantity,
            name="Kettle", currency="USD", gross_minor=total_minor, total_minor=total_minor, **amounts,
        )
    )  # fmt: skip


def headers_of(app: Flask, *permissions: str) -> dict[str, str]:
    """Headers of somebody who holds these permissions and no others."""
    with app.app_context():
        held = frozenset(permissions)
        me = add_person(email=f"{len(held)}-{abs(hash(held))}@example.org", permissions=held)
    return {"Authorization": f"Bearer {token_of(app, me)}"}


@contextmanager
def readings() -> Iterator[list[str]]:
    """Notes every statement that reads stock, of which there is one a reading."""
    found: list[str] = []

    def note(*about: Any) -> None:
        if "FROM stock" in about[2]:
            found.append(about[2])

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def test_the_figures_of_today_are_those_of_the_sales_report(context: Flask) -> None:
    now = utc_now()
    add_sale(sold_at=now, total_minor=1999, quantity=2, key="line:1")
    add_sale(sold_at=now, total_minor=-500, quantity=-1, key="refund:1:1", kind=SaleKind.REFUND)
    add_sale(sold_at=now - timedelta(days=1), total_minor=700, key="line:2")
    figures = read_figures(now=now)
    (report,) = sum_sales(since=day_of(now), until=day_of(now))["currencies"]
    assert figures["sales.today.total"] == {"amount": "14.99", "currency": "USD"}
    assert report["altogether"]["total_minor"] == 1499
    assert figures["sales.today.units"] == report["altogether"]["quantity"] == 1
    assert figures["sales.yesterday.total"] == {"amount": "7.00", "currency": "USD"}


def test_the_farm_counts_what_waits_runs_and_has_ended_within_the_hour(context: Flask) -> None:
    stock_master()
    farm = FarmDriver(context)
    farm.storefront()
    job = farm.submit()
    farm.release()
    ids = farm.task_ids(farm.job(job.id))
    for task_id, outcome in zip(ids, (SUCCESS, TaskOutcome(Code.NOT_FOUND), TaskOutcome(Code.TLS_ERROR)), strict=False):
        assert finish_task(lease=farm.leased(task_id), outcome=outcome)
    farm.leased(ids[3])
    ending.finish_jobs()
    figures = read_figures(now=utc_now())
    farms = {name.removeprefix("farm."): value for name, value in figures.items() if name.startswith("farm.")}
    ended = {"minute.ended": 3, "hour.ended": 3, "hour.success": "66.67"}
    assert farms == {"jobs": 1, "waiting": 1, "running": 1, "workers": 0} | ended


@on_sqlite
def test_no_figure_looks_through_all_the_tasks_there_ever_were(context: Flask) -> None:
    plans: list[str] = []

    def explain(connection: Any, _cursor: Any, statement: str, values: Any, *_about: Any) -> None:
        if statement.startswith("SELECT") and "task.finished_at >" in statement:
            plans.extend(row[3] for row in connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values))

    event.listen(db.engine, "before_cursor_execute", explain)
    try:
        read_figures(now=utc_now())
    finally:
        event.remove(db.engine, "before_cursor_execute", explain)
    assert [plan for plan in plans if " task " in plan] == [
        "SEARCH task USING INDEX ix_task_finished (job_id=? AND finished_at>?)"
    ]


def test_a_new_shop_has_noughts_and_no_percentage_of_nothing(context: Flask) -> None:
    figures = read_figures(now=utc_now())
    assert figures.pop("farm.hour.success") is None
    assert figures.pop("sales.day") == day_of(utc_now()).isoformat()
    assert {name for name, value in figures.items() if value not in (0, {"amount": "0.00", "currency": "USD"})} == set()


@on_sqlite
def test_everybody_sees_the_figures_that_their_permissions_show(app: Flask, client: FlaskClient) -> None:
    for held, parts in (
        ({"sales:read"}, {"sales"}),
        ({"jobs:read", "orders:read"}, {"farm", "orders"}),
        (set(), set()),
    ):
        answer = client.get(DASHBOARD, headers=headers_of(app, "dashboard:read", *held))
        assert answer.status_code == 200
        assert {name.partition(".")[0] for name in answer.get_json()["figures"]} == parts


@on_sqlite
def test_every_part_has_figures_and_every_figure_a_part(context: Flask) -> None:
    figures = read_figures(now=utc_now())
    everything = parts_of(CATALOGUE)
    assert visible(figures, everything) == figures
    assert {name.partition(".")[0] for name in figures} == everything


@on_sqlite
def test_what_is_still_the_same_is_not_sent_again(app: Flask, client: FlaskClient) -> None:
    headers = headers_of(app, "dashboard:read", "sales:read")
    first = client.get(DASHBOARD, headers=headers)
    again = client.get(DASHBOARD, headers=headers | {"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    with app.app_context():
        add_sale(sold_at=utc_now(), total_minor=100, key="line:1")
        cache().redis.delete("dashboard:claim")
    changed_since = client.get(DASHBOARD, headers=headers | {"If-None-Match": first.headers["ETag"]})
    assert changed_since.status_code == 200
    assert changed_since.get_json()["seq"] == first.get_json()["seq"] + 1


@on_sqlite
def test_one_reading_serves_everybody_who_asks_within_a_tick(app: Flask, client: FlaskClient, app_with: Any) -> None:
    patient = dataclasses.replace(app.extensions["settings"].live, tick_s=60)
    first, second = app_with(live=patient), app_with(live=patient)
    headers = headers_of(app, "dashboard:read", "sales:read")
    with first.app_context(), readings() as ours, second.app_context(), readings() as theirs:
        seqs = {each.test_client().get(DASHBOARD, headers=headers).get_json()["seq"] for each in (first, second) * 3}
    assert len(seqs) == 1
    assert len(ours) + len(theirs) == 1


@on_sqlite
def test_without_redis_the_figures_are_read_all_the_same(app: Flask, app_with: Any) -> None:
    headers = headers_of(app, "dashboard:read", "sales:read")
    gone = app_with(redis_cache_url="unix:///nowhere/redis.sock?db=1")
    answer = gone.test_client().get(DASHBOARD, headers=headers)
    assert answer.status_code == 200
    assert answer.get_json()["figures"]["sales.today.orders"] == 0


@on_sqlite
def test_what_another_version_has_kept_is_read_anew(app: Flask, client: FlaskClient, redis_url: str) -> None:
    with redis.Redis.from_url(f"{redis_url}?db=1") as kept:
        kept.set("dashboard:snapshot", b'{"other": 1}')
    answer = client.get(DASHBOARD, headers=headers_of(app, "dashboard:read", "stock:read"))
    assert answer.get_json()["figures"] == {"stock.low": 0}


def test_a_change_is_what_is_new_or_has_another_value() -> None:
    assert changed({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": None}) == {"b": 3, "c": None}


@on_sqlite
@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (1234, "count", "1,234"),
        (CAP, "count", "10,000+"),
        (CAP, "number", "10,000"),
        ("98.4", "percent", "98.4%"),
        ("100.0", "percent", "100%"),
        (None, "percent", "–"),
        ({"amount": "-1299.90", "currency": "USD"}, "money", "-$1,299.90"),
        ({"amount": "1300", "currency": "JPY"}, "money", "¥1,300"),
    ],
    ids=str,
)
def test_a_figure_is_written_as_people_read_it(context: Flask, value: Any, form: str, text: str) -> None:
    with context.test_request_context():
        assert shown(value, form) == text
