"""Periodic work: one row per slot, so that however many dispatchers look, a slot fires once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import UniqueConstraint, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.core import outbox
from app.core.extensions import db
from app.core.orm import Base, Instant, PrimaryKey, database_now, key_text
from app.core.transactions import in_transaction


class Schedule(Base):
    """One slot of one periodic job that has been fired."""

    __tablename__ = "schedule"
    __table_args__ = (UniqueConstraint("name", "slot_at"),)

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(key_text(64))
    slot_at: Mapped[Instant]


def fire_timetable(*, timetable: Mapping[str, timedelta]) -> int:
    """Fire what is due of all this periodic work as ``fire_due`` does; returns how many slots it fired.

    Where nothing is due that is one look. What fails leaves the others their turn; raises ExceptionGroup in the end.
    """
    fired, failures = 0, []
    for name in _not_fired(timetable):
        try:
            fired += fire_due(name=name, every=timetable[name])
        except Exception as failure:  # noqa: BLE001  # raised below, after the others had their turn
            db.session.rollback()
            failures.append(failure)
    if failures:
        raise ExceptionGroup("periodic work could not be fired", failures)
    return fired


def _not_fired(timetable: Mapping[str, timedelta]) -> list[str]:
    """The work whose newest slot that was fired is not the present one."""
    session = db.session()
    now = database_now(session)
    newest = select(Schedule.name, func.max(Schedule.slot_at)).where(Schedule.name.in_(timetable))
    fired = {row[0]: row[1] for row in session.execute(newest.group_by(Schedule.name))}
    session.rollback()
    return [name for name, every in timetable.items() if fired.get(name) != _slot(now, every)]


def _slot(now: datetime, every: timedelta) -> datetime:
    return datetime.fromtimestamp(now.timestamp() // every.total_seconds() * every.total_seconds(), UTC)


def fire_due(*, name: str, every: timedelta) -> bool:
    """Fire the present slot of a periodic job unless it was fired: an outbox row of kind ``name``.

    Slots are counted from 1970 in steps of ``every``; slots that were missed while nothing ran are not caught up.
    """
    try:
        return _fire(name=name, every=every)
    except IntegrityError:
        return False  # another dispatcher fired the slot between our look and our row


@in_transaction
def _fire(*, name: str, every: timedelta) -> bool:
    session = db.session()
    slot = _slot(database_now(session), every)
    fired = select(Schedule.id).where(Schedule.name == name, Schedule.slot_at == slot)
    if session.scalar(fired) is not None:
        return False
    session.add(Schedule(name=name, slot_at=slot))
    session.execute(delete(Schedule).where(Schedule.name == name, Schedule.slot_at < slot - 10 * every))
    session.flush()
    outbox.add(name, key=f"{name}:{slot.isoformat()}")
    return True
