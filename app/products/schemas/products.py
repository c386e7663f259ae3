"""What the products' API takes and gives."""

from __future__ import annotations

from typing import Any

from flask import current_app
from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from app.core.fields import Asin, Instant, PageArguments, StrictSchema, Text, page_of
from app.core.money import Money, MoneyError
from app.products.changes import ATTRIBUTES, DELETED
from app.products.models.products import MAX_BRAND, MAX_DESCRIPTION, MAX_NAME, Source

_SEEN_BY_THE_FARM = ("availability",)
_WHEN = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_ASIN = {"examples": ["B0CW1A0001"]}
_NAME = {"examples": ["Copper kettle, 1.7 l"]}
_BRAND = {"examples": ["Kettles & Co."]}
_DESCRIPTION = {"examples": ["Boils a litre in four minutes."]}
_CURRENCY = {"description": "ISO 4217; the shop's", "examples": ["USD"]}
_PRICE = {
    "description": "Plain decimal as a string, with at most the currency's decimals",
    "examples": ["1299.90"],
}


def _currency() -> str:
    currency: str = current_app.extensions["settings"].currency
    return currency


class ProductIn(StrictSchema):
    """A product as a whole. The currency may be left out; it is the shop's."""

    asin = Asin(required=True)
    name = Text(longest=MAX_NAME, required=True, metadata=_NAME)
    brand = Text(longest=MAX_BRAND, blank=True, load_default=None, allow_none=True, metadata=_BRAND)
    price = fields.String(required=True, validate=validate.Length(max=40), metadata=_PRICE)
    currency = fields.String(load_default=None, metadata=_CURRENCY)
    description = Text(longest=MAX_DESCRIPTION, blank=True, lines=True, load_default="", metadata=_DESCRIPTION)
    is_active = fields.Boolean(load_default=True, truthy={True}, falsy={False})

    @validates_schema(skip_on_field_errors=False)
    def check_money(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse other currencies than the shop's, and prices that it cannot express."""
        problems = {}
        if data.get("currency") not in {None, _currency()}:
            problems["currency"] = [f"must be {_currency()}, the currency of this shop."]
        if "price" in data:
            try:
                Money.parse(data["price"], _currency())
            except MoneyError as error:
                problems["price"] = [str(error)]
        if problems:
            raise ValidationError(problems)

    @post_load
    def make_money(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Join price and currency; an empty brand is none."""
        data.pop("currency", None)
        return data | {"price": Money.parse(data["price"], _currency()), "brand": data["brand"] or None}


class _DecimalString(fields.String):
    """Money as its decimal string."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str:
        text: str = value.decimal_string()
        return text


class ProductSchema(Schema):
    """A product of the shop."""

    id = fields.Integer(metadata={"examples": [42]})
    asin = fields.String(metadata=_ASIN)
    name = fields.String(metadata=_NAME)
    brand = fields.String(allow_none=True, metadata=_BRAND)
    price = _DecimalString(metadata=_PRICE)
    currency = fields.String(metadata=_CURRENCY)
    description = fields.String(metadata=_DESCRIPTION)
    is_active = fields.Boolean()
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


class ProductArguments(PageArguments):
    """Which products."""

    brand = Text(longest=MAX_BRAND, metadata=_BRAND)
    is_active = fields.Boolean()
    asin = Asin()


class ProductUpdateSchema(Schema):
    """One attribute that changed in the product master, or that the farm saw changed on a storefront."""

    id = fields.Integer(metadata={"examples": [1001]})
    product_id = fields.Integer(metadata={"examples": [42]})
    asin = fields.String(metadata=_ASIN)
    attribute = fields.String(metadata={"examples": ["price"]})
    previous_attribute = fields.String(allow_none=True, metadata={"examples": ["1299.90 USD"]})
    current_attribute = fields.String(allow_none=True, metadata={"examples": ["1199.00 USD"]})
    source = fields.String(validate=validate.OneOf([source.value for source in Source]))
    storefront_id = fields.Integer(allow_none=True, metadata={"examples": [1]})
    job_id = fields.Integer(allow_none=True, metadata={"examples": [5]})
    task_id = fields.Integer(allow_none=True, metadata={"examples": [73]})
    actor_kind = fields.String(metadata={"examples": ["user"]})
    actor_id = fields.Integer(allow_none=True, metadata={"examples": [7]})
    request_id = fields.String(allow_none=True, metadata={"examples": ["4f0c2a9be15d7c31"]})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


class UpdateArguments(PageArguments):
    """Which changes."""

    job_id = fields.Integer(validate=validate.Range(1, 2**63 - 1), metadata={"examples": [5]})
    product_id = fields.Integer(validate=validate.Range(1, 2**63 - 1), metadata={"examples": [42]})
    attribute = fields.String(validate=validate.OneOf([*ATTRIBUTES, DELETED, *_SEEN_BY_THE_FARM]))


ProductPage = page_of(ProductSchema)
ProductUpdatePage = page_of(ProductUpdateSchema)
