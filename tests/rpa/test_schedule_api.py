"""Schedules over HTTP and from the command line."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.rpa.models.jobs import Job
from app.rpa.models.schedules import JobSchedule, JobScheduleRun
from app.rpa.models.storefronts import Storefront
from tests.rpa.conftest import ASINS, FarmDriver, stock_master
from tests.servers import on_sqlite

pytestmark = on_sqlite
Headers = dict[str, str]
URL = "/api/v1/job-schedules"
JOB = {"action": "view-product", "storefront": "shop", "name": "Prices of {date}", "asins": ASINS}


def body(**changes: Any) -> dict[str, Any]:
    """A valid schedule."""
    return {"name": "Mornings", "cron": "0 6 * * mon-fri", "timezone": "Europe/Berlin", "job": JOB} | changes


@pytest.fixture
def shop(app: Flask) -> None:
    """An active storefront, a closed one, and five products."""
    with app.app_context():
        stock_master()
        driver = FarmDriver(app)
        driver.storefront()
        driver.storefront("closed").is_active = False
        db.session.commit()


@pytest.fixture
def made(shop: None, client: FlaskClient, auth_headers: Headers) -> dict[str, Any]:
    """A schedule made through the API."""
    answer = client.post(URL, json=body(), headers=auth_headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"].endswith(f"{URL}/{answer.get_json()['id']}")
    assert answer.headers["ETag"] == '"v1"'
    found: dict[str, Any] = answer.get_json()
    return found


def rows_of(client: FlaskClient, model: Any) -> int:
    with client.application.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def deeds(client: FlaskClient, schedule_id: int) -> list[str]:
    """What the audit log says was done to a schedule."""
    with client.application.app_context():
        about = select(AuditEvent.action).where(
            AuditEvent.topic == "job_schedule", AuditEvent.subject_id == schedule_id
        )
        return list(db.session.scalars(about.order_by(AuditEvent.id)))


def pointers(answer: Any) -> list[str]:
    assert answer.content_type == "application/problem+json"
    return [error["pointer"] for error in answer.get_json()["errors"]]


def test_a_schedule_says_when_it_runs_next_and_what_it_submits(
    client: FlaskClient, auth_headers: Headers, made: dict[str, Any]
) -> None:
    assert (made["cron"], made["timezone"], made["every_s"], made["is_active"]) == (
        "0 6 * * mon-fri", "Europe/Berlin", None, True,
    )  # fmt: skip
    assert len(made["next_runs"]) == 5
    assert {slot["local"][11:19] for slot in made["next_runs"]} == {"06:00:00"}
    assert made["next_at"] == made["next_runs"][0]["at"]
    assert made["next_runs"] == sorted(made["next_runs"], key=lambda slot: slot["at"])
    assert (made["last_run"], made["warnings"]) == (None, [])
    assert made["job"]["asins"] == ASINS
    read = client.get(f"{URL}/{made['id']}", headers=auth_headers)
    assert read.get_json() == made
    (listed,) = client.get(URL, headers=auth_headers).get_json()["items"]
    assert listed == {name: value for name, value in made.items() if name != "job"}


def test_a_schedule_is_replaced_at_the_version_that_was_read_and_deleted(
    client: FlaskClient, auth_headers: Headers, made: dict[str, Any]
) -> None:
    url = f"{URL}/{made['id']}"
    change = {"name": "Hourly", "every_s": 3600, "job": made["job"], "is_active": False}
    assert client.put(url, json=change, headers=auth_headers).status_code == 428
    stale = client.put(url, json=change, headers=auth_headers | {"If-Match": '"v9"'})
    assert (stale.status_code, stale.get_json()["code"]) == (412, "STALE_VERSION")
    assert client.get(url, headers=auth_headers).get_json() == made
    changed = client.put(url, json=change, headers=auth_headers | {"If-Match": '"v1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"v2"')
    found = changed.get_json()
    assert (found["cron"], found["timezone"], found["every_s"], found["next_runs"]) == (None, None, 3600, [])
    assert client.delete(url, headers=auth_headers | {"If-Match": '"v1"'}).status_code == 412
    assert client.delete(url, headers=auth_headers | {"If-Match": '"v2"'}).status_code == 204
    gone = client.get(url, headers=auth_headers)
    assert (gone.status_code, gone.get_json()["code"]) == (404, "SCHEDULE_NOT_FOUND")
    assert deeds(client, made["id"]) == ["job_schedule.create", "job_schedule.update", "job_schedule.delete"]


def test_a_schedule_whose_storefront_was_closed_can_be_changed_but_not_moved_to_another_closed_one(
    client: FlaskClient, auth_headers: Headers, made: dict[str, Any]
) -> None:
    with client.application.app_context():
        db.session.execute(update(Storefront).values(is_active=False))
        db.session.commit()
    url, headers = f"{URL}/{made['id']}", auth_headers | {"If-Match": '"v1"'}
    moved = client.put(url, json=body(job=JOB | {"storefront": "closed"}), headers=headers)
    assert (moved.status_code, pointers(moved)) == (422, ["/job/storefront"])
    renamed = client.put(url, json=body(name="Evenings"), headers=headers)
    assert (renamed.status_code, renamed.get_json()["name"]) == (200, "Evenings")
    assert [warning["code"] for warning in renamed.get_json()["warnings"]] == ["STOREFRONT_INACTIVE"]


def test_the_audit_log_counts_the_products_and_does_not_repeat_them(
    client: FlaskClient, auth_headers: Headers, made: dict[str, Any]
) -> None:
    with client.application.app_context():
        event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "job_schedule.create")).one()
        assert event.after is not None
        assert event.after["job"]["asin_count"] == 5
        assert "asins" not in event.after["job"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"cron": "0 6 * *"}, "/cron"),
        ({"cron": "0 0 30 2 *"}, "/cron"),
        ({"cron": "0 6 * * " + "1," * 200 + "1"}, "/cron"),
        ({"timezone": "Berlin"}, "/timezone"),
        ({"cron": None}, "/cron"),
        ({"every_s": 3600}, "/cron"),
        ({"name": " "}, "/name"),
        ({"surprise": 1}, "/surprise"),
        ({"job": JOB | {"storefront": "nowhere"}}, "/job/storefront"),
        ({"job": JOB | {"storefront": "closed"}}, "/job/storefront"),
        ({"job": JOB | {"action": "buy"}}, "/job/action"),
        ({"job": JOB | {"asins": []}}, "/job/asins"),
        ({"job": JOB | {"surprise": 1}}, "/job/surprise"),
        ({"job": JOB | {"name": "{day}"}}, "/job/name"),
    ],
)
def test_a_bad_schedule_is_refused_at_the_field_and_nothing_is_made(
    client: FlaskClient, auth_headers: Headers, shop: None, change: dict[str, Any], pointer: str
) -> None:
    answer = client.post(URL, json=body(**change), headers=auth_headers)
    assert answer.status_code == 422, answer.text
    assert pointer in pointers(answer)
    assert rows_of(client, JobSchedule) == 0


@pytest.mark.parametrize(
    ("timing", "pointer"),
    [
        ({"cron": "61 * * * *"}, "/cron"),
        ({"cron": "0 6 * * *", "timezone": "Mars/Base"}, "/timezone"),
        ({"every_s": 59}, "/every_s"),
        ({"every_s": 366 * 86400 + 1}, "/every_s"),
        ({"every_s": 3600, "timezone": "UTC"}, "/timezone"),
        ({"cron": "0 6 * * *", "starts_at": "2026-01-01T00:00:00Z"}, "/starts_at"),
        ({"every_s": 3600, "starts_at": "2026-01-01T00:00:00"}, "/starts_at"),
        ({}, "/cron"),
    ],
)
def test_what_is_no_timing_is_refused_at_the_field(
    client: FlaskClient, auth_headers: Headers, timing: dict[str, Any], pointer: str
) -> None:
    answer = client.post(f"{URL}/preview", json=timing, headers=auth_headers)
    assert (answer.status_code, pointers(answer)) == (422, [pointer])


def test_a_preview_shows_the_next_runs_and_makes_nothing(client: FlaskClient, auth_headers: Headers) -> None:
    cron = client.post(f"{URL}/preview", json={"cron": "30 4 1 1 *", "timezone": "Asia/Kolkata"}, headers=auth_headers)
    assert [slot["local"][4:] for slot in cron.get_json()["next_runs"]] == ["-01-01T04:30:00+05:30"] * 5
    every = {"every_s": 90, "starts_at": "2999-12-31T23:59:00Z"}
    steps = client.post(f"{URL}/preview", json=every, headers=auth_headers).get_json()["next_runs"]
    assert [slot["at"] for slot in steps[:2]] == ["2999-12-31T23:59:00.000000Z", "3000-01-01T00:00:30.000000Z"]
    assert rows_of(client, JobSchedule) == 0


def test_pausing_and_resuming_are_done_once_however_often_they_are_asked_for(
    client: FlaskClient, auth_headers: Headers, made: dict[str, Any]
) -> None:
    url = f"{URL}/{made['id']}"
    for _ in range(2):
        paused = client.post(f"{url}/pause", headers=auth_headers)
        assert (paused.status_code, paused.get_json()["is_active"], paused.get_json()["version"]) == (200, False, 2)
    assert client.get(f"{URL}?is_active=true", headers=auth_headers).get_json()["items"] == []
    for _ in range(2):
        resumed = client.post(f"{url}/resume", headers=auth_headers)
        assert (resumed.get_json()["version"], resumed.get_json()["next_runs"]) == (3, made["next_runs"])
    assert deeds(client, made["id"]) == ["job_schedule.create", "job_schedule.pause", "job_schedule.resume"]


def test_a_run_on_demand_is_listed_and_its_job_found_by_the_schedule(
    client: FlaskClient, auth_headers: Headers, made: dict[str, Any]
) -> None:
    url = f"{URL}/{made['id']}"
    client.post("/api/v1/jobs", json=JOB, headers=auth_headers)
    started = client.post(f"{url}/run-now", headers=auth_headers)
    assert started.status_code == 202
    run = started.get_json()
    assert (run["state"], run["is_manual"]) == ("STARTED", True)
    job = client.get(started.headers["Location"], headers=auth_headers).get_json()
    assert (job["id"], job["schedule_id"]) == (run["job_id"], made["id"])
    again = client.post(f"{url}/run-now", headers=auth_headers)
    assert (again.status_code, again.get_json()["code"]) == (409, "SCHEDULE_JOB_OPEN")
    assert client.get(f"{url}/runs", headers=auth_headers).get_json()["items"] == [run]
    assert client.get(f"{url}/runs?state=FAILED", headers=auth_headers).get_json()["items"] == []
    assert client.get(url, headers=auth_headers).get_json()["last_run"] == run
    found = client.get(f"/api/v1/jobs?schedule_id={made['id']}", headers=auth_headers).get_json()["items"]
    assert [each["id"] for each in found] == [job["id"]]
    assert deeds(client, made["id"]) == ["job_schedule.create", "job_schedule.run"]


def test_a_deleted_schedule_leaves_its_jobs(client: FlaskClient, auth_headers: Headers, made: dict[str, Any]) -> None:
    client.post(f"{URL}/{made['id']}/run-now", headers=auth_headers)
    headers = auth_headers | {"If-Match": '"v1"'}
    assert client.delete(f"{URL}/{made['id']}", headers=headers).status_code == 204
    assert (rows_of(client, JobScheduleRun), rows_of(client, Job)) == (0, 1)
    found = client.get(f"/api/v1/jobs?schedule_id={made['id']}", headers=auth_headers).get_json()["items"]
    assert [job["schedule_id"] for job in found] == [made["id"]]


def test_runs_and_schedules_are_listed_in_pages(client: FlaskClient, auth_headers: Headers, shop: None) -> None:
    names = [f"s{number}" for number in range(3)]
    for name in names:
        client.post(URL, json=body(name=name), headers=auth_headers)
    first = client.get(f"{URL}?limit=2", headers=auth_headers).get_json()
    second = client.get(f"{URL}?limit=2&cursor={first['next_cursor']}", headers=auth_headers).get_json()
    assert [row["name"] for row in first["items"] + second["items"]] == names
    assert second["next_cursor"] is None
    assert client.get(f"{URL}/99/runs", headers=auth_headers).status_code == 404


def test_a_schedule_sent_twice_with_a_key_is_made_once(client: FlaskClient, auth_headers: Headers, shop: None) -> None:
    headers = auth_headers | {"Idempotency-Key": "schedule-17"}
    first, second = (client.post(URL, json=body(), headers=headers) for _ in range(2))
    assert (second.status_code, second.get_json()) == (201, first.get_json())
    assert rows_of(client, JobSchedule) == 1


def test_schedules_are_listed_previewed_run_and_paused_from_the_command_line(app: Flask, made: dict[str, Any]) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        result = app.test_cli_runner().invoke(args=["schedule", *arguments], env={"COLUMNS": "200"})
        return result.exit_code, result.output

    number = str(made["id"])
    assert run("preview", "30 4 1 1 *", "--timezone", "Asia/Kolkata")[1].count("-01-01T04:30:00+05:30\n") == 5
    assert run("preview", "61 * * * *") == (1, "Error: It has '61' as minute, which goes from 0 to 59.\n")
    assert run("run", number) == (0, "job 1\n")
    code, told = run("run", number)
    assert (code, "has not ended" in told) == (1, True)
    assert run("pause", number) == (0, f"schedule {number}: paused\n")
    assert run("resume", number) == (0, f"schedule {number}: {made['next_runs'][0]['local']}\n")
    assert run("pause", "99") == (1, "Error: There is no such schedule.\n")
    listed = run("list")[1]
    assert "Mornings" in listed
    assert "STARTED" in listed
