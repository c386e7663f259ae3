"""The farm's figures over the API: the same numbers in every form, and what is refused."""

from __future__ import annotations

import csv
import io
import random
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.analytics.rules.farm_figures import STAGES
from app.analytics.services.farm_adding import add_up
from app.core.extensions import db
from app.core.orm import utc_now
from app.products.models.products import Product, ProductUpdate
from tests.analytics.farm_filling import Filler, clear
from tests.rpa.conftest import stock_master
from tests.servers import on_sqlite

pytestmark = on_sqlite
URL = "/api/v1/rpa/analytics"
CHARTS = ("throughput", "latency", "stages", "load", "codes")
Headers = dict[str, str]


@pytest.fixture
def known(app: Flask) -> dict[str, Any]:
    """A farm that did something within the last hours, added up."""
    with app.app_context():
        stock_master()
        product_id = db.session.scalar(select(Product.id).limit(1))
        clear(ProductUpdate)
        filler = Filler(product_id or 0, random.Random(3))
        (shop,) = filler.shops("my-shop")
        workers, now = filler.workers(2), utc_now()
        job = filler.job(shop.id, begun=now - timedelta(hours=5))
        ends = [(now - timedelta(minutes=at), job, shop.id) for at in range(1, 200, 3)]
        filler.tasks(ends, workers)
        assert add_up(for_s=300)
        return {"shop": shop.code, "workers": workers, "job": job, "count": len(ends)}


@pytest.fixture
def ask(client: FlaskClient, auth_headers: Headers, known: dict[str, Any]) -> Any:
    """Ask for figures that there are."""

    def ask(status: int = 200, **query: Any) -> Any:
        answer = client.get(URL, headers=auth_headers, query_string=query)
        assert answer.status_code == status, answer.text
        return answer

    return ask


def test_every_form_says_the_same(ask: Any, known: dict[str, Any]) -> None:
    shown = ask(hours=24, per="storefront").json
    assert shown["totals"]["tasks"] == known["count"]
    assert sum(row["tasks"] for row in shown["throughput"]) == known["count"]
    assert [(row["code"], row["tasks"]) for row in shown["groups"]] == [("my-shop", known["count"])]
    for table in ("throughput", "codes", "latencies", "groups"):
        answer = ask(hours=24, per="storefront", format="csv", table=table)
        assert answer.content_type.startswith("text/csv")
        read = list(csv.DictReader(io.StringIO(answer.text)))
        assert read == [{name: "" if row[name] is None else str(row[name]) for name in read[0]} for row in shown[table]]


@pytest.mark.parametrize("group", ["minute", "hour", "day"])
def test_bars_of_throughput_are_so_many_tasks_as_their_rows_say(ask: Any, group: str) -> None:
    text = ask(hours=24, group=group, format="chart").text
    most = max(row["tasks"] for row in ask(hours=24, group=group).json["throughput"])
    assert f"Tasks per {group}" in text
    if group != "minute":  # a day of minutes is drawn in wider bars
        assert f"{most} tasks, {most} a {group}" in text


def test_each_worker_tells_its_codes_and_times_in_one_answer_and_one_file(ask: Any, known: dict[str, Any]) -> None:
    shown = ask(hours=24, per="worker").json["groups"]
    assert {row["id"] for row in shown} == set(known["workers"])
    for row in shown:
        alone = ask(hours=24, worker_id=row["id"]).json
        for name in ("codes", "latencies", "changes", "attempts", "retries", "second_looks"):
            assert row[name] == alone[name], name
        whole = next(each for each in alone["latencies"] if each["stage"] == "total")
        assert (row["p50_ms"], row["p99_ms"]) == (whole["p50_ms"], whole["p99_ms"])
    for table, name in (("group_codes", "codes"), ("group_latencies", "latencies")):
        answer = ask(hours=24, per="worker", format="csv", table=table)
        read = list(csv.DictReader(io.StringIO(answer.text)))
        assert read == [
            {"group_id": str(row["id"]), "group_code": row["code"]}
            | {key: "" if value is None else str(value) for key, value in each.items()}
            for row in shown
            for each in row[name]
        ]


def test_workers_are_told_of_no_longer_than_they_are_kept(ask: Any) -> None:
    first = (utc_now() - timedelta(days=500)).date().isoformat()
    assert ask(**{"from": first, "per": "storefront"}).json["groups"]
    refused = ask(422, **{"from": first, "per": "worker"}).json
    assert [error["pointer"] for error in refused["errors"]] == ["/from"]


