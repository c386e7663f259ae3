"""Reading and keeping robots.txt: a real shop over HTTP, every database, however many workers need it at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.core import permissions
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.rpa.models.jobs import Job, JobState, Task, TaskState
from app.rpa.models.robots import RobotsFile
from app.rpa.models.storefronts import Storefront
from app.rpa.queries.claims import find_released
from app.rpa.queries.storefronts import with_standing
from app.rpa.rules.codes import Code
from app.rpa.rules.robots import ALLOWED, KEPT, MAX_BYTES, State, Verdict
from app.rpa.rules.standstill import Reason
from app.rpa.schemas.politeness import PolitenessIn
from app.rpa.services import robots, storefronts
from app.rpa.services.leases import Lease, claim_task
from tests.rpa.conftest import FarmDriver
from tests.servers import on_sqlite
from tests.workers.allowing import allowed
from tests.workers.shop import Shop

Threads = Callable[[list[Callable[[], Any]]], list[Any]]
DENIES = (200, b"User-agent: *\nDisallow: /p/\n", dict[str, str]())
ALLOWS = (200, b"User-agent: *\nDisallow: /cart\nCrawl-delay: 7\n", dict[str, str]())
BROKEN = (503, b"", dict[str, str]())


def judged(task_id: int) -> Verdict:
    """What robots.txt means for a task, asked as a worker does."""
    return robots.judge_task(find_released(db.session.connection(), task_id))


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop of its own, which nobody has asked for anything yet."""
    running = Shop()
    yield running
    running.close()


