"""Writing down that something happened, for the webhooks that want to know; in the transaction in which it happens."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import insert

from app.core.extensions import db
from app.core.fields import utc_text
from app.notifications.models import DeliveryState, WebhookDelivery, WebhookEvent


def record(
    kind: str, parts: Sequence[Any], *, to: Sequence[int], now: datetime, is_requested: bool = False
) -> list[WebhookEvent]:
    """Add an event for each of ``parts``, which becomes its ``data``, and its delivery to each of these webhooks.

    It joins the open transaction: what is undone is not told. ``to`` comes from ``who_wants``.
    """
    session = db.session()
    events = [_event(kind, data, now) for data in parts]
    session.add_all(events)
    session.flush()
    common = {"state": DeliveryState.PENDING, "is_requested": is_requested, "attempts": 0, "next_attempt_at": now}
    rows = [{"webhook_id": webhook_id, "event_id": event.id, **common} for event in events for webhook_id in to]
    session.execute(insert(WebhookDelivery), rows)
    return events


def _event(kind: str, data: Any, now: datetime) -> WebhookEvent:
    event_id = new_event_id(now)
    body = orjson.dumps({"id": event_id, "type": kind, "timestamp": utc_text(now), "data": data}).decode()
    return WebhookEvent(event_id=event_id, kind=kind, body=body, created_at=now)


def new_event_id(now: datetime) -> str:
    """A name that nobody can guess; it begins with the time, so that new ones stand together in the index."""
    return f"evt_{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"
