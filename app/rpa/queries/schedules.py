"""Reads of schedules and their runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import joinedload, undefer

from app.auth.models import User
from app.core.extensions import db
from app.core.orm import database_now
from app.core.pagination import Page, fetch_page
from app.rpa.errors import ScheduleNotFound
from app.rpa.models.schedules import JobSchedule, JobScheduleRun
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.timing import Shown, TimingRefused, read_timing, show_slots

LATE: Final = timedelta(minutes=10)
"""A run that is noted so long after its slot was missed: somebody should look why."""


def get_schedule(schedule_id: int) -> JobSchedule:
    """One schedule with its warnings; raises ScheduleNotFound."""
    row = db.session.scalar(select(JobSchedule).where(JobSchedule.id == schedule_id).options(undefer(JobSchedule.wish)))
    if row is None:
        raise ScheduleNotFound("There is no such schedule.")
    return with_warnings([row])[0]


def list_schedules(
    *, is_active: bool | None, storefront: str | None, limit: int, cursor: str | None
) -> Page[JobSchedule]:
    """Schedules with their warnings, in the order they were made."""
    query = select(JobSchedule).options(joinedload(JobSchedule.last_run))
    if is_active is not None:
        query = query.where(JobSchedule.is_active == is_active)
    if storefront is not None:
        query = query.where(JobSchedule.storefront == storefront)
    page = fetch_page(query, keys=[(JobSchedule.id, False)], limit=limit, cursor=cursor)
    return Page(with_warnings(page.items), page.next_cursor)


def preview_timing(
    *,
    cron: str | None = None,
    timezone: str | None = None,
    every_s: int | None = None,
    starts_at: datetime | None = None,
) -> dict[str, list[Shown]]:
    """When a schedule of checked values would run next: ``next_runs``."""
    now = database_now(db.session())
    timing = read_timing(cron=cron, timezone=timezone, every_s=every_s, starts_at=starts_at or now)
    return {"next_runs": show_slots(timing, first=timing.after(now))}


def list_runs(schedule_id: int, *, state: str | None, limit: int, cursor: str | None) -> Page[JobScheduleRun]:
    """What came of a schedule's slots, the newest first; raises ScheduleNotFound."""
    if db.session.scalar(select(JobSchedule.id).where(JobSchedule.id == schedule_id)) is None:
        raise ScheduleNotFound("There is no such schedule.")
    query = select(JobScheduleRun).where(JobScheduleRun.schedule_id == schedule_id)
    if state is not None:
        query = query.where(JobScheduleRun.state == state)
    return fetch_page(query, keys=[(JobScheduleRun.slot_at, True)], limit=limit, cursor=cursor)


def with_warnings(rows: Sequence[JobSchedule]) -> list[JobSchedule]:
    """The schedules, each with what somebody should know who relies on it."""
    now = database_now(db.session())
    open_shops = _active_codes({row.storefront for row in rows})
    owners = _active_users({row.owner_id for row in rows if row.owner_id is not None})
    for row in rows:
        vars(row).update(warnings=_warnings(row, open_shops, owners, now))
    return list(rows)


def _warnings(row: JobSchedule, open_shops: set[str], owners: set[int], now: datetime) -> list[dict[str, str]]:
    found = {}
    if row.storefront not in open_shops:
        found["STOREFRONT_INACTIVE"] = f"There is no active storefront {row.storefront}: its runs fail."
    if row.owner_id is not None and row.owner_id not in owners:
        found["OWNER_GONE"] = "Who made it is no longer active or was erased; it goes on until somebody stops it."
    if row.next_at is not None and now - row.next_at > LATE:
        found["OVERDUE"] = "Its next run is overdue by more than ten minutes: no dispatcher is at work."
    if not _is_timing_known(row):
        found["TIMEZONE_UNKNOWN"] = f"The time zone {row.timezone} is not known here any more: choose another one."
    return [{"code": code, "detail": detail} for code, detail in found.items()]


def _is_timing_known(row: JobSchedule) -> bool:
    try:
        return row.timing is not None
    except TimingRefused:
        return False


def _active_codes(codes: set[str]) -> set[str]:
    return set(db.session.scalars(select(Storefront.code).where(Storefront.code.in_(codes), Storefront.is_active)))


def _active_users(ids: set[int]) -> set[int]:
    return set(db.session.scalars(select(User.id).where(User.id.in_(ids), User.is_active)))
