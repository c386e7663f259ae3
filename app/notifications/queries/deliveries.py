"""Reads of deliveries: what became of telling a webhook of events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Select, select

from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.notifications.errors import DeliveryNotFound
from app.notifications.models import DeliveryState, WebhookDelivery, WebhookEvent
from app.notifications.queries.webhooks import get_webhook

_COLUMNS: Final[tuple[Any, ...]] = (
    WebhookDelivery.id,
    WebhookDelivery.webhook_id,
    WebhookDelivery.state,
    WebhookDelivery.attempts,
    WebhookDelivery.next_attempt_at,
    WebhookDelivery.last_attempt_at,
    WebhookDelivery.last_status,
    WebhookDelivery.last_error,
    WebhookDelivery.response,
    WebhookDelivery.duration_ms,
    WebhookDelivery.event_id,
    WebhookEvent.event_id.label("public_id"),
    WebhookEvent.kind,
    WebhookEvent.created_at,
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event's way to one webhook, as people read it."""

    id: int
    webhook_id: int
    event_id: str
    kind: str
    state: str
    attempts: int
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    response: str | None
    duration_ms: int | None
    created_at: datetime
    payload: Any = None
    """What is sent; only of one delivery by itself."""


def list_deliveries(
    webhook_id: int, *, limit: int, cursor: str | None, state: DeliveryState | None = None
) -> Page[Delivery]:
    """One page of a webhook's deliveries, newest event first; raises WebhookNotFound."""
    get_webhook(webhook_id)
    wanted = _joined(select(*_COLUMNS)).where(WebhookDelivery.webhook_id == webhook_id)
    if state is not None:
        wanted = wanted.where(WebhookDelivery.state == state)
    page = fetch_page(wanted, keys=[(WebhookDelivery.event_id, True)], limit=limit, cursor=cursor, scalars=False)
    return Page([_delivery(row) for row in page.items], page.next_cursor)


def get_delivery(webhook_id: int, delivery_id: int) -> Delivery:
    """One delivery of a webhook with its payload; raises WebhookNotFound or DeliveryNotFound."""
    get_webhook(webhook_id)
    wanted = _joined(select(*_COLUMNS, WebhookEvent.body))
    one = wanted.where(WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == webhook_id)
    row = db.session.execute(one).one_or_none()
    if row is None:
        raise DeliveryNotFound(f"Webhook {webhook_id} has no delivery {delivery_id}; they are kept for 30 days.")
    return _delivery(row, orjson.loads(row.body))


def _joined(columns: Select[Any]) -> Select[Any]:
    return columns.join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)


def _delivery(row: Any, payload: Any = None) -> Delivery:
    is_pending = row.state == DeliveryState.PENDING
    return Delivery(
        id=row.id,
        webhook_id=row.webhook_id,
        event_id=row.public_id,
        kind=row.kind,
        state=row.state,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at if is_pending else None,
        last_attempt_at=row.last_attempt_at,
        last_status=row.last_status,
        last_error=row.last_error,
        response=row.response,
        duration_ms=row.duration_ms,
        created_at=row.created_at,
        payload=payload,
    )
