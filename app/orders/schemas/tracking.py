"""An order as whoever holds the link of a mail sees it."""

from __future__ import annotations

from marshmallow import fields

from app.orders.schemas.orders import OrderHeadSchema, OrderLineSchema, OrderShipmentSchema


class TrackedOrderSchema(OrderHeadSchema):
    """An order without anybody's name, address, email or note."""

    lines = fields.List(fields.Nested(OrderLineSchema))
    shipments = fields.List(
        fields.Nested(OrderShipmentSchema), metadata={"description": "The newest first, at most 100"}
    )
