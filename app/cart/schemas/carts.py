"""What the cart's API takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.cart.changes import CHANGES, Availability
from app.cart.models import MAX_NOTE, MAX_QUANTITY, CartState
from app.core.fields import Asin, Instant, Price, StrictSchema, Text

_ID: Final = {"examples": [42]}
_ASIN: Final = {"examples": ["B0CW1A0001"]}
_NAME: Final = {"examples": ["Copper kettle, 1.7 l"]}
_CURRENCY: Final = {"description": "The shop's, by ISO 4217", "examples": ["USD"]}
_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_LEFT: Final = {"description": "With FEWER: only so many are left; else null", "examples": [2]}
_LINES: Final = {"description": "In the order they were put in"}
_CHANGED: Final = {
    "description": "What is not as the customer last saw it, when they last changed that line or confirmed the cart"
}
ADD: Final = {"asin": "B0CW1A0001", "quantity": 2}


def _quantity(**options: Any) -> fields.Integer:
    return fields.Integer(
        strict=True,
        validate=validate.Range(1, MAX_QUANTITY),
        metadata={"description": "Units", "examples": [2]},
        **options,
    )


class CartStart(StrictSchema):
    """How a guest's token is given."""

    cookie = fields.Boolean(
        load_default=False,
        metadata={
            "description": "Give a guest's token as a cookie that no script reads, and not in the body. What changes "
            "something then needs X-CSRFToken as well",
            "examples": [False],
        },
    )


class CartNote(StrictSchema):
    """What the customer wants to say about the order."""

    note = Text(longest=MAX_NOTE, blank=True, lines=True, required=True, metadata={"examples": ["Please ring twice"]})


class ItemAdd(StrictSchema):
    """A product by its id or its ASIN, and how many of it."""

    product_id = fields.Integer(strict=True, validate=validate.Range(1, 2**63 - 1), metadata=_ID)
    asin = Asin()
    quantity = _quantity(load_default=1)

    @validates_schema
    def check_one(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse what names no product, or names one twice."""
        if {"product_id", "asin"} <= data.keys():
            said = ["Name the product by product_id or by asin, not by both."]
            raise ValidationError({"product_id": said, "asin": said})
        if not {"product_id", "asin"} & data.keys():
            raise ValidationError({"product_id": ["Name the product by product_id or by asin."]})


class ItemChange(StrictSchema):
    """How many there are to be."""

    quantity = _quantity(required=True)


class CartChangeSchema(Schema):
    """One thing about a product that is not as the customer last saw it."""

    product_id = fields.Integer(metadata=_ID)
    asin = fields.String(metadata=_ASIN)
    kind = fields.String(
        validate=validate.OneOf(CHANGES),
        metadata={"description": "PRICE, or what the availability has become"},
    )
    currency = fields.String(metadata=_CURRENCY)
    price_from = Price(allow_none=True, metadata={"description": "With PRICE; else null", "examples": ["39.90"]})
    price_to = Price(allow_none=True, metadata={"description": "With PRICE; else null", "examples": ["42.90"]})
    left = fields.Integer(allow_none=True, metadata=_LEFT)


class CartLineSchema(Schema):
    """A product of the cart, as it is offered now."""

    product_id = fields.Integer(metadata=_ID)
    asin = fields.String(metadata=_ASIN)
    name = fields.String(metadata=_NAME)
    brand = fields.String(allow_none=True, metadata={"examples": ["Kettles & Co."]})
    quantity = fields.Integer(metadata={"examples": [3]})
    currency = fields.String(metadata=_CURRENCY)
    unit_price = Price(metadata={"description": "Now", "examples": ["42.90"]})
    subtotal = Price(metadata={"description": "unit_price times quantity", "examples": ["128.70"]})
    availability = fields.String(
        validate=validate.OneOf([each.value for each in Availability]),
        metadata={
            "description": "Whether the line could be bought as it is. FEWER: not so many are left. NOT_SOLD: the shop "
            "does not sell it any more"
        },
    )
    left = fields.Integer(allow_none=True, metadata=_LEFT)
    added_at = Instant(metadata=_WHEN)
    changes = fields.List(fields.Nested(CartChangeSchema), metadata=_CHANGED)


class CartShortSchema(Schema):
    """A product of which not all found room."""

    product_id = fields.Integer(metadata=_ID)
    asin = fields.String(metadata=_ASIN)
    name = fields.String(metadata=_NAME)
    wanted = fields.Integer(metadata={"description": "In both carts together", "examples": [1200]})
    kept = fields.Integer(metadata={"description": "In this cart; 0: it has no line left for it", "examples": [999]})


class CartMergeSchema(Schema):
    """What came in when a guest logged in."""

    at = Instant(metadata=_WHEN)
    lines = fields.Integer(metadata={"description": "Products in the guest's cart", "examples": [3]})
    short = fields.List(
        fields.Nested(CartShortSchema), metadata={"description": "What found no room, wholly or partly"}
    )


class CartSchema(Schema):
    """A cart, with prices and availability as they are now. Nothing in it is reserved: checkout holds stock."""

    id = fields.Integer(
        allow_none=True, metadata={"description": "What checkout takes; null while a person has none yet"} | _ID
    )
    state = fields.String(
        validate=validate.OneOf([CartState.OPEN.value, CartState.ORDERED.value]),
        metadata={"description": "ORDERED: it became an order, and takes nothing more"},
    )
    version = fields.Integer(
        metadata={"description": "Grows with every change; 0 while there is none", "examples": [4]}
    )
    note = fields.String(metadata={"examples": ["Please ring twice"]})
    currency = fields.String(metadata=_CURRENCY)
    lines = fields.List(fields.Nested(CartLineSchema), metadata=_LINES)
    quantity = fields.Integer(metadata={"description": "Units of all lines", "examples": [3]})
    subtotal = Price(
        metadata={
            "description": "Sum of the lines that are AVAILABLE or FEWER. Discount, shipping and tax are worked out by "
            "checkout",
            "examples": ["128.70"],
        }
    )
    is_ready = fields.Boolean(metadata={"description": "Whether all of it could be bought as it is"})
    changes = fields.List(fields.Nested(CartChangeSchema), metadata={"description": "The changes of all lines"})
    merges = fields.List(
        fields.Nested(CartMergeSchema),
        metadata={"description": "What came in from a guest's cart at a login, until it is confirmed; the newest last"},
    )
    updated_at = Instant(allow_none=True, metadata=_WHEN)
    expires_at = Instant(
        allow_none=True,
        metadata={"description": "When it is deleted unless it is changed before", "examples": [_WHEN["examples"][0]]},
    )


class OpenedCartSchema(Schema):
    """A cart to put things into."""

    token = fields.String(
        allow_none=True,
        metadata={
            "description": "A guest's: send it as Cart-Token. It is shown once. null for who is logged in, and where "
            "it was given as a cookie",
            "examples": ["kJ8x0vQm3nT5pWzR7yLbAg"],
        },
    )
    cart = fields.Nested(CartSchema)
