"""Orders as staff see them, with all that belongs to them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.core.fields import Instant, Json, Price, page_of
from app.orders.models.payments import PaymentStatus
from app.orders.schemas import orders as own


class OrderInDeskListSchema(own.OrderInListSchema):
    """An order in the list of all."""

    customer_id = fields.Integer(attribute="user_id", allow_none=True, metadata=own.CUSTOMER)
    email = fields.String(metadata={"format": "email", "examples": ["grace@example.org"]})
    attention = fields.String(allow_none=True, metadata=own.ATTENTION)
    shipping_address = own.JsonAddress()
    updated_at = Instant(metadata=own.WHEN)


class OrderPaymentSchema(Schema):
    """One attempt to pay for an order."""

    id = fields.Integer(metadata={"examples": [91]})
    attempt = fields.Integer(metadata={"examples": [1]})
    provider = fields.String(metadata={"examples": ["manual"]})
    method = fields.String(metadata=own.METHOD)
    status = fields.String(validate=validate.OneOf(list(PaymentStatus)), metadata={"examples": ["CAPTURED"]})
    currency = fields.String(metadata=own.CURRENCY)
    amount = Price(attribute="amount_minor", metadata={"examples": ["40.90"]})
    captured = Price(attribute="captured_minor", metadata={"examples": ["40.90"]})
    refunded = Price(
        attribute="refunded_minor",
        metadata={"description": "Set aside for refunds, whether or not they are done", "examples": ["0.00"]},
    )
    provider_ref = fields.String(
        allow_none=True, metadata={"description": "The provider's own id of it", "examples": ["pi_3QK2eZvKYlo2C"]}
    )
    reference = fields.String(
        allow_none=True, metadata={"description": "What staff noted about it", "examples": ["Bank slip 17"]}
    )
    error_code = fields.String(allow_none=True, metadata={"examples": [None]})
    captured_at = Instant(allow_none=True, metadata=own.WHEN)
    created_at = Instant(metadata=own.WHEN)


class RefundPartSchema(Schema):
    """A line's part of a refund."""

    line_id = fields.Integer(metadata=own.LINE)
    asin = fields.String(metadata=own.ASIN)
    quantity = fields.Integer(
        metadata={"description": "Units that were cancelled or came back; 0 where the goods stay", "examples": [1]}
    )
    amount = Price(attribute="amount_minor", metadata={"examples": ["20.00"]})


class OrderRefundSchema(own.OwnRefundSchema):
    """Money that goes back."""

    id = fields.Integer(metadata={"examples": [12]})
    payment_id = fields.Integer(metadata={"examples": [91]})
    provider = fields.String(metadata={"examples": ["manual"]})
    reason = fields.String(metadata={"examples": ["Ordered twice"]})
    provider_ref = fields.String(allow_none=True, metadata={"examples": ["re_3QK2eZvKYlo2C"]})
    made_at = fields.String(
        allow_none=True,
        metadata={"description": "The provider where somebody made it; null: it was made here", "examples": [None]},
    )
    error_code = fields.String(allow_none=True, metadata={"examples": [None]})
    lines = fields.List(fields.Nested(RefundPartSchema))


class OrderDeskShipmentSchema(own.OrderShipmentSchema):
    """A parcel of an order, with its version."""

    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})


class ReturnPartSchema(own.PartLineSchema):
    """Units of a line that came back."""

    resaleable = fields.Integer(metadata={"description": "How many went back to the shelves", "examples": [1]})


class OrderReturnPartsSchema(Schema):
    """Goods of an order that came back."""

    id = fields.Integer(metadata={"examples": [5]})
    reason = fields.String(metadata={"examples": ["Too small"]})
    refund_id = fields.Integer(allow_none=True, metadata={"examples": [12]})
    created_at = Instant(metadata=own.WHEN)
    lines = fields.List(fields.Nested(ReturnPartSchema))


class DeskOrderSchema(own.OrderSchema):
    """An order with all that belongs to it; of payments, refunds, shipments and returns the newest 100 each."""

    customer_id = fields.Integer(attribute="user_id", allow_none=True, metadata=own.CUSTOMER)
    attention = fields.String(allow_none=True, metadata=own.ATTENTION)
    updated_at = Instant(metadata=own.WHEN)
    payments = fields.List(fields.Nested(OrderPaymentSchema), metadata={"description": "The newest first"})
    refunds = fields.List(fields.Nested(OrderRefundSchema), metadata={"description": "The newest first"})
    shipments = fields.List(fields.Nested(OrderDeskShipmentSchema), metadata={"description": "The newest first"})
    returns = fields.List(fields.Nested(OrderReturnPartsSchema), metadata={"description": "The newest first"})


class EventSchema(Schema):
    """Something that happened to an order."""

    id = fields.Integer(metadata={"examples": [2311]})
    created_at = Instant(metadata=own.WHEN)
    kind = fields.String(metadata=own.EVENT_KIND)
    before = fields.String(allow_none=True, metadata=own.EVENT_BEFORE)
    after = fields.String(allow_none=True, metadata={"examples": ["SHIPPED"]})
    is_public = fields.Boolean(metadata={"description": "Whether the customer sees it", "examples": [True]})
    actor_kind = fields.String(metadata={"description": "user, key, guest, system or job", "examples": ["user"]})
    actor_id = fields.Integer(allow_none=True, metadata={"examples": [7]})
    actor_name = fields.String(
        allow_none=True, metadata={"description": "Of people and keys", "examples": ["Ada Admin"]}
    )
    details = Json(metadata=own.EVENT_DETAILS)


DeskOrderPage = page_of(OrderInDeskListSchema)
EventPage = page_of(EventSchema)
