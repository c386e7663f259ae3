"""The pages of jobs: what they show, and what can be asked of a job there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.core import permissions
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.rpa.models.jobs import Job, JobState, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.codes import RULES, Code
from app.rpa.rules.readings import TaskOutcome
from app.rpa.services import controlling, ending
from app.rpa.services.outcomes import finish_task
from tests.auth.people import new_person
from tests.auth.staff import hire
from tests.browsing import Visitor
from tests.rpa.conftest import ASINS, SUCCESS, FarmDriver, stock_master
from tests.servers import on_sqlite

pytestmark = on_sqlite
PAGE = "/admin/jobs"
SYSTEM = permissions.system()
HOSTILE = '"><script>alert(1)</script>'


def job_of(app: Flask, *ends: TaskOutcome, name: str = "Mornings") -> tuple[int, list[int]]:
    """A job of five products, of which the first ones ended so; its id and those of its tasks."""
    with app.app_context():
        stock_master()
        farm = FarmDriver(app)
        farm.storefront()
        job = farm.submit(name=name)
        farm.release()
        ids = farm.task_ids(job)
        for task_id, outcome in zip(ids, ends, strict=False):
            assert finish_task(lease=farm.leased(task_id), outcome=outcome)
        ending.finish_jobs()
        return job.id, ids


def end(app: Flask, job_id: int) -> None:
    """Cancel what is left of a job."""
    with app.app_context():
        controlling.cancel_job(actor=SYSTEM, job_id=job_id)
        ending.end_open_tasks()
        ending.finish_jobs()


def operator(app: Flask) -> Visitor:
    new_person(app, "ada@example.org", role="farm operator")
    return Visitor(app, "ada@example.org")


def text_of(page: str) -> str:
    """What a page says, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def state(app: Flask, job_id: int) -> str:
    with app.app_context():
        return db.session.scalars(select(Job.state).where(Job.id == job_id)).one()


def count(app: Flask, row: Any) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(row)) or 0


BLOCKED, GONE = TaskOutcome(Code.BLOCKED), TaskOutcome(Code.NOT_FOUND)


def test_jobs_are_listed_the_newest_first_with_progress_and_what_they_wait_for(app: Flask) -> None:
    ada = operator(app)
    assert "No job yet" in ada.get(PAGE).text
    first, _ = job_of(app, SUCCESS, BLOCKED)
    with app.app_context():
        second = FarmDriver(app).submit(name="Second").id
        controlling.pause_job(actor=SYSTEM, job_id=second)
    page = ada.get(PAGE).text
    assert page.index(f'href="{PAGE}/{second}"') < page.index(f'href="{PAGE}/{first}"')
    assert 'max="5" value="2" aria-label="Mornings"' in page
    assert "2 of 5" in page
    assert "Paused by system, until it is resumed." in page


def test_lists_are_filtered_and_cut_into_pages(app: Flask) -> None:
    ada = operator(app)
    job_id, _ = job_of(app)
    with app.app_context():
        farm = FarmDriver(app)
        farm.storefront("other")
        for _ in range(51):
            controlling.pause_job(actor=SYSTEM, job_id=farm.submit(["B000000001"], storefront="other", name="x").id)
    everywhere = ada.get(PAGE).text
    assert everywhere.count('aria-label="x"') == 50
    following = re.search(r'href="([^"]+)" rel="next"', everywhere)
    assert following is not None
    older = ada.get(following[1].replace("&amp;", "&")).text
    assert (older.count('aria-label="x"'), older.count('aria-label="Mornings"')) == (1, 1)
    for query, found in (("state=RUNNING", 1), ("storefront=shop", 1), ("state=COMPLETED", 0), ("lane=interactive", 0)):
        shown = ada.get(f"{PAGE}?{query}").text
        assert (shown.count('aria-label="Mornings"'), 'aria-label="x"' in shown) == (found, False), query
        assert ("No job fits" in shown) is (found == 0)
    assert f'href="{PAGE}/{job_id}"' in ada.get(f"{PAGE}?state=nonsense&storefront=shop&cursor=").text


def test_a_job_shows_how_its_tasks_ended_why_and_what_limits_it(app: Flask) -> None:
    job_id, ids = job_of(app, SUCCESS, BLOCKED, GONE)
    page = operator(app).get(f"{PAGE}/{job_id}").text
    said = text_of(page)
    for words in ("3 of 5", "1 succeeded", "1 failed", "1 refused by the shop", RULES[Code.BLOCKED].advice):
        assert words in said
    assert "It cannot be said while no worker is alive." in said
    assert "the workers that are alive" in said
    for task_id, asin in zip(ids, ASINS, strict=True):
        assert f'href="/admin/tasks/{task_id}">{asin}' in page
    assert f'href="{PAGE}/{job_id}?code=BLOCKED"' in page


def test_tasks_are_filtered_by_state_and_code(app: Flask) -> None:
    job_id, ids = job_of(app, SUCCESS, BLOCKED, GONE)
    ada = operator(app)
    for query, found in (
        ("state=SUCCEEDED", ids[:1]), ("code=BLOCKED", ids[1:2]), ("state=REFUSED&code=NOT_FOUND", ids[2:3]),
        ("state=REFUSED&code=BLOCKED", []), ("state=nonsense&code=x", ids),
    ):  # fmt: skip
        page = ada.get(f"{PAGE}/{job_id}?{query}").text
        assert [int(each) for each in re.findall(r'href="/admin/tasks/(\d+)"', page)] == found, query
        assert ("No task fits" in page) is (found == [])


