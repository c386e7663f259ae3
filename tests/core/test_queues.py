"""The doorbell runs registered names only, and a Redis that is away stops nobody. The worker is a real one."""

from __future__ import annotations

import dataclasses
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from rq import Callback, Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer

from app import create_base
from app.config import Settings
from app.core import outbox
from app.core.extensions import db
from app.core.queues import BACKGROUND, BATCH, Doorbell, RegisteredJob, doorbell
from app.core.transactions import in_transaction
from tests.servers import make_settings, on_sqlite

pytestmark = [pytest.mark.usefixtures("database", "kept_signals"), on_sqlite]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the registered function ``note`` was called with."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(RegisteredJob, "functions", {"note": lambda *args: calls.append(args)})
    return calls


@pytest.fixture
def bell(context: Flask) -> Doorbell:
    return doorbell()


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An importable module that must not even be imported."""
    (tmp_path / "hostile_module.py").write_text("def run(*args, **kwargs): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "hostile_module"
    sys.modules.pop("hostile_module", None)


def work(bell: Doorbell, name: str = BATCH) -> None:
    """Run everything on a queue, as the pool's workers do."""
    worker = SimpleWorker([bell.queue(name)], connection=bell.redis, serializer=JSONSerializer, job_class=RegisteredJob)
    worker.work(burst=True)


def careless(bell: Doorbell) -> Queue:
    """The queue as anybody with access to Redis may use it."""
    return Queue(BATCH, connection=bell.redis, serializer=JSONSerializer)


def test_a_registered_function_is_run_with_its_ids(bell: Doorbell, done: list[tuple[Any, ...]]) -> None:
    assert bell.ring(BATCH, "note", [("task-1-1", (1, 1)), ("task-2-1", (2, 1))]) is True
    work(bell)
    assert done == [(1, 1), (2, 1)]
    assert bell.queue(BATCH).job_ids == []


def test_ringing_for_nothing_is_fine(bell: Doorbell) -> None:
    assert bell.ring(BATCH, "note", []) is True
    assert bell.queue(BATCH).job_ids == []


def test_a_message_leaves_redis_by_itself(bell: Doorbell, done: list[tuple[Any, ...]]) -> None:
    bell.ring(BATCH, "note", [("task-1-1", (1,))])
    assert 0 < bell.redis.ttl("rq:job:task-1-1") <= 3600
    work(bell)
    assert bell.redis.exists("rq:job:task-1-1") == 0


def test_an_importable_path_is_not_run(bell: Doorbell, done: list[tuple[Any, ...]], tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    careless(bell).enqueue("subprocess.check_output", ["touch", str(proof)], job_id="evil")
    work(bell)
    assert not proof.exists()
    assert bell.queue(BATCH).failed_job_registry.get_job_ids() == ["evil"]
    failed = Job.fetch("evil", connection=bell.redis, serializer=JSONSerializer).latest_result()
    assert failed is not None
    assert "no job is registered as 'subprocess.check_output'" in (failed.exc_string or "")


@pytest.mark.parametrize("name", ["hostile_module.run", "os.system", "note.__call__", "builtins.print", "Note", ""])
def test_no_other_name_is_run_or_even_imported(
    bell: Doorbell, done: list[tuple[Any, ...]], hostile: str, name: str
) -> None:
    careless(bell).enqueue(name or "x.y", job_id="evil")
    if not name:
        bell.redis.hset("rq:job:evil", "data", b'["", null, [], {}]')
    work(bell)
    assert done == []
    assert hostile not in sys.modules
    assert bell.queue(BATCH).failed_job_registry.get_job_ids() == ["evil"]


def test_a_message_cannot_bring_a_callback_along(bell: Doorbell, done: list[tuple[Any, ...]], hostile: str) -> None:
    callback = Callback(f"{hostile}.run")
    for job_id, function in (("good", "note"), ("evil", "x.y")):
        careless(bell).enqueue(function, job_id=job_id, on_success=callback, on_failure=callback, on_stopped=callback)
    work(bell)
    assert len(done) == 1
    assert hostile not in sys.modules


def test_a_message_that_is_not_json_is_not_run(bell: Doorbell, done: list[tuple[Any, ...]], tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    Queue(BATCH, connection=bell.redis).enqueue("os.mkdir", str(proof), job_id="pickled")
    work(bell)
    assert not proof.exists()
    assert done == []


def test_whether_a_queue_still_holds_a_message_is_known(bell: Doorbell, done: list[tuple[Any, ...]]) -> None:
    bell.ring(BATCH, "note", [("task-1-1", (1,)), ("task-2-1", (2,))])
    asked = [(BATCH, "task-2-1"), (BATCH, "task-9-1"), (BACKGROUND, "task-1-1"), (BATCH, "task-1-1")]
    assert bell.held(asked) == [True, False, False, True]
    work(bell)
    assert bell.held(asked) == [False] * 4
    assert bell.held([]) == []


@pytest.mark.parametrize("url", ["unix:///nowhere/redis.sock", "redis://127.0.0.1:1/0"])
def test_without_redis_ringing_fails_within_moments_and_everything_counts_as_held(url: str) -> None:
    bell = Doorbell(dataclasses.replace(make_settings("sqlite://", "unix:///nowhere"), redis_queue_url=url))
    began = time.monotonic()
    assert bell.ring(BATCH, "note", [("task-1-1", (1,))]) is False
    assert bell.held([(BATCH, "task-1-1"), (BATCH, "task-2-1")]) == [True, True]
    assert time.monotonic() - began < 5


def test_a_redis_that_accepts_but_never_answers_is_given_up_after_a_second(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute.sock"))
        mute.listen(5)
        url = f"unix://{tmp_path}/mute.sock"
        bell = Doorbell(dataclasses.replace(make_settings("sqlite://", "unix:///nowhere"), redis_queue_url=url))
        began = time.monotonic()
        assert bell.ring(BATCH, "note", [("task-1-1", (1,))]) is False
        assert 0.9 < time.monotonic() - began < 10


def test_work_is_done_although_redis_is_away_and_delivered_when_it_is_back(
    context: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered: list[int] = []

    def note(user_id: int) -> None:
        delivered.append(user_id)

    def deliver(outbox_id: int) -> None:
        assert outbox.deliver(outbox_id, {"mail": note})

    monkeypatch.setattr(RegisteredJob, "functions", {"deliver_outbox": deliver})

    @in_transaction
    def ask(user_id: int) -> None:
        outbox.add("mail", key=f"mail:{user_id}", user_id=user_id)

    away = create_base(dataclasses.replace(settings, redis_queue_url="unix:///nowhere/redis.sock"))
    with away.app_context():
        ask(1)
        db.engine.dispose()
    ask(2)
    work(doorbell(), BACKGROUND)
    assert delivered == [2]

    @in_transaction
    def wait_long() -> None:
        for row in db.session.scalars(db.select(outbox.Outbox)):
            row.rung_until = row.not_before

    wait_long()
    assert outbox.ring_due() == 1
    work(doorbell(), BACKGROUND)
    assert delivered == [2, 1]
