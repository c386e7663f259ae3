"""What webhooks are sent, for the OpenAPI document; the bodies are written by services/events.py."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields, validate

from app.core.fields import Instant
from app.notifications.kinds import (
    ALERT_FIRED,
    ORDER_ATTENTION,
    ORDER_CANCELLED,
    ORDER_DELIVERED,
    ORDER_PAID,
    ORDER_PLACED,
    ORDER_REFUNDED,
    ORDER_RETURNED,
    ORDER_SHIPPED,
    PRODUCT_UPDATED,
    STOCK_LOW,
    TEST,
)
from app.orders.attention import REASONS
from app.orders.models.orders import FulfilmentState, OrderState, PaymentState

_ID: Final = {
    "description": "Equal to the header webhook-id: who has seen it has been told",
    "examples": ["evt_019b0d3c5a00c2f8e7a1b4d96035"],
}
_ASIN: Final = {"examples": ["B0CW1A0001"]}


class _Event(Schema):
    id = fields.String(metadata=_ID)
    timestamp = Instant(
        metadata={"description": "When it happened, not when it is sent", "examples": ["2026-11-21T10:00:00.000000Z"]}
    )


class ChangeSchema(Schema):
    """One attribute of a product, as the update history has it."""

    attribute = fields.String(metadata={"examples": ["price"]})
    previous = fields.String(allow_none=True, metadata={"examples": ["1299.90 USD"]})
    current = fields.String(allow_none=True, metadata={"examples": ["1199.90 USD"]})


class ChangedProductSchema(Schema):
    """A product that changed; a new one has `is_deleted` from null to `false`."""

    id = fields.Integer(metadata={"examples": [7]})
    asin = fields.String(metadata=_ASIN)
    changes = fields.List(fields.Nested(ChangeSchema))


class ProductsUpdatedSchema(Schema):
    """Products that were changed together."""

    source = fields.String(
        metadata={"description": "What changed them: api, import, farm, bulk, revert", "examples": ["api"]}
    )
    operation_id = fields.Integer(
        allow_none=True, metadata={"description": "The import or bulk action, if it was one", "examples": [12]}
    )
    products = fields.List(
        fields.Nested(ChangedProductSchema),
        validate=validate.Length(1, 100),
        metadata={"description": "1 to 100; a larger change is told in several events"},
    )


class LowStockSchema(Schema):
    """A product of which little is left."""

    product_id = fields.Integer(metadata={"examples": [7]})
    asin = fields.String(metadata=_ASIN)
    name = fields.String(metadata={"examples": ["Kettle"]})
    available = fields.Integer(metadata={"description": "On hand and not allocated", "examples": [4]})
    threshold = fields.Integer(metadata={"examples": [5]})


class FiredAlertSchema(Schema):
    """What an alert rule told."""

    alert_id = fields.Integer(metadata={"examples": [12]})
    rule_id = fields.Integer(metadata={"examples": [3]})
    rule = fields.String(metadata={"description": "Its name", "examples": ["Price drops"]})
    kind = fields.String(metadata={"examples": ["price"]})
    subject = fields.String(metadata={"examples": ["product:7@2"]})
    detail = fields.String(metadata={"examples": ["B0CW1A0001 on my-shop: price from 24.99 USD to 19.99 USD."]})
    asin = fields.String(allow_none=True, metadata=_ASIN)
    storefront = fields.String(allow_none=True, metadata={"description": "Its code", "examples": ["my-shop"]})
    job_id = fields.Integer(allow_none=True, metadata={"examples": [5]})
    task_id = fields.Integer(allow_none=True, metadata={"examples": [73]})
    at = Instant(metadata={"examples": ["2026-11-21T10:00:00.000000Z"]})


class MovedOrderSchema(Schema):
    """An order as it was left by what happened; amounts are decimals in its currency."""

    number = fields.String(metadata={"description": "What people call it", "examples": ["100042"]})
    version = fields.Integer(
        metadata={"description": "Counts up: of two events the one with the higher is the later", "examples": [3]}
    )
    state = fields.String(validate=validate.OneOf(list(OrderState)), metadata={"examples": ["PLACED"]})
    payment_state = fields.String(validate=validate.OneOf(list(PaymentState)), metadata={"examples": ["PAID"]})
    fulfilment_state = fields.String(
        validate=validate.OneOf(list(FulfilmentState)), metadata={"examples": ["UNFULFILLED"]}
    )
    attention = fields.String(
        allow_none=True,
        metadata={
            "description": "Why somebody should look at it: "
            + "; ".join(f"`{reason}`: {meaning}" for reason, meaning in REASONS.items()),
            "examples": [None],
        },
    )
    payment_method = fields.String(metadata={"examples": ["invoice"]})
    currency = fields.String(metadata={"description": "ISO 4217", "examples": ["USD"]})
    total = fields.String(metadata={"examples": ["44.90"]})
    cancelled = fields.String(
        metadata={"description": "What of the total was cancelled before it was paid", "examples": ["0.00"]}
    )
    captured = fields.String(metadata={"description": "What was paid", "examples": ["44.90"]})
    refunded = fields.String(metadata={"description": "What of it was given back", "examples": ["0.00"]})
    placed_at = Instant(allow_none=True, metadata={"examples": ["2026-11-21T10:00:00.000000Z"]})


class TestSchema(Schema):
    """What a test event says."""

    webhook_id = fields.Integer(metadata={"examples": [3]})
    name = fields.String(metadata={"examples": ["warehouse"]})


class ProductUpdatedEvent(_Event):
    """Products were added, changed, deleted or restored."""

    type = fields.Constant(PRODUCT_UPDATED, metadata={"examples": [PRODUCT_UPDATED]})
    data = fields.Nested(ProductsUpdatedSchema)


class StockLowEvent(_Event):
    """What is left of a product has fallen to its threshold."""

    type = fields.Constant(STOCK_LOW, metadata={"examples": [STOCK_LOW]})
    data = fields.Nested(LowStockSchema)


class AlertFiredEvent(_Event):
    """An alert rule told something about the farm."""

    type = fields.Constant(ALERT_FIRED, metadata={"examples": [ALERT_FIRED]})
    data = fields.Nested(FiredAlertSchema)


class _OrderEvent(_Event):
    data = fields.Nested(MovedOrderSchema)


class OrderPlacedEvent(_OrderEvent):
    """An order was placed."""

    type = fields.Constant(ORDER_PLACED, metadata={"examples": [ORDER_PLACED]})


class OrderPaidEvent(_OrderEvent):
    """An order was paid."""

    type = fields.Constant(ORDER_PAID, metadata={"examples": [ORDER_PAID]})


class OrderShippedEvent(_OrderEvent):
    """A parcel of an order has left."""

    type = fields.Constant(ORDER_SHIPPED, metadata={"examples": [ORDER_SHIPPED]})


class OrderDeliveredEvent(_OrderEvent):
    """Parcels of an order have arrived."""

    type = fields.Constant(ORDER_DELIVERED, metadata={"examples": [ORDER_DELIVERED]})


class OrderCancelledEvent(_OrderEvent):
    """An order, or a part of it, was cancelled."""

    type = fields.Constant(ORDER_CANCELLED, metadata={"examples": [ORDER_CANCELLED]})


class OrderReturnedEvent(_OrderEvent):
    """Goods of an order came back."""

    type = fields.Constant(ORDER_RETURNED, metadata={"examples": [ORDER_RETURNED]})


class OrderRefundedEvent(_OrderEvent):
    """Money of an order was given back."""

    type = fields.Constant(ORDER_REFUNDED, metadata={"examples": [ORDER_REFUNDED]})


class OrderAttentionEvent(_OrderEvent):
    """Somebody should look at an order."""

    type = fields.Constant(ORDER_ATTENTION, metadata={"examples": [ORDER_ATTENTION]})


class TestEvent(_Event):
    """Somebody tests the way to a webhook."""

    type = fields.Constant(TEST, metadata={"examples": [TEST]})
    data = fields.Nested(TestSchema)


EVENTS: Final[dict[str, type[Schema]]] = {
    PRODUCT_UPDATED: ProductUpdatedEvent,
    STOCK_LOW: StockLowEvent,
    ALERT_FIRED: AlertFiredEvent,
    ORDER_PLACED: OrderPlacedEvent,
    ORDER_PAID: OrderPaidEvent,
    ORDER_SHIPPED: OrderShippedEvent,
    ORDER_DELIVERED: OrderDeliveredEvent,
    ORDER_CANCELLED: OrderCancelledEvent,
    ORDER_RETURNED: OrderReturnedEvent,
    ORDER_REFUNDED: OrderRefundedEvent,
    ORDER_ATTENTION: OrderAttentionEvent,
    TEST: TestEvent,
}
"""The body of every kind of event."""
