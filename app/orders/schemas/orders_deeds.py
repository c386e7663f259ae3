"""What staff send to make, change and cancel orders, and to write something down about them."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from app.auth.schemas.registration import Email
from app.cart.models import MAX_NOTE, MAX_QUANTITY
from app.core.fields import StrictSchema, Text
from app.orders.models.orders import MAX_ORDER_LINES
from app.orders.schemas import orders as own
from app.orders.schemas.addresses import ADDRESS, AddressIn
from app.orders.schemas.checkout import ExpectedTotal
from app.orders.schemas.shipments import UnitsIn
from app.orders.services.checkout.wanted import Ordered
from app.orders.services.coupons.claiming import normalised_code
from app.orders.services.notes import MAX_TEXT

_METHODS: Final = ("invoice", "cash")


ORDER: Final[dict[str, Any]] = {
    "email": "grace@example.org",
    "items": [{"product_id": 17, "quantity": 2}],
    "shipping_address": ADDRESS,
    "payment_method": "invoice",
}


class OrderedItem(StrictSchema):
    """So many of a product."""

    product_id = fields.Integer(required=True, strict=True, validate=own.ID, metadata={"examples": [17]})
    quantity = fields.Integer(required=True, strict=True, validate=validate.Range(1, MAX_QUANTITY), metadata=own.COUNT)

    @post_load
    def make_item(self, data: dict[str, Any], **_kwargs: Any) -> Ordered:
        """The product and how many of it."""
        return Ordered(data["product_id"], data["quantity"])


class OrderIn(StrictSchema):
    """An order that staff place for a customer."""

    customer_id = fields.Integer(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=own.ID,
        metadata=own.CUSTOMER | {"description": "The customer's account; null: somebody without one"},
    )
    email = Email(
        load_default=None,
        allow_none=True,
    )
    items = fields.List(fields.Nested(OrderedItem), required=True, validate=validate.Length(1, MAX_ORDER_LINES))
    expected_total = fields.Nested(
        ExpectedTotal,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "What the customer was told; with another total nothing is ordered. null: whatever it is",
            "examples": [None],
        },
    )
    shipping_address = fields.Nested(AddressIn, required=True)
    billing_address = fields.Nested(
        AddressIn, load_default=None, allow_none=True, metadata={"description": "null: the same", "examples": [None]}
    )
    payment_method = fields.String(required=True, validate=validate.OneOf(_METHODS), metadata={"examples": ["invoice"]})
    coupon = Text(longest=60, load_default=None, allow_none=True, metadata={"examples": ["SPRING10"]})
    note = Text(
        longest=MAX_NOTE, blank=True, lines=True, load_default="", metadata={"examples": ["Please ring twice."]}
    )

    @validates_schema(skip_on_field_errors=True)
    def check_together(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse an order of nobody, and a product that is named twice."""
        if data["customer_id"] is None and data["email"] is None:
            raise ValidationError("is needed where there is no customer_id: whom to write to.", "email")
        products = [item.product_id for item in data["items"]]
        twice = {at: ["is there already."] for at, each in enumerate(products) if each in products[:at]}
        if twice:
            raise ValidationError({"items": {at: {"product_id": said} for at, said in twice.items()}})

    @post_load
    def complete(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Bill where parcels go unless something else is said; write the coupon as it is kept."""
        data["billing_address"] = data["billing_address"] or data["shipping_address"]
        data["coupon"] = normalised_code(data["coupon"]) if data["coupon"] else None
        return data


class OrderChange(StrictSchema):
    """What is to be different; what is left out stays. Addresses are replaced as a whole."""

    email = Email()
    shipping_address = fields.Nested(AddressIn)
    billing_address = fields.Nested(AddressIn)
    note = Text(
        longest=MAX_NOTE,
        blank=True,
        lines=True,
        metadata={"description": "The customer's", "examples": ["Please ring twice."]},
    )

    @validates_schema
    def check_something(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse what changes nothing."""
        if not data:
            raise ValidationError("must say what is to be different.")


class CancellationIn(StrictSchema):
    """What is cancelled, and why."""

    lines = fields.List(
        fields.Nested(UnitsIn),
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, MAX_ORDER_LINES),
        metadata={"description": "null: all that was not shipped"},
    )
    reason = Text(longest=own.MAX_REASON, load_default=None, allow_none=True, metadata=own.REASON)


class NoteIn(StrictSchema):
    """Something to be written down about an order."""

    text = Text(longest=MAX_TEXT, lines=True, required=True, metadata={"examples": ["Called: comes on Friday."]})
    is_public = fields.Boolean(
        load_default=False, metadata={"description": "Whether the customer reads it", "examples": [False]}
    )