def test_a_job_is_paused_resumed_and_cancelled_from_its_page(app: Flask) -> None:
    job_id, _ = job_of(app)
    ada, path = operator(app), f"{PAGE}/{job_id}"
    for act, after, offered, withheld in (
        ("pause", JobState.PAUSED, "resume", "pause"), ("resume", JobState.RUNNING, "pause", "resume"),
        ("cancel", JobState.CANCELLING, None, "cancel"),
    ):  # fmt: skip
        answer = ada.send(f"{path}/{act}", on=path)
        assert (answer.status_code, answer.headers["Location"], state(app, job_id)) == (302, path, after)
        page = ada.get(path).text
        assert f'action="{path}/{withheld}"' not in page
        assert offered is None or f'action="{path}/{offered}"' in page
    with app.app_context():
        found = select(AuditEvent.action, AuditEvent.actor_kind).where(AuditEvent.topic == "job")
        rows = db.session.execute(found.where(AuditEvent.actor_kind == "user").order_by(AuditEvent.id)).all()
    assert [row[0] for row in rows] == ["job.pause", "job.resume", "job.cancel"]


def test_who_cancels_a_job_is_asked_first(app: Flask) -> None:
    job_id, _ = job_of(app)
    page = operator(app).get(f"{PAGE}/{job_id}").text
    asked = page.index('<details class="confirm">')
    assert asked < page.index(f'action="{PAGE}/{job_id}/cancel"') < page.index("</details>", asked)


def test_what_failed_is_retried_by_a_new_job_whose_page_opens(app: Flask) -> None:
    job_id, _ = job_of(app, SUCCESS, BLOCKED)
    end(app, job_id)
    ada, path = operator(app), f"{PAGE}/{job_id}"
    answer = ada.send(f"{path}/retry", on=path)
    with app.app_context():
        made = db.session.scalars(select(Job).where(Job.parent_id == job_id)).one()
        assert (made.total_count, answer.headers["Location"]) == (1, f"{PAGE}/{made.id}")
        made_id = made.id
    assert f'href="{path}">job {job_id}' in ada.get(f"{PAGE}/{made_id}").text


@pytest.mark.parametrize("is_active", [True, False])
def test_a_retry_that_is_refused_says_why_and_makes_nothing(app: Flask, *, is_active: bool) -> None:
    job_id, _ = job_of(app, SUCCESS, *([] if is_active else [BLOCKED]))
    if not is_active:
        end(app, job_id)
        with app.app_context():
            shop = db.session.get_one(Job, job_id).storefront_id
            db.session.get_one(Storefront, shop).is_active = False
            db.session.commit()
    ada, path = operator(app), f"{PAGE}/{job_id}"
    answer = ada.send(f"{path}/retry", on=path)
    assert (answer.status_code, answer.headers["Location"], count(app, Job)) == (302, path, 1)
    said = "can be retried when it has ended" if is_active else "names no active storefront"
    assert said in ada.get(path).text


def test_an_ended_job_offers_nothing_but_a_retry_and_does_not_refresh(app: Flask) -> None:
    job_id, _ = job_of(app, SUCCESS, BLOCKED)
    ada, path = operator(app), f"{PAGE}/{job_id}"
    assert "data-live" in ada.get(path).text
    assert '<noscript><meta http-equiv="refresh"' in ada.get(path).text
    end(app, job_id)
    page = ada.get(path).text
    assert re.findall(rf'action="{path}/(\w+)"', page) == ["retry"]
    assert "data-live" not in page
    assert 'http-equiv="refresh"' not in page
    answer = ada.send(f"{path}/pause", on=path)
    assert (answer.status_code, state(app, job_id)) == (302, JobState.CANCELLED)
    assert "has ended" in ada.get(path).text


def test_who_may_only_read_has_no_buttons_and_is_refused(app: Flask) -> None:
    job_id, _ = job_of(app)
    eve, path = Visitor(app, hire(app, "eve", ["jobs:read"]).email), f"{PAGE}/{job_id}"
    assert f'action="{path}/' not in eve.get(path).text
    for act in ("pause", "resume", "cancel", "retry"):
        assert eve.send(f"{path}/{act}", on="/account").status_code == 403
    assert (state(app, job_id), count(app, Job)) == (JobState.RUNNING, 1)


def test_the_menu_leads_to_jobs_those_who_may_read_them(app: Flask) -> None:
    job_id, _ = job_of(app)
    for name, held, status in (("eve", ["jobs:read"], 200), ("bob", ["products:read"], 403)):
        visitor = Visitor(app, hire(app, name, held).email)
        assert (f'href="{PAGE}"' in visitor.get("/account").text) is (status == 200)
        assert [visitor.get(path).status_code for path in (PAGE, f"{PAGE}/{job_id}")] == [status, status]
    assert operator(app).get(f"{PAGE}/999999").status_code == 404


def test_what_people_and_pages_wrote_is_text(app: Flask) -> None:
    job_id, _ = job_of(app, TaskOutcome(Code.BLOCKED, detail=HOSTILE), name=HOSTILE)
    ada = operator(app)
    for path in (PAGE, f"{PAGE}/{job_id}"):
        page = ada.get(path).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_a_task_leads_back_to_its_job(app: Flask) -> None:
    job_id, ids = job_of(app)
    with app.app_context():
        assert db.session.get_one(Task, ids[0]).state == TaskState.QUEUED
    assert f'class="crumb" href="{PAGE}/{job_id}"' in operator(app).get(f"/admin/tasks/{ids[0]}").text
