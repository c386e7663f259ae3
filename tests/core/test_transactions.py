"""One use case, one transaction: isolation, repetition after real conflicts, and what happens around the commit."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from app.core.extensions import db
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.core.transactions import (
    ATTEMPTS,
    NestedTransaction,
    NoTransaction,
    after_commit,
    before_next_commit,
    in_transaction,
    is_retryable,
)
from tests.core.conftest import AtOnce
from tests.servers import on_servers, on_sqlite


def add_tally(name: str) -> Outbox:
    """Add a row whose ``attempts`` is a number to count with."""
    row = Outbox(kind="tally", unique_key=name, arguments={}, not_before=utc_now(), attempts=0)
    db.session.add(row)
    db.session.flush()
    return row


@in_transaction
def make_tallies(*names: str) -> None:
    for name in names:
        add_tally(name)


def bump(name: str) -> None:
    db.session.execute(sa.update(Outbox).where(Outbox.unique_key == name).values(attempts=Outbox.attempts + 1))


def tallies() -> dict[str, int]:
    """All tallies as another connection sees them."""
    with db.engine.connect() as connection:
        rows = connection.execute(sa.select(Outbox.unique_key, Outbox.attempts).order_by(Outbox.unique_key))
        return {row.unique_key: row.attempts for row in rows}


@in_transaction
def look_twice(*, between: Callable[[], object]) -> tuple[list[str], list[str]]:
    seen = sa.select(Outbox.unique_key).order_by(Outbox.unique_key)
    first = list(db.session.scalars(seen))
    between()
    return first, list(db.session.scalars(seen))


def insert_elsewhere() -> None:
    row = {"kind": "tally", "unique_key": "new", "arguments": {}, "not_before": utc_now(), "attempts": 0}
    with db.engine.begin() as connection:
        connection.execute(sa.insert(Outbox).values(row))


@on_servers
def test_a_service_runs_at_read_committed(context: Flask) -> None:
    levels: list[str] = []

    @in_transaction
    def look() -> None:
        levels.append(db.session.connection().get_isolation_level())

    look()
    assert levels == ["READ COMMITTED"]
    assert look_twice(between=insert_elsewhere) == ([], ["new"])


@on_sqlite
def test_on_sqlite_a_service_holds_the_write_lock_from_its_first_moment(context: Flask) -> None:
    def try_to_write() -> None:
        with (
            contextlib.closing(sqlite3.connect(str(db.engine.url.database), timeout=0)) as other,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("BEGIN IMMEDIATE")

    assert look_twice(between=try_to_write) == ([], [])
    insert_elsewhere()
    assert tallies() == {"new": 0}


@on_sqlite
def test_on_sqlite_readers_go_on_beside_a_writer(context: Flask) -> None:
    make_tallies("one")

    @in_transaction
    def write() -> dict[str, int]:
        bump("one")
        return tallies()

    assert write() == {"one": 0}
    assert tallies() == {"one": 1}


@on_servers
def test_a_deadlock_is_repeated_until_both_have_done_their_work(app: Flask, at_once: AtOnce) -> None:
    with app.app_context():
        make_tallies("a", "b")
    both_hold_one = threading.Barrier(2)
    runs: list[str] = []
    effects: list[str] = []

    @in_transaction
    def bump_both(first: str, second: str) -> str:
        runs.append(first)
        after_commit(lambda: effects.append(first))
        bump(first)
        if runs.count(first) == 1:
            both_hold_one.wait(timeout=10)
        bump(second)
        return first

    assert at_once(lambda: bump_both("a", "b"), lambda: bump_both("b", "a")) == ["a", "b"]
    with app.app_context():
        assert tallies() == {"a": 2, "b": 2}
    assert len(runs) > 2
    assert sorted(effects) == ["a", "b"]


@on_servers
def test_a_deadlock_in_a_savepoint_is_repeated_too(app: Flask, at_once: AtOnce) -> None:
    with app.app_context():
        make_tallies("a", "b")
    both_hold_one = threading.Barrier(2)
    runs: list[str] = []

    @in_transaction
    def bump_both(first: str, second: str) -> str:
        runs.append(first)
        bump(first)
        if runs.count(first) == 1:
            both_hold_one.wait(timeout=10)
        with db.session().begin_nested():
            bump(second)
        return first

    assert at_once(lambda: bump_both("a", "b"), lambda: bump_both("b", "a")) == ["a", "b"]
    with app.app_context():
        assert tallies() == {"a": 2, "b": 2}
    assert len(runs) > 2


@on_servers
def test_what_has_to_be_in_the_commit_is_prepared_again_when_the_service_is_repeated(
    app: Flask, at_once: AtOnce
) -> None:
    with app.app_context():
        make_tallies("a", "b")
    both_hold_one = threading.Barrier(2)
    runs: list[str] = []

    @in_transaction
    def bump_first(first: str) -> str:
        runs.append(first)
        bump(first)
        if runs.count(first) == 1:
            both_hold_one.wait(timeout=10)
        return "b" if first == "a" else "a"

    def with_preparation(first: str) -> str:
        with before_next_commit(bump):
            return bump_first(first)

    assert at_once(lambda: with_preparation("a"), lambda: with_preparation("b")) == ["b", "a"]
    with app.app_context():
        assert tallies() == {"a": 2, "b": 2}
    assert len(runs) > 2


@contextlib.contextmanager
def impatient_sqlite() -> Iterator[list[object]]:
    """Wait 10 ms for the lock instead of 15 s; yields the errors that the database gives."""
    found: list[object] = []

    def hurry(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA busy_timeout=10")

    def note(context: sa.ExceptionContext) -> None:
        found.append(context.original_exception)

    sa.event.listen(db.engine, "checkout", hurry)
    sa.event.listen(db.engine, "handle_error", note)
    try:
        yield found
    finally:
        sa.event.remove(db.engine, "checkout", hurry)
        sa.event.remove(db.engine, "handle_error", note)
        db.session.remove()
        db.engine.dispose()


@contextlib.contextmanager
def another_writer() -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(str(db.engine.url.database), check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


@on_sqlite
def test_a_busy_sqlite_is_tried_again(context: Flask) -> None:
    with impatient_sqlite() as errors, another_writer() as other:
        release = threading.Timer(0.1, other.rollback)
        release.start()
        make_tallies("late")
        release.join()
        assert tallies() == {"late": 0}
    assert 1 <= len(errors) < ATTEMPTS


@on_sqlite
def test_a_sqlite_that_stays_busy_is_given_up_after_six_attempts(context: Flask) -> None:
    with impatient_sqlite() as errors, another_writer():
        with pytest.raises(OperationalError, match="locked"):
            make_tallies("never")
        assert len(errors) == ATTEMPTS
        assert tallies() == {}
    make_tallies("later")
    assert tallies() == {"later": 0}


def test_a_service_that_fails_leaves_nothing(context: Flask) -> None:
    effects: list[str] = []

    @in_transaction
    def fail() -> None:
        add_tally("half")
        after_commit(lambda: effects.append("done"))
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert tallies() == {}
    assert effects == []
    make_tallies("next")
    assert tallies() == {"next": 0}


def test_a_broken_rule_of_the_database_is_not_repeated_and_undoes_it_all(context: Flask) -> None:
    runs: list[int] = []

    @in_transaction
    def add_twice() -> None:
        runs.append(1)
        add_tally("other")
        add_tally("same")
        add_tally("same")

    with pytest.raises(IntegrityError):
        add_twice()
    assert runs == [1]
    assert tallies() == {}


def test_a_service_inside_another_by_accident_is_refused_and_undoes_both(context: Flask) -> None:
    @in_transaction
    def outer() -> None:
        add_tally("outer")
        make_tallies("inner")

    with pytest.raises(NestedTransaction, match="make_tallies"):
        outer()
    assert tallies() == {}


def test_a_joined_service_is_part_of_the_open_transaction(context: Flask) -> None:
    @in_transaction
    def outer(*, fails: bool) -> None:
        make_tallies.joined("inner")
        add_tally("outer")
        if fails:
            raise RuntimeError("after joining")

    with pytest.raises(RuntimeError, match="after joining"):
        outer(fails=True)
    assert tallies() == {}
    outer(fails=False)
    assert tallies() == {"inner": 0, "outer": 0}


def test_joining_and_effects_need_a_transaction(context: Flask) -> None:
    with pytest.raises(NoTransaction):
        make_tallies.joined("alone")
    with pytest.raises(NoTransaction):
        after_commit(lambda: None)
    assert tallies() == {}


def test_an_effect_after_the_commit_sees_what_was_committed_and_may_write_itself(context: Flask) -> None:
    seen: list[dict[str, int]] = []

    @in_transaction
    def work() -> str:
        add_tally("first")
        after_commit(lambda: seen.append(tallies()))
        after_commit(lambda: make_tallies("second"))
        assert seen == []
        return "result"

    assert work() == "result"
    assert seen == [{"first": 0}]
    assert tallies() == {"first": 0, "second": 0}


def test_an_effect_that_fails_is_only_logged(context: Flask, caplog: pytest.LogCaptureFixture) -> None:
    effects: list[str] = []

    def fail() -> None:
        raise OSError("the queue is away")

    @in_transaction
    def work() -> str:
        add_tally("kept")
        after_commit(fail)
        after_commit(lambda: effects.append("the next one"))
        return "result"

    with caplog.at_level(logging.ERROR):
        assert work() == "result"
    assert tallies() == {"kept": 0}
    assert effects == ["the next one"]
    assert "the queue is away" in caplog.text


def test_the_first_service_of_a_block_is_prepared_with_its_result_and_no_other(context: Flask) -> None:
    @in_transaction
    def answer(text: str) -> str:
        return text

    with before_next_commit(make_tallies.joined):
        assert answer("first") == "first"
        assert answer("second") == "second"
    assert answer("third") == "third"
    assert tallies() == {"first": 0}


def test_a_preparation_that_fails_undoes_the_service(context: Flask) -> None:
    def lose(_result: object) -> None:
        raise RuntimeError("the claim is lost")

    with before_next_commit(lose), pytest.raises(RuntimeError, match="the claim is lost"):
        make_tallies("undone")
    assert tallies() == {}


def test_a_preparation_is_forgotten_when_its_block_ends_without_a_service(context: Flask) -> None:
    with before_next_commit(lambda _: make_tallies.joined("wrong")):
        pass
    make_tallies("right")
    assert tallies() == {"right": 0}


def test_a_service_aside_leaves_the_preparation_to_the_work_itself(context: Flask) -> None:
    with before_next_commit(lambda _: make_tallies.joined("prepared")):
        make_tallies.aside("note")
        assert tallies() == {"note": 0}
        make_tallies("work")
    assert tallies() == {"note": 0, "prepared": 0, "work": 0}


def test_a_service_that_is_tried_and_fails_leaves_the_preparation_to_the_next_one(context: Flask) -> None:
    @in_transaction
    def refuse() -> None:
        add_tally("refused")
        raise LookupError

    with before_next_commit(lambda _: make_tallies.joined("prepared")):
        with pytest.raises(LookupError):
            refuse.tried()
        assert tallies() == {}
        make_tallies.tried("work")
        make_tallies.tried("more")
    assert tallies() == {"more": 0, "prepared": 0, "work": 0}


def test_a_service_sees_what_others_changed_even_in_a_record_that_is_still_held(context: Flask) -> None:
    @in_transaction
    def make() -> Outbox:
        return add_tally("held")

    @in_transaction
    def read() -> int:
        return db.session.scalars(sa.select(Outbox)).one().attempts

    held = make()
    with db.engine.begin() as connection:
        connection.execute(sa.update(Outbox).values(attempts=9))
    assert read() == 9
    assert held.attempts == 9


def test_a_service_ends_the_read_before_it(context: Flask) -> None:
    assert db.session.scalars(sa.select(Outbox)).all() == []
    insert_elsewhere()
    assert look_twice(between=bool) == (["new"], ["new"])


@on_servers
def test_a_repeated_service_waits_longer_each_time_and_gives_up_in_the_end(context: Flask) -> None:
    """The server itself reports the conflict, as it would for a lock that stays."""
    statements = {
        "mysql": "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found'",
        "postgresql": "DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$",
    }
    moments: list[float] = []

    @in_transaction
    def conflict() -> None:
        moments.append(time.monotonic())
        db.session.execute(sa.text(statements[db.engine.dialect.name]))

    with pytest.raises(OperationalError):
        conflict()
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert len(pauses) == ATTEMPTS - 1
    assert all(pause >= 0.005 * 2**attempt for attempt, pause in enumerate(pauses, 1))


REPORTS = {
    "mysql": "SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'reported'",
    "postgresql": "DO $$ BEGIN RAISE EXCEPTION 'reported' USING ERRCODE = '{state}'; END $$",
}


@on_servers
@pytest.mark.parametrize(
    ("states", "repeated"),
    [
        ({"mysql": ("40001", 1213), "postgresql": ("40P01", 0)}, True),
        ({"mysql": ("HY000", 1205), "postgresql": ("55P03", 0)}, True),
        ({"mysql": ("HY000", 1020), "postgresql": ("40001", 0)}, True),
        ({"mysql": ("23000", 1062), "postgresql": ("23505", 0)}, False),
        ({"mysql": ("42000", 1064), "postgresql": ("57014", 0)}, False),
    ],
    ids=["deadlock", "lock timeout", "snapshot conflict", "duplicate", "other error"],
)
def test_only_conflicts_with_others_are_worth_repeating(
    context: Flask, states: dict[str, tuple[str, int]], repeated: bool
) -> None:
    dialect = db.engine.dialect.name
    state, number = states[dialect]
    with pytest.raises(DBAPIError) as report:
        db.session.execute(sa.text(REPORTS[dialect].format(state=state, number=number)))
    assert is_retryable(report.value) is repeated


@on_servers
def test_a_lock_that_is_not_had_in_time_is_tried_again(context: Flask) -> None:
    impatient = {
        "mysql": "SET STATEMENT innodb_lock_wait_timeout = 0 FOR UPDATE outbox SET attempts = 5",
        "postgresql": "SET LOCAL lock_timeout = '20ms'; UPDATE outbox SET attempts = 5",
    }
    make_tallies("locked")
    runs: list[int] = []

    @in_transaction
    def change() -> None:
        runs.append(1)
        db.session.connection().exec_driver_sql(impatient[db.engine.dialect.name])

    with db.engine.connect() as other:
        other.execute(sa.update(Outbox).values(attempts=1))
        release = threading.Timer(0.1, other.rollback)
        release.start()
        change()
        release.join()
    assert len(runs) > 1
    assert tallies() == {"locked": 5}
