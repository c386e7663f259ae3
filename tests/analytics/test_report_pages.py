"""The pages of saved reports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.analytics.models.reports import Report, ReportRun
from app.core.extensions import db
from app.core.orm import utc_now
from tests.analytics.facts import record, sale
from tests.analytics.report_people import ANALYST, READER, Someone, add_someone
from tests.auth.conftest import Page, page
from tests.calls import PASSWORD
from tests.servers import on_sqlite

pytestmark = on_sqlite
__all__ = ["page"]  # a fixture
URL = "/admin/reports"
FILLED: dict[str, Any] = {
    "name": "Teas by week", "kind": "sales_by_week", "period": "last_days:90", "brand": "Teaworks",
    "rhythm": "weekly", "hour": "6", "weekday": "5", "month_day": "1", "timezone": "Europe/Berlin",
}  # fmt: skip


@pytest.fixture
def me(app: Flask, client: FlaskClient, page: Page) -> Someone:
    """Somebody who makes reports, logged in."""
    someone = add_someone(app, "me@example.org", ANALYST)
    _log_in(page, someone)
    return someone


def _log_in(page: Page, someone: Someone) -> None:
    assert page("/login", {"email": someone.email, "password": PASSWORD}).status_code == 302


@pytest.fixture
def made(app: Flask, page: Page, me: Someone) -> int:
    """A report that they made by the form."""
    answer = page(f"{URL}/new", FILLED | {"recipients": str(me.id)})
    assert answer.status_code == 302, answer.text
    return int(answer.headers["Location"].rpartition("/")[2])


def test_what_is_filled_in_becomes_a_report(app: Flask, client: FlaskClient, me: Someone, made: int) -> None:
    with app.app_context():
        row = db.session.get_one(Report, made)
        assert (row.kind, row.period, row.days, row.filters) == (
            "sales_by_week",
            "last_days",
            90,
            {"brand": "Teaworks"},
        )
        assert (row.schedule, row.recipients) == (
            {"rhythm": "weekly", "hour": 6, "weekday": 5, "month_day": None, "timezone": "Europe/Berlin"},
            [me.id],
        )
    shown = client.get(f"{URL}/{made}").text
    assert "Every Friday at 06:00 (Europe/Berlin)" in shown
    assert "Teas by week" in client.get(URL).text


def test_what_is_wrong_is_said_beside_its_field(page: Page, me: Someone) -> None:
    wrong = page(f"{URL}/new", FILLED | {"asin": "short"})
    assert wrong.status_code == 422
    assert "Must be ten letters and digits" in wrong.text
    assert page(f"{URL}/new", FILLED | {"kind": "sales_by_brand"}).text.count("s no filter of sales_by_brand") == 1


def test_the_page_shows_the_figures_and_a_chart(app: Flask, client: FlaskClient, made: int) -> None:
    with app.app_context():
        record(facts=[sale(utc_now() - timedelta(days=3), brand="Teaworks", gross_minor=1234567)])
    shown = client.get(f"{URL}/{made}").text
    assert "12,345.67" in shown
    assert f'data-chart-url="/api/v1/reports/{made}/chart"' in shown
    item = client.get(f"/api/v1/reports/{made}/chart").get_json()
    assert item["table"]["columns"][0] == "Week"


def test_a_change_that_met_another_asks_which_to_keep(client: FlaskClient, page: Page, made: int) -> None:
    first = page(f"{URL}/{made}/edit", FILLED | {"name": "Theirs", "version": "1"})
    assert first.status_code == 302, first.text
    stale = page(f"{URL}/{made}/edit", FILLED | {"name": "Mine", "version": "1"})
    assert stale.status_code == 412
    assert "Somebody changed this" in stale.text


def test_buttons_run_pause_resume_and_delete(app: Flask, client: FlaskClient, page: Page, made: int) -> None:
    def press(act: str, **values: str) -> int:
        token = client.get(f"{URL}/{made}").text.partition('name="csrf_token" value="')[2].partition('"')[0]
        return client.post(f"{URL}/{made}/{act}", data={"csrf_token": token, **values}).status_code

    assert [press(act) for act in ("run", "run", "pause", "resume")] == [302] * 4
    with app.app_context():
        assert len(db.session.scalars(select(ReportRun)).all()) == 1
    assert press("delete", version="3") == 302
    assert client.get(f"{URL}/{made}").status_code == 404


def test_a_link_is_shown_once_and_opens_the_page_for_others(
    app: Flask, client: FlaskClient, page: Page, made: int
) -> None:
    token = client.get(f"{URL}/{made}").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    link = client.post(f"{URL}/{made}/shares", data={"csrf_token": token}).text
    path = "/admin/reports/shared/" + link.partition("/admin/reports/shared/")[2].partition("<")[0]
    assert path not in client.get(f"{URL}/{made}").text
    other = app.test_client()
    assert other.get(path).status_code == 302
    reader = add_someone(app, "reader@example.org", READER)
    shown = other.get(path, headers=reader.headers)
    assert "Shared by Somebody" in shown.text or shown.status_code == 302


def test_who_may_not_read_the_figures_sees_why(app: Flask, client: FlaskClient, page: Page, made: int) -> None:
    blind = add_someone(app, "blind@example.org", frozenset({"reports:read"}))
    assert client.get(f"/api/v1/reports/{made}", headers=blind.headers).status_code in {200, 404}
