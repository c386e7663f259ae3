"""The farm over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.core.extensions import db
from app.rpa.models.jobs import Job, Task
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import TaskOutcome
from app.rpa.services.leases import Lease
from app.rpa.services.outcomes import finish_task
from tests.concurrency import TIMEOUT_S, at_once
from tests.rpa.conftest import ASINS, FarmDriver, profile, stock_master
from tests.servers import on_sqlite

Headers = dict[str, str]


@pytest.fixture
def shop(client: FlaskClient, auth_headers: Headers) -> dict[str, Any]:
    """A storefront made through the API, and five products."""
    with client.application.app_context():
        stock_master()
    answer = client.post(
        "/api/v1/storefronts", json={"code": "shop", "name": "Shop", "profile": profile()}, headers=auth_headers
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.get_json()
    return made


def _count(client: FlaskClient, model: Any) -> int:
    with client.application.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def _pointers(answer: Any) -> list[str]:
    assert answer.content_type == "application/problem+json"
    return [error["pointer"] for error in answer.get_json()["errors"]]


def _job(**changes: Any) -> dict[str, Any]:
    return {"action": "view-product", "storefront": "shop", "name": "Check", "asins": ASINS} | changes


def test_a_storefront_is_created_read_changed_and_deleted(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any]
) -> None:
    url = f"/api/v1/storefronts/{shop['id']}"
    read = client.get(url, headers=auth_headers)
    assert read.get_json()["profile"] == profile()
    assert read.headers["ETag"] == '"v1"'
    change = {"name": "Shop 2", "profile": profile(pace={"gap_ms": 100, "concurrency": 2}), "is_active": True}
    assert client.put(url, json=change, headers=auth_headers).status_code == 428
    stale = client.put(url, json=change, headers=auth_headers | {"If-Match": '"v9"'})
    assert (stale.status_code, stale.get_json()["code"]) == (412, "STALE_VERSION")
    changed = client.put(url, json=change, headers=auth_headers | {"If-Match": '"v1"'})
    assert (changed.status_code, changed.get_json()["version"], changed.get_json()["name"]) == (200, 2, "Shop 2")
    assert client.delete(url, headers=auth_headers | {"If-Match": '"v2"'}).status_code == 204
    assert client.get(url, headers=auth_headers).status_code == 404


def test_a_second_storefront_with_a_code_is_refused(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any]
) -> None:
    again = {"code": "shop", "name": "Other", "profile": profile()}
    answer = client.post("/api/v1/storefronts", json=again, headers=auth_headers)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "STOREFRONT_CODE_TAKEN")
    assert _count(client, Storefront) == 1


def test_a_storefront_with_jobs_is_not_deleted(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any]
) -> None:
    client.post("/api/v1/jobs", json=_job(), headers=auth_headers)
    answer = client.delete(f"/api/v1/storefronts/{shop['id']}", headers=auth_headers | {"If-Match": '"v1"'})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "STOREFRONT_IN_USE")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"product": profile()["product"] | {"name": [{"css": "h1[["}]}}, "/profile/product/name/0/css"),
        ({"product": profile()["product"] | {"name": [{"regex": "(?=a)b"}]}}, "/profile/product/name/0/regex"),
        ({"allowed_hosts": ["not a host"]}, "/profile/allowed_hosts/0"),
        ({"currency": "EURO"}, "/profile/currency"),
        ({"surprise": 1}, "/profile/surprise"),
        ({"pace": {"gap_ms": -1}}, "/profile/pace/gap_ms"),
    ],
)
def test_a_bad_profile_is_refused_at_the_field_and_nothing_is_made(
    client: FlaskClient, auth_headers: Headers, change: dict[str, Any], pointer: str
) -> None:
    sent = {"code": "shop", "name": "Shop", "profile": profile(**change)}
    answer = client.post("/api/v1/storefronts", json=sent, headers=auth_headers)
    assert answer.status_code == 422
    assert pointer in _pointers(answer)
    assert _count(client, Storefront) == 0


def test_a_job_is_accepted_with_a_report_of_what_was_left_out(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any]
) -> None:
    asins = [*ASINS, ASINS[0].lower(), "short", "B0UNKNOWN0"]
    answer = client.post("/api/v1/jobs", json=_job(asins=asins), headers=auth_headers)
    assert answer.status_code == 202
    job = answer.get_json()
    assert (job["total_count"], job["current_count"], job["state"]) == (5, 0, "PREPARING")
    assert job["report"] == {
        "duplicates": {"count": 1, "asins": [ASINS[0]]},
        "malformed": {"count": 1, "asins": ["short"]},
        "unknown": {"count": 1, "asins": ["B0UNKNOWN0"]},
    }
    read = client.get(answer.headers["Location"], headers=auth_headers)
    assert read.get_json()["id"] == job["id"]
    assert read.get_json()["outcomes"] == dict.fromkeys(("SUCCEEDED", "REFUSED", "FAILED", "SKIPPED", "CANCELLED"), 0)


def test_a_job_over_a_filter_takes_the_products_that_match_now(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any]
) -> None:
    sent = _job(products={"brand": "Hearth"})
    del sent["asins"]
    assert client.post("/api/v1/jobs", json=sent, headers=auth_headers).get_json()["total_count"] == 5
    sent["products"] = {"brand": "Nobody"}
    answer = client.post("/api/v1/jobs", json=sent, headers=auth_headers)
    assert (answer.status_code, _pointers(answer)) == (422, ["/products"])


def test_a_job_sent_twice_with_a_key_is_made_once(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any]
) -> None:
    headers = auth_headers | {"Idempotency-Key": "order-17"}
    first = client.post("/api/v1/jobs", json=_job(), headers=headers)
    second = client.post("/api/v1/jobs", json=_job(), headers=headers)
    assert (second.status_code, second.get_json()) == (202, first.get_json())
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Location"] == first.headers["Location"]
    other = client.post("/api/v1/jobs", json=_job(name="Another"), headers=headers)
    assert (other.status_code, other.get_json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert _count(client, Job) == 1


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"storefront": "nowhere"}, "/storefront"),
        ({"action": "buy"}, "/action"),
        ({"name": "x" * 256}, "/name"),
        ({"name": "  "}, "/name"),
        ({"asins": []}, "/asins"),
        ({"asins": ["B0UNKNOWN0", "short"]}, "/asins"),
        ({"products": {}}, "/asins"),
        ({"surprise": 1}, "/surprise"),
        ({"quantity": 0}, "/quantity"),
        ({"quantity": 2}, "/quantity"),
    ],
)
def test_a_bad_job_is_refused_at_the_field_and_nothing_is_made(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    answer = client.post("/api/v1/jobs", json=_job(**change), headers=auth_headers)
    assert answer.status_code == 422, answer.text
    assert pointer in _pointers(answer)
    assert _count(client, Job) == 0


def test_jobs_are_listed_newest_first_in_pages(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any]
) -> None:
    made = [client.post("/api/v1/jobs", json=_job(name=f"{n}"), headers=auth_headers).get_json() for n in range(3)]
    first = client.get("/api/v1/jobs?limit=2", headers=auth_headers).get_json()
    second = client.get(f"/api/v1/jobs?limit=2&cursor={first['next_cursor']}", headers=auth_headers).get_json()
    assert [job["id"] for job in first["items"] + second["items"]] == [job["id"] for job in reversed(made)]
    assert second["next_cursor"] is None
    wrong = client.get("/api/v1/jobs?colour=red", headers=auth_headers)
    assert (wrong.status_code, _pointers(wrong)) == (422, ["/colour"])


def test_a_job_can_be_cancelled_once_and_again_but_not_after_its_end(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any]
) -> None:
    job = client.post("/api/v1/jobs", json=_job(), headers=auth_headers).get_json()
    url = f"/api/v1/jobs/{job['id']}/cancel"
    assert client.post(url, headers=auth_headers).get_json()["state"] == "CANCELLING"
    assert client.post(url, headers=auth_headers).status_code == 202
    with client.application.app_context():
        from app.rpa.services import ending

        ending.finish_jobs()
    answer = client.post(url, headers=auth_headers)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "JOB_FINISHED")


def test_a_single_errand_is_accepted_with_a_place_to_poll(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any]
) -> None:
    sent = {"asin": ASINS[0].lower(), "storefront": "shop"}
    answer = client.post("/api/v1/view-product", json=sent, headers=auth_headers)
    assert answer.status_code == 202
    assert (answer.get_json()["state"], answer.get_json()["asin"]) == ("QUEUED", ASINS[0])
    polled = client.get(answer.headers["Location"], headers=auth_headers)
    assert (polled.status_code, polled.get_json()["attempts"]) == (200, [])
    assert client.get("/api/v1/jobs", headers=auth_headers).get_json()["items"] == []
    assert len(client.get("/api/v1/jobs?lane=interactive", headers=auth_headers).get_json()["items"]) == 1


@pytest.mark.parametrize("path", ["view-product", "add-to-cart"])
def test_an_errand_that_does_not_end_while_its_sender_waits_is_answered_as_it_is_then(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any], path: str
) -> None:
    sent = {"asin": ASINS[0], "storefront": "shop"}
    answer = client.post(f"/api/v1/{path}?wait=1", json=sent, headers=auth_headers)
    assert answer.status_code == 202, answer.text
    assert (answer.get_json()["state"], answer.get_json()["attempts"]) == ("QUEUED", [])
    assert client.get(answer.headers["Location"], headers=auth_headers).get_json() == answer.get_json()
    again = client.post(f"/api/v1/{path}?wait=1", json=sent, headers=auth_headers | {"Idempotency-Key": "errand-1"})
    replayed = client.post(f"/api/v1/{path}?wait=1", json=sent, headers=auth_headers | {"Idempotency-Key": "errand-1"})
    assert (again.status_code, replayed.status_code, replayed.get_json()) == (202, 202, again.get_json())
    assert _count(client, Task) == 2


def _visited(client: FlaskClient, headers: Headers, path: str, visit: Callable[[Lease], Any]) -> Any:
    """The answer to an errand whose task is claimed and ``visit``ed while its sender waits."""
    app = client.application

    def claim() -> Any:
        until = time.monotonic() + TIMEOUT_S
        while (task_id := db.session.scalar(select(Task.id))) is None:
            assert time.monotonic() < until
            db.session.remove()
            time.sleep(0.05)
        return visit(FarmDriver(app).leased(task_id))

    sent = {"asin": ASINS[0], "storefront": "shop"}
    answer, done = at_once(app, lambda: app.test_client().post(f"/api/v1/{path}", json=sent, headers=headers), claim)
    assert done is True
    assert client.get(answer.headers["Location"], headers=headers).get_json() == answer.get_json()
    return answer


@pytest.mark.parametrize("path", ["view-product", "add-to-cart"])
def test_an_errand_that_ends_while_its_sender_waits_is_answered_with_its_result(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any], path: str
) -> None:
    def end(lease: Lease) -> bool:
        return finish_task(lease=lease, outcome=TaskOutcome(Code.NOT_FOUND))

    answer = _visited(client, auth_headers, f"{path}?wait=25", end)
    assert (answer.status_code, answer.get_json()["code"]) == (200, "NOT_FOUND"), answer.text
    assert [attempt["code"] for attempt in answer.get_json()["attempts"]] == ["NOT_FOUND"]


@on_sqlite
def test_an_errand_that_is_still_being_visited_when_the_wait_is_over_is_shown_with_its_visit(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any]
) -> None:
    answer = _visited(client, auth_headers, "view-product?wait=8", lambda lease: True)
    assert (answer.status_code, answer.get_json()["state"]) == (202, "LEASED"), answer.text
    assert [attempt["outcome"] for attempt in answer.get_json()["attempts"]] == [None]


@pytest.mark.parametrize("path", ["view-product", "add-to-cart"])
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"asin": "B0"}, "/asin"),
        ({"asin": "B0UNKNOWN0"}, "/asin"),
        ({"storefront": "nowhere"}, "/storefront"),
        ({"url": "http://169.254.169.254/"}, "/url"),
    ],
)
def test_a_bad_errand_is_refused_at_the_field_and_nothing_is_made(
    client: FlaskClient,
    auth_headers: Headers,
    shop: dict[str, Any],
    path: str,
    change: dict[str, Any],
    pointer: str,
) -> None:
    sent = {"asin": ASINS[0], "storefront": "shop"} | change
    answer = client.post(f"/api/v1/{path}", json=sent, headers=auth_headers)
    assert (answer.status_code, _pointers(answer)) == (422, [pointer])
    assert _count(client, Task) == 0


def test_nobody_waits_longer_than_thirty_seconds(
    client: FlaskClient, auth_headers: Headers, shop: dict[str, Any]
) -> None:
    sent = {"asin": ASINS[0], "storefront": "shop"}
    answer = client.post("/api/v1/view-product?wait=31", json=sent, headers=auth_headers)
    assert (answer.status_code, _pointers(answer)) == (422, ["/wait"])


@pytest.mark.parametrize("path", ["/api/v1/jobs/999", "/api/v1/tasks/999", "/api/v1/jobs/999/tasks"])
def test_what_does_not_exist_is_a_404_with_a_code(client: FlaskClient, auth_headers: Headers, path: str) -> None:
    answer = client.get(path, headers=auth_headers)
    assert answer.status_code == 404
    assert answer.get_json()["code"] in {"JOB_NOT_FOUND", "TASK_NOT_FOUND"}
