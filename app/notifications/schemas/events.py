"""What webhooks are sent, for the OpenAPI document; the bodies are written by services/events.py."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields, validate

from app.core.fields import Instant
from app.notifications.kinds import PRODUCT_UPDATED, STOCK_LOW, TEST

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


class TestEvent(_Event):
    """Somebody tests the way to a webhook."""

    type = fields.Constant(TEST, metadata={"examples": [TEST]})
    data = fields.Nested(TestSchema)


EVENTS: Final[dict[str, type[Schema]]] = {
    PRODUCT_UPDATED: ProductUpdatedEvent,
    STOCK_LOW: StockLowEvent,
    TEST: TestEvent,
}
"""The body of every kind of event."""
