"""What is due to whom, under a lease per webhook; and what came of it, noted once.

A sender takes the lease of a webhook, sends what is due and notes each outcome where the delivery is still as it was
read. If it dies in between, another one sends the same event again with the same id: at least once, in no strict order.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ScalarSelect, Select, or_, select, update
from sqlalchemy.orm import undefer

from app.core import audit
from app.core.extensions import db
from app.core.orm import count_changed, database_now
from app.core.permissions import system
from app.core.transactions import after_commit, in_transaction
from app.notifications import metrics
from app.notifications.kinds import TEST
from app.notifications.models import DeliveryState, Webhook, WebhookDelivery, WebhookEvent
from app.notifications.services import notices
from app.notifications.services.schedule import MAX_FAILURES, endpoint_pause, next_pause
from app.notifications.services.sending import GONE, Outcome, Parcel

LEASE_S: Final = 60
BATCH: Final = 20
"""Deliveries of one webhook that are read at once."""


def clock() -> datetime:
    """The database's clock, which all senders share and which is the ``now`` of everything here."""
    now = database_now(db.session())
    db.session.rollback()
    return now


def find_due(*, now: datetime) -> list[int]:
    """Ids of the webhooks that nobody serves and that have something to be sent."""
    session = db.session()
    free = or_(Webhook.lease_token.is_(None), Webhook.leased_until < now)
    rows = session.execute(
        select(Webhook.id, Webhook.is_active, Webhook.paused_until, _first(requested=False), _first(requested=True))
        .where(free)
        .order_by(Webhook.id)
    ).all()
    session.rollback()
    return [
        number
        for number, is_active, paused_until, usual, asked_for in rows
        if _is_past(asked_for, now) or (is_active and (paused_until or now) <= now and _is_past(usual, now))
    ]


@in_transaction
def take(*, webhook_id: int, token: str, now: datetime) -> bool:
    """Take the lease of a webhook for a minute; False when another sender was faster."""
    free = or_(Webhook.lease_token.is_(None), Webhook.leased_until < now)
    mine = update(Webhook).where(Webhook.id == webhook_id, free)
    until = now + timedelta(seconds=LEASE_S)
    return count_changed(db.session(), mine.values(lease_token=token, leased_until=until)) == 1


@in_transaction
def renew(*, webhook_ids: Collection[int], token: str, now: datetime) -> list[int]:
    """Keep these leases for another minute; returns those that are still held."""
    session = db.session()
    until = now + timedelta(seconds=LEASE_S)
    held = list(session.scalars(_held(webhook_ids, token).order_by(Webhook.id).with_for_update()))
    if held:
        count_changed(session, update(Webhook).where(Webhook.id.in_(held)).values(leased_until=until))
    return held


def still_held(webhook_ids: Collection[int], *, token: str) -> list[int]:
    """Which of these leases nobody has taken away, such as by a change of the webhook."""
    found = list(db.session.scalars(_held(webhook_ids, token)))
    db.session.rollback()
    return found


@in_transaction
def release(*, webhook_id: int, token: str) -> None:
    """Give a lease back."""
    mine = update(Webhook).where(Webhook.id == webhook_id, Webhook.lease_token == token)
    count_changed(db.session(), mine.values(lease_token=None, leased_until=None))


def due_parcels(webhook_id: int, *, token: str, besides: Collection[int], now: datetime) -> list[Parcel]:
    """What is to be sent to a webhook, oldest first and at most 20; nothing without its lease.

    ``besides`` are ids of deliveries that are being sent. Raises UnreadableSecret.
    """
    session = db.session()
    mine = select(Webhook).where(Webhook.id == webhook_id, Webhook.lease_token == token)
    hook = session.scalar(mine.options(undefer(Webhook.secret), undefer(Webhook.old_secret)))
    found = [] if hook is None else _parcels(hook, now, besides)
    session.rollback()
    return found


@in_transaction
def settle(*, webhook_id: int, token: str, outcomes: Sequence[Outcome], now: datetime) -> bool:
    """Note what came of some attempts; True when the webhook may be sent more at once.

    What is no longer as it was read (another sender was faster, somebody asked for it anew) stays as it is.
    """
    session = db.session()
    hook = session.scalar(
        select(Webhook).where(Webhook.id == webhook_id, Webhook.lease_token == token).with_for_update()
    )
    is_active = hook is not None and hook.is_active
    for outcome in sorted(outcomes, key=lambda each: each.parcel.delivery_id):
        _note(outcome, now, is_active=is_active)
    if hook is None or not is_active:
        return False
    for outcome in outcomes:
        _count(hook, outcome, now)
    return hook.is_active and hook.failures == 0


