"""Giving up what waited too long, and forgetting what is old."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import delete, select, update

from app.core.extensions import db
from app.core.orm import count_changed
from app.core.transactions import in_transaction
from app.notifications.models import DeliveryState, Webhook, WebhookDelivery, WebhookEvent
from app.notifications.services.schedule import GIVE_UP, KEEP

_AT_ONCE: Final = 500


def purge(*, now: datetime) -> int:
    """Give up deliveries that waited three days, delete events that are 30 days old; returns how many were deleted."""
    abandon(now=now)
    deleted = 0
    while part := delete_old(now=now):
        deleted += part
    return deleted


@in_transaction
def abandon(*, now: datetime) -> int:
    """Mark what has waited past its time for three days as given up; returns how many deliveries."""
    session = db.session()
    return sum(
        count_changed(
            session,
            update(WebhookDelivery)
            .where(WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.state == DeliveryState.PENDING)
            .where(WebhookDelivery.is_requested.in_((False, True)), WebhookDelivery.next_attempt_at < now - GIVE_UP)
            .values(state=DeliveryState.ABANDONED),
        )
        for webhook_id in session.scalars(select(Webhook.id).order_by(Webhook.id)).all()
    )


@in_transaction
def delete_old(*, now: datetime) -> int:
    """Delete some events that are 30 days old, with their deliveries; returns how many, 0 when none is left."""
    session = db.session()
    old = select(WebhookEvent.id).where(WebhookEvent.created_at < now - KEEP).order_by(WebhookEvent.created_at)
    events = list(session.scalars(old.limit(_AT_ONCE)))
    if events:
        count_changed(session, delete(WebhookDelivery).where(WebhookDelivery.event_id.in_(events)))
        count_changed(session, delete(WebhookEvent).where(WebhookEvent.id.in_(events)))
    return len(events)
