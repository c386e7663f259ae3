"""Evidence: what is worth keeping, kept with its attempt, shown safely, and gone in time."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, func, select

from app.core import permissions
from app.core.extensions import db
from app.core.files import FileStore, evidence_store
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.products.models.products import Product
from app.products.services.products import delete_product
from app.rpa.models.evidence import Evidence
from app.rpa.models.jobs import Attempt
from app.rpa.queries import evidence as queries
from app.rpa.queries.evidence import has_room
from app.rpa.rules.codes import Code
from app.rpa.rules.evidence import PER_CODE, Kept, Why, describe, reason, wants_page
from app.rpa.rules.readings import CartReading, Kind, Piece, TaskOutcome
from app.rpa.services import evidence as services
from app.rpa.services import outcomes
from app.rpa.services.leases import Lease
from tests.calls import API, PASSWORD, add_person
from tests.rpa.conftest import FarmDriver, reading, stock_master
from tests.rpa.keeping import add_evidence
from tests.servers import on_sqlite

FAILURE = TaskOutcome(Code.SELECTOR_MISSING, detail="No marker held.")
SEEN = {"name": "Kettle", "brand": "Hearth", "price": "10.00 USD", "availability": "IN_STOCK"}
PLAIN, CHOSEN = "01" * 16, f"{100:032x}"


@pytest.fixture(autouse=True)
def empty_store(app: Flask) -> Iterator[None]:
    yield
    with app.app_context():
        for name in evidence_store().names("evidence"):
            evidence_store().delete(f"evidence/{name}")


def stored(lease: Lease, content: bytes = b"a picture", why: Why = Why.FAILURE) -> Kept:
    """What a worker has put into the store for an attempt."""
    piece = Piece(Kind.SCREENSHOT, content)
    kept = describe(piece, why, job_id=lease.job_id, task_id=lease.task_id, number=lease.number)
    with evidence_store().writing(kept.path) as target:
        target.write(content)
    return kept


def started(farm: FarmDriver) -> Lease:
    job = farm.submit()
    farm.release()
    return farm.leased(farm.task_ids(job)[0])


def rows() -> list[Evidence]:
    db.session.rollback()
    return list(db.session.scalars(select(Evidence).order_by(Evidence.id)))


def files() -> list[str]:
    store = evidence_store()
    return [path for name in store.names("evidence") for path in store.files(f"evidence/{name}")]


@on_sqlite
@pytest.mark.parametrize(
    ("ended", "token", "why"),
    [
        (reading(), PLAIN, None),
        (reading(), CHOSEN, Why.SAMPLE),
        (reading("12.00"), PLAIN, Why.CHANGE),
        (CartReading(1, None, None), PLAIN, Why.CART),
        (Code.SELECTOR_MISSING, PLAIN, Why.FAILURE),
        (Code.OUT_OF_STOCK, PLAIN, Why.FAILURE),
        (Code.CANCELLED, PLAIN, None),
        (Code.CHROME_CRASH, CHOSEN, None),
    ],
)
def test_failures_changes_carts_and_one_plain_success_in_a_hundred_are_kept(
    farm: FarmDriver, ended: Any, token: str, why: Why | None
) -> None:
    assert reason(ended, baseline=SEEN, token=token) == why


def test_a_lease_knows_what_the_page_is_likely_to_say(farm: FarmDriver) -> None:
    first = started(farm)
    assert first.baseline == SEEN
    assert outcomes.finish_task(lease=first, outcome=TaskOutcome(None, reading=reading("12.00")))
    assert started(farm).baseline == SEEN | {"price": "12.00 USD"}


def test_evidence_is_recorded_with_the_end_of_its_attempt(farm: FarmDriver) -> None:
    lease = started(farm)
    assert outcomes.finish_task(lease=lease, outcome=FAILURE, kept=[stored(lease)])
    (row,) = rows()
    attempt = db.session.get_one(Attempt, row.attempt_id)
    assert (attempt.task_id, attempt.number, row.task_id) == (lease.task_id, lease.number, lease.task_id)
    assert row.path == f"evidence/{lease.job_id}/{lease.task_id}/{lease.number}/screenshot.jpg"
    assert (row.kind, row.why, row.code, row.bytes) == ("screenshot", "failure", "SELECTOR_MISSING", 9)
    assert row.sha256 == hashlib.sha256(b"".join(evidence_store().pieces(row.path))).hexdigest()
    assert row.expires_at - row.created_at == timedelta(days=14)


def test_a_plain_success_is_kept_for_three_days(farm: FarmDriver) -> None:
    lease = started(farm)
    outcomes.finish_task(
        lease=lease, outcome=TaskOutcome(None, reading=reading()), kept=[stored(lease, why=Why.SAMPLE)]
    )
    (row,) = rows()
    assert (row.code, row.expires_at - row.created_at) == (None, timedelta(days=3))


def test_of_a_lost_lease_nothing_is_recorded_and_its_file_is_swept(farm: FarmDriver) -> None:
    lease = started(farm)
    kept = stored(lease)
    assert not outcomes.finish_task(lease=replace(lease, token="f" * 32), outcome=FAILURE, kept=[kept])
    assert (rows(), files()) == ([], [kept.path])
    assert services.sweep_evidence(now=utc_now()) == 0
    assert files() == [kept.path]
    assert services.sweep_evidence(now=utc_now() + services.UNKNOWN + timedelta(minutes=1)) == 1
    assert files() == []


def test_the_sweep_leaves_what_has_a_row_and_takes_empty_folders(farm: FarmDriver) -> None:
    lease = started(farm)
    outcomes.finish_task(lease=lease, outcome=FAILURE, kept=[stored(lease)])
    other = add_evidence(farm.task_ids(farm.submit(name="other"))[0], b"x")
    job = str(other.job_id)
    evidence_store().delete(other.path)
    assert services.sweep_evidence(now=utc_now() + timedelta(days=1)) == 0
    assert [row.path for row in rows()][:1] == files()
    assert job not in evidence_store().names("evidence")


def test_of_a_deleted_product_nothing_is_shown_kept_or_recorded(farm: FarmDriver) -> None:
    first, second = (started(farm) for _ in range(2))
    outcomes.finish_task(lease=first, outcome=FAILURE, kept=[stored(first)])
    product = db.session.get_one(Product, first.product_id)
    delete_product(actor=permissions.system(), now=utc_now(), product_id=product.id, expected_version=product.version)
    assert second.product_id == first.product_id
    assert outcomes.finish_task(lease=second, outcome=FAILURE, kept=[stored(second)])
    (row,) = rows()
    assert row.expires_at <= utc_now()
    assert services.purge_evidence() == 1
    assert services.sweep_evidence(now=utc_now() + timedelta(days=1)) == 1
    assert (rows(), files()) == ([], [])


def test_what_has_expired_is_deleted_with_its_file_in_batches(
    farm: FarmDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "_BATCH", 2)
    task_id, now = started(farm).task_id, utc_now()
    for _ in range(5):
        add_evidence(task_id, b"old", expires_at=now - timedelta(seconds=5))
    young = add_evidence(task_id, b"young").path
    assert services.purge_evidence() == 5
    assert services.purge_evidence() == 0
    assert ([row.path for row in rows()], files()) == ([young], [young])


def test_a_file_that_cannot_be_deleted_now_is_swept_later(
    farm: FarmDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = add_evidence(started(farm).task_id, b"old", expires_at=utc_now() - timedelta(seconds=5)).path
    (tmp_path / "plain").write_text("a file, below which nothing is")
    with monkeypatch.context() as broken:
        broken.setitem(farm.app.extensions, "evidence", FileStore(f"file://{tmp_path}/plain"))
        assert services.purge_evidence() == 1
    assert (rows(), files()) == ([], [path])
    assert services.sweep_evidence(now=utc_now() + timedelta(days=1)) == 1
    assert files() == []


def test_of_what_is_too_much_the_oldest_goes_first(farm: FarmDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MEGABYTE", 1)
    limits = farm.app.extensions["settings"].evidence
    small, large = (farm.task_ids(farm.submit(name=name))[0] for name in ("small", "large"))
    oldest = add_evidence(small, b"x" * 100).id
    of_large = [add_evidence(large, b"x" * 100).id for _ in range(limits.job_mb // 100 + 2)]
    assert services.purge_evidence() == 2
    assert [row.id for row in rows()] == [oldest, *of_large[2:]]
    for _ in range(limits.max_mb // 100):
        add_evidence(farm.task_ids(farm.submit(name="more"))[0], b"x" * 100)
    assert services.purge_evidence() == len(of_large) - 2 + 1
    assert sum(row.bytes for row in rows()) <= limits.max_mb
    assert oldest not in [row.id for row in rows()]
    assert len(files()) == len(rows())


@on_sqlite
@pytest.mark.parametrize(
    ("hours", "most", "wanted"),
    [
        ([], 4, True),
        ([1, 2, 3], 4, True),
        ([1, 2, 3, 4], 4, False),
        ([5.9, 7, 8, 9], 4, False),
        ([6, 7, 8, 9], 4, True),
        ([], 0, False),
    ],
)
def test_the_first_pages_that_were_read_well_are_kept_and_then_some_evenly_over_the_day(
    app: Flask, hours: list[float], most: int, wanted: bool
) -> None:
    now = utc_now()
    assert wants_page([now - timedelta(hours=ago) for ago in hours], now, most=most) == wanted


def test_a_page_that_was_read_well_is_recorded_for_its_storefront(farm: FarmDriver) -> None:
    lease = started(farm)
    assert queries.wants_page(lease.storefront_id)
    outcomes.finish_task(lease=lease, outcome=TaskOutcome(None, reading=reading()), kept=[stored(lease, why=Why.PAGE)])
    (row,) = rows()
    assert (row.why, row.pages_of, row.expires_at - row.created_at) == ("page", lease.storefront_id, timedelta(days=14))


def test_of_pages_that_were_read_well_a_storefront_keeps_the_newest_and_those_of_others_count_for_themselves(
    farm: FarmDriver,
) -> None:
    most = farm.app.extensions["settings"].evidence.replay_samples
    task_id = farm.task_ids(farm.submit())[0]
    of_other = add_evidence(task_id, b"x", pages_of=9, why="page").id
    failure = add_evidence(task_id, b"x").id
    pages = [add_evidence(task_id, b"x", pages_of=8, why="page").id for _ in range(most + 2)]
    assert not queries.wants_page(8)
    assert queries.wants_page(9)
    assert services.purge_evidence() == 2
    assert [row.id for row in rows()] == [of_other, failure, *pages[2:]]
    assert len(files()) == most + 2


def test_there_is_room_for_so_many_attempts_of_one_code_in_a_job(farm: FarmDriver) -> None:
    lease = started(farm)
    for _ in range(PER_CODE - 1):
        row = add_evidence(lease.task_id, b"x")
        add_evidence(lease.task_id, b"x", kind=Kind.HTML, attempt_id=row.attempt_id)
    assert has_room(lease.job_id, "SELECTOR_MISSING")
    add_evidence(lease.task_id, b"x")
    assert not has_room(lease.job_id, "SELECTOR_MISSING")
    assert has_room(lease.job_id, "BLOCKED")
    assert has_room(lease.job_id + 1, "SELECTOR_MISSING")


def test_evidence_goes_with_the_attempts_of_a_job(farm: FarmDriver) -> None:
    row = add_evidence(started(farm).task_id, b"x")

    @in_transaction
    def delete_attempt() -> None:
        db.session.execute(delete(Attempt).where(Attempt.id == row.attempt_id))

    delete_attempt()
    assert db.session.scalar(select(func.count(Evidence.id))) == 0
    assert services.sweep_evidence(now=utc_now() + timedelta(days=1)) == 1
    assert files() == []


@pytest.fixture
def reader(app: Flask) -> Any:
    """Gets something of the API as somebody who may read jobs."""
    with app.app_context():
        add_person(email="reader@example.org", permissions=frozenset({"jobs:read"}))
    client = app.test_client()
    login = client.post(f"{API}/auth/login", json={"email": "reader@example.org", "password": PASSWORD})
    bearer = {"Authorization": f"Bearer {login.get_json()['access_token']}"}

    def get(path: str, **headers: str) -> Any:
        return client.get(f"{API}{path}", headers=bearer | headers)

    return get


def made(app: Flask, *pieces: tuple[Kind, bytes], **changes: Any) -> tuple[int, list[int]]:
    """A task with evidence: its id, and theirs."""
    with app.app_context():
        stock_master()
        driver = FarmDriver(app)
        driver.storefront()
        lease = started(driver)
        return lease.task_id, [add_evidence(lease.task_id, each, kind=kind, **changes).id for kind, each in pieces]


def test_evidence_is_listed_and_a_screenshot_is_shown(app: Flask, reader: Any) -> None:
    task_id, (first, second) = made(app, (Kind.SCREENSHOT, b"jpeg"), (Kind.HTML, gzip.compress(b"<p>")))
    listed = reader(f"/tasks/{task_id}/evidence").get_json()
    assert [(item["id"], item["kind"]) for item in listed["items"]] == [(first, "screenshot"), (second, "html")]
    assert "path" not in listed["items"][0]
    page = reader(f"/tasks/{task_id}/evidence?limit=1").get_json()
    rest = reader(f"/tasks/{task_id}/evidence?limit=1&cursor={page['next_cursor']}").get_json()
    assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == ([second], None)
    shown = reader(f"/evidence/{first}")
    assert (shown.status_code, shown.data, shown.content_type) == (200, b"jpeg", "image/jpeg")
    assert "Content-Disposition" not in shown.headers
    assert shown.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert shown.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    again = reader(f"/evidence/{first}", **{"If-None-Match": shown.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_html_is_a_file_to_save_that_no_browser_shows(app: Flask, reader: Any) -> None:
    content = "<!doctype html><script>alert(1)</script>é".encode()
    _, (row,) = made(app, (Kind.HTML, gzip.compress(content)))
    stored_form = reader(f"/evidence/{row}", **{"Accept-Encoding": "gzip"})
    assert (stored_form.headers["Content-Encoding"], gzip.decompress(stored_form.data)) == ("gzip", content)
    for answer in (stored_form, reader(f"/evidence/{row}")):
        assert answer.headers["Content-Disposition"] == f'attachment; filename="evidence-{row}.html"'
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.content_type == "text/html; charset=utf-8"
    plain = reader(f"/evidence/{row}")
    assert (plain.data, plain.headers.get("Content-Encoding")) == (content, None)


def test_html_is_shown_to_frames_of_our_own_pages_as_a_sandboxed_document(app: Flask, reader: Any) -> None:
    content = b"<!doctype html><script>alert(1)</script>"
    _, (row, picture) = made(app, (Kind.HTML, gzip.compress(content)), (Kind.SCREENSHOT, b"jpeg"))
    shown = reader(f"/evidence/{row}?framed=true")
    assert (shown.status_code, shown.data, shown.content_type) == (200, content, "text/html; charset=utf-8")
    assert "Content-Disposition" not in shown.headers
    assert shown.headers.get_all("X-Frame-Options") == ["SAMEORIGIN"]
    policy = "sandbox; default-src 'none'; frame-ancestors 'self'"
    assert shown.headers.get_all("Content-Security-Policy") == [policy]
    again = reader(f"/evidence/{row}?framed=true", **{"If-None-Match": shown.headers["ETag"]})
    assert (again.status_code, again.headers["Content-Security-Policy"]) == (304, policy)
    assert reader(f"/evidence/{row}").headers["X-Frame-Options"] == "DENY"
    assert reader(f"/evidence/{picture}?framed=true").data == b"jpeg"
    assert reader(f"/evidence/{row}?framed=perhaps").status_code == 422


def test_what_has_expired_is_shown_to_nobody_even_before_it_is_deleted(app: Flask, reader: Any) -> None:
    task_id, (row,) = made(app, (Kind.SCREENSHOT, b"jpeg"), expires_at=utc_now() - timedelta(seconds=5))
    answer = reader(f"/evidence/{row}")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "EVIDENCE_NOT_FOUND")
    assert reader(f"/tasks/{task_id}/evidence").get_json()["items"] == []
    assert reader(f"/evidence/{row + 1}").status_code == 404
    assert reader(f"/tasks/{task_id + 100}/evidence").get_json()["code"] == "TASK_NOT_FOUND"


@on_sqlite
def test_a_file_that_is_gone_is_not_found_and_a_store_that_is_broken_is_away(
    app: Flask, reader: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, (row,) = made(app, (Kind.SCREENSHOT, b"jpeg"))
    (tmp_path / "plain").write_text("a file, below which nothing is")
    with monkeypatch.context() as broken:
        broken.setitem(app.extensions, "evidence", FileStore(f"file://{tmp_path}/plain"))
        away = reader(f"/evidence/{row}")
    assert (away.status_code, away.get_json()["code"]) == (503, "EVIDENCE_AWAY")
    assert str(tmp_path) not in away.text
    with app.app_context():
        evidence_store().delete(*files())
    gone = reader(f"/evidence/{row}")
    assert (gone.status_code, gone.get_json()["code"]) == (404, "EVIDENCE_NOT_FOUND")
