"""Changes of an order's particulars: whom to write to, where the parcels and the bill go, what the customer noted.

What changed is written down by its name and not by its value: histories are not erased, and people are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from app.auth.services.accounts import checked_email
from app.core import audit
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.orders.errors import AlreadyShipped, OrderNotPlaced
from app.orders.models.orders import FulfilmentState, Order, OrderState
from app.orders.queries.orders import OrderRecord, read_order
from app.orders.services.links import void_links
from app.orders.services.moving import lock_order, note

CHANGED: Final = "order.changed"


@in_transaction
def change_order(
    *, actor: Principal, now: datetime, order_id: int, expected_version: int, **values: Any
) -> OrderRecord:
    """Give a placed order of which nothing was shipped another email, note, shipping_address or billing_address.

    Addresses are whole ones, as ``AddressIn`` leaves them. With another email the links of former mails show nothing
    any more. What is the same already is no change, and counts no version up. Raises OrderNotFound, OrderChanged,
    OrderNotPlaced, AlreadyShipped, Invalid.
    """
    order = lock_order(order_id, version=expected_version)
    _require_changeable(order)
    if "email" in values:
        values["email"] = checked_email(values["email"])
    changed = [name for field, value in values.items() for name in _differences(field, getattr(order, field), value)]
    if changed:
        for field, value in values.items():
            setattr(order, field, value)
        if "email" in changed:
            void_links(order_id)
        note(order, CHANGED, actor=actor, now=now, details={"changed": changed}, public=True)
        audit.record(actor=actor, action="order.update", subject=("order", order_id), after={"changed": changed})
    db.session.flush()
    return read_order(order_id)


def _require_changeable(order: Order) -> None:
    if order.state != OrderState.PLACED:
        raise OrderNotPlaced(order, f"Order {order.number} is {order.state}; only placed orders are changed.")
    if order.fulfilment_state != FulfilmentState.UNFULFILLED:
        raise AlreadyShipped(
            order, f"Something of order {order.number} was shipped; what it says stays as it was then."
        )


def _differences(field: str, before: Any, after: Any) -> list[str]:
    """What of a field is another one: of an address its parts."""
    if before == after:
        return []
    if isinstance(before, Mapping):
        return sorted(f"{field}.{part}" for part in after if before.get(part) != after[part])
    return [field]
