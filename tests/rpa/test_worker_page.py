"""The page of the workers, and what is told to them there."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.rpa.models.workers import Wanted, Worker
from app.rpa.services import leases
from tests.auth.people import new_person
from tests.auth.staff import hire
from tests.browsing import Visitor
from tests.servers import on_sqlite

pytestmark = on_sqlite
PAGE = "/admin/workers"


@pytest.fixture
def worker_id(app: Flask) -> int:
    with app.app_context():
        return leases.register_worker(name="one", host="farm-1", pid=1)


def wanted(app: Flask, worker_id: int) -> str:
    with app.app_context():
        return db.session.scalars(select(Worker.wanted).where(Worker.id == worker_id)).one()


def audited(app: Flask) -> list[tuple[str, str]]:
    with app.app_context():
        found = select(AuditEvent.action, AuditEvent.actor_kind).where(AuditEvent.topic == "worker")
        return [(row[0], row[1]) for row in db.session.execute(found.order_by(AuditEvent.id))]


def operator(app: Flask) -> Visitor:
    new_person(app, "ada@example.org", role="farm operator")
    return Visitor(app, "ada@example.org")


def test_a_worker_is_drained_resumed_and_stopped_from_the_page(app: Flask, worker_id: int) -> None:
    ada = operator(app)
    for act, told, offered in (
        ("drain", Wanted.DRAIN, "Resume"), ("resume", Wanted.WORK, "Drain"), ("stop", Wanted.STOP, "told to stop"),
    ):  # fmt: skip
        answer = ada.send(f"{PAGE}/{worker_id}/{act}", {"next": f"{PAGE}?host=farm-1"}, on=PAGE)
        assert (answer.status_code, answer.headers["Location"]) == (302, f"{PAGE}?host=farm-1")
        assert wanted(app, worker_id) == told
        assert offered in ada.get(PAGE).text
    assert audited(app) == [("worker.drain", "user"), ("worker.resume", "user"), ("worker.stop", "user")]
    assert f'action="{PAGE}/{worker_id}/' not in ada.get(PAGE).text


def test_who_stops_a_worker_is_asked_first_without_any_script(app: Flask, worker_id: int) -> None:
    page = operator(app).get(PAGE).text
    asked = page.index('<details class="confirm">')
    assert asked < page.index(f'action="{PAGE}/{worker_id}/stop"') < page.index("</details>", asked)
    assert "cannot be taken back" in page


def test_a_worker_that_is_gone_has_no_buttons_and_who_presses_an_old_one_is_told_why(
    app: Flask, worker_id: int
) -> None:
    ada = operator(app)
    with app.app_context():
        leases.register_worker(name="two", host="farm-1", pid=2)
        leases.retire_worker(worker_id=worker_id)
    assert f"/{worker_id}/drain" not in ada.get(f"{PAGE}?alive=all").text
    assert ada.send(f"{PAGE}/{worker_id}/drain", on=PAGE).headers["Location"] == PAGE
    assert "has stopped or is not heard of" in ada.get(PAGE).text
    assert (wanted(app, worker_id), audited(app)) == (Wanted.WORK, [])


def test_who_may_only_look_has_no_buttons_and_is_refused(app: Flask, worker_id: int) -> None:
    eve = Visitor(app, hire(app, "eve", ["farm:read"]).email)
    assert f"/{worker_id}/" not in eve.get(PAGE).text
    for act in ("drain", "resume", "stop"):
        assert eve.send(f"{PAGE}/{worker_id}/{act}", on="/account").status_code == 403
    assert (wanted(app, worker_id), audited(app)) == (Wanted.WORK, [])


def test_a_form_leads_back_to_a_page_of_ours_only(app: Flask, worker_id: int) -> None:
    answer = operator(app).send(f"{PAGE}/{worker_id}/drain", {"next": "//evil.example"}, on=PAGE)
    assert answer.headers["Location"] == PAGE


def test_two_browsers_of_one_storefront_say_which_is_for_what(app: Flask, worker_id: int) -> None:
    ada = operator(app)
    told = {"storefront_id": 2**40, "version": "Chrome/1", "started_at": "2026-11-21T10:00:00.000000Z", "visits": 3}
    with app.app_context():
        browsers = [told | {"draws": True}, told | {"draws": False}, told]
        leases.heartbeat(worker_id=worker_id, vitals={"browsers": browsers})
    names = re.findall(r"deleted storefront[^<]*", ada.get(PAGE).text)
    assert names == ["deleted storefront: carts, drawn views", "deleted storefront: views", "deleted storefront"]
