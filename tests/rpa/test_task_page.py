"""The page of one task."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select

from app.core.extensions import db
from app.core.orm import utc_now
from app.rpa.models.jobs import Attempt
from app.rpa.rules.codes import RULES, Code
from app.rpa.rules.readings import Kind, PageFacts, TaskOutcome
from app.rpa.services import outcomes
from tests.auth.people import new_person
from tests.browsing import Visitor
from tests.rpa.conftest import FarmDriver, stock_master
from tests.rpa.keeping import add_evidence
from tests.servers import on_sqlite

HOSTILE = '"><script>alert(1)</script>'


def failed_task(app: Flask, *, expired: bool = False) -> tuple[int, list[int]]:
    """A task whose only attempt failed on a hostile page, and its evidence."""
    with app.app_context():
        stock_master()
        farm = FarmDriver(app)
        farm.storefront()
        task_id = farm.task_ids(farm.submit(name=HOSTILE))[0]
        farm.release()
        lease = farm.leased(task_id)
        facts = PageFacts("javascript:alert(1)", 200, {"navigate": 412}, "150.0", {HOSTILE: [HOSTILE], "name": "x"})
        outcomes.finish_task(lease=lease, outcome=TaskOutcome(Code.BLOCKED, detail=HOSTILE, facts=facts))
        attempt = db.session.scalars(select(Attempt.id)).one()
        about: dict[str, Any] = {"attempt_id": attempt, "expires_at": utc_now() + timedelta(days=-1 if expired else 1)}
        html = add_evidence(task_id, gzip.compress(b"<p>"), kind=Kind.HTML, **about).id
        return task_id, [html, add_evidence(task_id, b"jpeg", **about).id]


def visitor(app: Flask, role: str = "admin") -> Visitor:
    new_person(app, "ada@example.org", role=role)
    return Visitor(app, "ada@example.org")


def test_a_task_shows_what_was_asked_what_happened_and_what_to_do(app: Flask) -> None:
    task_id, (html, picture) = failed_task(app)
    shown = visitor(app).client.get(f"/admin/tasks/{task_id}").text
    for said in ("View product", "B000000001", "BLOCKED", RULES[Code.BLOCKED].advice, "navigate", "412", "Failed"):
        assert said in shown
    assert f'<img src="/api/v1/evidence/{picture}"' in shown
    assert f'href="/api/v1/evidence/{html}" download' in shown


@on_sqlite
def test_nothing_that_a_page_said_becomes_part_of_ours(app: Flask) -> None:
    task_id, _ = failed_task(app)
    shown = visitor(app).client.get(f"/admin/tasks/{task_id}").text
    assert "<script>alert" not in shown
    assert shown.count("&lt;script&gt;alert(1)") >= 4
    assert 'href="javascript:' not in shown


@on_sqlite
def test_what_has_expired_is_not_on_the_page(app: Flask) -> None:
    task_id, _ = failed_task(app, expired=True)
    assert "/api/v1/evidence/" not in visitor(app).client.get(f"/admin/tasks/{task_id}").text


@on_sqlite
def test_html_is_looked_at_in_a_sandboxed_frame_that_only_this_page_may_have(app: Flask) -> None:
    task_id, (html, _) = failed_task(app)
    ada = visitor(app)
    answer = ada.client.get(f"/admin/tasks/{task_id}")
    frames = re.findall(r"<iframe ([^>]*)>", answer.text)
    assert len(frames) == 1
    assert frames[0].startswith(f'sandbox src="/api/v1/evidence/{html}?framed=true"')
    assert "; frame-src 'self';" in answer.headers["Content-Security-Policy"]
    assert "; frame-src 'none';" in ada.client.get("/admin/jobs").headers["Content-Security-Policy"]


@on_sqlite
def test_only_who_may_read_jobs_sees_tasks(app: Flask) -> None:
    task_id, _ = failed_task(app)
    assert visitor(app, role="customer").client.get(f"/admin/tasks/{task_id}").status_code == 403
    assert "/login" in app.test_client().get(f"/admin/tasks/{task_id}").headers["Location"]


@on_sqlite
def test_a_task_that_there_is_not_is_said_to_be_missing(app: Flask) -> None:
    assert visitor(app).client.get("/admin/tasks/999").status_code == 404
