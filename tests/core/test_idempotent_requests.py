"""Idempotency keys over HTTP: real threads, a real crash, and what the caller is told."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core.extensions import db
from app.core.idempotency import IdempotencyKey
from app.core.orm import database_now
from app.core.transactions import in_transaction
from tests.core.notes import kept_notes, pauses

KEY = {"Idempotency-Key": "key-1"}
TIMEOUT_S = 20.0


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    yield
    pauses.clear()


def post(client: FlaskClient, text: str = "kettle", **headers: str) -> TestResponse:
    return client.post("/notes", json={"text": text}, headers=KEY | headers)


def shift(app: Flask, column: str, *, seconds: float) -> None:
    """Move a time of every key to this long from now on the database's clock."""

    @in_transaction
    def work() -> None:
        moment = database_now(db.session(), plus_s=seconds)
        db.session.execute(sa.update(IdempotencyKey).values({column: moment}))

    with app.app_context():
        work()


def notes_in(app: Flask) -> list[str]:
    with app.app_context():
        return kept_notes()


@contextmanager
def in_flight(app: Flask, text: str, send: Callable[[FlaskClient], TestResponse]) -> Iterator[Future[TestResponse]]:
    """A request that has begun its work and goes on when the block ends."""
    begun, go_on = threading.Event(), threading.Event()

    def pause() -> None:
        pauses.pop(text)
        begun.set()
        assert go_on.wait(TIMEOUT_S)

    pauses[text] = pause
    client = app.test_client()
    client.environ_base["HTTP_X_USER"] = "7"
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send, client)
        try:
            assert begun.wait(TIMEOUT_S)
            yield first
        finally:
            go_on.set()


def test_a_repeated_request_gets_the_same_answer_and_is_done_once(notes_app: Flask, notes: FlaskClient) -> None:
    first, second, third = (post(notes) for _ in range(3))
    assert first.status_code == second.status_code == third.status_code == 201
    assert first.data == second.data == third.data
    for name in ("Location", "Content-Type", "ETag"):
        assert first.headers.get(name) == second.headers.get(name)
    assert first.headers["Location"] == f"/notes/{first.get_json()['id']}"
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == third.headers["Idempotent-Replayed"] == "true"
    assert notes_in(notes_app) == ["kettle"]


