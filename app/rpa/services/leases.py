"""The worker's side of the task protocol: claim, renew. Each step is a short transaction and a compare-and-set."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from app.core.extensions import db
from app.core.orm import count_changed, database_now, table_of
from app.core.tallies import Reporter
from app.core.transactions import after_commit, connection, in_transaction
from app.rpa import metrics
from app.rpa.models.jobs import Action, Attempt, TaskState
from app.rpa.models.storefronts import AnyShop, Storefront
from app.rpa.models.workers import Wanted, Worker
from app.rpa.profiles.profile import Profile, read_profile
from app.rpa.queries import claims
from app.rpa.queries.cart_options import find_options
from app.rpa.queries.jobs import is_cancelled
from app.rpa.queries.workers import count_live_workers
from app.rpa.rules.codes import Code
from app.rpa.rules.holds import count_pages, find_hold, gap_of, most_at_once, pages_of
from app.rpa.rules.job_moves import WORKS
from app.rpa.rules.robots import ALLOWED, Verdict
from app.rpa.services import task_moves
from app.rpa.services.baselines import Baseline, baseline_of

_NOT_NOW: Final = timedelta(seconds=1)
_WHEN_FULL: Final = timedelta(milliseconds=200)
_LONGEST: Final = timedelta(minutes=1)
"""What holds the storefront up may be taken away before its time; until then the dispatcher releases nothing anyway."""
_FOR_ANOTHER: Final = timedelta(seconds=10)
"""How long a second visit is left to other workers than the one that made the first."""
_HEARD_OF_S: Final = 60
_ATTEMPT: Final = insert(table_of(Attempt)).inline()
_TAKE: Final = update(table_of(Storefront)).where(table_of(Storefront).c.id == bindparam("locked_id"))
_LOST: Final = (Code.CHROME_CRASH, Code.TAB_CRASH, Code.DRIVER_TIMEOUT, Code.WORKER_LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to work on one task until it runs out, and all that the errand needs to know."""

    task_id: int
    job_id: int
    token: str
    action: Action
    asin: str
    product_id: int
    quantity: int
    storefront_id: int
    storefront_version: int
    profile: Profile
    started_at: datetime
    worker_id: int | None = None
    number: int = 0
    """Of the attempt: that of its release."""
    profile_version: int | None = None
    baseline: Mapping[str, str | None] = field(default_factory=dict)
    """What a view of the product's page is likely to see."""
    seen: frozenset[str] = frozenset()
    """Of what in the baseline the storefront showed before."""
    reviews_jumps: bool = False
    """Whether people look at price jumps that a second visit has confirmed."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Which variant goes into a cart, by the profile's names for options: the job's, else the product's own."""
    updates_master: bool = False
    """Whether the product follows this storefront."""
    verdict: Verdict = ALLOWED
    """With a code: nothing is visited, and it ends so."""
    wait_s: float = 0
    """How long after the claim it starts: its turn in the storefront's pace is taken already."""
    is_alone: bool = False
    """Whether it was lost before, so that no other page may be in its browser."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """Whether the lease still holds, and whether the job wants the task to stop."""

    held: bool
    cancelled: bool
    wanted: Wanted = Wanted.WORK
    """What operators want of the worker."""


@in_transaction
def claim_task(
    *,
    task_id: int,
    release_no: int,
    worker_id: int | None,
    lease_s: float,
    known: Sequence[Row[Any]] | None = None,
    verdict: Verdict = ALLOWED,
    patience_s: float = 0,
) -> Lease | None:
    """Turn a release into a lease; None when the release is old, the job does not work or there is no slot.

    The storefront's row serialises the claims of one shop, and so of its jobs: rate, concurrency, hours, cap and
    cool-down hold however many messages wait. A task that finds no slot goes back to READY without an attempt counted,
    and so does a second visit of a product, for a moment, before the worker that made the first one.
    ``known`` is what ``claims.find_released`` has said of the task just now, where the caller asked. ``verdict`` is
    what the shop's robots.txt says of it (``robots.judge_task``): what is not to be visited takes no slot and no page
    of the day. Who claims waits as long as the lease says, at most ``patience_s``, before the visit.
    """
    session = db.session()
    known = claims.find_released(connection(), task_id) if known is None else known
    task = known[0] if known else None
    if task is None or task.task_state != TaskState.QUEUED or task.release_no != release_no:
        return None
    storefront = claims.lock_shop(connection(), task.storefront_id)
    job = claims.read_situation(connection(), storefront_id=task.storefront_id, job_id=task.job_id)
    action, now = Action(task.action), job.now
    pages = pages_of(action)
    start_at = _turn_at(storefront, now, patience_s) if verdict.code is None else now
    later = _next_slot(storefront, job, start_at, pages, verdict)
    if later is None and task.again and verdict.code is None:
        later = _when_free_for_me(session, task_id, worker_id, now)
    if later is not None:
        task_moves.give_back(session, task_id, release_no, later)
        return None
    token, until = secrets.token_hex(16), now + timedelta(seconds=lease_s)
    held = {"token": token, "until": until, "worker_id": worker_id, "profile_version": storefront.profile_version}
    if not task_moves.claim(session, task_id, release_no, **held):
        return None
    if verdict.code is None:
        take_slot(storefront, start_at, pages)
    connection().execute(
        _ATTEMPT,
        {"task_id": task_id, "number": release_no, "lease_token": token, "worker_id": worker_id}
        | {"started_at": start_at},
    )
    after_commit(partial(metrics.observe, action, {"queue": (now - (task.released_at or now)).total_seconds()}))
    likely, options = Baseline(), task.options or {}
    if action is Action.VIEW_PRODUCT:
        likely = baseline_of(known)
    elif not options:
        options = find_options(task.product_id, storefront.id)
    is_same = storefront.profile_version == task.profile_version
    document = task.document if is_same else claims.read_document(connection(), storefront.id)
    return Lease(
        task_id=task_id, job_id=task.job_id, token=token, action=action, asin=task.asin, product_id=task.product_id,
        quantity=task.quantity, storefront_id=storefront.id, storefront_version=storefront.version,
        profile=read_profile(document), worker_id=worker_id, number=release_no, baseline=likely.values,
        seen=likely.seen, profile_version=storefront.profile_version, started_at=start_at,
        reviews_jumps=storefront.reviews_jumps, options=options,
        updates_master=bool(storefront.updates_master), verdict=verdict,
        wait_s=(start_at - now).total_seconds(),
        is_alone=release_no > 1 and _was_lost(session, task_id),
    )  # fmt: skip


@in_transaction
def return_task(*, task_id: int, release_no: int) -> bool:
    """Give back a release that a worker may not begin, because it is drained; nothing changes of an old one."""
    session = db.session()
    return task_moves.give_back(session, task_id, release_no, database_now(session))


@in_transaction
def renew_lease(
    *, lease: Lease, lease_s: float, vitals: dict[str, Any] | None = None, reporter: Reporter | None = None
) -> Renewal:
    """Prolong a lease and do what ``heartbeat`` does; tells the worker to stop when it is lost or cancelled."""
    session = db.session()
    now = database_now(session)
    held = task_moves.renew(session, lease.task_id, lease.token, now + timedelta(seconds=lease_s))
    wanted = Wanted.WORK
    if lease.worker_id is not None:
        wanted = beat(session, lease.worker_id, now, task_id=lease.task_id, vitals=vitals)
    if reporter is not None:
        reporter.write(session)
    return Renewal(held=held, cancelled=is_cancelled(lease.job_id), wanted=wanted)


@in_transaction
def register_worker(*, name: str, host: str, pid: int) -> int:
    """Announce a worker slot; returns its id."""
    session = db.session()
    now = database_now(session)
    row = Worker(name=name, host=host, pid=pid, started_at=now, heartbeat_at=now)
    session.add(row)
    session.flush()
    return row.id


@in_transaction
def heartbeat(
    *,
    worker_id: int,
    task_id: int | None = None,
    vitals: dict[str, Any] | None = None,
    reporter: Reporter | None = None,
) -> Wanted:
    """Say that a worker is alive, what it tells of itself and has counted; returns what operators want of it."""
    session = db.session()
    wanted = beat(session, worker_id, database_now(session), task_id=task_id, vitals=vitals)
    if reporter is not None:
        reporter.write(session)
    return wanted


@in_transaction
def retire_worker(*, worker_id: int) -> None:
    """Say that a worker has stopped on purpose."""
    session = db.session()
    now = database_now(session)
    session.execute(update(Worker).where(Worker.id == worker_id).values(stopped_at=now, task_id=None))


@in_transaction
def forget_workers(*, after_days: int = 1) -> int:
    """Delete workers that were not heard of for ``after_days``; returns how many."""
    session = db.session()
    silent = delete(Worker).where(Worker.heartbeat_at < database_now(session, plus_s=-86400 * after_days))
    return count_changed(session, silent)


def beat(
    session: Session, worker_id: int, now: datetime, *, task_id: int | None, vitals: dict[str, Any] | None
) -> Wanted:
    """Write a worker's heartbeat in the open transaction."""
    changes: dict[str, Any] = {"heartbeat_at": now, "task_id": task_id}
    if vitals is not None:
        changes["vitals"] = vitals
    count_changed(session, update(Worker).where(Worker.id == worker_id).values(**changes))
    return Wanted(session.scalar(select(Worker.wanted).where(Worker.id == worker_id)) or Wanted.WORK)


