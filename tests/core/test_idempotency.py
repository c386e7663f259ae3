"""A POST that is sent twice is done once, whatever is in flight, lost or late."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core import idempotency
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.idempotency import (
    KEEP_S,
    LOCK_S,
    Answer,
    AnswerNotStored,
    Claim,
    ClaimLost,
    IdempotencyKey,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
)
from app.core.orm import database_now
from app.core.transactions import in_transaction
from tests.core.conftest import AtOnce

ANSWER = Answer(201, {"Location": "/notes/1", "Content-Type": "application/json"}, '{"text":"Kettle ☕"}')


def claim(key: str = "key-1", *, principal: str = "user:7", asked: str = "hash-1") -> Claim | Answer:
    return idempotency.claim(principal=principal, key=key, request_hash=asked)


def claimed(key: str = "key-1") -> Claim:
    mine = claim(key)
    assert isinstance(mine, Claim)
    return mine


@in_transaction
def shift(column: str, *, seconds: float) -> None:
    """Move a time of every key to this long from now on the database's clock."""
    moment = database_now(db.session(), plus_s=seconds)
    db.session.execute(sa.update(IdempotencyKey).values({column: moment}))


def rows() -> list[IdempotencyKey]:
    db.session.rollback()
    return list(db.session.scalars(sa.select(IdempotencyKey).order_by(IdempotencyKey.id)))


def test_a_key_is_claimed_for_a_minute_and_kept_for_a_day_on_the_databases_clock(context: Flask) -> None:
    claimed()
    (row,) = rows()
    now = database_now(db.session())
    assert timedelta(seconds=LOCK_S - 5) < row.locked_until - now <= timedelta(seconds=LOCK_S)
    assert timedelta(seconds=KEEP_S - 5) < row.expires_at - now <= timedelta(seconds=KEEP_S)


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "ключ", "line\nbreak", "tab\t", "\x00"])
def test_a_malformed_key_is_refused(context: Flask, key: str) -> None:
    with pytest.raises(Invalid) as refusal:
        claim(key)
    assert [error.pointer for error in refusal.value.errors] == ["/Idempotency-Key"]
    assert rows() == []


@pytest.mark.parametrize("key", ["k", "k" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "!~"])
def test_any_other_key_is_taken(context: Flask, key: str) -> None:
    claimed(key)
    assert [row.key for row in rows()] == [key]


def test_of_several_at_once_exactly_one_gets_the_claim(app: Flask, at_once: AtOnce) -> None:
    found = at_once(*[claim] * 4)
    assert sorted(type(one).__name__ for one in found) == ["Claim"] + ["IdempotencyKeyInUse"] * 3
    with app.app_context():
        assert len(rows()) == 1


def test_a_key_differs_by_principal_and_by_case(context: Flask) -> None:
    claims = [claim("key"), claim("KEY"), claim("key", principal="user:8")]
    assert len({one.id for one in claims if isinstance(one, Claim)}) == 3


def test_a_completed_key_gives_its_answer_again(context: Flask) -> None:
    idempotency.complete_alone(claimed(), ANSWER)
    assert claim() == ANSWER
    assert claim() == ANSWER


def test_a_long_answer_is_kept_whole(context: Flask) -> None:
    answer = Answer(200, {}, "☕" * 100_000)
    idempotency.complete_alone(claimed(), answer)
    assert claim() == answer


def test_another_request_with_the_key_is_refused_before_and_after_it_is_done(context: Flask) -> None:
    mine = claimed()
    with pytest.raises(IdempotencyKeyReused):
        claim(asked="hash-2")
    idempotency.complete_alone(mine, ANSWER)
    with pytest.raises(IdempotencyKeyReused):
        claim(asked="hash-2")
    assert claim() == ANSWER


def test_an_answer_with_a_secret_is_not_given_again(context: Flask) -> None:
    idempotency.complete_alone(claimed(), None)
    with pytest.raises(AnswerNotStored):
        claim()
    assert [(row.status, row.headers, row.body) for row in rows()] == [(None, None, None)]


def test_a_released_key_may_be_used_for_another_request(context: Flask) -> None:
    idempotency.release(claimed())
    assert rows() == []
    assert isinstance(claim(asked="hash-2"), Claim)


def test_releasing_forgets_no_answer(context: Flask) -> None:
    mine = claimed()
    idempotency.complete_alone(mine, ANSWER)
    idempotency.release(mine)
    assert claim() == ANSWER


def test_a_claim_that_a_crash_left_is_taken_over_when_its_lock_ends(context: Flask) -> None:
    crashed = claimed()
    shift("locked_until", seconds=5)
    with pytest.raises(IdempotencyKeyInUse):
        claim()
    shift("locked_until", seconds=-0.01)
    mine = claimed()
    assert mine.token != crashed.token
    with pytest.raises(IdempotencyKeyInUse):
        claim()
    idempotency.complete_alone(mine, ANSWER)
    assert claim() == ANSWER


def test_of_several_heirs_at_once_exactly_one_takes_a_claim_over(app: Flask, at_once: AtOnce) -> None:
    with app.app_context():
        claimed()
        shift("locked_until", seconds=-1)
    found = at_once(*[claim] * 4)
    assert sorted(type(one).__name__ for one in found) == ["Claim"] + ["IdempotencyKeyInUse"] * 3


def test_who_lost_the_claim_can_neither_complete_nor_release_it(context: Flask) -> None:
    late = claimed()
    shift("locked_until", seconds=-1)
    heir = claimed()
    with pytest.raises(ClaimLost):
        idempotency.complete_alone(late, Answer(200, {}, "late"))
    idempotency.release(late)
    with pytest.raises(IdempotencyKeyInUse):
        claim()
    idempotency.complete_alone(heir, ANSWER)
    with pytest.raises(ClaimLost):
        idempotency.complete_alone(late, Answer(200, {}, "late"))
    assert claim() == ANSWER


def test_an_answer_and_the_work_exist_together_or_not_at_all(context: Flask) -> None:
    mine = claimed()

    @in_transaction
    def work() -> None:
        idempotency.complete(mine, ANSWER)
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        work()
    with pytest.raises(IdempotencyKeyInUse):
        claim()


def test_after_a_day_a_key_is_forgotten(context: Flask) -> None:
    idempotency.complete_alone(claimed(), ANSWER)
    shift("expires_at", seconds=5)
    assert claim() == ANSWER
    shift("expires_at", seconds=-0.01)
    assert isinstance(claim(asked="hash-2"), Claim)
    (row,) = rows()
    assert (row.request_hash, row.completed_at, row.body) == ("hash-2", None, None)


def test_expired_keys_are_purged_and_others_stay(context: Flask) -> None:
    claimed("old")
    claimed("older")
    shift("expires_at", seconds=-1)
    claimed("new")
    assert idempotency.purge_expired() == 2
    assert [row.key for row in rows()] == ["new"]
