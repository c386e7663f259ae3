"""Firing schedules: each slot once, missed ones caught up once, and no schedule in the way of another."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.auth.models import User
from app.auth.services.accounts import create_administrator
from app.core import permissions
from app.core.extensions import db
from app.core.orm import database_now, utc_now
from app.core.outbox import Outbox
from app.rpa.errors import ScheduleJobOpen, ScheduleJobRefused, ScheduleTimezoneUnknown
from app.rpa.models.jobs import Job, JobState
from app.rpa.models.schedules import JobSchedule, JobScheduleRun, RunState
from app.rpa.models.storefronts import Storefront
from app.rpa.queries.schedules import get_schedule, list_schedules
from app.rpa.services import firing, schedules
from tests.rpa.conftest import ASINS, FarmDriver
from tests.servers import on_servers, on_sqlite

InThreads = Callable[[list[Callable[[], Any]]], list[Any]]
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def wish(**changes: Any) -> dict[str, Any]:
    """A job as POST /jobs takes it."""
    return {"action": "view-product", "storefront": "shop", "name": "check", "asins": ASINS, "quantity": 1} | changes


def schedule(
    *, late: timedelta | None = None, name: str = "s", job: dict[str, Any] | None = None, **timing: Any
) -> int:
    """A schedule, by default every hour, whose next slot was due ``late`` ago."""
    timing = timing or {"every_s": 3600}
    row = schedules.create_schedule(actor=permissions.system(), name=name, wish=job or wish(), **timing)
    if late is not None:
        move(row.id, late)
    return row.id


def move(schedule_id: int, late: timedelta) -> None:
    """Let the next slot of an interval have been due a while ago."""
    due = database_now(db.session()) - late
    moved = update(JobSchedule).where(JobSchedule.id == schedule_id)
    db.session.execute(moved.values(next_at=due, starts_at=due))
    db.session.commit()


def row_of(schedule_id: int) -> JobSchedule:
    db.session.rollback()
    return db.session.get_one(JobSchedule, schedule_id, populate_existing=True)


def runs(schedule_id: int) -> list[JobScheduleRun]:
    """What came of the slots, oldest first."""
    db.session.rollback()
    mine = select(JobScheduleRun).where(JobScheduleRun.schedule_id == schedule_id)
    return list(db.session.scalars(mine.order_by(JobScheduleRun.slot_at)))


def states(schedule_id: int) -> list[str]:
    return [run.state for run in runs(schedule_id)]


def job_count() -> int:
    return db.session.scalar(select(func.count(Job.id))) or 0


def end_jobs() -> None:
    """Let every job have ended."""
    db.session.execute(update(Job).values(state=JobState.COMPLETED))
    db.session.commit()


def test_a_due_slot_becomes_a_job_that_says_where_it_comes_from(farm: FarmDriver) -> None:
    schedule_id = schedule(late=MINUTE)
    slot = row_of(schedule_id).next_at
    assert slot is not None
    assert firing.fire_due() == 1
    (run,) = runs(schedule_id)
    assert (run.state, run.slot_at, run.is_late, run.is_manual, run.code) == (
        RunState.STARTED,
        slot,
        False,
        False,
        None,
    )
    job = farm.job(run.job_id or 0)
    assert (job.schedule_id, job.actor_kind, job.request_id) == (schedule_id, "system", f"schedule-{schedule_id}")
    assert (job.name, job.total_count, job.state) == ("check", 5, JobState.PREPARING)
    row = row_of(schedule_id)
    assert (row.next_at, row.last_run_id, row.last_job_id, row.version) == (slot + HOUR, run.id, job.id, 1)
    assert firing.fire_due() == 0
    assert job_count() == 1


def test_what_is_not_due_yet_or_paused_is_left_alone(farm: FarmDriver) -> None:
    later, paused = schedule(), schedule(late=MINUTE)
    schedules.set_active(actor=permissions.system(), schedule_id=paused, is_active=False)
    assert firing.fire_due() == 0
    assert not firing.fire(schedule_id=later)
    assert not firing.fire(schedule_id=paused)
    assert (states(later), states(paused), job_count()) == ([], [], 0)


def test_however_many_dispatchers_look_a_slot_is_fired_once(
    farm: FarmDriver, in_threads: InThreads, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        schedule_id = schedule(late=3 * HOUR)
        fired = in_threads([partial(firing.fire, schedule_id=schedule_id)] * 4)
        assert sorted(fired, key=str) == [False, False, False, True]
        assert states(schedule_id) == [RunState.MISSED] * 3 + [RunState.STARTED]
        assert db.session.scalar(select(func.count(Job.id)).where(Job.schedule_id == schedule_id)) == 1
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@on_servers
def test_a_schedule_that_somebody_is_changing_is_left_for_the_next_turn(farm: FarmDriver) -> None:
    schedule_id = schedule(late=MINUTE)
    with db.engine.connect() as other:
        other.execute(select(JobSchedule.id).where(JobSchedule.id == schedule_id).with_for_update())
        assert firing.fire_due() == 0
        other.rollback()
    assert firing.fire_due() == 1
    assert states(schedule_id) == [RunState.STARTED]


def test_missed_slots_are_caught_up_once_and_the_others_noted(
    farm: FarmDriver, caplog: pytest.LogCaptureFixture
) -> None:
    schedule_id = schedule(late=3 * HOUR + MINUTE)
    first = row_of(schedule_id).next_at
    assert first is not None
    with caplog.at_level(logging.WARNING):
        firing.fire_due()
    assert [(run.state, run.slot_at, run.is_late) for run in runs(schedule_id)] == [
        (RunState.MISSED, first, True),
        (RunState.MISSED, first + HOUR, True),
        (RunState.MISSED, first + 2 * HOUR, True),
        (RunState.STARTED, first + 3 * HOUR, False),
    ]
    assert row_of(schedule_id).next_at == first + 4 * HOUR
    assert job_count() == 1
    told = [record for record in caplog.records if record.message == "runs of a schedule were missed"]
    assert [(vars(record)["schedule_id"], vars(record)["slots"]) for record in told] == [(schedule_id, 3)]


@on_sqlite
def test_the_one_slot_of_an_outage_runs_late_and_says_so(farm: FarmDriver, caplog: pytest.LogCaptureFixture) -> None:
    in_time, late = schedule(late=9 * MINUTE), schedule(late=11 * MINUTE)
    with caplog.at_level(logging.WARNING):
        firing.fire_due()
    assert [(run.state, run.is_late) for run in runs(in_time) + runs(late)] == [
        (RunState.STARTED, False),
        (RunState.STARTED, True),
    ]
    told = [vars(record)["schedule_id"] for record in caplog.records if record.message.startswith("runs of a")]
    assert told == [late]


@on_sqlite
def test_of_a_long_outage_a_hundred_slots_are_listed_and_the_oldest_says_since_when(farm: FarmDriver) -> None:
    schedule_id = schedule(every_s=60, late=timedelta(days=30))
    first = row_of(schedule_id).next_at
    assert first is not None
    firing.fire_due()
    found = runs(schedule_id)
    assert [run.state for run in found] == [RunState.MISSED] * 100 + [RunState.STARTED]
    assert f"all slots since {first:%Y-%m-%dT%H:%M}" in (found[0].detail or "")
    assert "all slots" not in (found[1].detail or "")


@on_sqlite
def test_only_the_newest_runs_are_kept(farm: FarmDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firing, "KEPT_RUNS", 3)
    other = schedule(late=2 * HOUR)
    firing.fire_due()
    schedule_id = schedule(late=8 * HOUR + MINUTE)
    newest = row_of(schedule_id).next_at
    firing.fire_due()
    move(schedule_id, MINUTE / 2)
    last = row_of(schedule_id).next_at
    firing.fire_due()
    assert newest is not None
    assert [run.slot_at for run in runs(schedule_id)] == [newest + 7 * HOUR, newest + 8 * HOUR, last]
    assert len(runs(other)) == 3


def test_a_run_is_skipped_while_the_job_of_an_earlier_one_is_open(farm: FarmDriver) -> None:
    schedule_id = schedule(late=MINUTE)
    firing.fire_due()
    move(schedule_id, MINUTE / 2)
    assert firing.fire_due() == 1
    assert states(schedule_id) == [RunState.STARTED, RunState.SKIPPED_OVERLAP]
    skipped = runs(schedule_id)[1]
    assert (skipped.job_id, job_count()) == (None, 1)
    assert f"Job {runs(schedule_id)[0].job_id} " in (skipped.detail or "")
    end_jobs()
    move(schedule_id, MINUTE / 4)
    firing.fire_due()
    assert states(schedule_id)[2] == RunState.STARTED
    assert job_count() == 2


def test_a_job_that_is_refused_says_why_leaves_nothing_and_holds_up_no_other(farm: FarmDriver) -> None:
    farm.storefront("closed")
    refused = schedule(late=3 * MINUTE, job=wish(storefront="closed"))
    empty = schedule(late=2 * MINUTE, job=wish(asins=["B0UNKNOWN0"]))
    sound = schedule(late=MINUTE)
    db.session.execute(update(Storefront).where(Storefront.code == "closed").values(is_active=False))
    db.session.commit()
    assert firing.fire_due() == 3
    assert [(run.state, run.code, run.detail) for run in runs(refused) + runs(empty)] == [
        (RunState.FAILED, "STOREFRONT_UNKNOWN", "storefront names no active storefront."),
        (RunState.FAILED, "NOTHING_TO_DO", "asins names no product of the master."),
    ]
    assert states(sound) == [RunState.STARTED]
    assert (job_count(), db.session.scalar(select(func.count(Outbox.id)))) == (1, 1)
    for schedule_id in (refused, empty):
        row = row_of(schedule_id)
        assert row.is_active
        assert row.next_at is not None
        assert row.next_at > database_now(db.session())


def test_a_schedule_that_breaks_is_noted_and_holds_up_no_other(farm: FarmDriver) -> None:
    broken, sound = schedule(late=2 * MINUTE), schedule(late=MINUTE)
    db.session.execute(update(JobSchedule).where(JobSchedule.id == broken).values(wish=wish(action="dance")))
    db.session.commit()
    assert firing.fire_due() == 2
    (run,) = runs(broken)
    assert (run.state, run.code) == (RunState.FAILED, "INTERNAL")
    assert "ValueError" in (run.detail or "")
    assert states(sound) == [RunState.STARTED]
    assert firing.fire_due() == 0


@on_sqlite
def test_a_schedule_of_which_not_even_the_failure_can_be_noted_holds_up_no_other(farm: FarmDriver) -> None:
    hopeless, sound = schedule(late=2 * MINUTE), schedule(late=MINUTE)
    db.session.execute(update(JobSchedule).where(JobSchedule.id == hopeless).values(every_s=0))
    db.session.commit()
    with pytest.raises(ExceptionGroup) as caught:
        firing.fire_due()
    assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]
    assert (states(hopeless), states(sound)) == ([], [RunState.STARTED])


@on_sqlite
def test_one_turn_takes_no_longer_than_its_budget_and_begins_with_the_longest_due(farm: FarmDriver) -> None:
    newer, older = schedule(late=MINUTE), schedule(late=2 * MINUTE)
    assert firing.fire_due(budget_s=0) == 1
    assert (len(runs(older)), len(runs(newer))) == (1, 0)
    assert firing.fire_due(budget_s=0) == 1
    assert len(runs(newer)) == 1


@on_sqlite
def test_a_slot_that_has_its_row_is_not_fired_again_when_the_clock_went_back(farm: FarmDriver) -> None:
    schedule_id = schedule(late=MINUTE)
    slot = row_of(schedule_id).next_at
    firing.fire_due()
    end_jobs()
    db.session.execute(update(JobSchedule).where(JobSchedule.id == schedule_id).values(next_at=slot))
    db.session.commit()
    assert firing.fire_due() == 0
    assert (states(schedule_id), job_count()) == ([RunState.STARTED], 1)
    assert row_of(schedule_id).next_at == (slot or utc_now()) + HOUR


@on_sqlite
def test_a_time_zone_that_is_gone_pauses_the_schedule_and_is_said(farm: FarmDriver) -> None:
    gone, sound = schedule(late=2 * MINUTE, cron="0 6 * * *", timezone="Europe/Berlin"), schedule(late=MINUTE)
    db.session.execute(update(JobSchedule).where(JobSchedule.id == gone).values(timezone="Europe/Atlantis"))
    db.session.commit()
    assert [warning["code"] for warning in get_schedule(gone).warnings] == ["TIMEZONE_UNKNOWN"]
    assert get_schedule(gone).next_runs == []
    assert firing.fire_due() == 2
    assert [(run.state, run.code) for run in runs(gone)] == [(RunState.FAILED, "TIMEZONE_UNKNOWN")]
    assert states(sound) == [RunState.STARTED]
    row = row_of(gone)
    assert (row.is_active, row.next_at, row.version) == (False, None, 2)
    with pytest.raises(ScheduleTimezoneUnknown):
        schedules.set_active(actor=permissions.system(), schedule_id=gone, is_active=True)
    with pytest.raises(ScheduleTimezoneUnknown):
        firing.run_now(actor=permissions.system(), schedule_id=gone)
    assert not row_of(gone).is_active
    assert job_count() == 1


def test_resuming_goes_on_at_the_next_slot_and_catches_nothing_up(farm: FarmDriver) -> None:
    schedule_id = schedule(late=3 * HOUR)
    schedules.set_active(actor=permissions.system(), schedule_id=schedule_id, is_active=False)
    assert row_of(schedule_id).next_at is None
    schedules.set_active(actor=permissions.system(), schedule_id=schedule_id, is_active=True)
    row = row_of(schedule_id)
    assert row.next_at is not None
    assert timedelta() < row.next_at - database_now(db.session()) <= HOUR
    assert (firing.fire_due(), states(schedule_id), row.version) == (0, [], 3)


def test_a_change_that_leaves_the_timing_alone_loses_no_slot_that_is_due(farm: FarmDriver) -> None:
    schedule_id = schedule(late=MINUTE)
    row = row_of(schedule_id)
    about: dict[str, Any] = {"actor": permissions.system(), "schedule_id": schedule_id, "wish": wish(name="new")}
    same: dict[str, Any] = {"every_s": row.every_s, "starts_at": row.starts_at, "is_active": True}
    schedules.update_schedule(**about, **same, name="renamed", expected_version=1)
    assert firing.fire_due() == 1
    assert db.session.scalar(select(Job.name)) == "new"
    move(schedule_id, MINUTE)
    schedules.update_schedule(**about, name="renamed", expected_version=2, every_s=7200, is_active=True)
    assert firing.fire_due() == 0


def test_somebody_may_run_it_now_but_not_while_its_job_is_open(farm: FarmDriver, in_threads: InThreads) -> None:
    schedule_id = schedule()
    before = row_of(schedule_id).next_at
    schedules.set_active(actor=permissions.system(), schedule_id=schedule_id, is_active=False)
    asked = in_threads([partial(firing.run_now, actor=permissions.system(), schedule_id=schedule_id)] * 3)
    assert sum(isinstance(answer, ScheduleJobOpen) for answer in asked) == 2
    (run,) = runs(schedule_id)
    assert (run.state, run.is_manual, run.is_late) == (RunState.STARTED, True, False)
    assert farm.job(run.job_id or 0).schedule_id == schedule_id
    schedules.set_active(actor=permissions.system(), schedule_id=schedule_id, is_active=True)
    assert row_of(schedule_id).next_at == before
    move(schedule_id, MINUTE)
    firing.fire_due()
    assert sorted(states(schedule_id)) == [RunState.SKIPPED_OVERLAP, RunState.STARTED]


@on_sqlite
def test_a_run_that_is_asked_for_and_refused_leaves_nothing(farm: FarmDriver) -> None:
    schedule_id = schedule(job=wish(asins=["B0UNKNOWN0"]))
    with pytest.raises(ScheduleJobRefused, match="names no product of the master"):
        firing.run_now(actor=permissions.system(), schedule_id=schedule_id)
    assert (runs(schedule_id), job_count()) == ([], 0)


@on_sqlite
def test_the_name_of_a_job_has_the_date_and_time_of_the_slot_in_its_time_zone(farm: FarmDriver) -> None:
    schedule_id = schedule(job=wish(name="{date} {time} {0.__class__}"), cron="30 23 * * *", timezone="Asia/Kolkata")
    slot = row_of(schedule_id).timing.latest(utc_now())
    db.session.execute(update(JobSchedule).where(JobSchedule.id == schedule_id).values(next_at=slot))
    db.session.commit()
    firing.fire_due()
    assert slot is not None
    local = slot + timedelta(hours=5, minutes=30)
    assert db.session.scalar(select(Job.name)) == f"{local:%Y-%m-%d} 23:30 {{0.__class__}}"


@on_sqlite
def test_what_stands_in_the_way_of_a_schedule_is_said_by_name(farm: FarmDriver) -> None:
    user_id = create_administrator(
        actor=permissions.system(), email="a@example.org", name="A", password="a long enough pass", now=utc_now()
    )
    actor = permissions.Principal(kind="user", id=user_id, user_id=user_id, name="A", permissions=frozenset())
    made = schedules.create_schedule(actor=actor, name="mine", wish=wish(), every_s=3600)
    assert (made.warnings, made.owner_id) == ([], user_id)
    overdue = schedule(late=HOUR)
    db.session.execute(update(User).values(is_active=False))
    db.session.execute(update(Storefront).values(is_active=False))
    db.session.commit()
    listed = list_schedules(is_active=None, storefront=None, limit=10, cursor=None).items
    told = {row.id: [warning["code"] for warning in row.warnings] for row in listed}
    assert told == {made.id: ["STOREFRONT_INACTIVE", "OWNER_GONE"], overdue: ["STOREFRONT_INACTIVE", "OVERDUE"]}
