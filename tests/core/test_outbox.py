"""What has to happen after a commit happens, once, although messages are lost and workers die."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from app import create_base
from app.config import Settings
from app.core import outbox
from app.core.extensions import db
from app.core.orm import database_now
from app.core.outbox import Outbox
from app.core.queues import BACKGROUND, doorbell
from app.core.transactions import in_transaction
from tests.concurrency import at_once


@in_transaction
def ask(*, key: str = "mail:1", then: Callable[[], object] = lambda: None) -> int:
    outbox.add("mail", key=key, order_id=7)
    then()
    return db.session.scalars(select(Outbox.id).where(Outbox.unique_key == key)).one()


@in_transaction
def set_all(**offsets_s: float) -> None:
    now = database_now(db.session())
    db.session.execute(update(Outbox).values({name: now + timedelta(seconds=s) for name, s in offsets_s.items()}))


def only_row() -> Outbox:
    db.session.rollback()
    return db.session.scalars(select(Outbox)).one()


def messages() -> list[list[Any]]:
    return [list(job.args) for job in doorbell().queue(BACKGROUND).jobs]


def nothing(**_ids: object) -> None:
    pass


def fail(**_ids: object) -> None:
    raise OSError("the mail server is away")


def test_an_effect_is_a_row_and_a_message_with_its_id(context: Flask) -> None:
    row_id = ask()
    assert messages() == [[row_id]]
    assert only_row().arguments == {"order_id": 7}
    assert only_row().done_at is None


def test_an_effect_of_a_failed_transaction_leaves_neither_row_nor_message(context: Flask) -> None:
    def no() -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        ask(then=no)
    assert db.session.scalar(select(func.count()).select_from(Outbox)) == 0
    assert messages() == []


def test_the_same_effect_twice_is_an_error_and_undoes_the_second_transaction(context: Flask) -> None:
    ask()
    with pytest.raises(IntegrityError):
        ask()
    assert len(messages()) == 1


def test_an_effect_whose_message_was_lost_is_rung_for_again(
    context: Flask, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    away = create_base(dataclasses.replace(settings, redis_queue_url="unix:///nowhere/redis.sock"))
    with away.app_context(), caplog.at_level(logging.WARNING):
        logging.getLogger().addHandler(caplog.handler)
        row_id = ask()
        db.engine.dispose()
    assert "cannot be reached" in caplog.text
    assert messages() == []
    assert outbox.ring_due() == 0
    set_all(rung_until=-1)
    assert outbox.ring_due() == 1
    assert messages() == [[row_id]]
    assert outbox.ring_due() == 0


def test_an_effect_is_handed_to_its_handler_and_marked_done(context: Flask) -> None:
    seen: list[object] = []
    row_id = ask()
    assert outbox.deliver(row_id, {"mail": lambda **ids: seen.append(ids)}) is True
    assert seen == [{"order_id": 7}]
    assert only_row().done_at is not None
    assert outbox.deliver(row_id, {"mail": lambda **ids: seen.append(ids)}) is False
    assert len(seen) == 1
    set_all(rung_until=-1)
    assert outbox.ring_due() == 0


def test_two_deliverers_at_once_deliver_once(context: Flask) -> None:
    seen: list[object] = []
    entered = threading.Event()

    def handler(**ids: object) -> None:
        seen.append(ids)
        entered.wait(0.2)

    row_id = ask()
    deliver = lambda: outbox.deliver(row_id, {"mail": handler})  # noqa: E731
    assert sorted(at_once(context, deliver, deliver, deliver)) == [False, False, True]
    assert len(seen) == 1


def test_an_effect_that_fails_is_postponed_and_tried_again(context: Flask) -> None:
    row_id = ask()
    with pytest.raises(OSError, match="away"):
        outbox.deliver(row_id, {"mail": fail})
    row = only_row()
    assert (row.attempts, row.last_error, row.done_at) == (1, "OSError: the mail server is away", None)
    assert row.not_before > database_now(db.session())
    assert outbox.deliver(row_id, {"mail": nothing}) is False
    assert outbox.ring_due() == 0
    set_all(not_before=-1)
    assert outbox.ring_due() == 1
    assert outbox.deliver(row_id, {"mail": nothing}) is True
    assert only_row().last_error is None


def test_pauses_double_with_each_failure(context: Flask) -> None:
    row_id = ask()
    for pause in (timedelta(seconds=2), timedelta(seconds=4), timedelta(seconds=8)):
        set_all(not_before=-1)
        before = database_now(db.session())
        with pytest.raises(OSError, match="away"):
            outbox.deliver(row_id, {"mail": fail})
        assert before + pause <= only_row().not_before <= database_now(db.session()) + pause


def test_an_effect_whose_worker_died_is_taken_over_when_its_lease_ends(context: Flask) -> None:
    class Died(BaseException):
        pass

    def die(**_ids: object) -> None:
        raise Died

    row_id = ask()
    with pytest.raises(Died):
        outbox.deliver(row_id, {"mail": die})
    assert outbox.deliver(row_id, {"mail": nothing}) is False
    set_all(leased_until=-1, rung_until=-1)
    assert outbox.ring_due() == 1
    assert outbox.deliver(row_id, {"mail": nothing}) is True


def test_who_lost_the_lease_marks_nothing(context: Flask) -> None:
    row_id = ask()

    def lose_the_lease(**_ids: object) -> None:
        set_all(leased_until=-1)
        with pytest.raises(OSError, match="away"):
            outbox.deliver(row_id, {"mail": fail})

    assert outbox.deliver(row_id, {"mail": lose_the_lease}) is True
    assert only_row().done_at is None
    assert only_row().attempts == 2


def test_an_effect_that_keeps_failing_is_given_up(context: Flask) -> None:
    row_id = ask()

    @in_transaction
    def tire() -> None:
        db.session.execute(update(Outbox).values(attempts=outbox.MAX_ATTEMPTS))

    tire()
    set_all(rung_until=-1)
    assert outbox.ring_due() == 0
    assert outbox.deliver(row_id, {"mail": nothing}) is False
    assert only_row().done_at is None


def test_an_effect_of_an_unknown_kind_is_postponed_not_lost(context: Flask) -> None:
    row_id = ask()
    with pytest.raises(KeyError, match="mail"):
        outbox.deliver(row_id, {})
    assert (only_row().attempts, only_row().last_error) == (1, "KeyError: 'mail'")


def test_the_longest_pause_is_an_hour_and_the_longest_error_fits(context: Flask) -> None:
    row_id = ask()

    @in_transaction
    def tire() -> None:
        db.session.execute(update(Outbox).values(attempts=outbox.MAX_ATTEMPTS - 1))

    def fail_at_length(**_ids: object) -> None:
        raise OSError("é" * 1000)

    tire()
    with pytest.raises(OSError, match="é"):
        outbox.deliver(row_id, {"mail": fail_at_length})
    pause = only_row().not_before - database_now(db.session())
    assert timedelta(seconds=3595) < pause <= timedelta(seconds=3600)
    assert len(only_row().last_error or "") == 500


def test_what_is_done_keeps_no_arguments_which_may_be_somebodys_address(context: Flask) -> None:
    row_id = ask()
    seen: list[object] = []
    assert outbox.deliver(row_id, {"mail": lambda **ids: seen.append(ids)}) is True
    assert (seen, only_row().arguments) == ([{"order_id": 7}], {})


def test_effects_given_up_long_ago_are_purged_too(context: Flask) -> None:
    for key in ("given up", "still tried"):
        ask(key=key)

    @in_transaction
    def tire() -> None:
        mine = update(Outbox).where(Outbox.unique_key == "given up")
        db.session.execute(mine.values(attempts=outbox.MAX_ATTEMPTS))

    tire()
    set_all(not_before=-6 * 86_400)
    assert outbox.purge_done() == 0
    set_all(not_before=-8 * 86_400)
    assert outbox.purge_done() == 1
    assert only_row().unique_key == "still tried"


def test_effects_done_long_ago_are_purged_and_others_stay(context: Flask) -> None:
    old, new = ask(key="old"), ask(key="new")
    outbox.deliver(old, {"mail": nothing})
    set_all(done_at=-8 * 86_400)

    @in_transaction
    def reopen() -> None:
        db.session.execute(update(Outbox).where(Outbox.id == new).values(done_at=None))

    reopen()
    assert outbox.purge_done() == 1
    assert only_row().id == new


def test_messages_hold_registered_names_and_ids_only(context: Flask, redis_url: str) -> None:
    ask()
    job = doorbell().queue(BACKGROUND).jobs[0]
    assert job.func_name == "deliver_outbox"
    with Redis.from_url(f"{redis_url}?db=0") as client:
        stored = client.hgetall(f"rq:job:{job.id}")
    assert b"__reduce__" not in b"".join(stored.values())
