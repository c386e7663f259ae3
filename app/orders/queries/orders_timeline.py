"""What happened to an order, the newest first: all of it for staff, the public part for the customer."""

from __future__ import annotations

from typing import Any, Final

import orjson
from sqlalchemy import Select, case, func, select

from app.auth.models import ApiKey, User
from app.core.orm import table_of
from app.core.pagination import Page, fetch_page
from app.core.reading import instant, raw_json
from app.orders.models.orders import Order, OrderEvent

WORDS: Final = frozenset({"text", "reason"})
"""What of an event's details somebody has written."""
_KEYS: Final = [(OrderEvent.id, True)]
_USER, _KEY = table_of(User), table_of(ApiKey)
_IS_USER: Final = (OrderEvent.actor_kind == "user") & (_USER.c.id == OrderEvent.actor_id)
_IS_KEY: Final = (OrderEvent.actor_kind == "key") & (_KEY.c.id == OrderEvent.actor_id)
_COLUMNS: Final = (
    OrderEvent.id,
    instant(OrderEvent.created_at),
    OrderEvent.kind,
    OrderEvent.before,
    OrderEvent.after,
    raw_json(OrderEvent.details),
)


def list_events(order_id: int, *, limit: int, cursor: str | None = None) -> Page[Any]:
    """All events of an order, with who caused each: ``actor_kind``, ``actor_id``, and the names of people and keys."""
    name = func.coalesce(_USER.c.name, _KEY.c.name).label("actor_name")
    listed = select(*_COLUMNS, OrderEvent.is_public, OrderEvent.actor_kind, OrderEvent.actor_id, name)
    return fetch_page(_with_actors(listed, order_id), keys=_KEYS, limit=limit, cursor=cursor, scalars=False)


def list_public_events(order_id: int, *, limit: int, cursor: str | None = None) -> Page[Any]:
    """What the customer may see of them; ``by`` is ``customer`` for what they did themselves, else ``shop``."""
    is_theirs = (OrderEvent.actor_kind == "guest") | (_USER.c.id == Order.user_id) | (_KEY.c.user_id == Order.user_id)
    by = case((is_theirs, "customer"), else_="shop").label("by")
    listed = _with_actors(select(*_COLUMNS, by), order_id).join(Order, Order.id == OrderEvent.order_id)
    return fetch_page(
        listed.where(OrderEvent.is_public.is_(True)), keys=_KEYS, limit=limit, cursor=cursor, scalars=False
    )


def without_words(page: Page[Any]) -> Page[Any]:
    """The events without what somebody wrote in them, for whoever holds a link: a mail may be forwarded."""
    return Page([row._asdict() | {"details": _without_words(row.details)} for row in page.items], page.next_cursor)


def _without_words(details: Any) -> dict[str, Any]:
    known: dict[str, Any] = orjson.loads(details) if isinstance(details, str | bytes) else details
    return {name: value for name, value in known.items() if name not in WORDS}


def _with_actors(listed: Select[Any], order_id: int) -> Select[Any]:
    joined = listed.select_from(OrderEvent).outerjoin(_USER, _IS_USER).outerjoin(_KEY, _IS_KEY)
    return joined.where(OrderEvent.order_id == order_id)
