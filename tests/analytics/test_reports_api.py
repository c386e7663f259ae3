"""Saved reports over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.analytics.models.reports import ReportShare
from app.analytics.queries.report_kinds import KINDS
from app.analytics.services import report_shares, reports
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.permissions import CATALOGUE
from tests.analytics.report_people import ANALYST, READER, Someone, add_someone
from tests.servers import on_sqlite

pytestmark = on_sqlite
Headers = dict[str, str]
URL = "/api/v1/reports"


def body(**changes: Any) -> dict[str, Any]:
    """A valid report."""
    mondays = {"rhythm": "weekly", "hour": 7, "timezone": "Europe/Berlin"}
    return {"name": "Days", "kind": "sales_by_day", "period": "last_days", "days": 7, "schedule": mondays} | changes


@pytest.fixture
def me(app: Flask) -> Someone:
    """Who may make reports of sales."""
    return add_someone(app, "me@example.org", ANALYST)


@pytest.fixture
def made(client: FlaskClient, me: Someone) -> dict[str, Any]:
    """A report of theirs."""
    answer = client.post(URL, json=body(recipients=[me.id]), headers=me.headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["ETag"] == '"v1"'
    found: dict[str, Any] = answer.get_json()
    return found


def pointers(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["detail"] for error in answer.get_json()["errors"]}


def test_a_report_says_when_it_runs_next(made: dict[str, Any]) -> None:
    assert made["schedule"] == {
        "rhythm": "weekly", "hour": 7, "weekday": 1, "month_day": None, "timezone": "Europe/Berlin",
    }  # fmt: skip
    assert len(made["next_runs"]) == 5
    assert all(slot["local"][11:16] == "07:00" for slot in made["next_runs"])
    assert made["next_at"] == made["next_runs"][0]["at"]


@pytest.mark.parametrize(
    ("changes", "pointer", "told"),
    [
        ({"kind": "weather"}, "/kind", "Must be one of"),
        ({"filters": {"colour": "red"}}, "/filters/colour", "Unknown field"),
        ({"kind": "sales_by_brand", "filters": {"brand": "A"}}, "/filters/brand", "is no filter of sales_by_brand"),
        ({"filters": {"asin": "short"}}, "/filters/asin", "ten letters and digits"),
        ({"days": 5000}, "/days", "from 1 to 3660"),
        ({"days": None}, "/days", "from 1 to 3660"),
        ({"period": "last_month"}, "/days", "belongs to the period last_days"),
        ({"period": "next_year", "days": None}, "/period", "Must be one of"),
        ({"schedule": {"rhythm": "daily", "hour": 7, "timezone": "Mars/North"}}, "/schedule/timezone", "no IANA"),
        ({"schedule": {"rhythm": "daily", "hour": 24, "timezone": "UTC"}}, "/schedule/hour", "to 23"),
        (
            {"schedule": {"rhythm": "daily", "hour": 7, "weekday": 1, "timezone": "UTC"}},
            "/schedule/weekday",
            "belongs to weekly",
        ),
        (
            {"schedule": {"rhythm": "monthly", "hour": 7, "month_day": 31, "timezone": "UTC"}},
            "/schedule/month_day",
            "28",
        ),
        ({"name": ""}, "/name", "between 1 and 255"),
        ({"recipients": list(range(1, 52))}, "/recipients", "Longer than maximum length 50"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_makes_no_sense_is_refused_at_its_field(
    client: FlaskClient, me: Someone, changes: dict[str, Any], pointer: str, told: str
) -> None:
    assert told in pointers(client.post(URL, json=body(**changes), headers=me.headers))[pointer]


def test_a_recipient_must_be_staff_who_may_read_the_figures(app: Flask, client: FlaskClient, me: Someone) -> None:
    customer = add_someone(app, "customer@example.org", frozenset())
    blind = add_someone(app, "blind@example.org", frozenset({"reports:read"}))
    wrong = client.post(URL, json=body(recipients=[customer.id, me.id, blind.id, 4711]), headers=me.headers)
    assert set(pointers(wrong)) == {"/recipients/0", "/recipients/2", "/recipients/3"}


def test_figures_need_their_own_permission(app: Flask, client: FlaskClient, made: dict[str, Any]) -> None:
    blind = add_someone(app, "blind@example.org", frozenset({"reports:read", "reports:write"}))
    refused = client.post(URL, json=body(), headers=blind.headers)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "PERMISSION_MISSING")
    preview = client.post(f"{URL}/preview", json={"kind": "sales_by_day", "period": "today"}, headers=blind.headers)
    assert preview.status_code == 403


def test_a_report_is_for_its_owner_and_its_recipients(app: Flask, client: FlaskClient, me: Someone) -> None:
    reader, other = add_someone(app, "r@example.org", READER), add_someone(app, "o@example.org", ANALYST)
    made = client.post(URL, json=body(recipients=[reader.id]), headers=me.headers).get_json()
    at = f"{URL}/{made['id']}"
    assert [row["id"] for row in client.get(URL, headers=reader.headers).get_json()["items"]] == [made["id"]]
    assert client.get(URL, headers=other.headers).get_json()["items"] == []
    assert client.get(at, headers=other.headers).status_code == 404
    assert client.get(f"{at}/figures", headers=reader.headers).status_code == 200
    also = client.put(at, json=body(recipients=[other.id]), headers=me.headers | {"If-Match": '"v1"'})
    assert also.get_json()["recipients"] == [other.id]
    refused = client.put(at, json=body(), headers=other.headers | {"If-Match": '"v2"'})
    assert refused.get_json()["code"] == "REPORT_NOT_YOURS"
    assert client.get(at, headers=reader.headers).status_code == 404


def test_a_change_needs_the_version_it_is_based_on(client: FlaskClient, me: Someone, made: dict[str, Any]) -> None:
    at = f"{URL}/{made['id']}"
    assert client.put(at, json=body(), headers=me.headers).status_code == 428
    assert client.put(at, json=body(name="B"), headers=me.headers | {"If-Match": '"v1"'}).status_code == 200
    assert client.put(at, json=body(name="C"), headers=me.headers | {"If-Match": '"v1"'}).status_code == 412
    assert client.delete(at, headers=me.headers | {"If-Match": '"v2"'}).status_code == 204
    assert client.get(at, headers=me.headers).status_code == 404


def test_nobody_has_more_reports_than_are_allowed(
    client: FlaskClient, me: Someone, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "MAX_REPORTS", 1)
    refused = client.post(URL, json=body(), headers=me.headers)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "TOO_MANY_REPORTS")


def test_a_paused_report_goes_on_at_its_next_slot(client: FlaskClient, me: Someone, made: dict[str, Any]) -> None:
    at = f"{URL}/{made['id']}"
    paused = client.post(f"{at}/pause", headers=me.headers).get_json()
    assert (paused["is_active"], paused["next_at"], paused["version"]) == (False, None, 2)
    assert client.post(f"{at}/pause", headers=me.headers).get_json()["version"] == 2
    assert client.post(f"{at}/resume", headers=me.headers).get_json()["next_at"] == made["next_at"]
    bare = client.post(URL, json=body(schedule=None), headers=me.headers).get_json()
    assert client.post(f"{URL}/{bare['id']}/pause", headers=me.headers).get_json()["code"] == "REPORT_UNSCHEDULED"


def test_a_link_opens_a_report_for_staff_who_may_read_the_figures_and_for_nobody_else(
    app: Flask, client: FlaskClient, me: Someone, made: dict[str, Any]
) -> None:
    share = client.post(f"{URL}/{made['id']}/shares", headers=me.headers).get_json()
    link = f"/api/v1/shared-reports/{share['token']}"
    reader = add_someone(app, "r@example.org", READER)
    blind = add_someone(app, "b@example.org", frozenset({"reports:read"}))
    assert client.get(link).status_code == 401
    assert client.get(link, headers=blind.headers).status_code == 403
    assert client.get(link, headers=reader.headers).get_json()["kind"] == "sales_by_day"
    assert client.get(f"{link}/csv", headers=reader.headers).data.startswith(b"from,currency,net,orders")
    assert client.get(f"{URL}/{made['id']}", headers=reader.headers).status_code == 404
    shown = client.get(f"{URL}/{made['id']}/shares", headers=me.headers).get_json()["items"]
    assert [(row["id"], "token" in row) for row in shown] == [(share["id"], False)]
    assert shown[0]["opened_at"] is not None
    with app.app_context():
        assert share["token"] not in str(db.session.execute(select(ReportShare.token_hash)).all())
    client.delete(f"{URL}/{made['id']}/shares/{share['id']}", headers=me.headers)
    assert client.get(link, headers=reader.headers).get_json()["code"] == "REPORT_NOT_FOUND"


def test_a_report_has_so_many_links_and_no_more(
    client: FlaskClient, me: Someone, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_shares, "MAX_SHARES", 1)
    codes = [client.post(f"{URL}/{made['id']}/shares", headers=me.headers).status_code for _ in range(2)]
    assert codes == [201, 409]


def test_what_is_done_to_reports_is_in_the_audit_log(
    app: Flask, client: FlaskClient, me: Someone, made: dict[str, Any]
) -> None:
    at = f"{URL}/{made['id']}"
    client.post(f"{at}/run", headers=me.headers)
    client.post(f"{at}/shares", headers=me.headers)
    client.delete(at, headers=me.headers | {"If-Match": '"v1"'})
    with app.app_context():
        rows = db.session.scalars(select(AuditEvent.action).where(AuditEvent.topic == "report").order_by(AuditEvent.id))
        assert list(rows) == ["report.create", "report.run", "report.share", "report.delete"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_answers_and_its_chart_as_well(app: Flask, client: FlaskClient, kind: str) -> None:
    all_seeing = add_someone(app, "all@example.org", frozenset(CATALOGUE))
    sent = {"name": kind, "kind": kind, "period": "last_days", "days": 7}
    made = client.post(URL, json=sent, headers=all_seeing.headers).get_json()
    figures = client.get(f"{URL}/{made['id']}/figures", headers=all_seeing.headers)
    assert figures.status_code in {200, 503}, figures.text
    if figures.status_code == 200:
        found = figures.get_json()
        assert all(row.keys() == {column["name"] for column in found["columns"]} for row in found["rows"])
        chart = client.get(f"{URL}/{made['id']}/chart", headers=all_seeing.headers)
        assert (chart.status_code == 200) == (KINDS[kind].chart is not None)
