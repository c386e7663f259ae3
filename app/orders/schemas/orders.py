"""Orders as customers see theirs, and the parts that staff see as well."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, validate
from orjson import Fragment

from app.core.fields import Instant, Json, PageArguments, Price, StrictSchema, Text, page_of
from app.orders.models.orders import FulfilmentState, OrderState, PaymentState
from app.orders.models.payments import RefundStatus
from app.orders.schemas.addresses import ADDRESS, PostalAddressSchema
from app.orders.schemas.kinds import Percent

MAX_REASON: Final = 200
REASON: Final = {"description": "Why; customer and staff read it", "examples": ["Ordered twice"]}
WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
NUMBER: Final = {"description": "What people call it", "examples": ["100042"]}
CURRENCY: Final = {"description": "ISO 4217", "examples": ["USD"]}
STATE: Final = {"examples": ["PLACED"]}
PAYMENT_STATE: Final = {"examples": ["PAID"]}
FULFILMENT_STATE: Final = {"examples": ["UNFULFILLED"]}
METHOD: Final = {"description": "invoice, cash or card", "examples": ["invoice"]}
LINE: Final = {"description": "Of the order's lines", "examples": [412]}
ASIN: Final = {"examples": ["B0CW1A0001"]}
COUNT: Final = {"examples": [2]}
TAX_RATE: Final = {"description": "Percent", "examples": ["19"]}
ID: Final = validate.Range(1, 2**63 - 1)
ATTENTION: Final = {"description": "Why staff should look at it", "examples": ["STOCK_TAKEN"]}
CUSTOMER: Final = {"description": "The customer's account", "examples": [7]}
EVENT_KIND: Final = {
    "description": "`order.state`, `payment.state` and `fulfilment.state` for moves, else what was done",
    "examples": ["fulfilment.state"],
}
EVENT_BEFORE: Final = {"description": "null at the beginning of an axis", "examples": ["UNFULFILLED"]}
EVENT_DETAILS: Final = {
    "type": "object",
    "description": "More about it. Of a changed email, note or address only the names of what is different: what was "
    "and is said there belongs to the person, who may have it erased, and events stay",
    "examples": [{"changed": ["email", "shipping_address.city"]}],
}
SHIPMENT_LINE: Final = {"description": "Units of a line in the parcel", "examples": [2]}


class JsonAddress(fields.Nested):
    """An address; a text is one that the database has so already."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(PostalAddressSchema, **kwargs)

    def _serialize(self, nested_obj: Any, attr: Any, obj: Any, **kwargs: Any) -> Any:  # type: ignore[override]  # its
        if isinstance(nested_obj, str):
            return Fragment(nested_obj)
        return super()._serialize(nested_obj, attr, obj, **kwargs)  # type: ignore[no-untyped-call]  # marshmallow's


class OrderLineSchema(Schema):
    """One product of an order, with its name and price as they were, and what became of its units."""

    id = fields.Integer(metadata=LINE)
    product_id = fields.Integer(metadata={"examples": [17]})
    asin = fields.String(metadata=ASIN)
    name = fields.String(metadata={"examples": ["Copper kettle, 1.7 l"]})
    brand = fields.String(allow_none=True, metadata={"examples": ["Kettles & Co."]})
    quantity = fields.Integer(metadata=COUNT)
    unit_price = Price(attribute="unit_price_minor", metadata={"examples": ["20.00"]})
    subtotal = Price(attribute="subtotal_minor", metadata={"examples": ["40.00"]})
    discount = Price(
        attribute="discount_minor", metadata={"description": "Its share of the coupon", "examples": ["4.00"]}
    )
    shipping = Price(
        attribute="shipping_minor", metadata={"description": "Its share of the shipping fee", "examples": ["4.90"]}
    )
    tax = Price(attribute="tax_minor", metadata={"description": "Of goods and shipping", "examples": ["6.53"]})
    total = Price(
        attribute="total_minor", metadata={"description": "What is paid for it, all in all", "examples": ["40.90"]}
    )
    open = fields.Integer(metadata={"description": "Units that are still to be shipped", "examples": [2]})
    cancelled = fields.Integer(metadata={"examples": [0]})
    shipped = fields.Integer(metadata={"examples": [0]})
    returned = fields.Integer(metadata={"examples": [0]})


class PartLineSchema(Schema):
    """Units of a line in a parcel."""

    line_id = fields.Integer(metadata=LINE)
    asin = fields.String(metadata=ASIN)
    quantity = fields.Integer(metadata=SHIPMENT_LINE)


class OrderShipmentSchema(Schema):
    """A parcel of an order."""

    id = fields.Integer(metadata={"examples": [31]})
    state = fields.String(metadata={"examples": ["SHIPPED"]})
    carrier = fields.String(metadata={"examples": ["DHL"]})
    tracking_number = fields.String(allow_none=True, metadata={"examples": ["JD014600003828387401"]})
    tracking_url = fields.String(
        allow_none=True,
        metadata={"examples": ["https://www.dhl.com/global-en/home/tracking.html?tracking-id=JD014600003828387401"]},
    )
    shipped_at = Instant(metadata=WHEN)
    delivered_at = Instant(allow_none=True, metadata=WHEN)
    lines = fields.List(fields.Nested(PartLineSchema))