def test_every_chart_is_drawn_of_the_same_figures(ask: Any) -> None:
    shown = ask(hours=24).json
    items = {chart: ask(hours=24, format="chart", chart=chart).json for chart in CHARTS}
    assert all(item["root_id"] for item in items.values())
    # an attempt that was tried again may have ended in the hour before the first task
    hours = len(shown["throughput"]) + 1
    assert 0 < len(items["latency"]["table"]["rows"]) <= hours
    named = [STAGES[row["stage"]] for row in shown["latencies"]]
    assert [row[0] for row in items["stages"]["table"]["rows"]] == named
    assert items["load"]["empty"]
    tasks = {row[0]: int(row[2].replace(",", "")) for row in items["codes"]["table"]["rows"]}
    assert tasks == {row["code"]: row["tasks"] for row in shown["codes"]}


@pytest.mark.parametrize(
    "query",
    [{}, {"hours": 6}, {"hours": 24, "group": "minute"}, {"group": "day"}, {"group": "hour"}],
    ids=["by itself", "six hours", "a day by minute", "thirty days by day", "thirty days by hour"],
)
def test_any_division_has_the_same_tasks(ask: Any, known: dict[str, Any], query: dict[str, Any]) -> None:
    shown = ask(**query).json
    assert shown["totals"]["tasks"] == sum(row["tasks"] for row in shown["throughput"]) == known["count"]


def test_filters_narrow_what_is_counted(ask: Any, known: dict[str, Any]) -> None:
    whole = ask(hours=24).json
    assert ask(hours=24, storefront="my-shop", kind="view-product").json["totals"] == whole["totals"]
    assert ask(hours=24, job_id=known["job"]).json["totals"] == whole["totals"]
    assert ask(hours=24, kind="add-to-cart").json["totals"]["tasks"] == 0
    of_workers = [ask(hours=24, worker_id=worker).json["totals"]["succeeded"] for worker in known["workers"]]
    assert sum(of_workers) == whole["totals"]["succeeded"]
    per = ask(hours=24, per="worker").json["groups"]
    assert {row["id"]: row["succeeded"] for row in per} == dict(zip(known["workers"], of_workers, strict=True))


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"from": "2026-11-03", "to": "2026-11-01"}, "/from"),
        ({"to": "2999-01-01"}, "/to"),
        ({"from": "1900-01-01"}, "/from"),
        ({"from": "2020-13-01"}, "/from"),
        ({"hours": 0}, "/hours"),
        ({"hours": 49}, "/hours"),
        ({"hours": 5, "from": "2026-11-01"}, "/hours"),
        ({"group": "week"}, "/group"),
        ({"group": "month"}, "/group"),
        ({"group": "minute"}, "/group"),
        ({"group": "hour", "from": "2026-01-01", "to": "2026-06-30"}, "/group"),
        ({"group": "hour", "from": "2025-01-01", "to": "2025-01-02"}, "/from"),
        ({"group": "minute", "from": "2025-01-01", "to": "2025-01-02"}, "/from"),
        ({"group": "minute", "hours": 2, "worker_id": 1}, "/group"),
        ({"storefront": "nowhere"}, "/storefront"),
        ({"kind": "buy"}, "/kind"),
        ({"job_id": 99999}, "/job_id"),
        ({"job_id": 2**63}, "/job_id"),
        ({"worker_id": 0}, "/worker_id"),
        ({"worker_id": 99999}, "/worker_id"),
        ({"per": "shelf"}, "/per"),
        ({"table": "all"}, "/table"),
        ({"format": "pdf"}, "/format"),
        ({"chart": "pie"}, "/chart"),
        ({"zone": "Mars/Base"}, "/zone"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_answered_is_refused_with_the_field(ask: Any, query: dict[str, Any], pointer: str) -> None:
    refused = ask(422, **query).json
    assert [error["pointer"] for error in refused["errors"]] == [pointer]


def test_an_empty_farm_has_figures_of_nothing(client: FlaskClient, auth_headers: Headers) -> None:
    shown = client.get(URL, headers=auth_headers).json
    assert shown is not None
    assert shown["totals"]["tasks"] == 0
    assert shown["totals"]["success_rate"] is None
    assert (shown["throughput"], shown["codes"], shown["latencies"], shown["groups"]) == ([], [], [], None)


def test_nobody_sees_figures_who_may_not_see_jobs(client: FlaskClient) -> None:
    assert client.get(URL).status_code == 401
