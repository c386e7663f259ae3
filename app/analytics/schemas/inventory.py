"""What the API of inventory insights takes and gives; docs/metrics.md says what each number means."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, post_load, validate

from app.analytics.queries.inventory_insights import FEWEST_DAYS, Sort, Status
from app.analytics.rules.replenishing import Policy
from app.analytics.schemas.formats import FormatArguments
from app.core.fields import Asin, Instant, PageArguments, Price, StrictSchema, Text, page_of
from app.products.models.products import MAX_BRAND

_POLICY: Final = tuple(Policy.__dataclass_fields__)


class PolicyArguments(StrictSchema):
    """What is assumed; becomes ``policy``."""

    days = fields.Integer(
        load_default=30,
        validate=validate.Range(FEWEST_DAYS, 365),
        metadata={"description": "Of how many days the demand is, up to yesterday, in the shop's time zone"},
    )
    dead_days = fields.Integer(
        load_default=90,
        validate=validate.Range(7, 1830),
        metadata={"description": "For how many days nobody bought what is dead stock; younger products are not"},
    )
    lead_days = fields.Integer(
        load_default=14, validate=validate.Range(0, 365), metadata={"description": "Days until a delivery comes"}
    )
    order_days = fields.Integer(
        load_default=30, validate=validate.Range(1, 365), metadata={"description": "Days that a delivery is to last"}
    )
    service_percent = fields.Float(
        load_default=95.0,
        validate=validate.Range(50, 99.9),
        metadata={
            "description": "How probable it is to be that stock lasts until the delivery, in percent",
            "examples": [97.5],
        },
    )

    @post_load
    def make_policy(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Replace the assumptions by what they make together."""
        return data | {"policy": Policy(**{name: data.pop(name) for name in _POLICY})}


class InsightArguments(FormatArguments, PageArguments, PolicyArguments):
    """Of which products, in which order, by which assumptions."""

    sort = fields.String(
        load_default=Sort.COVER,
        validate=validate.OneOf([each.value for each in Sort]),
        metadata={"description": "cover: what is gone first; value: the most money; units: what sells most"},
    )
    status = fields.String(
        validate=validate.OneOf([each.value for each in Status]),
        metadata={
            "description": "reorder: what is to be bought again now; dead: dead stock; used_up: what sells and is gone"
        },
    )
    asin = Asin()
    brand = Text(longest=MAX_BRAND, metadata={"examples": ["Kettles & Co."]})
    category = fields.Integer(
        validate=validate.Range(1, 2**63 - 1),
        metadata={"description": "Id of a category; what is in those below it counts", "examples": [7]},
    )


class InsightSchema(Schema):
    """What the stock of a product means."""

    product_id = fields.Integer(attribute="row.id", metadata={"examples": [42]})
    asin = fields.String(attribute="row.asin", metadata={"examples": ["B0CW1A0001"]})
    name = fields.String(attribute="row.name", metadata={"examples": ["Copper kettle, 1.7 l"]})
    brand = fields.String(attribute="row.brand", allow_none=True, metadata={"examples": ["Kettles & Co."]})
    on_hand = fields.Integer(
        attribute="row.on_hand", metadata={"description": "What lies on the shelves", "examples": [12]}
    )
    allocated = fields.Integer(
        attribute="row.allocated", metadata={"description": "What of it is promised to orders", "examples": [3]}
    )
    available = fields.Integer(
        attribute="row.available", metadata={"description": "on_hand less allocated", "examples": [9]}
    )
    units_sold = fields.Integer(
        attribute="demand.units",
        metadata={"description": "Of the window, less what came back; may be negative", "examples": [24]},
    )
    units_per_day = fields.String(metadata={"description": "On average, never negative", "examples": ["0.800"]})
    days_of_cover = fields.String(
        allow_none=True,
        metadata={"description": "How long what is available lasts; null where nothing is sold", "examples": ["11.2"]},
    )
    last_sold_on = fields.Date(
        allow_none=True, metadata={"description": "The shop's day; null: never", "examples": ["2026-11-20"]}
    )
    is_dead = fields.Boolean(metadata={"description": "Whether it lies on the shelf and nobody has bought it for long"})
    price = Price(attribute="row.price_minor", metadata={"description": "Plain decimal", "examples": ["19.99"]})
    currency = fields.String(metadata={"description": "ISO 4217, of price and value", "examples": ["USD"]})
    value = Price(
        attribute="value_minor", metadata={"description": "What is on hand at this price", "examples": ["239.88"]}
    )
    reorder_point = fields.Integer(
        metadata={"description": "At how much available it is to be bought again; 0 where nothing is sold"}
        | {"examples": [17]}
    )
    is_to_reorder = fields.Boolean(metadata={"description": "Whether no more is available than that"})
    order_quantity = fields.Integer(
        metadata={"description": "How much to buy now; 0 where nothing is to be bought", "examples": [39]}
    )


class InsightListSchema(page_of(InsightSchema)):  # type: ignore[misc]  # made of the schema of a row
    """Some products."""

    as_of = Instant(
        allow_none=True,
        metadata={
            "description": "Until when the demand and the order of products are known to be whole; null: summed up now",
            "examples": ["2026-11-22T17:05:00.000000Z"],
        },
    )