def shop_slot(storefront: AnyShop, start_at: datetime, pages: int, visits: int) -> datetime | None:
    """When a locked storefront with so many visits may be visited, None for ``start_at``."""
    hold = find_hold(storefront, start_at, pages=pages)
    if hold is not None:
        return min(hold.until or start_at + _LONGEST, start_at + _LONGEST)
    if storefront.next_start_at > start_at:
        return storefront.next_start_at
    return _shop_place(storefront, start_at, visits)


def _turn_at(storefront: AnyShop, now: datetime, patience_s: float) -> datetime:
    """When a visit would start: at the storefront's next turn where that comes soon enough to be waited for."""
    is_near = now < storefront.next_start_at <= now + timedelta(seconds=patience_s)
    return storefront.next_start_at if is_near else now


def _shop_place(storefront: AnyShop, now: datetime, visits: int) -> datetime | None:
    """When there may be a place among the visits that run at once, None where there is one."""
    return now + _WHEN_FULL if visits >= most_at_once(storefront) else None


def take_slot(storefront: AnyShop, start_at: datetime, pages: int) -> None:
    """Note in the open transaction that a visit of so many pages of a locked storefront starts then."""
    gap, next_start_at = gap_of(storefront), storefront.next_start_at
    taken = {"locked_id": storefront.id, "next_start_at": max(next_start_at, start_at) + gap if gap else next_start_at}
    connection().execute(_TAKE, taken | count_pages(storefront, start_at, pages))