@pytest.fixture
def task(farm: FarmDriver, context: Flask, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> int:
    """A released task on the shop's storefront, which obeys its robots.txt."""
    found = context.extensions["settings"]
    farm_of = dataclasses.replace(found.farm, contact="bot@shop.example")
    mine = dataclasses.replace(found, private_targets=frozenset({("127.0.0.1", shop.port)}), farm=farm_of)
    monkeypatch.setitem(context.extensions, "settings", mine)
    _open(shop.document(pace={"gap_ms": 0, "concurrency": 8}))
    return _queue(farm)


def _open(document: dict[str, Any], **politeness: Any) -> Storefront:
    return storefronts.create_storefront(
        actor=permissions.system(), now=utc_now(), code="real", name="Real", profile=document,
        politeness=PolitenessIn().load(politeness),
    )  # fmt: skip


def _queue(farm: FarmDriver) -> int:
    job = farm.submit(storefront="real")
    db.session.execute(update(Task).where(Task.job_id == job.id).values(state=TaskState.QUEUED, release_no=1))
    db.session.execute(update(Job).where(Job.id == job.id).values(state=JobState.RUNNING))
    db.session.commit()
    return farm.task_ids(job)[0]


def _file() -> RobotsFile:
    db.session.rollback()
    return db.session.scalars(select(RobotsFile).execution_options(populate_existing=True)).one()


def _storefront() -> Storefront:
    db.session.rollback()
    found = select(Storefront).where(Storefront.code == "real").execution_options(populate_existing=True)
    return with_standing(db.session.scalars(found).one())


def _let_pass(time: timedelta) -> None:
    """As if what is kept had been read so much earlier."""
    file = _file()
    for name in ("fetched_at", "expires_at", "due_at", "reading_until"):
        if getattr(file, name) is not None:
            setattr(file, name, getattr(file, name) - time)
    db.session.commit()


def _claim(farm: FarmDriver, task: int, verdict: Verdict) -> Lease | None:
    number = farm.task(task).release_no
    return claim_task(task_id=task, release_no=number, worker_id=None, lease_s=30, verdict=verdict)


def _denied(verdict: Verdict) -> bool:
    return verdict.code is Code.ROBOTS_DENIED


def test_the_file_is_read_once_and_then_gone_by_for_a_day(task: int, shop: Shop) -> None:
    shop.robots = ALLOWS
    assert judged(task) == ALLOWED
    shop.robots = DENIES
    assert judged(task) == ALLOWED
    assert shop.paths == ["/robots.txt"]
    file = _file()
    assert (file.state, file.status, file.body, file.is_whole) == (State.RULES, 200, ALLOWS[1].decode(), True)
    assert file.expires_at is not None
    assert file.fetched_at is not None
    assert file.expires_at - file.fetched_at == KEPT
    assert _storefront().crawl_delay_ms == 7000
    _let_pass(timedelta(hours=19))
    assert _denied(judged(task))
    assert _storefront().crawl_delay_ms == 0


@on_sqlite
def test_the_request_names_the_product_and_whom_to_ask(task: int, shop: Shop) -> None:
    judged(task)
    assert shop.requests[0][1]["user-agent"] == "Cartwright/1.0 (+bot@shop.example)"


def test_workers_that_need_it_at_once_ask_once_and_the_others_come_again_in_a_second(
    task: int, shop: Shop, in_threads: Threads
) -> None:
    shop.robots = ALLOWS
    verdicts = in_threads([partial(judged, task) for _ in range(5)])
    assert shop.paths == ["/robots.txt"]
    assert all(verdict == ALLOWED or verdict.wait_until is not None for verdict in verdicts), verdicts
    assert ALLOWED in verdicts
    assert judged(task) == ALLOWED


def test_what_is_denied_takes_no_slot_no_page_and_ends_without_a_visit(farm: FarmDriver, task: int, shop: Shop) -> None:
    shop.robots = DENIES
    verdict = judged(task)
    assert verdict == Verdict(Code.ROBOTS_DENIED, f"{shop.address}/robots.txt disallows {shop.address}/p/B000000001.")
    before = _storefront()
    lease = _claim(farm, task, verdict)
    assert isinstance(lease, Lease)
    assert lease.verdict == verdict
    after = _storefront()
    assert (after.pages_today, after.next_start_at) == (0, before.next_start_at)


@on_sqlite
def test_what_is_denied_ends_also_when_nothing_may_be_visited(farm: FarmDriver, task: int) -> None:
    db.session.execute(update(Storefront).values(paused_until=utc_now() + timedelta(hours=1)))
    db.session.commit()
    assert _claim(farm, task, ALLOWED) is None
    db.session.execute(update(Task).where(Task.id == task).values(state=TaskState.QUEUED))
    db.session.commit()
    assert _claim(farm, task, Verdict(Code.ROBOTS_DENIED, "no")) is not None


@on_sqlite
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_shop_without_one_allows_everything(task: int, shop: Shop, status: int) -> None:
    shop.robots = (status, b"User-agent: *\nDisallow: /", {})
    assert judged(task) == ALLOWED
    assert (_file().state, _file().status, _file().body) == (State.NONE, status, None)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_while_it_cannot_be_read_the_task_waits_and_the_storefront_says_so(
    farm: FarmDriver, task: int, shop: Shop, status: int
) -> None:
    shop.robots = (status, b"", {})
    verdict = judged(task)
    assert verdict.wait_until is not None
    assert timedelta(seconds=50) < verdict.wait_until - utc_now() <= timedelta(seconds=60)
    assert _claim(farm, task, verdict) is None
    back = farm.task(task)
    assert (back.state, back.attempt_count, back.not_before) == (TaskState.READY, 0, verdict.wait_until)
    waits = _storefront().waits
    assert (waits.reason, waits.until) == (Reason.ROBOTS, verdict.wait_until)
    assert farm.release() == 0
    judged(task)
    assert len(shop.paths) == 1, "nobody asks again before it is time"

    _let_pass(timedelta(seconds=61))
    db.session.execute(update(Storefront).values(robots_retry_at=utc_now()))
    db.session.commit()
    shop.robots = ALLOWS
    assert judged(task) == ALLOWED
    assert _storefront().waits is None


@on_sqlite
def test_a_profile_that_leads_elsewhere_does_not_wait_for_the_server_that_was_away(task: int, shop: Shop) -> None:
    shop.robots = BROKEN
    judged(task)
    row = _storefront()
    assert row.waits.reason is Reason.ROBOTS
    other = Shop()
    try:
        with allowed(other.port):
            storefronts.update_storefront(
                actor=permissions.system(), now=utc_now(), storefront_id=row.id, expected_version=row.version,
                name="Real", profile=other.document(), is_active=True,
            )  # fmt: skip
    finally:
        other.close()
    assert _storefront().waits is None


@on_sqlite
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_that_says_when_to_come_again_is_asked_then(task: int, shop: Shop, form: str) -> None:
    after = "600" if form == "seconds" else format_datetime(utc_now() + timedelta(seconds=600), usegmt=True)
    shop.robots = (503, b"", {"Retry-After": after})
    judged(task)
    assert timedelta(seconds=590) < _file().due_at - utc_now() <= timedelta(seconds=600)


@on_sqlite
def test_a_copy_is_gone_by_until_it_is_a_day_old_while_the_server_is_away(task: int, shop: Shop) -> None:
    shop.robots = DENIES
    assert _denied(judged(task))
    shop.robots = BROKEN
    _let_pass(timedelta(hours=20))
    assert _denied(judged(task))
    kept = _file()
    assert (kept.failures, kept.status, kept.problem) == (1, 503, "The server answered 503.")
    assert _storefront().waits is None
    _let_pass(timedelta(hours=4, minutes=1))
    assert judged(task).wait_until is not None
    assert _storefront().waits.reason is Reason.ROBOTS


@on_sqlite
def test_redirects_are_followed_five_times_and_within_the_storefronts_hosts(task: int, shop: Shop) -> None:
    shop.robots = (301, b"", {"Location": "/to?/to?/hello"})
    assert judged(task) == ALLOWED
    assert shop.paths == ["/robots.txt", "/to?/to?/hello", "/to?/hello", "/hello"]
    shop.requests.clear()
    _let_pass(timedelta(hours=25))
    shop.robots = (302, b"", {"Location": "/robots.txt"})
    assert judged(task).wait_until is not None
    assert len(shop.paths) == 6
    assert _file().problem == "It sent us on more than 5 times."


@on_sqlite
@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest", "http://127.0.0.1:1/robots.txt", "//other.example/robots.txt"]
)
def test_a_redirect_to_anywhere_else_is_not_followed_and_nothing_is_taken_for_allowed(
    task: int, shop: Shop, location: str
) -> None:
    shop.robots = (302, b"", {"Location": location})
    assert judged(task).wait_until is not None
    assert "not in allowed_hosts" in (_file().problem or "")
    assert shop.paths == ["/robots.txt"]


