"""Column kinds and clocks mean the same on every database."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import StatementError

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import count_changed, database_now, ping, utc_now
from app.core.schedule import Schedule
from app.core.transactions import in_transaction
from tests.servers import on_sqlite

NOON = datetime(2026, 3, 4, 12, 0, 0, 123456, UTC)


@in_transaction
def keep(*rows: object) -> None:
    db.session.add_all(rows)


def slots(**where: object) -> list[datetime]:
    db.session.rollback()
    db.session.expunge_all()
    return list(db.session.scalars(sa.select(Schedule.slot_at).filter_by(**where).order_by(Schedule.slot_at)))


@pytest.mark.parametrize(
    ("one", "other"),
    [("résumé", "resume"), ("Key", "key"), ("ß", "ss"), ("İ", "i"), ("ａ", "a"), ("🔑", "🗝"), ("e\u0301", "é")],
)
def test_keys_that_only_look_alike_differ(context: Flask, one: str, other: str) -> None:
    keep(Schedule(name=one, slot_at=NOON), Schedule(name=other, slot_at=NOON))
    for name in (one, other):
        found = db.session.scalars(sa.select(Schedule.name).where(Schedule.name == name)).all()
        assert found == [name]


def test_an_instant_keeps_its_microseconds_and_comes_back_in_utc(context: Flask) -> None:
    in_india = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    keep(Schedule(name="india", slot_at=in_india), Schedule(name="late", slot_at=NOON.replace(microsecond=999999)))
    (read,) = slots(name="india")
    assert read == NOON
    assert read.tzinfo is UTC
    assert slots(name="late") == [NOON.replace(microsecond=999999)]


def test_instants_are_compared_to_the_microsecond(context: Flask) -> None:
    moments = [NOON + timedelta(microseconds=step) for step in (0, 1, 2)]
    keep(*(Schedule(name="tick", slot_at=moment) for moment in reversed(moments)))
    assert slots() == moments
    later = sa.select(Schedule.slot_at).where(Schedule.slot_at > moments[0], Schedule.slot_at < moments[2])
    assert db.session.scalars(later).all() == [moments[1]]


def test_an_instant_without_a_time_zone_is_refused(context: Flask) -> None:
    with pytest.raises(StatementError, match="time zone"):
        keep(Schedule(name="naive", slot_at=datetime(2026, 3, 4, 12)))  # noqa: DTZ001  # that is the point
    assert slots() == []


def test_the_databases_clock_is_the_real_one_in_utc(context: Flask) -> None:
    before = utc_now() - timedelta(milliseconds=2)
    shown = database_now(db.session())
    assert before <= shown <= utc_now() + timedelta(milliseconds=2)
    assert shown.tzinfo is UTC
    ahead = database_now(db.session(), plus_s=90.5) - shown
    assert timedelta(seconds=90.5) <= ahead < timedelta(seconds=95)


def test_the_databases_clock_goes_on_within_a_transaction_and_never_back(context: Flask) -> None:
    @in_transaction
    def look() -> list[datetime]:
        session = db.session()
        shown = [database_now(session) for _ in range(50)]
        time.sleep(0.03)
        return [*shown, database_now(session)]

    shown = look()
    assert shown == sorted(shown)
    assert shown[-1] - shown[0] >= timedelta(milliseconds=28)


def test_a_compare_and_set_counts_the_rows_it_met_even_when_nothing_in_them_changes(context: Flask) -> None:
    keep(*(Schedule(name=name, slot_at=NOON) for name in ("a", "b", "c")))

    @in_transaction
    def change() -> list[int]:
        session = db.session()
        same = sa.update(Schedule).where(Schedule.name.in_(["a", "b"])).values(slot_at=NOON)
        none = sa.update(Schedule).where(Schedule.name == "x").values(slot_at=NOON)
        return [count_changed(session, step) for step in (same, none, sa.delete(Schedule).where(Schedule.name == "c"))]

    assert change() == [2, 0, 1]
    assert len(slots()) == 2


def test_identifiers_and_documents_are_kept_exactly(context: Flask) -> None:
    document = {"text": "Kettle ☕ 🫖 \u00e9", "number": 2**53 - 1, "nothing": None, "list": [1.5, True]}
    row = AuditEvent(
        action="note", subject_kind="note", subject_id=2**62 + 1, after=document, actor_kind="user", actor_id=None
    )
    keep(row)
    db.session.expunge_all()
    read = db.session.scalars(sa.select(AuditEvent)).one()
    assert (read.subject_id, read.after, read.before) == (2**62 + 1, document, None)


@on_sqlite
def test_sqlite_checks_foreign_keys_and_lets_readers_read_beside_a_writer(context: Flask) -> None:
    settings = {name: db.session.scalar(sa.text(f"PRAGMA {name}")) for name in ("foreign_keys", "journal_mode")}
    assert settings == {"foreign_keys": 1, "journal_mode": "wal"}


def test_a_database_that_answers_passes_the_check(context: Flask) -> None:
    ping(db.session())
