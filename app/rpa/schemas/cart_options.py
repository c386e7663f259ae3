"""What the API of products' options on storefronts takes and gives."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields, validate

from app.core.fields import Asin, Instant, StrictSchema, page_of
from app.rpa.schemas.options import Options

MOST_ENTRIES: Final = 500


class CartOptionsIn(StrictSchema):
    """Which variant goes into the cart."""

    options = Options(required=True, least=1)


class CartOptionsEntry(StrictSchema):
    """One product's options; null removes them."""

    asin = Asin(required=True)
    options = Options(required=True, allow_none=True, least=1)


class ManyCartOptionsIn(StrictSchema):
    """The options of many products; those that are not named keep theirs."""

    entries = fields.List(
        fields.Nested(CartOptionsEntry), required=True, validate=validate.Length(min=1, max=MOST_ENTRIES)
    )


class CartOptionsSchema(Schema):
    """Which variant of a product goes into a storefront's cart where a job names no options."""

    product_id = fields.Integer(metadata={"examples": [41]})
    asin = fields.String(metadata={"examples": ["B0CW1A0001"]})
    storefront_id = fields.Integer(metadata={"examples": [1]})
    options = Options()
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1795341600000000]})
    updated_at = Instant(metadata={"examples": ["2026-11-22T10:00:00.000000Z"]})


class CartOptionsChanged(Schema):
    """What came of writing many."""

    changed = fields.Integer(metadata={"description": "Products whose options are others now", "examples": [480]})
    unchanged = fields.Integer(metadata={"description": "Products that had these already", "examples": [20]})


CartOptionsPage = page_of(CartOptionsSchema)
