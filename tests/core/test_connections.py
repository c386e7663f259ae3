"""Connections of the pool: those that are gone are not used, and what one has open is undone."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, event, func, insert, select, text
from sqlalchemy.exc import OperationalError

from app.core import orm
from app.core.extensions import db
from app.core.orm import table_of, utc_now
from app.core.outbox import Outbox
from app.core.transactions import in_transaction
from tests.servers import on_servers

pytestmark = on_servers
_MINE = {"mysql": "SELECT CONNECTION_ID()", "postgresql": "SELECT pg_backend_pid()"}
_END = {"mysql": "KILL {}", "postgresql": "SELECT pg_terminate_backend({})"}


def _row(key: str) -> dict[str, Any]:
    now = utc_now()
    times = {"not_before": now, "created_at": now, "updated_at": now}
    return {"kind": "k", "unique_key": key, "arguments": {}, "attempts": 0, **times}


def test_connections_that_the_server_ended_while_they_were_idle_are_replaced(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orm, "IDLE_S", 0.0)
    kind = db.engine.dialect.name
    db.engine.dispose()
    with db.engine.connect() as first, db.engine.connect() as second:
        numbers = [one.scalar(text(_MINE[kind])) for one in (first, second)]
    other_pool = create_engine(db.engine.url)
    with other_pool.connect() as third:
        for number in numbers:
            third.execute(text(_END[kind].format(number)))
    other_pool.dispose()
    for _ in range(4):
        with db.engine.connect() as one, db.engine.connect() as other:
            assert one.scalar(text(_MINE[kind])) not in numbers
            assert other.scalar(text(_MINE[kind])) not in numbers


def test_a_connection_that_answered_a_moment_ago_is_not_asked(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    known = db.engine.dialect.do_ping

    def note(connection: Any) -> bool:
        asked.append(1)
        return known(connection)

    monkeypatch.setattr(db.engine.dialect, "do_ping", note)
    monkeypatch.setattr(orm, "IDLE_S", 3600.0)
    for _ in range(3):
        with db.engine.connect() as connection:
            connection.scalar(text("SELECT 1"))
    assert asked == []
    monkeypatch.setattr(orm, "IDLE_S", 0.0)
    with db.engine.connect():
        assert asked == [1]


def test_a_connection_that_is_lost_in_a_transaction_ends_that_one_and_no_other(context: Flask) -> None:
    table, kind = table_of(Outbox), db.engine.dialect.name

    @in_transaction
    def write(*, key: str, is_lost: bool) -> None:
        db.session.execute(insert(table), _row(key))
        if is_lost:
            _end_from_outside(db.session.scalar(text(_MINE[kind])))
        db.session.scalar(text("SELECT 1"))

    with pytest.raises(OperationalError):
        write(key="lost", is_lost=True)
    write(key="kept", is_lost=False)
    assert db.session.scalars(select(table.c.unique_key)).all() == ["kept"]


def _end_from_outside(number: int) -> None:
    other_pool = create_engine(db.engine.url)
    with other_pool.connect() as third:
        third.execute(text(_END[third.dialect.name].format(number)))
    other_pool.dispose()


@pytest.mark.parametrize("before", ["nothing", "a commit", "a rollback"])
def test_what_a_connection_has_open_is_undone_when_it_is_given_back(context: Flask, before: str) -> None:
    table = table_of(Outbox)
    db.engine.dispose()
    with db.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        if before != "nothing":
            connection.execute(insert(table), _row("before"))
            (connection.commit if before == "a commit" else connection.rollback)()
        connection.execute(insert(table), _row("left open"))
    with db.engine.connect() as again:
        assert again.connection.dbapi_connection is raw
        again.execute(insert(table), _row("after"))
        again.commit()
    with db.engine.connect() as connection:
        found = set(connection.scalars(select(table.c.unique_key)))
    assert found == {"after"} | ({"before"} if before == "a commit" else set())


def test_a_read_sees_nothing_of_before_and_a_commit_needs_no_rollback(context: Flask) -> None:
    table, undone = table_of(Outbox), []
    event.listen(db.engine, "rollback", lambda _connection: undone.append(1))
    with db.engine.begin() as connection:
        connection.execute(insert(table), _row("first"))
    assert undone == []
    with db.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(table)) == 1
    assert undone == [1]