class OwnRefundSchema(Schema):
    """Money that goes back to the customer."""

    amount = Price(attribute="amount_minor", metadata={"examples": ["20.00"]})
    currency = fields.String(metadata=CURRENCY)
    status = fields.String(validate=validate.OneOf(list(RefundStatus)), metadata={"examples": ["SUCCEEDED"]})
    created_at = Instant(metadata=WHEN)
    ended_at = Instant(allow_none=True, metadata=WHEN)


class OrderHeadSchema(Schema):
    """An order's states and sums."""

    number = fields.String(metadata=NUMBER)
    state = fields.String(validate=validate.OneOf(list(OrderState)), metadata=STATE)
    payment_state = fields.String(validate=validate.OneOf(list(PaymentState)), metadata=PAYMENT_STATE)
    fulfilment_state = fields.String(validate=validate.OneOf(list(FulfilmentState)), metadata=FULFILMENT_STATE)
    payment_method = fields.String(metadata=METHOD)
    currency = fields.String(metadata=CURRENCY)
    subtotal = Price(attribute="subtotal_minor", metadata={"examples": ["40.00"]})
    discount = Price(attribute="discount_minor", metadata={"examples": ["4.00"]})
    shipping = Price(attribute="shipping_minor", metadata={"examples": ["4.90"]})
    tax = Price(attribute="tax_minor", metadata={"description": "Of goods and shipping", "examples": ["6.53"]})
    total = Price(attribute="total_minor", metadata={"examples": ["40.90"]})
    cancelled = Price(
        attribute="cancelled_minor", metadata={"description": "What of the total was cancelled", "examples": ["0.00"]}
    )
    coupon = fields.String(attribute="coupon_code", allow_none=True, metadata={"examples": ["SPRING10"]})
    created_at = Instant(metadata=WHEN)
    placed_at = Instant(allow_none=True, metadata=WHEN)
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [3]})


class OrderInListSchema(OrderHeadSchema):
    """An order in a customer's list of theirs."""

    unit_count = fields.Integer(metadata={"description": "Units of all lines, as they were ordered", "examples": [3]})


class OrderSchema(OrderHeadSchema):
    """An order as its customer sees it. By the link of a mail: without email, addresses and note."""

    email = fields.String(allow_none=True, metadata={"format": "email", "examples": ["grace@example.org"]})
    note = fields.String(
        allow_none=True, metadata={"description": "The customer's", "examples": ["Please ring twice."]}
    )
    shipping_address = JsonAddress(allow_none=True, metadata={"examples": [ADDRESS]})
    billing_address = JsonAddress(allow_none=True, metadata={"examples": [ADDRESS]})
    tax_rate = Percent(attribute="tax_rate_ppm", metadata=TAX_RATE)
    tax_included = fields.Boolean(
        metadata={"description": "Whether prices and the shipping fee contain the tax", "examples": [True]}
    )
    held_until = Instant(
        allow_none=True,
        metadata=WHEN | {"description": "Until when the stock of a checkout is held that nobody pays for yet"},
    )
    paid_at = Instant(allow_none=True, metadata=WHEN)
    ended_at = Instant(
        allow_none=True, metadata=WHEN | {"description": "When it was completed, cancelled or had expired"}
    )
    due = Price(attribute="due_minor", metadata={"description": "What is still to be paid", "examples": ["40.90"]})
    captured = Price(attribute="captured_minor", metadata={"description": "What was paid", "examples": ["40.90"]})
    refunded = Price(attribute="refunded_minor", metadata={"description": "What of it went back", "examples": ["0.00"]})
    lines = fields.List(fields.Nested(OrderLineSchema))
    shipments = fields.List(fields.Nested(OrderShipmentSchema), metadata={"description": "The newest first"})
    refunds = fields.List(fields.Nested(OwnRefundSchema), metadata={"description": "The newest first"})


class OwnOrderArguments(PageArguments):
    """Which of one's orders."""

    state = fields.String(
        validate=validate.OneOf(list(OrderState)),
        metadata={
            "description": "Only orders in this state; left out: all but checkouts that were not finished",
            "examples": ["PLACED"],
        },
    )


class OwnCancellationIn(StrictSchema):
    """That an order is no longer wanted."""

    reason = Text(longest=MAX_REASON, load_default=None, allow_none=True, metadata=REASON)


class OwnEventSchema(Schema):
    """Something that happened to an order, as its customer sees it."""

    id = fields.Integer(metadata={"examples": [2311]})
    created_at = Instant(metadata=WHEN)
    kind = fields.String(metadata=EVENT_KIND)
    before = fields.String(allow_none=True, metadata=EVENT_BEFORE)
    after = fields.String(allow_none=True, metadata={"examples": ["SHIPPED"]})
    by = fields.String(validate=validate.OneOf(["customer", "shop"]), metadata={"examples": ["shop"]})
    details = Json(metadata=EVENT_DETAILS)


OrderPage = page_of(OrderInListSchema)
OwnEventPage = page_of(OwnEventSchema)
