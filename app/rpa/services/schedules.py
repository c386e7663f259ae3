"""Making, changing, pausing and deleting schedules of jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from app.core import audit
from app.core.extensions import db
from app.core.fields import utc_text
from app.core.orm import database_now
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.errors import ScheduleNotFound, ScheduleStale, ScheduleTimezoneUnknown, StorefrontUnknown
from app.rpa.models.schedules import JobSchedule, JobScheduleRun
from app.rpa.queries.schedules import with_warnings
from app.rpa.queries.storefronts import find_storefront
from app.rpa.rules.timing import TimingRefused


@in_transaction
def create_schedule(
    *,
    actor: Principal,
    name: str,
    wish: dict[str, Any],
    is_active: bool = True,
    cron: str | None = None,
    timezone: str | None = None,
    every_s: int | None = None,
    starts_at: datetime | None = None,
) -> JobSchedule:
    """Submit ``wish``, a job as POST /jobs takes it, at each slot from now on; raises StorefrontUnknown.

    Slots are those of ``cron``, a checked expression, in ``timezone``, or every ``every_s`` seconds from ``starts_at``,
    which is now where it is not given.
    """
    _require_storefront(wish["storefront"])
    row = JobSchedule(version=1, owner_id=actor.user_id, **actor.attribution())
    now = database_now(db.session())
    row.created_at = now
    _fill(row, now, name, wish, is_active, (cron, timezone, every_s, starts_at))
    db.session.add(row)
    db.session.flush()
    audit.record(actor=actor, action="job_schedule.create", subject=("job_schedule", row.id), after=_audited(row))
    return with_warnings([row])[0]


@in_transaction
def update_schedule(
    *,
    actor: Principal,
    schedule_id: int,
    expected_version: int,
    name: str,
    wish: dict[str, Any],
    is_active: bool,
    cron: str | None = None,
    timezone: str | None = None,
    every_s: int | None = None,
    starts_at: datetime | None = None,
) -> JobSchedule:
    """Replace what a schedule does and when. Where neither its slots nor its pause change, a due slot stays due.

    Raises ScheduleNotFound, ScheduleStale when it is no longer at ``expected_version``, or StorefrontUnknown.
    """
    row = lock_schedule(schedule_id, expected_version)
    if wish["storefront"] != row.storefront:
        _require_storefront(wish["storefront"])
    before = _audited(row)
    if every_s is not None and starts_at is None:
        starts_at = row.starts_at
    _fill(row, database_now(db.session()), name, wish, is_active, (cron, timezone, every_s, starts_at))
    row.version += 1
    audit.record(
        actor=actor,
        action="job_schedule.update",
        subject=("job_schedule", row.id),
        before=before,
        after=_audited(row),
    )
    return with_warnings([row])[0]


@in_transaction
def set_active(*, actor: Principal, schedule_id: int, is_active: bool) -> JobSchedule:
    """Pause a schedule, or let it go on from its next slot: those of its pause are neither run nor missed.

    Asking again changes nothing. Raises ScheduleNotFound or ScheduleTimezoneUnknown.
    """
    row = lock_schedule(schedule_id)
    if row.is_active != is_active:
        row.version += 1
        row.updated_at = database_now(db.session())
        _switch(row, row.updated_at, is_active=is_active)
        audit.record(
            actor=actor,
            action=f"job_schedule.{'resume' if is_active else 'pause'}",
            subject=("job_schedule", row.id),
            before={"is_active": not is_active},
            after={"is_active": is_active},
        )
    return with_warnings([row])[0]


@in_transaction
def delete_schedule(*, actor: Principal, schedule_id: int, expected_version: int) -> None:
    """Delete a schedule and its runs; its jobs stay and go on. Raises ScheduleNotFound or ScheduleStale."""
    row = lock_schedule(schedule_id, expected_version)
    audit.record(actor=actor, action="job_schedule.delete", subject=("job_schedule", row.id), before=_audited(row))
    db.session.execute(delete(JobScheduleRun).where(JobScheduleRun.schedule_id == row.id))
    db.session.delete(row)


def lock_schedule(schedule_id: int, expected_version: int | None = None) -> JobSchedule:
    """The schedule, locked in the open transaction; raises ScheduleNotFound or ScheduleStale."""
    row = db.session.scalar(select(JobSchedule).where(JobSchedule.id == schedule_id).with_for_update())
    if row is None:
        raise ScheduleNotFound("There is no such schedule.")
    if expected_version is not None and row.version != expected_version:
        raise ScheduleStale(f"The schedule is at version {row.version}, not {expected_version}; read it again.")
    return row


def _fill(
    row: JobSchedule,
    now: datetime,
    name: str,
    wish: dict[str, Any],
    is_active: bool,
    timing: tuple[str | None, str | None, int | None, datetime | None],
) -> None:
    before = (row.cron, row.timezone, row.every_s, row.starts_at, row.is_active)
    cron, timezone, every_s, starts_at = timing
    row.cron, row.timezone = cron, (timezone or "UTC") if cron is not None else None
    row.every_s, row.starts_at = every_s, (starts_at or now.replace(microsecond=0)) if every_s is not None else None
    row.name, row.wish, row.action, row.storefront = name, wish, wish["action"], wish["storefront"]
    row.updated_at = now
    if before != (row.cron, row.timezone, row.every_s, row.starts_at, is_active):
        _switch(row, now, is_active=is_active)


def _switch(row: JobSchedule, now: datetime, *, is_active: bool) -> None:
    row.is_active = is_active
    try:
        row.next_at = row.timing.after(now) if is_active else None
    except TimingRefused as unknown:
        raise ScheduleTimezoneUnknown(f"The time zone {unknown}") from None


def _require_storefront(code: str) -> None:
    shop = find_storefront(code)
    if shop is None or not shop.is_active:
        raise StorefrontUnknown.field("/job/storefront", "names no active storefront.")


def _audited(row: JobSchedule) -> dict[str, Any]:
    wish = {name: value for name, value in row.wish.items() if name != "asins"}
    if "asins" in row.wish:
        wish["asin_count"] = len(row.wish["asins"])
    starts_at = None if row.starts_at is None else utc_text(row.starts_at)
    return {"name": row.name, "is_active": row.is_active, "version": row.version, "cron": row.cron,
            "timezone": row.timezone, "every_s": row.every_s, "starts_at": starts_at, "job": wish}  # fmt: skip
