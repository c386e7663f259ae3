"""The life of a job over HTTP: what it is over, how it is to run, how long it will take, and what is asked of it."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from app.core.extensions import db
from app.core.files import file_store
from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import system
from app.operations.files.writing import writer_for, written
from app.products.queries.products import find_products_by_asins
from app.products.services.categories import create_category
from app.products.services.filters import create_filter
from app.products.services.products import create_product, update_product
from app.rpa.models.jobs import Action, Attempt, Job, Task
from app.rpa.models.storefronts import Storefront
from app.rpa.queries import estimates
from app.rpa.queries.estimates import find_seconds_per_task
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import TaskOutcome
from app.rpa.services import asin_files, ending, leases, preparing
from app.rpa.services.outcomes import finish_task
from app.rpa.services.submitting import submit_errand
from tests.rpa.conftest import ASINS, SUCCESS, FarmDriver, stock_master
from tests.servers import on_sqlite

Headers = dict[str, str]
API = "/api/v1"


@pytest.fixture
def shop(app: Flask) -> FarmDriver:
    """A storefront, and five products."""
    with app.app_context():
        stock_master()
        driver = FarmDriver(app)
        driver.storefront()
    return driver


class Caller:
    """Somebody who may do everything."""

    def __init__(self, client: FlaskClient, headers: Headers) -> None:
        self._client, self._headers = client, headers

    def __call__(self, method: str, path: str, body: Any = None, *, version: int | None = None, **more: Any) -> Any:
        headers = self._headers | ({} if version is None else {"If-Match": f'"v{version}"'})
        sent = more or {"json": body}
        return self._client.open(API + path, method=method, headers=headers, **sent)

    def submit(self, **changes: Any) -> Any:
        wish = {"action": "view-product", "storefront": "shop", "name": "Check"} | changes
        return self(
            "POST", "/jobs", wish if {"products", "product_filter_id"} & wish.keys() else {"asins": ASINS} | wish
        )


@pytest.fixture
def call(client: FlaskClient, auth_headers: Headers, shop: FarmDriver) -> Caller:
    return Caller(client, auth_headers)


def count_jobs(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Job)) or 0


def kept_uploads(app: Flask) -> list[str]:
    with app.app_context():
        return list(file_store().folders("operations", before=utc_now() + timedelta(days=1)))


def refused_at(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.get_json()["errors"]]


def test_a_job_is_paused_resumed_and_changed(call: Caller) -> None:
    made = call.submit(priority="low", concurrency=3, deadline_s=3600)
    job = made.get_json()
    assert (made.headers["ETag"], job["priority"], job["concurrency"]) == ('"v1"', "low", 3)
    path = f"/jobs/{job['id']}"
    assert call("POST", f"{path}/pause").get_json()["state"] == "PAUSED"
    paused = call("GET", path).get_json()
    assert (paused["waits"]["reason"], paused["waits"]["until"]) == ("PAUSED", None)
    assert paused["paused_by"].startswith("user:")
    assert call("POST", f"{path}/resume").get_json()["state"] == "PREPARING"
    assert call("PATCH", path, {"priority": "high"}).status_code == 428
    changed = call("PATCH", path, {"priority": "high", "concurrency": None}, version=1)
    assert (changed.headers["ETag"], changed.get_json()["concurrency"]) == ('"v2"', None)
    stale = call("PATCH", path, {"priority": "low"}, version=1)
    assert (stale.status_code, stale.get_json()["code"]) == (412, "STALE_VERSION")
    assert call("GET", path).get_json()["priority"] == "high"


def test_a_move_that_a_state_does_not_take_is_a_conflict_that_names_both(call: Caller) -> None:
    path = f"/jobs/{call.submit().get_json()['id']}"
    assert call("POST", f"{path}/cancel").status_code == 202
    refused = call("POST", f"{path}/pause")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "JOB_MOVE_REFUSED")
    assert (refused.get_json()["state"], refused.get_json()["allowed"]) == ("CANCELLING", [])
    assert call("GET", path).get_json()["state"] == "CANCELLING"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"priority": "urgent"}, "/priority"),
        ({"concurrency": 0}, "/concurrency"),
        ({"deadline_at": "2020-01-01T00:00:00Z"}, "/deadline_at"),
        ({"deadline_at": "2999-01-01T00:00:00Z"}, "/deadline_at"),
        ({"state": "PAUSED"}, "/state"),
    ],
)
def test_a_bad_change_is_refused_at_the_field_and_changes_nothing(
    call: Caller, change: dict[str, Any], pointer: str
) -> None:
    path = f"/jobs/{call.submit().get_json()['id']}"
    before = call("GET", path).get_json()
    assert refused_at(call("PATCH", path, change, version=1)) == [pointer]
    after = call("GET", path).get_json()
    assert [after[name] for name in ("priority", "concurrency", "deadline_at", "version")] == [
        before[name] for name in ("priority", "concurrency", "deadline_at", "version")
    ]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"priority": 1}, "/priority"),
        ({"concurrency": 1001}, "/concurrency"),
        ({"deadline_s": 59}, "/deadline_s"),
        ({"deadline_s": 60 * 86_400 + 1}, "/deadline_s"),
        ({"product_filter_id": 999}, "/product_filter_id"),
        ({"products": {"category": 999}}, "/products/category"),
        ({"products": {"price_min": "much"}}, "/products/price_min"),
        ({"asins": ["x" * 1001]}, "/asins"),
        ({"asins": [5]}, "/asins/0"),
        ({"asins": ASINS, "product_filter_id": 1}, "/asins"),
    ],
)
def test_a_job_over_or_with_what_does_not_exist_is_refused_at_the_field(
    call: Caller, app: Flask, change: dict[str, Any], pointer: str
) -> None:
    assert refused_at(call.submit(**change)) == [pointer]
    assert count_jobs(app) == 0


def test_a_job_is_over_all_products_of_a_category_and_below_or_over_a_saved_filter(call: Caller, app: Flask) -> None:
    with app.app_context():
        top = create_category(actor=system(), now=utc_now(), name="Kitchen", parent_id=None)
        below = create_category(actor=system(), now=utc_now(), name="Kettles", parent_id=top.id)
        price = Money.parse("30.00", "USD")
        for asin, category in (("B00000000A", top.id), ("B00000000B", below.id)):
            create_product(
                actor=system(), now=utc_now(), asin=asin, name="K", brand="Lumo", price=price, categories=[category]
            )
        saved = create_filter(actor=system(), now=utc_now(), name="Dear", which={"price_min": "20.00"})
        top_id, below_id, saved_id = top.id, below.id, saved.id
    counts = [call.submit(products={"category": id_}).get_json()["total_count"] for id_ in (top_id, below_id)]
    assert counts == [2, 1]
    over = call.submit(product_filter_id=saved_id).get_json()
    assert (over["total_count"], over["over"]) == (2, {"product_filter_id": saved_id})
    assert call.submit(products={"brand": "Lumo", "price_max": "29.99"}).status_code == 422


def test_only_active_products_fit_unless_somebody_wishes_otherwise(call: Caller, app: Flask) -> None:
    with app.app_context():
        product_id = find_products_by_asins(ASINS)[ASINS[0]]
        update_product(actor=system(), now=utc_now(), product_id=product_id, expected_version=1, is_active=False)
    assert call.submit(products={}).get_json()["total_count"] == 4
    assert call.submit(products={"is_active": False}).get_json()["total_count"] == 1


def test_what_failed_is_retried_and_a_job_is_cloned(call: Caller, app: Flask, shop: FarmDriver) -> None:
    job = call.submit().get_json()
    path = f"/jobs/{job['id']}"
    refused = call("POST", f"{path}/retry", {})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "JOB_NOT_ENDED")
    call("POST", f"{path}/cancel")
    with app.app_context():
        ending.finish_jobs()
    nothing = call("POST", f"{path}/retry", {})
    assert (nothing.status_code, nothing.get_json()["code"]) == (409, "NOTHING_TO_RETRY")
    again = call("POST", f"{path}/retry", {"outcomes": ["CANCELLED"]})
    assert (again.status_code, again.get_json()["parent_id"], again.get_json()["total_count"]) == (202, job["id"], 5)
    assert again.headers["Location"].endswith(f"/jobs/{again.get_json()['id']}")
    clone = call("POST", f"{path}/clone", {"name": "Once more", "deadline_s": 7200}).get_json()
    assert (clone["name"], clone["parent_id"], clone["total_count"]) == ("Once more", job["id"], 5)
    assert refused_at(call("POST", f"{path}/retry", {"outcomes": ["SUCCEEDED"]})) == ["/outcomes/0"]
    assert count_jobs(app) == 3


def test_an_estimate_says_how_long_it_takes_and_changes_nothing(call: Caller, app: Flask) -> None:
    with app.app_context():
        db.session.execute(update(Storefront).values(gap_ms=5000, concurrency=1))
        db.session.commit()
        leases.register_worker(name="w", host="h", pid=1)
    wish = {"action": "view-product", "storefront": "shop", "name": "Check", "asins": [*ASINS, "XX"]}
    answer = call("POST", "/jobs/estimate", wish)
    assert answer.status_code == 200, answer.text
    told = answer.get_json()
    assert (told["total_count"], told["report"]["malformed"]["count"]) == (5, 1)
    found = told["estimate"]
    assert (found["seconds"], found["limited_by"], found["workers"]) == (23.0, "pace", 1)
    assert (found["seconds_per_task"], found["is_measured"], found["is_in_time"]) == (3.0, False, True)
    assert found["seconds_by_limit"] == {"pace": 23.0, "storefront_concurrency": 15.0, "workers": 15.0}
    assert count_jobs(app) == 0
    job = call.submit().get_json()
    assert job["estimate"] == found
    beside = call("POST", "/jobs/estimate", wish).get_json()["estimate"]
    assert (beside["other_tasks"], beside["seconds"], beside["seconds_at_most"]) == (5, 23.0, 48.0)
    assert refused_at(call("POST", "/jobs/estimate", wish | {"storefront": "nowhere"})) == ["/storefront"]


def test_without_a_worker_an_estimate_says_so_and_a_job_waits_for_one(
    call: Caller, app: Flask, shop: FarmDriver
) -> None:
    job = call.submit().get_json()
    assert (job["estimate"]["seconds"], job["estimate"]["limited_by"]) == (None, "workers")
    assert (job["waits"]["reason"], job["estimate"]["is_in_time"]) == ("PREPARING", None)
    with app.app_context():
        preparing.prepare_job(job_id=job["id"])
    assert call("GET", f"/jobs/{job['id']}").get_json()["waits"]["reason"] == "NO_WORKERS"
    listed = call("GET", "/jobs").get_json()["items"][0]
    assert (listed["waits"]["reason"], listed["estimate"]) == ("NO_WORKERS", None)


def test_the_last_visits_say_how_long_one_takes(call: Caller, app: Flask, shop: FarmDriver) -> None:
    with app.app_context():
        job = shop.submit(ASINS[:2])
        shop.release()
        for task_id in shop.task_ids(job):
            assert finish_task(lease=shop.leased(task_id), outcome=SUCCESS)
        for attempt in db.session.scalars(select(Attempt)):
            attempt.ended_at = attempt.started_at + timedelta(seconds=7)
        db.session.commit()
    found = call.submit().get_json()["estimate"]
    assert (found["seconds_per_task"], found["is_measured"]) == (7.0, True)
    carts = call.submit(action="add-to-cart").get_json()["estimate"]
    assert (carts["seconds_per_task"], carts["is_measured"]) == (10.0, False)


def test_only_the_newest_visits_that_saw_a_page_say_how_long_one_takes(
    call: Caller, app: Flask, shop: FarmDriver
) -> None:
    ends: list[tuple[TaskOutcome, float]] = [
        (SUCCESS, 30),
        (TaskOutcome(Code.ROBOTS_DENIED), 0),
        (TaskOutcome(Code.NO_DOCUMENT), 0.07),
        (TaskOutcome(Code.NOT_FOUND), 4),
        (SUCCESS, 6),
    ]
    with app.app_context():
        large = shop.submit(ASINS)
        shop.release()
        for task_id, (outcome, seconds) in zip(shop.task_ids(large), ends, strict=True):
            _visit(shop, task_id, outcome, seconds)
        for code in (Code.ROBOTS_DENIED, Code.TLS_ERROR, Code.WORKER_LOST, Code.NO_DOCUMENT):
            errand = submit_errand(actor=system(), action="view-product", storefront="shop", asin=ASINS[0])
            _visit(shop, errand.id, TaskOutcome(code), 20)
        errand = submit_errand(actor=system(), action="view-product", storefront="shop", asin=ASINS[0])
        _visit(shop, errand.id, SUCCESS, 8)
        assert _seconds() == (30 + 4 + 6 + 8) / 4
    found = call.submit().get_json()["estimate"]
    assert (found["seconds_per_task"], found["is_measured"]) == (12.0, True)


def test_visits_that_never_saw_a_page_say_nothing_and_timeouts_count_beside_real_ones(
    app: Flask, shop: FarmDriver
) -> None:
    with app.app_context():
        job = shop.submit(ASINS[:3])
        shop.release()
        robots, slow, well = shop.task_ids(job)
        _visit(shop, robots, TaskOutcome(Code.ROBOTS_DENIED), 0)
        assert _seconds() is None
        _visit(shop, well, SUCCESS, 2)
        _visit(shop, slow, TaskOutcome(Code.NAV_TIMEOUT), 22)
        assert shop.task(slow).state == "READY"
        db.session.execute(update(Task).where(Task.id == slow).values(not_before=utc_now()))
        db.session.commit()
        shop.release()
        _visit(shop, slow, TaskOutcome(Code.NAV_TIMEOUT), 12)
        assert _seconds() == (22 + 2 + 12) / 3


@on_sqlite
def test_many_errands_and_a_large_job_count_by_how_new_their_visits_are(
    app: Flask, shop: FarmDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "_VISITS", 3)
    with app.app_context():
        large = shop.submit(ASINS)
        shop.release()
        for seconds, task_id in enumerate(shop.task_ids(large), start=1):
            _visit(shop, task_id, SUCCESS, seconds)
        assert _seconds() == (3 + 4 + 5) / 3
        errand = submit_errand(actor=system(), action="view-product", storefront="shop", asin=ASINS[0])
        _visit(shop, errand.id, SUCCESS, 30)
        assert _seconds() == (4 + 5 + 30) / 3


def _seconds() -> float | None:
    return find_seconds_per_task(db.session.scalars(select(Storefront.id)).one(), Action.VIEW_PRODUCT)


def _visit(farm: FarmDriver, task_id: int, outcome: TaskOutcome, seconds: float) -> None:
    """Let a visit of a task have ended so, and have begun so many seconds before."""
    lease = farm.leased(task_id)
    assert finish_task(lease=lease, outcome=outcome)
    attempt = db.session.scalars(select(Attempt).where(Attempt.lease_token == lease.token)).one()
    assert attempt.ended_at is not None
    attempt.started_at = attempt.ended_at - timedelta(seconds=seconds)
    db.session.commit()


def test_a_job_without_a_deadline_of_its_own_gets_the_time_that_it_needs(call: Caller, app: Flask) -> None:
    with app.app_context():
        db.session.execute(update(Storefront).values(gap_ms=40_000_000))
        db.session.commit()
    job = call.submit().get_json()
    with app.app_context():
        row = db.session.get_one(Job, job["id"])
        assert row.deadline_at - row.created_at == timedelta(seconds=240_005)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"Name,ASIN\nKettle,{0}\nKettle,{1}\n,\nPot,short\n"),
        ("a.jsonl", b'{"name": "Kettle"}\n{"asin": "{0}"}\n{"asin": "{1}"}\n{"asin": "short"}\n'),
        ("a.tsv", b"asin\tname\n{0}\tKettle\n{1}\tKettle\nshort\tPot\n"),
    ],
)
def test_a_job_over_a_file_takes_its_column_asin(call: Caller, name: str, content: bytes) -> None:
    for place in (0, 1):
        content = content.replace(f"{{{place}}}".encode(), ASINS[place].lower().encode())
    form = {"action": "view-product", "storefront": "shop", "name": "File", "priority": "high", "deadline_s": "7200"}
    answer = call("POST", "/jobs/upload", data=form | {"file": (io.BytesIO(content), name)})
    assert answer.status_code == 202, answer.text
    job = answer.get_json()
    assert (job["total_count"], job["over"], job["priority"]) == (2, {"file": name}, "high")
    assert job["report"]["malformed"] == {"count": 1, "asins": ["short"]}


def test_a_job_over_a_workbook_takes_its_column_asin(call: Caller) -> None:
    rows = [["Kettle", asin] for asin in (*ASINS, "short")]
    content = b"".join(written(writer_for("xlsx", ["name", "Asin"]), [rows]))
    form = {"action": "add-to-cart", "storefront": "shop", "name": "File", "quantity": "2"}
    answer = call("POST", "/jobs/upload", data=form | {"file": (io.BytesIO(content), "a.xlsx")})
    assert answer.status_code == 202, answer.text
    job = answer.get_json()
    assert (job["total_count"], job["report"]["malformed"]["asins"]) == (5, ["short"])


@on_sqlite
@pytest.mark.parametrize("limit", ["MAX_ROWS", "MAX_BYTES", "MAX_S"])
def test_a_file_that_is_too_large_or_takes_too_long_is_refused_and_nothing_is_made(
    call: Caller, app: Flask, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asin_files, limit, -1 if limit == "MAX_S" else 3)
    content = b"asin\n" + b"\n".join(asin.encode() for asin in ASINS)
    form = {"action": "view-product", "storefront": "shop", "name": "File"}
    answer = call("POST", "/jobs/upload", data=form | {"file": (io.BytesIO(content), "a.csv")})
    assert refused_at(answer) == ["/file"]
    assert count_jobs(app) == 0


@pytest.mark.parametrize(
    ("form", "content", "pointer"),
    [
        ({}, b"name\nKettle\n", "/file"),
        ({}, b"asin\n\n", "/file"),
        ({}, b"asin\nB0UNKNOWN0\n", "/file"),
        ({}, b"", "/file"),
        ({}, b'{"asin": "B000000001"', "/file"),
        ({"action": "buy"}, b"asin\nB000000001\n", "/action"),
        ({"deadline_s": "soon"}, b"asin\nB000000001\n", "/deadline_s"),
        ({"quantity": "2"}, b"asin\nB000000001\n", "/quantity"),
        ({"run": "true"}, b"asin\nB000000001\n", "/run"),
        ({"storefront": "nowhere"}, b"asin\nB000000001\n", "/storefront"),
    ],
)
def test_a_file_that_is_none_is_refused_and_nothing_is_made_or_kept(
    call: Caller, app: Flask, form: dict[str, str], content: bytes, pointer: str
) -> None:
    before = kept_uploads(app)
    sent = {"action": "view-product", "storefront": "shop", "name": "File"} | form
    answer = call("POST", "/jobs/upload", data=sent | {"file": (io.BytesIO(content), "a.csv")})
    assert refused_at(answer) == [pointer]
    assert count_jobs(app) == 0
    assert kept_uploads(app) == before


@on_sqlite
def test_two_files_for_one_job_are_refused_with_the_word_that_one_is_wanted(call: Caller, app: Flask) -> None:
    before = kept_uploads(app)
    form = {"action": "view-product", "storefront": "shop", "name": "File"}
    files = [(io.BytesIO(b"asin\nB000000001\n"), name) for name in ("a.csv", "b.csv")]
    answer = call("POST", "/jobs/upload", data=form | {"file": files})
    assert refused_at(answer) == ["/file"]
    assert answer.get_json()["errors"][0]["detail"] == "Send one file: this field stands here twice."
    assert (count_jobs(app), kept_uploads(app)) == (0, before)


@on_sqlite
def test_the_file_of_a_job_is_not_kept_and_sent_twice_with_a_key_it_is_one_job(
    client: FlaskClient, auth_headers: Headers, shop: FarmDriver, app: Flask
) -> None:
    before = kept_uploads(app)
    headers = auth_headers | {"Idempotency-Key": "file-1"}
    form = {"action": "view-product", "storefront": "shop", "name": "File"}
    for _ in range(2):
        data = form | {"file": (io.BytesIO(b"asin\nB000000001\n"), "a.csv")}
        assert client.post(f"{API}/jobs/upload", data=data, headers=headers).status_code == 202
    assert count_jobs(app) == 1
    assert kept_uploads(app) == before
