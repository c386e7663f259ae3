"""A slot of periodic work fires once, however many dispatchers look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Flask
from sqlalchemy import func, select, update

from app.core.extensions import db
from app.core.outbox import Outbox
from app.core.schedule import Schedule, fire_due
from app.core.transactions import in_transaction
from tests.concurrency import at_once

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