@on_sqlite
@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://[::1", "", "javascript:alert(1)"])
def test_a_redirect_to_no_web_address_is_not_followed(task: int, shop: Shop, location: str) -> None:
    shop.robots = (302, b"", {"Location": location} if location else {})
    assert judged(task).wait_until is not None
    assert _file().problem == "It sent us to something that is no web address."


@on_sqlite
def test_a_host_that_may_not_be_asked_is_not_visited_either(
    farm: FarmDriver, task: int, shop: Shop, context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = dataclasses.replace(context.extensions["settings"], private_targets=frozenset())
    monkeypatch.setitem(context.extensions, "settings", closed)
    verdict = judged(task)
    assert verdict.code is Code.ADDRESS_REFUSED
    assert shop.paths == []


@on_sqlite
def test_of_a_file_without_end_half_a_megabyte_is_read(task: int, shop: Shop) -> None:
    line = b"Disallow: /nothing-here\n"
    many = b"User-agent: *\n" + line * (2 * MAX_BYTES // len(line))
    shop.robots = (200, many + b"Disallow: /p/\n", {})
    assert judged(task) == ALLOWED
    kept = _file()
    assert not kept.is_whole
    assert kept.body is not None
    assert MAX_BYTES - 100 < len(kept.body) <= MAX_BYTES


@on_sqlite
def test_bytes_that_are_no_text_are_kept_on_every_database(task: int, shop: Shop) -> None:
    shop.robots = (200, b"\xff\xfe\x00User-agent: *\nDisallow: /p/\n\xf0\x9f\x98\x80", {})
    assert judged(task).wait_until is None
    assert _file().state == State.RULES


@on_sqlite
def test_an_override_asks_nobody(farm: FarmDriver, task: int, shop: Shop) -> None:
    shop.robots = DENIES
    db.session.execute(update(Storefront).values(obeys_robots=False, override_reason="Agreed."))
    db.session.commit()
    assert judged(task) == ALLOWED
    assert shop.paths == []


@on_sqlite
def test_a_storefront_that_is_not_to_be_visited_now_is_not_asked_either(task: int, shop: Shop) -> None:
    db.session.execute(update(Storefront).values(paused_until=utc_now() + timedelta(hours=1)))
    db.session.commit()
    assert judged(task).wait_until is not None
    assert shop.paths == []


def test_who_wants_it_read_again_has_it_read_again_by_a_background_worker(task: int, shop: Shop) -> None:
    judged(task)
    shop.robots = DENIES
    storefront_id = _storefront().id
    robots.refresh_robots(storefront_id=storefront_id)
    assert len(shop.paths) == 1, "it is not due"
    robots.request_refresh(actor=permissions.system(), storefront_id=storefront_id)
    assert db.session.scalars(select(Outbox.arguments).where(Outbox.kind == robots.REFRESH)).one() == {
        "storefront_id": storefront_id
    }
    db.session.rollback()
    robots.refresh_robots(storefront_id=storefront_id)
    assert len(shop.paths) == 2
    assert _denied(judged(task))


@on_sqlite
def test_who_died_while_reading_keeps_the_others_waiting_for_seconds_only(task: int, shop: Shop) -> None:
    judged(task)
    db.session.execute(
        update(RobotsFile).values(
            due_at=utc_now(), expires_at=utc_now(), reading_until=utc_now() + timedelta(seconds=20)
        )
    )
    db.session.commit()
    wait = judged(task).wait_until
    assert wait is not None
    assert wait - utc_now() <= timedelta(seconds=1)
    assert len(shop.paths) == 1
    _let_pass(timedelta(seconds=21))
    assert judged(task) == ALLOWED
    assert len(shop.paths) == 2
