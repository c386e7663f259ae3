"""What the API of recommendations takes and gives."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields, validate

from app.analytics.rules.recommendations import MOST_SHOWN, Kind, Reason
from app.core.fields import Price, StrictSchema

_KINDS: Final = validate.OneOf([kind.value for kind in Kind])


class RecommendationArguments(StrictSchema):
    """What is to be recommended."""

    kind = fields.String(
        validate=_KINDS,
        load_default=Kind.BOUGHT_TOGETHER,
        metadata={"description": "bought_together: what orders with this product have as well. similar: what "
                  "could stand in for it, by category, brand and price"},
    )  # fmt: skip
    limit = fields.Integer(
        load_default=10, validate=validate.Range(1, MOST_SHOWN), metadata={"description": "How many products"}
    )


class RecommendedSchema(Schema):
    """A product to show, and why."""

    product_id = fields.Integer(attribute="product.id", metadata={"examples": [43]})
    asin = fields.String(attribute="product.asin", metadata={"examples": ["B0CW1A0002"]})
    name = fields.String(attribute="product.name", metadata={"examples": ["Tea strainer"]})
    brand = fields.String(attribute="product.brand", allow_none=True, metadata={"examples": ["Kettles & Co."]})
    price = Price(attribute="product.price_minor", metadata={"description": "Plain decimal", "examples": ["5.00"]})
    currency = fields.String(attribute="product.currency", metadata={"description": "ISO 4217", "examples": ["USD"]})
    reason = fields.String(
        validate=validate.OneOf([reason.value for reason in Reason]),
        metadata={"description": "Why, for a program; best sellers are of the last 90 days", "examples": ["similar"]},
    )
    why = fields.String(
        metadata={"description": "Why, for people", "examples": ["Often bought together with Copper kettle, 1.7 l"]}
    )
    score = fields.String(
        attribute="score_text",
        allow_none=True,
        metadata={
            "description": "0 to 1, the higher the better; only those of one reason compare. null for best sellers",
            "examples": ["0.412300"],
        },
    )
    is_fallback = fields.Boolean(
        data_key="fallback",
        metadata={"description": "Whether it is a best seller that stands in where too little is known of the product"},
    )


class RecommendationsSchema(Schema):
    """What to show beside a product."""

    asin = fields.String(metadata={"examples": ["B0CW1A0001"]})
    kind = fields.String(validate=_KINDS, metadata={"description": "What was asked for"})
    recommended = fields.List(
        fields.Nested(RecommendedSchema), metadata={"description": "The best first; each product once"}
    )
