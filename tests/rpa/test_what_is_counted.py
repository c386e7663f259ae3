"""What Prometheus is told of changes, alerts and evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.core import permissions
from app.core.extensions import db
from app.core.files import evidence_store
from app.core.orm import utc_now
from app.products.models.products import ProductUpdate
from app.rpa.models.evidence import Evidence
from app.rpa.rules.codes import Code
from app.rpa.rules.evidence import Why, describe
from app.rpa.rules.readings import Kind, Piece, TaskOutcome
from app.rpa.services import evidence
from app.rpa.services.alert_sweep import sweep_alerts
from app.rpa.services.alerts import create_rule
from app.rpa.services.outcomes import finish_task
from app.rpa.services.reviewing import accept_change, dismiss_change
from tests.rpa.conftest import FarmDriver
from tests.rpa.keeping import add_evidence
from tests.rpa.test_metrics import Headers, Scrape
from tests.rpa.test_second_visits import flagged, seen, visit

ME = permissions.system()
CHANGES = "cartwright_changes_recorded_total"
FILES, BYTES = "cartwright_evidence_dropped_files_total", "cartwright_evidence_dropped_bytes_total"


@pytest.fixture(autouse=True)
def empty_store(context: Flask) -> Iterator[None]:
    """Nothing in the store before and after, whatever other tests left there."""
    store = evidence_store()
    for name in store.names("evidence"):
        store.delete(f"evidence/{name}")
    yield
    for name in store.names("evidence"):
        store.delete(f"evidence/{name}")


@pytest.fixture
def scrape(farm: FarmDriver, client: FlaskClient, auth_headers: Headers) -> Scrape:
    return Scrape(client, auth_headers)


def test_changes_are_counted_as_they_go_into_the_history(farm: FarmDriver, scrape: Scrape) -> None:
    visit(farm, seen("10.00"))
    visit(farm, seen("12.00"))
    assert scrape.more(CHANGES) == {("price", "shop", "no"): 1}
    visit(farm, seen("36.00"), seen("36.00"))
    assert scrape.more(CHANGES) == {("price", "shop", "no"): 1, ("price", "shop", "yes"): 1}
    visit(farm, seen("90.00"), seen("99.00"))
    held, *_ = [one for one in flagged() if one.state == "OPEN"]
    assert scrape.more(CHANGES)["price", "shop", "yes"] == 1
    accept_change(actor=ME, change_id=held.id)
    assert scrape.more(CHANGES)["price", "shop", "yes"] == 2
    recorded = select(ProductUpdate.id).where(ProductUpdate.storefront_id.is_not(None))
    assert len(db.session.scalars(recorded).all()) == 3


def test_what_is_dismissed_is_no_recorded_change(farm: FarmDriver, scrape: Scrape) -> None:
    visit(farm, seen("10.00"))
    visit(farm, seen("30.00"), seen("40.00"))
    (held,) = flagged()
    dismiss_change(actor=ME, change_id=held.id)
    assert scrape.more(CHANGES) == {}


def test_alerts_are_counted_by_kind(farm: FarmDriver, scrape: Scrape) -> None:
    create_rule(actor=ME, name="Drops", kind="price", when={"percent": 10, "direction": "down"})
    visit(farm, seen("10.00"))
    visit(farm, seen("8.00"))
    sweep_alerts()
    sweep_alerts()
    assert scrape.more("cartwright_alerts_fired_total") == {("price",): 1}


def test_evidence_is_counted_when_it_is_kept_and_not_with_a_lost_lease(farm: FarmDriver, scrape: Scrape) -> None:
    job = farm.submit()
    farm.release()
    lease, lost = (farm.leased(task_id) for task_id in farm.task_ids(job)[:2])
    about = {"job_id": job.id, "number": 1}
    kept = [
        describe(Piece(kind, content), Why.FAILURE, task_id=lease.task_id, **about)
        for kind, content in ((Kind.SCREENSHOT, b"a picture"), (Kind.HTML, b"x" * 700))
    ]
    assert finish_task(lease=lease, outcome=TaskOutcome(Code.BLOCKED), kept=kept)
    assert not finish_task(lease=lease, outcome=TaskOutcome(Code.BLOCKED), kept=kept)
    assert finish_task(lease=lost, outcome=TaskOutcome(Code.BLOCKED))
    assert scrape.more("cartwright_evidence_kept_files_total") == {
        ("html", "failure"): 1, ("screenshot", "failure"): 1,
    }  # fmt: skip
    sizes = {row[0]: row[1] for row in db.session.execute(select(Evidence.kind, Evidence.bytes))}
    assert scrape.more("cartwright_evidence_kept_bytes_total") == {
        (kind, "failure"): size for kind, size in sizes.items()
    }


def test_what_expires_is_counted_with_its_bytes(farm: FarmDriver, scrape: Scrape) -> None:
    task_id, *_ = farm.task_ids(farm.submit())
    add_evidence(task_id, b"12345", expires_at=utc_now() - timedelta(seconds=5))
    add_evidence(task_id, b"123")
    assert evidence.purge_evidence() == 1
    assert evidence.purge_evidence() == 0
    assert scrape.more(FILES) == {("expired",): 1}
    assert scrape.more(BYTES) == {("expired",): 5}


@pytest.mark.parametrize(("small", "reason"), [("job_mb", "job_full"), ("max_mb", "store_full")])
def test_what_makes_room_is_counted_by_what_was_full(
    farm: FarmDriver, scrape: Scrape, monkeypatch: pytest.MonkeyPatch, small: str, reason: str
) -> None:
    monkeypatch.setattr(evidence, "MEGABYTE", 1)
    present = farm.app.extensions["settings"]
    limits = replace(present.evidence, **({"job_mb": 1000, "max_mb": 1000} | {small: 8}))
    monkeypatch.setitem(farm.app.extensions, "settings", replace(present, evidence=limits))
    task_id, *_ = farm.task_ids(farm.submit())
    for _ in range(3):
        add_evidence(task_id, b"12345")
    evidence.purge_evidence()
    assert scrape.more(FILES) == {(reason,): 2}
    assert scrape.more(BYTES) == {(reason,): 10}


def test_older_pages_of_a_storefront_that_has_enough_are_counted(
    farm: FarmDriver, scrape: Scrape, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = farm.app.extensions["settings"]
    limits = replace(present.evidence, replay_samples=1)
    monkeypatch.setitem(farm.app.extensions, "settings", replace(present, evidence=limits))
    job = farm.submit()
    for _ in range(3):
        add_evidence(farm.task_ids(job)[0], b"1234", kind=Kind.HTML, why=Why.PAGE, pages_of=job.storefront_id)
    assert evidence.purge_evidence() == 2
    assert scrape.more(FILES) == {("pages_full",): 2}
    assert scrape.more(BYTES) == {("pages_full",): 8}


def test_a_file_without_a_row_is_counted_when_it_is_swept(farm: FarmDriver, scrape: Scrape) -> None:
    with evidence_store().writing("evidence/1/2/3/screenshot.jpg") as target:
        target.write(b"1234567")
    assert evidence.sweep_evidence(now=utc_now()) == 0
    assert evidence.sweep_evidence(now=utc_now() + timedelta(hours=2)) == 1
    assert scrape.more(FILES) == {("no_row",): 1}
    assert scrape.more(BYTES) == {("no_row",): 7}