def test_without_a_key_every_request_is_done(notes_app: Flask, notes: FlaskClient) -> None:
    answers = [notes.post("/notes", json={"text": "kettle"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert notes_in(notes_app) == ["kettle", "kettle"]


def test_of_two_in_flight_one_is_done_and_the_other_is_told_to_wait(notes_app: Flask, notes: FlaskClient) -> None:
    with in_flight(notes_app, "kettle", post) as first:
        second = post(notes)
        assert (second.status_code, second.get_json()["code"]) == (409, "IDEMPOTENCY_KEY_IN_USE")
    assert first.result(TIMEOUT_S).status_code == 201
    assert post(notes).headers["Idempotent-Replayed"] == "true"
    assert notes_in(notes_app) == ["kettle"]


def test_of_many_sent_at_the_same_moment_exactly_one_is_done(notes_app: Flask, notes: FlaskClient) -> None:
    start = threading.Barrier(6)

    def send() -> TestResponse:
        start.wait(TIMEOUT_S)
        return notes_app.test_client().post("/notes", json={"text": "kettle"}, headers=KEY | {"X-User": "7"})

    with ThreadPoolExecutor(6) as pool:
        answers = [future.result(TIMEOUT_S) for future in [pool.submit(send) for _ in range(6)]]
    done = [answer for answer in answers if answer.status_code == 201 and "Idempotent-Replayed" not in answer.headers]
    assert len(done) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert notes_in(notes_app) == ["kettle"]


def test_another_body_or_another_address_with_the_same_key_is_refused(notes_app: Flask, notes: FlaskClient) -> None:
    post(notes)
    for answer in (post(notes, "teapot"), notes.post("/looks", json={"text": "kettle"}, headers=KEY)):
        assert (answer.status_code, answer.get_json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
        assert answer.get_json()["errors"][0]["pointer"] == "/Idempotency-Key"
    assert notes_in(notes_app) == ["kettle"]


def test_two_users_may_have_the_same_key(notes_app: Flask, notes: FlaskClient) -> None:
    answers = [post(notes), notes.post("/notes", json={"text": "mine"}, headers=KEY, environ_base={"HTTP_X_USER": "8"})]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert notes_in(notes_app) == ["kettle", "mine"]


def test_who_may_not_enter_gets_no_stored_answer(notes_app: Flask, notes: FlaskClient) -> None:
    post(notes)
    assert post(notes, **{"X-Reader": "1"}).status_code == 403
    assert notes_app.test_client().post("/notes", json={"text": "kettle"}, headers=KEY).status_code == 401


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "\xe9"])
def test_a_malformed_key_is_refused_and_nothing_is_done(notes_app: Flask, notes: FlaskClient, key: str) -> None:
    answer = notes.post("/notes", json={"text": "kettle"}, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == "/Idempotency-Key"
    assert notes_in(notes_app) == []


def test_a_refused_request_leaves_the_key_free_for_a_corrected_one(notes_app: Flask, notes: FlaskClient) -> None:
    refused = post(notes, "refused")
    assert (refused.status_code, refused.get_json()["errors"][0]["pointer"]) == (422, "/text")
    corrected = post(notes, "accepted")
    assert corrected.status_code == 201
    assert "Idempotent-Replayed" not in corrected.headers
    assert notes_in(notes_app) == ["accepted"]


def test_a_failed_request_leaves_the_key_free(notes_app: Flask, notes: FlaskClient) -> None:
    def fail() -> None:
        pauses.pop("kettle")
        raise OSError("the disk is full")

    pauses["kettle"] = fail
    assert post(notes).status_code == 500
    assert post(notes).status_code == 201
    assert notes_in(notes_app) == ["kettle"]


def test_an_answer_with_a_secret_is_given_once(notes_app: Flask, notes: FlaskClient) -> None:
    first, second = (notes.post("/secrets", headers=KEY) for _ in range(2))
    assert first.get_json() == {"done": True, "secret": "only once"}
    assert (second.status_code, second.get_json()["code"]) == (409, "IDEMPOTENCY_ANSWER_NOT_STORED")
    assert notes_in(notes_app) == ["secret"]
    with notes_app.app_context():
        stored = db.session.scalars(sa.select(IdempotencyKey)).one()
        assert (stored.status, stored.body) == (None, None)


def test_work_that_writes_nothing_is_answered_again_too(notes_app: Flask, notes: FlaskClient) -> None:
    first, second = (notes.post("/looks", headers=KEY) for _ in range(2))
    assert first.get_json() == second.get_json() == {"done": True}
    assert second.headers["Idempotent-Replayed"] == "true"


def test_a_request_whose_claim_was_taken_over_is_undone(notes_app: Flask, notes: FlaskClient) -> None:
    with in_flight(notes_app, "kettle", post) as first:
        shift(notes_app, "locked_until", seconds=-1)
        second = post(notes)
        assert second.status_code == 201
    late = first.result(TIMEOUT_S)
    assert (late.status_code, late.get_json()["code"]) == (409, "IDEMPOTENCY_CLAIM_LOST")
    again = post(notes)
    assert again.data == second.data
    assert again.headers["Idempotent-Replayed"] == "true"
    assert notes_in(notes_app) == ["kettle"]


def test_after_a_crash_the_key_waits_for_its_lock_and_is_then_taken_over(notes_app: Flask, notes: FlaskClient) -> None:
    crash_while(notes_app, lambda: post(notes))
    assert notes_in(notes_app) == []
    waiting = post(notes)
    assert (waiting.status_code, waiting.get_json()["code"]) == (409, "IDEMPOTENCY_KEY_IN_USE")
    shift(notes_app, "locked_until", seconds=-0.01)
    done = post(notes)
    assert done.status_code == 201
    assert "Idempotent-Replayed" not in done.headers
    assert notes_in(notes_app) == ["kettle"]


def crash_while(app: Flask, send: Callable[[], Any]) -> None:
    """Send a request in a process that dies in the middle of it."""
    child = os.fork()
    if child == 0:
        try:
            with app.app_context():
                db.engine.dispose(close=False)  # the parent's connections stay the parent's
            pauses["kettle"] = lambda: os._exit(9)
            send()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 9


def test_after_a_day_the_same_request_is_done_again(notes_app: Flask, notes: FlaskClient) -> None:
    post(notes)
    shift(notes_app, "expires_at", seconds=-0.01)
    again = post(notes)
    assert again.status_code == 201
    assert "Idempotent-Replayed" not in again.headers
    assert notes_in(notes_app) == ["kettle", "kettle"]


def test_the_stored_hash_says_nothing_about_what_was_sent(notes_app: Flask, notes: FlaskClient) -> None:
    body = b'{"text": "kettle"}'
    assert notes.post("/notes", data=body, content_type="application/json", headers=KEY).status_code == 201
    with notes_app.app_context():
        stored = db.session.scalars(sa.select(IdempotencyKey.request_hash)).one()
    bare = hashlib.sha256(b"POST /notes?\n" + body).hexdigest()
    assert len(stored) == 64
    assert stored != bare
