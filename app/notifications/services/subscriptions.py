"""What webhooks are told of products, their stock and orders; called inside the transactions that change them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

import orjson

from app.core.fields import utc_text
from app.core.orm import utc_now
from app.notifications.kinds import ALERT_FIRED, PRODUCT_UPDATED, STOCK_LOW
from app.notifications.queries.webhooks import who_wants
from app.notifications.services import events
from app.orders.events import OrderMoved
from app.orders.queries.sums import describe_order
from app.products.events import ProductChange, ProductsChanged, StockLow
from app.rpa.events import AlertFired

MOST_PRODUCTS: Final = 100
LARGEST: Final = 64 * 1024
"""Bytes of the products of one event, unless a single one has more; the specification advises small payloads."""


def tell_products_changed(event: ProductsChanged) -> None:
    """Record ``product.updated`` for the webhooks that want it: so many events that none is too large."""
    webhooks = who_wants(PRODUCT_UPDATED)
    if webhooks:
        about = {"source": event.source, "operation_id": event.operation_id}
        parts = [about | {"products": products} for products in _portions(event.products)]
        events.record(PRODUCT_UPDATED, parts, to=webhooks, now=utc_now())


def tell_stock_low(event: StockLow) -> None:
    """Record ``stock.low`` for the webhooks that want it."""
    webhooks = who_wants(STOCK_LOW)
    if webhooks:
        events.record(STOCK_LOW, [asdict(event)], to=webhooks, now=utc_now())


def tell_alert_fired(event: AlertFired) -> None:
    """Record ``alert.fired`` for the webhooks that want it."""
    webhooks = who_wants(ALERT_FIRED)
    if webhooks:
        data = asdict(event)
        events.record(ALERT_FIRED, [{**data, "at": utc_text(event.at)}], to=webhooks, now=event.at)


def tell_order_moved(event: OrderMoved) -> None:
    """Record ``order.placed``, ``order.shipped`` and their likes for the webhooks that want it."""
    kind = f"order.{event.what}"
    webhooks = who_wants(kind)
    if webhooks:
        events.record(kind, [describe_order(event.order_id)], to=webhooks, now=event.at)


def _portions(products: Sequence[ProductChange]) -> Iterator[list[orjson.Fragment]]:
    portion: list[orjson.Fragment] = []
    size = 0
    for product in products:
        written = orjson.dumps(_described(product))
        if portion and (len(portion) == MOST_PRODUCTS or size + len(written) > LARGEST):
            yield portion
            portion, size = [], 0
        portion.append(orjson.Fragment(written))
        size += len(written)
    if portion:
        yield portion


def _described(product: ProductChange) -> dict[str, Any]:
    changes = [
        {"attribute": change.attribute, "previous": change.previous, "current": change.current}
        for change in product.changes
    ]
    return {"id": product.product_id, "asin": product.asin, "changes": changes}
