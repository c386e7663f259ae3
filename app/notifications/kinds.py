"""Which events others can be told of: one catalogue for webhooks, their documentation and who publishes them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from app.core.errors import Invalid

PRODUCT_UPDATED: Final = "product.updated"
STOCK_LOW: Final = "stock.low"
ALERT_FIRED: Final = "alert.fired"
ORDER_PLACED: Final = "order.placed"
ORDER_PAID: Final = "order.paid"
ORDER_SHIPPED: Final = "order.shipped"
ORDER_DELIVERED: Final = "order.delivered"
ORDER_CANCELLED: Final = "order.cancelled"
ORDER_RETURNED: Final = "order.returned"
ORDER_REFUNDED: Final = "order.refunded"
ORDER_ATTENTION: Final = "order.attention"
TEST: Final = "webhook.test"
EVERYTHING: Final = "*"

KINDS: Final[dict[str, str]] = {
    PRODUCT_UPDATED: "Products were added, changed, deleted or restored: 1 to 100 of them in one event",
    STOCK_LOW: "What is left of a product has fallen to its threshold; once per crossing",
    ALERT_FIRED: "An alert rule told something about the farm; once per crossing",
    ORDER_PLACED: "An order was placed",
    ORDER_PAID: "An order was paid",
    ORDER_SHIPPED: "A parcel of an order has left; once for each parcel",
    ORDER_DELIVERED: "Parcels of an order have arrived",
    ORDER_CANCELLED: "An order, or a part of it, was cancelled",
    ORDER_RETURNED: "Goods of an order came back",
    ORDER_REFUNDED: "Money of an order was given back",
    ORDER_ATTENTION: "Somebody should look at an order: stock or money of it is not as it should be",
}
"""Every kind that a webhook can be told of, by what it means. A new kind is added here and with its schema in
schemas/events.py; who publishes it calls ``services.events.record``."""


def check_kinds(kinds: Collection[str]) -> list[str]:
    """The kinds in the order of the catalogue, ``*`` alone for all; raises Invalid for unknown ones and for none."""
    unknown = sorted(set(kinds) - set(KINDS) - {EVERYTHING})
    if unknown:
        raise Invalid.field("/kinds", f"{', '.join(unknown)} is unknown; there are *, {', '.join(KINDS)}.")
    if not kinds:
        raise Invalid.field("/kinds", "must name a kind of event, or * for all.")
    return [EVERYTHING] if EVERYTHING in kinds else [kind for kind in KINDS if kind in kinds]