def _first(*, requested: bool) -> ScalarSelect[datetime]:
    """When the first delivery of a webhook is due: one look into the index, however many wait.

    For which MySQL needs ``=``: by ``IS`` it finds no index.
    """
    return (
        select(WebhookDelivery.next_attempt_at)
        .where(
            WebhookDelivery.webhook_id == Webhook.id,
            WebhookDelivery.state == DeliveryState.PENDING,
            WebhookDelivery.is_requested == requested,
        )
        .order_by(WebhookDelivery.next_attempt_at)
        .limit(1)
        .scalar_subquery()
    )


def _is_past(due: datetime | None, now: datetime) -> bool:
    return due is not None and due <= now


def _due(now: datetime, *, requested: bool) -> Select[Any]:
    return select(WebhookDelivery.id).where(
        WebhookDelivery.state == DeliveryState.PENDING,
        WebhookDelivery.is_requested == requested,
        WebhookDelivery.next_attempt_at <= now,
    )


def _held(webhook_ids: Collection[int], token: str) -> Select[Any]:
    return select(Webhook.id).where(Webhook.id.in_(webhook_ids), Webhook.lease_token == token)


def _parcels(hook: Webhook, now: datetime, besides: Collection[int]) -> list[Parcel]:
    found = _read(hook, now, besides, requested=True)
    is_paused = hook.paused_until is not None and hook.paused_until > now
    if hook.is_active and not is_paused and len(found) < BATCH:
        found += _read(hook, now, besides, requested=False)
    return found[:BATCH]


def _read(hook: Webhook, now: datetime, besides: Collection[int], *, requested: bool) -> list[Parcel]:
    wanted = (
        _due(now, requested=requested)
        .add_columns(WebhookDelivery.attempts, WebhookEvent.event_id, WebhookEvent.kind, WebhookEvent.body)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .where(WebhookDelivery.webhook_id == hook.id)
        .order_by(WebhookDelivery.next_attempt_at, WebhookDelivery.id)
        .limit(BATCH + len(besides))
    )
    old = hook.old_secret if hook.old_secret_until is not None and hook.old_secret_until > now else None
    signers = (hook.secret, old) if old else (hook.secret,)
    return [
        Parcel(row.id, row.attempts, requested, row.kind, row.event_id, row.body, hook.url, signers)
        for row in db.session.execute(wanted)
        if row.id not in besides
    ]


def _note(outcome: Outcome, now: datetime, *, is_active: bool) -> None:
    parcel = outcome.parcel
    attempts = parcel.attempts + 1
    state, due = _after(outcome, attempts, now, is_active=is_active)
    same = (WebhookDelivery.state == DeliveryState.PENDING, WebhookDelivery.attempts == parcel.attempts)
    noted = (
        update(WebhookDelivery)
        .where(WebhookDelivery.id == parcel.delivery_id, *same)
        .values(
            state=state, attempts=attempts, next_attempt_at=due, is_requested=False, last_attempt_at=outcome.at,
            last_status=outcome.status, last_error=outcome.error, response=outcome.response,
            duration_ms=outcome.duration_ms,
        )
    )  # fmt: skip
    if count_changed(db.session(), noted) == 0:
        return
    after_commit(metrics.ATTEMPTS.labels(metrics.outcome_of(outcome.status)).inc)
    if state is not DeliveryState.PENDING:
        after_commit(metrics.ENDED.labels(state.lower()).inc)


def _after(outcome: Outcome, attempts: int, now: datetime, *, is_active: bool) -> tuple[DeliveryState, datetime]:
    """The state after an attempt and when it is due; a test, and what an inactive webhook was asked, is tried once."""
    if outcome.is_success:
        return DeliveryState.DELIVERED, now
    pause = next_pause(attempts)
    once = outcome.parcel.kind == TEST or (outcome.parcel.is_requested and not is_active)
    if pause is None or once or outcome.status == GONE:
        return DeliveryState.FAILED, now
    return DeliveryState.PENDING, now + pause


def _count(hook: Webhook, outcome: Outcome, now: datetime) -> None:
    """Count failures in a row; switch the webhook off after too many, or when it says that it is gone."""
    if outcome.is_success:
        hook.failures, hook.paused_until = 0, None
        return
    hook.failures += 1
    hook.paused_until = now + endpoint_pause(hook.failures, outcome.retry_after)
    if not hook.is_active:
        return
    if outcome.status == GONE:
        _disable(hook, now, "The receiver answered 410 Gone: it wants no more events.")
    elif hook.failures >= MAX_FAILURES:
        _disable(hook, now, f"{hook.failures} attempts in a row failed; the last: {outcome.error}")


def _disable(hook: Webhook, now: datetime, reason: str) -> None:
    hook.is_active, hook.disabled_reason = False, reason[:500]
    hook.version, hook.updated_at = hook.version + 1, now
    after = {"is_active": False, "reason": hook.disabled_reason, "version": hook.version}
    audit.record(
        actor=system(), action="webhook.disable", subject=("webhook", hook.id), before={"is_active": True}, after=after
    )
    after_commit(metrics.DISABLED.inc)
    notices.request_disabled(hook)
