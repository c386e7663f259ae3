"""Orders as rows of a file: those of a filtered list, page by page, each as it is when its turn comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from app.core.money import decimal_text
from app.core.pagination import MAX_LIMIT
from app.orders.addresses import FIELDS
from app.orders.queries.orders_listing import list_orders

_STATES: Final = ("number", "state", "payment_state", "fulfilment_state", "payment_method", "attention")
_CUSTOMER: Final = ("customer_id", "email", *FIELDS)
_AMOUNTS: Final = ("subtotal", "discount", "shipping", "tax", "total", "cancelled")
COLUMNS: Final = (
    *_STATES,
    *_CUSTOMER,
    "currency",
    *_AMOUNTS,
    "coupon",
    "unit_count",
    "created_at",
    "placed_at",
    "paid_at",
    "ended_at",
)
"""Of a file's rows; name to phone are the shipping address."""


def order_rows(**which: Any) -> Iterator[list[list[Any]]]:
    """The orders that fit a list's filters (``list_orders``) in its order, some at a time, as rows with ``COLUMNS``."""
    cursor: str | None = None
    while True:
        page = list_orders(limit=MAX_LIMIT, cursor=cursor, **which)
        yield [_row(order) for order in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return


def _row(order: Any) -> list[Any]:
    address = orjson.loads(order.shipping_address)
    return [
        *(getattr(order, name) for name in _STATES),
        order.user_id,
        order.email,
        *(address.get(name) for name in FIELDS),
        order.currency,
        *(decimal_text(getattr(order, f"{name}_minor"), order.currency) for name in _AMOUNTS),
        order.coupon_code,
        int(order.unit_count),
        *(order.created_at, order.placed_at, order.paid_at, order.ended_at),
    ]
