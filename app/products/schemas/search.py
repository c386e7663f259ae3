"""What the call for facets takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields

from app.core.fields import Instant, Price
from app.products.schemas.listing import ProductArguments
from app.products.search.facets import LOOKED_AT, MAX_BRANDS, MAX_CATEGORIES

FacetArguments: Any = ProductArguments(exclude=("limit", "cursor", "sort"))
"""What products are counted of: what a list may be asked for, but for its pages and order."""
_COUNT: Final = {"examples": [128]}


class BrandCountSchema(Schema):
    """How many products have a brand."""

    brand = fields.String(metadata={"examples": ["Kettles & Co."]})
    count = fields.Integer(metadata=_COUNT)


class CategoryCountSchema(Schema):
    """How many products are in a category or below it."""

    id = fields.Integer(metadata={"examples": [7]})
    name = fields.String(metadata={"examples": ["Kettles"]})
    parent_id = fields.Integer(allow_none=True, metadata={"examples": [3]})
    count = fields.Integer(metadata=_COUNT)


class PriceBandSchema(Schema):
    """How many products cost so much; both ends are included, as in the filters, and null is no end."""

    price_min = Price(allow_none=True, metadata={"examples": ["10.00"]})
    price_max = Price(allow_none=True, metadata={"examples": ["19.99"]})
    currency = fields.String(metadata={"examples": ["USD"]})
    count = fields.Integer(metadata=_COUNT)


class FacetsSchema(Schema):
    """Counts of the products that fit all filters, the largest first; prices ascend."""

    counted = fields.Integer(metadata={"description": "How many products were counted", "examples": [640]})
    is_capped = fields.Boolean(
        metadata={
            "description": "Whether more products may fit than were counted; every count is then a lower bound, and 0 "
            "may be more. Of a search its best hits are counted; else all that fit, where an ASIN, a GTIN, a brand, a "
            f"category, a range of prices or in_stock leaves at most {LOOKED_AT:,}; else at most {LOOKED_AT:,} of the "
            "newest and oldest; without any filter all, by a count that is kept for some minutes"
        }
    )
    counted_at = Instant(
        allow_none=True,
        metadata={
            "description": "When all products were counted; null: just now",
            "examples": ["2026-11-21T10:00:00.000000Z"],
        },
    )
    corrected = fields.String(
        allow_none=True,
        metadata={"description": "As in the list", "examples": ["copper kettle"]},
    )
    brands = fields.List(
        fields.Nested(BrandCountSchema), metadata={"description": f"The {MAX_BRANDS} with the most products"}
    )
    categories = fields.List(
        fields.Nested(CategoryCountSchema),
        metadata={"description": f"The {MAX_CATEGORIES} with the most products; of a chosen one, those right below it"},
    )
    prices = fields.List(fields.Nested(PriceBandSchema), metadata={"description": "Bands with round ends, none empty"})
    in_stock = fields.Integer(metadata=_COUNT)
    out_of_stock = fields.Integer(metadata=_COUNT)
    active = fields.Integer(metadata=_COUNT)
    inactive = fields.Integer(metadata=_COUNT)
