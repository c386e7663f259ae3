"""Sending because somebody asks: an event once more, or one that only tests the way."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from app.core import audit
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.notifications.errors import DeliveryNotFound, DeliveryPending
from app.notifications.kinds import TEST
from app.notifications.models import DeliveryState, WebhookDelivery
from app.notifications.queries.deliveries import Delivery, get_delivery
from app.notifications.queries.webhooks import get_webhook
from app.notifications.services import events


@in_transaction
def send_test(*, actor: Principal, now: datetime, webhook_id: int) -> Delivery:
    """Send a ``webhook.test`` event to one webhook, once and also while it is paused or inactive.

    Raises WebhookNotFound.
    """
    hook = get_webhook(webhook_id)
    data = {"webhook_id": hook.id, "name": hook.name}
    (event,) = events.record(TEST, [data], to=[hook.id], now=now, is_requested=True)
    one = select(WebhookDelivery.id).where(WebhookDelivery.event_id == event.id)
    delivery_id = db.session.scalars(one).one()
    after = {"event_id": event.event_id}
    audit.record(actor=actor, action="webhook.test", subject=("webhook", hook.id), after=after)
    return get_delivery(hook.id, delivery_id)


@in_transaction
def redeliver(*, actor: Principal, now: datetime, webhook_id: int, delivery_id: int) -> Delivery:
    """Send an event once more, with its id and payload; while the webhook is active, with all its attempts anew.

    Raises WebhookNotFound, DeliveryNotFound, or DeliveryPending for what waits to be sent anyway.
    """
    get_webhook(webhook_id)
    mine = (WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == webhook_id)
    row = db.session.scalar(select(WebhookDelivery).where(*mine).with_for_update())
    if row is None:
        raise DeliveryNotFound(f"Webhook {webhook_id} has no delivery {delivery_id}; they are kept for 30 days.")
    if row.state == DeliveryState.PENDING and row.is_requested:
        raise DeliveryPending("It is about to be sent.")
    before = {"state": row.state, "attempts": row.attempts}
    row.state, row.is_requested, row.attempts, row.next_attempt_at = DeliveryState.PENDING, True, 0, now
    db.session.flush()
    audit.record(
        actor=actor, action="webhook.redeliver", subject=("webhook", webhook_id),
        before=before | {"delivery_id": row.id}, after={"state": row.state, "attempts": 0, "delivery_id": row.id},
    )  # fmt: skip
    return get_delivery(webhook_id, delivery_id)
