"""What the products' API takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from app.core.fields import Asin, Instant, Json, JsonList, Price, StrictSchema, Text, page_of
from app.core.money import Money, MoneyError
from app.core.running import settings
from app.products.models.products import MAX_BRAND, MAX_DESCRIPTION, MAX_NAME
from app.products.schemas.categories import CategoryIds
from app.products.schemas.kinds import Attributes, Flag, Gtin, Images
from app.products.search.port import CANDIDATES, RARE, WINDOW

_WHEN = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_ASIN = {"examples": ["B0CW1A0001"]}
_NAME = {"examples": ["Copper kettle, 1.7 l"]}
_BRAND = {"examples": ["Kettles & Co."]}
_DESCRIPTION = {"examples": ["Boils a litre in four minutes."]}
_GTIN = {"examples": ["4006381333931"]}
_ATTRIBUTES = {"examples": [{"colour": "copper", "capacity_l": 1.7, "cordless": True, "fits": ["gas", "induction"]}]}
_IMAGE = {"examples": ["https://images.example/kettle.jpg"]}
_CATEGORIES = {"description": "The categories it was put into, by id, ascending", "examples": [[3, 7]]}
_CURRENCY = {"description": "ISO 4217; the shop's", "examples": ["USD"]}
_MEANT = {"examples": ["copper kettle"]}
_SEARCH = {"corrected": "copper kettle", "is_capped": False, "answered_by": "database"}
_PRICE = {
    "description": "Plain decimal as a string, with at most the currency's decimals",
    "examples": ["1299.90"],
}


class _Priced(StrictSchema):
    """What has a price in the shop's currency."""

    @validates_schema(skip_on_field_errors=False)
    def check_money(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse other currencies than the shop's, and prices that it cannot express."""
        problems = {}
        if data.get("currency") not in {None, settings().currency}:
            problems["currency"] = [f"must be {settings().currency}, the currency of this shop."]
        if "price" in data:
            try:
                Money.parse(data["price"], settings().currency)
            except MoneyError as error:
                problems["price"] = [str(error)]
        if problems:
            raise ValidationError(problems)

    @post_load
    def make_values(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Join price and currency; an empty brand or GTIN is none."""
        data.pop("currency", None)
        if "price" in data:
            data["price"] = Money.parse(data["price"], settings().currency)
        return data | {name: data[name] or None for name in ("brand", "gtin") if name in data}


class ProductIn(_Priced):
    """A product as a whole. The currency may be left out; it is the shop's."""

    asin = Asin(required=True)
    name = Text(longest=MAX_NAME, required=True, metadata=_NAME)
    brand = Text(longest=MAX_BRAND, blank=True, load_default=None, allow_none=True, metadata=_BRAND)
    price = fields.String(required=True, validate=validate.Length(max=40), metadata=_PRICE)
    currency = fields.String(load_default=None, metadata=_CURRENCY)
    description = Text(longest=MAX_DESCRIPTION, blank=True, lines=True, load_default="", metadata=_DESCRIPTION)
    is_active = Flag(load_default=True)
    gtin = Gtin(load_default=None, allow_none=True)
    attributes = Attributes(load_default=dict)
    images = Images(load_default=list)
    categories = CategoryIds(load_default=list)


class ProductPatch(_Priced):
    """What is to change of a product, as a JSON Merge Patch (RFC 7396): what is left out stays as it is.

    null stands for what a PUT without the field would make of it, and within ``attributes`` takes one of them away.
    Lists are replaced as a whole.
    """

    asin = Asin()
    name = Text(longest=MAX_NAME, metadata=_NAME)
    brand = Text(longest=MAX_BRAND, blank=True, allow_none=True, metadata=_BRAND)
    price = fields.String(validate=validate.Length(max=40), metadata=_PRICE)
    currency = fields.String(metadata=_CURRENCY)
    description = Text(longest=MAX_DESCRIPTION, blank=True, lines=True, allow_none=True, metadata=_DESCRIPTION)
    is_active = Flag(allow_none=True)
    gtin = Gtin(allow_none=True)
    attributes = Attributes(removals=True, allow_none=True)
    images = Images(allow_none=True)
    categories = CategoryIds(allow_none=True)

    @post_load
    def fill_in(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Put the value that a field has by itself where null was sent; of attributes, null takes away all."""
        return {name: _OF_NULL.get(name) if value is None else value for name, value in data.items()}


_OF_NULL: Final = {"description": "", "is_active": True, "attributes": None, "images": [], "categories": []}


class ProductSchema(Schema):
    """A product of the shop."""

    id = fields.Integer(metadata={"examples": [42]})
    asin = fields.String(metadata=_ASIN)
    name = fields.String(metadata=_NAME)
    brand = fields.String(allow_none=True, metadata=_BRAND)
    price = Price(attribute="price_minor", metadata=_PRICE)
    currency = fields.String(metadata=_CURRENCY)
    description = fields.String(metadata=_DESCRIPTION)
    is_active = fields.Boolean()
    gtin = fields.String(allow_none=True, metadata=_GTIN)
    attributes = Json(metadata={"type": "object", "additionalProperties": True, **_ATTRIBUTES})
    images = JsonList(fields.String(metadata=_IMAGE), metadata={"description": "In the order they are shown in"})
    categories = JsonList(fields.Integer(), metadata=_CATEGORIES)
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


class DeletedProductSchema(ProductSchema):
    """A product that was deleted, and can be brought back as it was then."""

    deleted_at = Instant(metadata=_WHEN)


class SearchSchema(Schema):
    """How a search was meant and answered."""

    corrected = fields.String(
        allow_none=True,
        metadata={"description": "What was looked for besides, where what was typed found nearly nothing", **_MEANT},
    )
    is_capped = fields.Boolean(
        metadata={
            "description": f"Whether there may be more: the newest {CANDIDATES:,} products with all words are ranked, "
            f"and of words that more than {RARE:,} products have, the newest {WINDOW:,} products are looked at",
        }
    )
    answered_by = fields.String(
        validate=validate.OneOf(["database", "elasticsearch", "fallback"]),
        metadata={"description": "fallback: the database, because the search server does not answer"},
    )


class ProductListSchema(page_of(ProductSchema)):  # type: ignore[misc]  # made by a function
    """One page of products."""

    search = fields.Nested(
        SearchSchema, allow_none=True, metadata={"description": "null without q", "examples": [_SEARCH]}
    )


ProductPage = ProductListSchema
DeletedProductPage = page_of(DeletedProductSchema)
