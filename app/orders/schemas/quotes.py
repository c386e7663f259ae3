"""What a quote takes and answers."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, pre_dump, validate

from app.auth.models import MAX_EMAIL
from app.core.fields import Price, StrictSchema, Text
from app.orders.schemas.checkout import MAX_ID
from app.orders.schemas.kinds import Percent
from app.orders.schemas.orders import ASIN, COUNT, CURRENCY, TAX_RATE
from app.orders.services.checkout.quoting import Quote
from app.orders.services.coupons.claiming import normalised_code

_LINE = ("product_id", "asin", "name", "quantity", "unit_price_minor", "subtotal_minor", "discount_minor")
_AMOUNTS = ("shipping_minor", "tax_minor", "total_minor")


class QuoteArguments(StrictSchema):
    """Of which cart, and with which coupon."""

    cart_id = fields.Integer(required=True, validate=validate.Range(1, MAX_ID), metadata={"examples": [42]})
    coupon = Text(longest=60, load_default=None, metadata={"examples": ["SPRING10"]})
    email = Text(
        longest=MAX_EMAIL,
        load_default="",
        metadata={"description": "Of a guest, whose uses of the coupon count", "examples": ["ada@example.org"]},
    )

    @post_load
    def complete(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Write the coupon as it is kept."""
        data["coupon"] = normalised_code(data["coupon"]) if data["coupon"] else None
        return data


class QuoteLineSchema(Schema):
    """One product of a quote."""

    product_id = fields.Integer(metadata={"examples": [17]})
    asin = fields.String(metadata=ASIN)
    name = fields.String(metadata={"examples": ["Copper kettle, 1.7 l"]})
    quantity = fields.Integer(metadata=COUNT)
    unit_price = Price(attribute="unit_price_minor", metadata={"examples": ["20.00"]})
    subtotal = Price(attribute="subtotal_minor", metadata={"examples": ["40.00"]})
    discount = Price(attribute="discount_minor", metadata={"examples": ["4.00"]})
    shipping = Price(attribute="shipping_minor", metadata={"examples": ["4.90"]})
    tax = Price(attribute="tax_minor", metadata={"examples": ["6.53"]})
    total = Price(attribute="total_minor", metadata={"examples": ["40.90"]})


class QuoteSchema(Schema):
    """What a cart costs at this moment, and how it can be paid; nothing is held by it."""

    cart_id = fields.Integer(metadata={"examples": [42]})
    currency = fields.String(metadata=CURRENCY)
    subtotal = Price(attribute="subtotal_minor", metadata={"examples": ["40.00"]})
    discount = Price(attribute="discount_minor", metadata={"examples": ["4.00"]})
    shipping = Price(attribute="shipping_minor", metadata={"examples": ["4.90"]})
    tax = Price(attribute="tax_minor", metadata={"description": "Of goods and shipping", "examples": ["6.53"]})
    tax_rate = Percent(attribute="tax_rate_ppm", metadata=TAX_RATE)
    tax_included = fields.Boolean(
        metadata={"description": "Whether prices and the shipping fee contain the tax", "examples": [True]}
    )
    total = Price(
        attribute="total_minor", metadata={"description": "The expected_total of a checkout", "examples": ["40.90"]}
    )
    coupon = fields.String(attribute="coupon_code", allow_none=True, metadata={"examples": ["SPRING10"]})
    payment_methods = fields.List(fields.String(), metadata={"examples": [["invoice", "card"]]})
    lines = fields.List(fields.Nested(QuoteLineSchema))

    @pre_dump
    def flatten(self, quote: Quote, **_kwargs: Any) -> dict[str, Any]:
        """The sums beside the lines, each of which says its currency."""
        sums = quote.composed.columns
        lines = [
            {name: line[name] for name in (*_LINE, *_AMOUNTS)} | {"currency": sums["currency"]}
            for line in quote.composed.lines
        ]
        return sums | {"cart_id": quote.cart_id, "payment_methods": quote.payment_methods, "lines": lines}
