"""Trials: asking for one, and a worker's side of it. Each step is a short transaction and a compare-and-set."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.core import audit
from app.core.extensions import db
from app.core.orm import count_changed, database_now, json_text
from app.core.permissions import Principal
from app.core.queues import TRIALS, doorbell
from app.core.transactions import after_commit, connection, in_transaction
from app.rpa.errors import StorefrontInactive, TooManyTrials
from app.rpa.models.storefronts import Storefront
from app.rpa.models.trials import Trial, TrialKind, TrialState
from app.rpa.models.workers import Wanted
from app.rpa.queries.claims import count_visits
from app.rpa.queries.profiles import get_version
from app.rpa.queries.storefronts import get_storefront
from app.rpa.rules.codes import Code
from app.rpa.services import leases
from app.rpa.services.outcomes import tell_shop

KEPT: Final = timedelta(days=7)
OPEN_MOST: Final = 10
"""Trials of one storefront (or suggestions) that wait or run: each visits a shop or holds a worker."""
RESULT_BYTES: Final = 512 * 1024
_PAGES: Final = 1
"""What a try counts for in the storefront's daily cap."""
_OPEN: Final = (TrialState.WAITING, TrialState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLease:
    """The right to do one trial until it runs out, and what is asked for."""

    trial_id: int
    token: str
    kind: TrialKind
    storefront_id: int | None
    asks: Mapping[str, Any]
    started_at: datetime
    worker_id: int | None = None


@in_transaction
def submit_try(
    *,
    actor: Principal,
    storefront_id: int,
    asin: str,
    version: int | None = None,
    profile: Mapping[str, Any] | None = None,
) -> Trial:
    """Have a profile (a checked document, a version, or by itself the active one) read one product, and record nothing.

    It takes a visit of the storefront's pace like any other. Raises StorefrontNotFound, ProfileVersionNotFound,
    StorefrontInactive and TooManyTrials.
    """
    shop = get_storefront(storefront_id)
    if not shop.is_active:
        raise StorefrontInactive("Nothing visits a storefront that is not active; set is_active to true first.")
    number = None if profile is not None else version or shop.profile_version
    document = get_version(storefront_id, number).profile if number else profile
    row = add_trial(actor, TrialKind.TRY, shop.id, {"asin": asin, "profile": document}, number)
    after = {"trial_id": row.id, "asin": asin, "profile_version": number}
    audit.record(actor=actor, action="storefront.try", subject=("storefront", shop.id), after=after)
    return row


@in_transaction
def claim_trial(*, trial_id: int, worker_id: int | None, lease_s: float) -> TrialLease | None:
    """Turn a waiting trial into a lease; None when somebody has it, or its storefront has no slot yet.

    A try takes its slot like a task's claim does: under the lock of the storefront's row.
    """
    session = db.session()
    known = session.execute(
        select(Trial.kind, Trial.state, Trial.storefront_id).where(Trial.id == trial_id)
    ).one_or_none()
    if known is None or known.state != TrialState.WAITING:
        return None
    now = database_now(session)
    if known.kind == TrialKind.TRY and not _takes_slot(session, trial_id, known.storefront_id, now):
        return None
    token = secrets.token_hex(16)
    values = {"state": TrialState.RUNNING, "lease_token": token, "leased_until": now + timedelta(seconds=lease_s)}
    if not _of_waiting(session, trial_id, **values):
        return None
    asks = session.scalars(select(Trial.asks).where(Trial.id == trial_id)).one()
    return TrialLease(
        trial_id=trial_id, token=token, kind=TrialKind(known.kind), storefront_id=known.storefront_id, asks=asks,
        started_at=now, worker_id=worker_id,
    )  # fmt: skip


@in_transaction
def renew_trial(*, lease: TrialLease, lease_s: float, vitals: dict[str, Any] | None = None) -> leases.Renewal:
    """Prolong a trial's lease and say that the worker is alive; ``vitals`` is what the worker tells of itself."""
    session = db.session()
    now = database_now(session)
    held = count_changed(session, _held(lease).values(leased_until=now + timedelta(seconds=lease_s))) == 1
    wanted = Wanted.WORK
    if lease.worker_id is not None:
        wanted = leases.beat(session, lease.worker_id, now, task_id=None, vitals=vitals)
    return leases.Renewal(held=held, cancelled=False, wanted=wanted)


@in_transaction
def finish_trial(
    *,
    lease: TrialLease,
    code: Code | None,
    detail: str = "",
    result: Mapping[str, Any] | None = None,
    has_screenshot: bool = False,
    pause_s: float = 0,
) -> bool:
    """Record how a trial ended; False, with nothing written, when the lease is no longer held.

    A result may stand beside a code: what could be found out. ``pause_s``: the shop asked to be left alone so long.
    """
    session = db.session()
    shop = None
    if lease.kind is TrialKind.TRY:
        shop = session.scalar(select(Storefront).where(Storefront.id == lease.storefront_id).with_for_update())
    now = database_now(session)
    if result is not None and len(json_text(result)) > RESULT_BYTES:
        code, detail, result = Code.INTERNAL, "The result is too large to be kept.", None
    done = _held(lease).values(
        state=TrialState.DONE if code is None else TrialState.FAILED, code=code, result=result, lease_token=None,
        detail=detail[:2000].encode("utf-8", "replace").decode("utf-8").replace("\0", "") or None,
        has_screenshot=has_screenshot, leased_until=None, finished_at=now,
    )  # fmt: skip
    if count_changed(session, done) != 1:
        return False
    if shop is not None:
        tell_shop(shop, code, pause_s=pause_s, started_at=lease.started_at, now=now)
    return True


def add_trial(
    actor: Principal, kind: TrialKind, storefront_id: int | None, asks: Mapping[str, Any], version: int | None
) -> Trial:
    """Add a trial in the open transaction and tell a worker of it after the commit; raises TooManyTrials."""
    session = db.session()
    now = database_now(session)
    of_kind = Trial.storefront_id.is_(None) if storefront_id is None else Trial.storefront_id == storefront_id
    is_open = select(func.count()).where(of_kind, Trial.state.in_(_OPEN))
    if (session.scalar(is_open) or 0) >= OPEN_MOST:
        raise TooManyTrials(f"{OPEN_MOST} of these are waiting or running; try again when one of them has ended.")
    row = Trial(
        kind=kind, state=TrialState.WAITING, storefront_id=storefront_id, profile_version=version, asks=dict(asks),
        has_screenshot=False, not_before=now, rung_at=now, created_at=now, expires_at=now + KEPT,
        **actor.attribution(),
    )  # fmt: skip
    session.add(row)
    session.flush()
    after_commit(partial(ring, [row.id], 0))
    return row


def ring(trial_ids: list[int], number: int) -> None:
    """Tell the workers of trials; ``number`` sets this message apart from earlier ones."""
    doorbell().ring(TRIALS, "run_trial", [(f"trial-{id_}-{number}", (id_,)) for id_ in trial_ids])


def _takes_slot(session: Session, trial_id: int, storefront_id: int | None, now: datetime) -> bool:
    """Take the storefront's next slot; without one the trial waits on, without a storefront to visit it ends."""
    shop = session.scalar(select(Storefront).where(Storefront.id == storefront_id).with_for_update())
    if shop is None or not shop.is_active:
        ended = {"state": TrialState.FAILED, "code": Code.CANCELLED, "finished_at": now}
        _of_waiting(session, trial_id, **ended, detail="The storefront is not active any more.")
        return False
    start_at = leases.shop_slot(shop, now, _PAGES, count_visits(connection(), shop.id))
    if start_at is not None:
        _of_waiting(session, trial_id, not_before=start_at, rung_at=None)
        return False
    leases.take_slot(shop, now, _PAGES)
    return True


def _of_waiting(session: Session, trial_id: int, **values: Any) -> bool:
    waiting = update(Trial).where(Trial.id == trial_id, Trial.state == TrialState.WAITING)
    return count_changed(session, waiting.values(**values)) == 1


def _held(lease: TrialLease) -> Any:
    return update(Trial).where(
        Trial.id == lease.trial_id, Trial.lease_token == lease.token, Trial.state == TrialState.RUNNING
    )
