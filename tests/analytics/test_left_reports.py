"""Reports of people who leave: somebody else takes them over, or deletes them."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select, update

from app.analytics.errors import ReportNotLeft
from app.analytics.models.reports import Report, ReportRun
from app.analytics.services import left_reports, report_firing, report_shares, reports
from app.analytics.services.report_runs import NoPicture, run_report
from app.auth.models import RolePermission, User, UserRole
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import CATALOGUE, Principal
from tests.analytics.report_people import ANALYST, READER, Someone, add_someone
from tests.auth.conftest import Page, page
from tests.calls import PASSWORD
from tests.concurrency import at_once
from tests.servers import on_sqlite

__all__ = ["page"]  # a fixture
URL = "/api/v1/left-reports"
ABOUT: dict[str, Any] = {"name": "Days", "kind": "sales_by_day", "period": "last_days", "days": 7, "filters": {}}
DAILY = {"rhythm": "daily", "hour": 7, "weekday": None, "month_day": None, "timezone": "UTC"}
ADMIN = ANALYST | {"users:read", "users:write"}


@pytest.fixture
def gone(app: Flask) -> Someone:
    """Who makes a report, and leaves."""
    return add_someone(app, "gone@example.org", ANALYST)


@pytest.fixture
def admin(app: Flask) -> Someone:
    return add_someone(app, "admin@example.org", ADMIN)


def principal(someone: Someone) -> Principal:
    name = someone.email
    return Principal(kind="user", id=someone.id, user_id=someone.id, name=name, permissions=frozenset(CATALOGUE))


def make(someone: Someone, *, to: tuple[int, ...] = ()) -> int:
    return reports.create_report(actor=principal(someone), recipients=to, **ABOUT, schedule=DAILY).id


def leave(someone: Someone) -> None:
    db.session.execute(update(User).where(User.id == someone.id).values(is_active=False))
    db.session.commit()


def no_picture(_drawing: dict[str, Any]) -> bytes:
    raise NoPicture("There is no browser here.")


def test_who_takes_a_report_over_has_its_recipients_links_and_runs_and_it_goes_on(
    app: Flask, client: FlaskClient, gone: Someone, admin: Someone
) -> None:
    with app.app_context():
        reader = add_someone(app, "reader@example.org", READER)
        report_id = make(gone, to=(reader.id,))
        report_shares.create_share(actor=principal(gone), report_id=report_id, now=utc_now())
        report_firing.run_now(actor=principal(gone), report_id=report_id)
    assert client.get(URL, headers=admin.headers).get_json()["items"] == []
    with app.app_context():
        leave(gone)
    listed = client.get(URL, headers=admin.headers).get_json()["items"]
    assert [(row["id"], row["owner_id"]) for row in listed] == [(report_id, gone.id)]
    taken = client.post(f"{URL}/{report_id}/take-over", headers=admin.headers)
    assert (taken.status_code, taken.get_json()["owner_id"], taken.headers["ETag"]) == (200, admin.id, '"v2"')
    assert client.get(URL, headers=admin.headers).get_json()["items"] == []
    at = f"/api/v1/reports/{report_id}"
    assert client.get(at, headers=admin.headers).get_json()["recipients"] == [reader.id]
    assert len(client.get(f"{at}/shares", headers=admin.headers).get_json()["items"]) == 1
    (run,) = client.get(f"{at}/runs", headers=admin.headers).get_json()["items"]
    with app.app_context():
        run_report(run_id=run["id"], take_picture=no_picture)
        assert db.session.get_one(ReportRun, run["id"]).state == "DONE"
        event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "report.take_over")).one()
        assert (event.before, event.after) == ({"owner_id": gone.id}, {"owner_id": admin.id})


@on_sqlite
def test_who_may_not_read_the_figures_any_more_leaves_reports_as_well(
    app: Flask, client: FlaskClient, gone: Someone, admin: Someone
) -> None:
    with app.app_context():
        report_id = make(gone)
        roles = select(UserRole.role_id).where(UserRole.user_id == gone.id)
        lost = RolePermission.role_id.in_(roles), RolePermission.permission == "sales:read"
        db.session.execute(delete(RolePermission).where(*lost))
        db.session.commit()
    assert [row["id"] for row in client.get(URL, headers=admin.headers).get_json()["items"]] == [report_id]


def test_a_report_of_somebody_who_is_still_there_stays_theirs(
    app: Flask, client: FlaskClient, gone: Someone, admin: Someone
) -> None:
    with app.app_context():
        report_id = make(gone)
    refused = client.post(f"{URL}/{report_id}/take-over", headers=admin.headers)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "REPORT_NOT_LEFT")
    refused = client.delete(f"{URL}/{report_id}", headers=admin.headers | {"If-Match": '"v1"'})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "REPORT_NOT_LEFT")
    assert client.post(f"{URL}/4711/take-over", headers=admin.headers).status_code == 404
    with app.app_context():
        assert db.session.get_one(Report, report_id).owner_id == gone.id


@on_sqlite
def test_figures_that_one_may_not_read_are_not_taken_over_but_deleted(
    app: Flask, client: FlaskClient, gone: Someone
) -> None:
    blind = add_someone(app, "blind@example.org", ADMIN - {"sales:read"})
    with app.app_context():
        report_id = make(gone)
        leave(gone)
    assert client.post(f"{URL}/{report_id}/take-over", headers=blind.headers).status_code == 403
    stale = client.delete(f"{URL}/{report_id}", headers=blind.headers | {"If-Match": '"v7"'})
    assert stale.status_code == 412
    assert client.delete(f"{URL}/{report_id}", headers=blind.headers | {"If-Match": '"v1"'}).status_code == 204
    with app.app_context():
        assert db.session.get(Report, report_id) is None


def test_two_who_take_the_same_report_over_do_not_both_get_it(
    app: Flask, context: Flask, gone: Someone, admin: Someone
) -> None:
    other = add_someone(app, "other@example.org", ADMIN)
    report_id = make(gone)
    leave(gone)
    taken = [partial(left_reports.take_over, actor=principal(one), report_id=report_id) for one in (admin, other)]
    answers = at_once(context, *taken)
    assert sorted(isinstance(answer, ReportNotLeft) for answer in answers) == [False, True]


@on_sqlite
def test_the_page_lists_them_and_its_buttons_take_over_and_delete(
    app: Flask, client: FlaskClient, page: Page, gone: Someone, admin: Someone
) -> None:
    with app.app_context():
        kept, dropped = make(gone), make(gone)
        leave(gone)
    assert page("/login", {"email": admin.email, "password": PASSWORD}).status_code == 302
    shown = client.get("/admin/reports/left").text
    assert shown.count("Take over") == 2
    assert "/admin/reports/left" in client.get("/admin/reports").text
    token = shown.partition('name="csrf_token" value="')[2].partition('"')[0]
    taken = client.post(f"/admin/reports/left/{kept}/take-over", data={"csrf_token": token})
    assert taken.headers["Location"].endswith(f"/admin/reports/{kept}")
    assert client.get(f"/admin/reports/{kept}").status_code == 200
    client.post(f"/admin/reports/left/{dropped}/delete", data={"csrf_token": token, "version": "1"})
    assert "Nothing was left behind" in client.get("/admin/reports/left").text
