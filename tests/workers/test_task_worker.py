"""The worker that runs task messages: each once, and none of them is kept."""

from __future__ import annotations

import logging
import os
import signal
from typing import Any

import pytest
from flask import Flask
from rq.serializers import JSONSerializer

from app.core.queues import BATCH, INTERACTIVE, TASK_QUEUES, RegisteredJob, doorbell
from app.rpa.services import trials
from tests.servers import on_sqlite
from workers.worker import TaskWorker

pytestmark = [pytest.mark.usefixtures("context", "kept_signals"), on_sqlite]


@pytest.fixture
def worker(context: Flask) -> TaskWorker:
    bell = doorbell()
    queues = [bell.queue(name) for name in TASK_QUEUES]
    return TaskWorker(queues, connection=bell.redis, serializer=JSONSerializer, job_class=RegisteredJob)


def test_messages_are_run_in_the_order_of_their_lanes_and_then_forgotten(
    worker: TaskWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[Any, ...]] = []
    functions = dict.fromkeys(("run_task", "run_trial"), lambda *args: done.append(args))
    monkeypatch.setattr(RegisteredJob, "functions", functions)
    bell = doorbell()
    bell.ring(BATCH, "run_task", [("task-1-1", (1, 1)), ("task-2-1", (2, 1))])
    trials.ring([7, 8], 0)
    bell.ring(INTERACTIVE, "run_task", [("task-3-1", (3, 1))])
    worker.work(burst=True)
    assert done == [(3, 1), (7,), (8,), (1, 1), (2, 1)]
    assert bell.redis.keys("*task-*") + bell.redis.keys("*trial-*") == []


def test_a_message_that_fails_is_told_of_and_forgotten_and_the_next_one_runs(
    worker: TaskWorker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []

    def run(task_id: int) -> None:
        if task_id == 1:
            raise RuntimeError("of our own")
        done.append(task_id)

    monkeypatch.setattr(RegisteredJob, "functions", {"run_task": run})
    bell = doorbell()
    bell.ring(BATCH, "run_task", [("task-1-1", (1,)), ("task-2-1", (2,))])
    bell.queue(BATCH).enqueue("os.getpid", job_id="evil")
    with caplog.at_level(logging.ERROR):
        worker.work(burst=True)
    assert done == [2]
    assert ["message task-1-1 failed" in caplog.text, "message evil failed" in caplog.text] == [True, True]
    assert "no job is registered as 'os.getpid'" in caplog.text
    assert bell.redis.keys("*task-*") + bell.redis.keys("*evil*") == []


def test_a_worker_that_is_asked_to_end_within_a_message_ends_after_it(
    worker: TaskWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    def run(task_id: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        done.append(task_id)

    monkeypatch.setattr(RegisteredJob, "functions", {"run_task": run})
    doorbell().ring(BATCH, "run_task", [("task-1-1", (1,)), ("task-2-1", (2,))])
    worker.work(burst=True)
    assert done == [1]
    assert doorbell().queue(BATCH).job_ids == ["task-2-1"]


def test_rq_hears_that_a_busy_worker_lives_now_and_then_and_whenever_it_asks_for_a_time(worker: TaskWorker) -> None:
    worker.heartbeat()
    key, redis = worker.key, doorbell().redis
    redis.hset(key, "last_heartbeat", "a while ago")
    worker.heartbeat()
    assert redis.hget(key, "last_heartbeat") == b"a while ago"
    worker.heartbeat(timeout=50)
    assert redis.hget(key, "last_heartbeat") != b"a while ago"
    assert redis.ttl(key) <= 50
    worker._beaten_at -= 60
    worker.heartbeat()
    assert redis.ttl(key) > 50