def _next_slot(storefront: AnyShop, job: Row[Any], start_at: datetime, pages: int, verdict: Verdict) -> datetime | None:
    """When the task may be tried again, or None when it may start at its turn; the storefront is locked."""
    now: datetime = job.now
    if job.state not in WORKS or job.deadline_at < now:
        return now + _NOT_NOW
    if verdict.wait_until is not None:
        return min(verdict.wait_until, now + _LONGEST)
    is_visit = verdict.code is None
    later = shop_slot(storefront, start_at, pages, job.visits) if is_visit else _shop_place(storefront, now, job.visits)
    if later is not None:
        return later
    if job.concurrency is not None and job.leased >= job.concurrency:
        return now + _WHEN_FULL
    return None


def _was_lost(session: Session, task_id: int) -> bool:
    """Whether a browser or worker died with an earlier visit."""
    lost = select(Attempt.id).where(Attempt.task_id == task_id, Attempt.code.in_(_LOST))
    return session.scalar(lost.limit(1)) is not None


def _when_free_for_me(session: Session, task_id: int, worker_id: int | None, now: datetime) -> datetime | None:
    """When who visited a task last may do it again, or None: right now, or because it was somebody else."""
    visits = select(Attempt.worker_id, Attempt.ended_at).where(Attempt.task_id == task_id)
    last = session.execute(visits.order_by(Attempt.number.desc()).limit(1)).one()
    if worker_id is None or last.worker_id != worker_id or last.ended_at is None or last.ended_at + _FOR_ANOTHER < now:
        return None
    return now + _NOT_NOW if count_live_workers(silent_s=_HEARD_OF_S) > 1 else None
