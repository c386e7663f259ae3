"""A slot of periodic work fires once, however many dispatchers look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import event, func, select, update

from app.core.extensions import db
from app.core.outbox import Outbox
from app.core.schedule import Schedule, fire_due, fire_timetable
from app.core.transactions import in_transaction
from tests.concurrency import at_once
from tests.servers import on_servers

DAILY = timedelta(days=1)


def effects() -> int:
    return db.session.scalar(select(func.count()).select_from(Outbox)) or 0


@in_transaction
def move_slots_back(*, by: timedelta) -> None:
    for row in db.session.scalars(select(Schedule)):
        row.slot_at -= by
    db.session.execute(update(Outbox).values(unique_key=Outbox.unique_key + "-old"))


def test_a_slot_fires_once(context: Flask) -> None:
    assert fire_due(name="purge", every=DAILY) is True
    assert fire_due(name="purge", every=DAILY) is False
    assert effects() == 1
    row = db.session.scalars(select(Outbox)).one()
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert row.kind == "purge"
    assert row.unique_key.startswith(f"purge:{midnight.date().isoformat()}")


def test_the_next_slot_fires_again_and_missed_ones_do_not(context: Flask) -> None:
    fire_due(name="purge", every=DAILY)
    move_slots_back(by=5 * DAILY)
    assert fire_due(name="purge", every=DAILY) is True
    assert fire_due(name="purge", every=DAILY) is False
    assert effects() == 2


def test_two_kinds_of_work_have_slots_of_their_own(context: Flask) -> None:
    assert fire_due(name="purge", every=DAILY)
    assert fire_due(name="rollup", every=DAILY)
    assert effects() == 2


def test_a_slot_fires_once_with_several_dispatchers_at_once(context: Flask) -> None:
    for at in range(10):
        name = f"work-{at}"
        fired = at_once(context, *[lambda name=name: fire_due(name=name, every=DAILY)] * 4)
        assert sorted(fired) == [False, False, False, True]
    assert effects() == 10


def test_old_slots_are_forgotten(context: Flask) -> None:
    fire_due(name="purge", every=DAILY)
    move_slots_back(by=20 * DAILY)
    fire_due(name="purge", every=DAILY)
    assert db.session.scalar(select(func.count()).select_from(Schedule)) == 1


def test_a_timetable_fires_what_is_due_and_asks_one_question_about_the_rest(context: Flask) -> None:
    fire_due(name="purge", every=DAILY)
    timetable = {"purge": DAILY, "rollup": DAILY, "sweep": timedelta(minutes=1)}
    assert fire_timetable(timetable=timetable) == 2
    assert effects() == 3
    move_slots_back(by=DAILY)
    assert fire_timetable(timetable=timetable) == 3
    db.session.rollback()
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda _c, _k, statement, *_: statements.append(statement))
    fire_timetable(timetable={"purge": DAILY, "rollup": DAILY})
    assert [statement for statement in statements if "schedule" in statement] == statements[-1:]
    assert effects() == 6


@on_servers  # SQLite takes a name of any length
def test_periodic_work_that_cannot_be_fired_leaves_the_others_their_turn(context: Flask) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        fire_timetable(timetable={"rollup": DAILY, "too long" * 20: DAILY, "purge": DAILY})
    assert len(caught.value.exceptions) == 1
    assert effects() == 2
