"""What a checkout takes and answers."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, pre_dump, validate, validates_schema

from app.auth.models import MAX_EMAIL
from app.core.fields import StrictSchema, Text
from app.core.money import Money, MoneyError
from app.core.running import settings
from app.orders.schemas.addresses import AddressIn, PostalAddressSchema
from app.orders.schemas.orders import OrderHeadSchema, OrderLineSchema
from app.orders.services.checkout.wanted import CheckedOut
from app.orders.services.coupons.claiming import normalised_code

MAX_ID: Final = 2**53
MAX_NOTE: Final = 1000
MAX_URL: Final = 500
_CURRENCY: Final = {"description": "ISO 4217; the shop's", "examples": ["USD"]}


class ExpectedTotal(StrictSchema):
    """What the customer was shown."""

    amount = fields.String(
        required=True,
        validate=validate.Length(max=40),
        metadata={"description": "Plain decimal as a string", "examples": ["44.90"]},
    )
    currency = fields.String(required=True, validate=validate.Length(max=3), metadata=_CURRENCY)

    @validates_schema
    def check_money(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse other currencies than the shop's, and amounts that it cannot express."""
        if data["currency"] != settings().currency:
            raise ValidationError(f"must be {settings().currency}, the currency of this shop.", "currency")
        try:
            Money.parse(data["amount"], data["currency"])
        except MoneyError as error:
            raise ValidationError(str(error), "amount") from error

    @post_load
    def make_money(self, data: dict[str, Any], **_kwargs: Any) -> Money:
        """The amount as Money."""
        return Money.parse(data["amount"], data["currency"])


class CheckoutIn(StrictSchema):
    """A cart, and all that is needed to make an order of it."""

    cart_id = fields.Integer(
        required=True, strict=True, validate=validate.Range(1, MAX_ID), metadata={"examples": [42]}
    )
    expected_total = fields.Nested(
        ExpectedTotal,
        required=True,
        metadata={"description": "The total as the customer was shown it; with another one nothing is ordered"},
    )
    email = Text(
        longest=MAX_EMAIL,
        load_default="",
        metadata={"description": "Of guests, who need one", "format": "email", "examples": ["ada@example.org"]},
    )
    shipping_address = fields.Nested(AddressIn, required=True)
    billing_address = fields.Nested(AddressIn, metadata={"description": "Left out: the shipping address"})
    payment_method = fields.String(
        required=True,
        validate=validate.Length(max=16),
        metadata={"description": "invoice, cash or card, of which a shop may offer some", "examples": ["card"]},
    )
    source = Text(
        longest=128,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "What is paid with, as the provider calls it; null: the customer says so to the provider",
            "examples": ["pm_1QK2eZvKYlo2C"],
        },
    )
    coupon = Text(longest=60, load_default=None, allow_none=True, metadata={"examples": ["SPRING10"]})
    note = Text(
        longest=MAX_NOTE, blank=True, lines=True, load_default="", metadata={"examples": ["Please ring twice."]}
    )
    return_url = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=MAX_URL),
        metadata={
            "description": "Where the browser goes when a bank has asked something; an address of this shop",
            "examples": ["http://localhost:8000/shop/done"],
        },
    )

    @validates_schema(skip_on_field_errors=True)
    def check_together(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse addresses elsewhere, and a source where none is asked for."""
        if data["return_url"] is not None and not _is_ours(data["return_url"]):
            raise ValidationError(f"must begin with {settings().public_url}/.", "return_url")
        if data["source"] is not None and data["payment_method"] != "card":
            raise ValidationError("is for payments by card.", "source")

    @post_load
    def complete(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Bill where parcels go unless something else is said; write the coupon as it is kept."""
        data.setdefault("billing_address", data["shipping_address"])
        data["coupon"] = normalised_code(data["coupon"]) if data["coupon"] else None
        return data


def _is_ours(url: str) -> bool:
    return url.startswith(f"{settings().public_url}/") and url.isascii() and url.isprintable() and " " not in url


class CheckedOutSchema(OrderHeadSchema):
    """An order as a checkout leaves it, with fields named as in GET /api/v1/orders/{number}, which has more of it."""

    email = fields.String(metadata={"format": "email", "examples": ["ada@example.org"]})
    note = fields.String(metadata={"description": "The customer's", "examples": ["Please ring twice."]})
    shipping_address = fields.Nested(PostalAddressSchema)
    billing_address = fields.Nested(PostalAddressSchema)
    lines = fields.List(fields.Nested(OrderLineSchema))

    @pre_dump
    def flatten(self, done: CheckedOut, **_kwargs: Any) -> dict[str, Any]:
        """The order's columns beside its lines, each of which says its currency."""
        order = done.order
        lines = [
            {name: getattr(line, name) for name in _LINE}
            | {"currency": order.currency, "open": line.quantity - line.cancelled - line.shipped}
            for line in done.lines
        ]
        return {name: getattr(order, name) for name in _ORDER} | {"lines": lines}


_LINE: Final = (
    *("id", "product_id", "asin", "name", "brand", "quantity", "unit_price_minor", "subtotal_minor"),
    *("discount_minor", "shipping_minor", "tax_minor", "total_minor", "cancelled", "shipped", "returned"),
)
_ORDER: Final = (
    *("number", "state", "payment_state", "fulfilment_state", "payment_method", "currency", "subtotal_minor"),
    *("discount_minor", "shipping_minor", "tax_minor", "total_minor", "cancelled_minor", "coupon_code"),
    *("created_at", "placed_at", "version", "email", "note", "shipping_address", "billing_address"),
)
