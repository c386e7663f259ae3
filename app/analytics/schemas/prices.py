"""What the API of the price index takes and gives; docs/metrics.md says what the numbers mean."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, post_load, validate

from app.analytics.queries.price_differences import Direction
from app.analytics.queries.price_history import MAX_DAYS
from app.analytics.rules.periods import period_of
from app.analytics.rules.price_index import STALE_DAYS
from app.analytics.schemas.formats import FormatArguments
from app.analytics.schemas.periods import PeriodArguments
from app.core.errors import Invalid
from app.core.fields import Instant, PageArguments, Price, Text, page_of
from app.core.orm import utc_now
from app.orders.services.sales import day_of
from app.products.models.products import MAX_BRAND

_CODE: Final = {"description": "Code of a storefront", "examples": ["my-shop"]}
_NAME: Final = {"description": "Its name", "examples": ["My shop"]}
_DAY: Final = {"description": "In the shop's time zone", "examples": ["2026-11-21"]}
_AT: Final = ["2026-11-21T10:00:00.000000Z"]
_INDEX: Final = {
    "description": "100 times the geometric mean of their price divided by ours; below 100 they are cheaper. Null "
    "where nothing is compared",
    "examples": ["97.31"],
}
_STALE: Final = {"description": "A price counts for so many days after it was seen", "examples": [STALE_DAYS]}
_CURRENCY: Final = {"description": "ISO 4217", "examples": ["USD"]}


def _code(**kwargs: Any) -> fields.String:
    return fields.String(validate=validate.Length(1, 64), metadata=_CODE, **kwargs)


class PriceIndexArguments(FormatArguments):
    """As of which day."""

    on = fields.Date(
        load_default=None,
        metadata={"description": "At the end of this day of the shop; by itself now", "examples": ["2026-11-21"]},
    )

    @post_load
    def check_day(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Refuse days that have not come."""
        today = day_of(utc_now())
        if data["on"] is not None and data["on"] > today:
            detail = f"must not be after today, which is {today} in the shop's time zone."
            raise Invalid.field("/on", detail, place="query")
        return data


class PriceSeriesArguments(PeriodArguments, FormatArguments):
    """Of which days."""

    storefront = _code(load_default=None)


class PriceHistoryArguments(PeriodArguments, FormatArguments):
    """Of which days; three years at most."""

    @post_load
    def make_period(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Replace both days by the period they make."""
        first_on, last_on = data.pop("first_on", None), data.pop("last_on", None)
        return data | {"period": period_of(first_on, last_on, today=day_of(utc_now()), most=MAX_DAYS)}


class DifferenceArguments(PageArguments, FormatArguments):
    """Which differences."""

    direction = fields.String(
        load_default=Direction.BOTH.value,
        validate=validate.OneOf([direction.value for direction in Direction]),
        metadata={"description": "Where the storefront is cheaper than we are, dearer, or both"},
    )
    storefront = _code(load_default=None)
    brand = Text(longest=MAX_BRAND, load_default=None, metadata={"examples": ["Hearth"]})
    category_id = fields.Integer(
        load_default=None,
        validate=validate.Range(1, 2**63 - 1),
        metadata={"description": "A category with all below it", "examples": [3]},
    )


def _count(description: str, example: int) -> fields.Integer:
    return fields.Integer(metadata={"description": description, "examples": [example]})


class StorefrontIndexSchema(Schema):
    """How the prices of a storefront stood against ours at the end of a day."""

    day = fields.Date(metadata=_DAY)
    storefront = fields.String(metadata=_CODE)
    storefront_name = fields.String(metadata=_NAME)
    index = fields.String(allow_none=True, metadata=_INDEX)
    coverage_percent = fields.String(
        allow_none=True,
        metadata={"description": "How many of our products are compared, in percent", "examples": ["83.2"]},
    )
    products = _count("Products that we sold", 120)
    compared = _count("Products that both have in the same currency", 100)
    cheaper = _count("Of these, at which the storefront is cheaper", 61)
    equal = _count("Of these, at which both ask the same", 22)
    dearer = _count("Of these, at which the storefront is dearer", 17)
    other_currency = _count("Products that the storefront shows in another currency: nothing is converted", 2)
    stale = _count("Products whose price there was last seen too long ago", 5)
    free = _count("Products that cost nothing here or there, so that there is no ratio", 0)
    not_seen = _count("Products whose price there was never seen", 13)


class PriceIndexSchema(Schema):
    """The price index of every storefront."""

    as_of = fields.Date(
        allow_none=True,
        metadata={"description": "The day it is of, in the shop's time zone; null before the first"}
        | {"examples": ["2026-11-21"]},
    )
    computed_at = Instant(allow_none=True, metadata={"description": "When prices were last compared", "examples": _AT})
    stale_days = fields.Integer(metadata=_STALE)
    storefronts = fields.List(fields.Nested(StorefrontIndexSchema), metadata={"description": "By code"})


class PriceIndexSeriesSchema(Schema):
    """The price index day by day."""

    since = fields.Date(data_key="from", metadata=_DAY)
    until = fields.Date(data_key="to", metadata=_DAY)
    stale_days = fields.Integer(metadata=_STALE)
    points = fields.List(
        fields.Nested(StorefrontIndexSchema),
        metadata={"description": "By day and code; days on which nothing was computed are not among them"},
    )


class PriceDifferenceSchema(Schema):
    """A product that a storefront sells at another price than we do."""

    product_id = fields.Integer(metadata={"examples": [42]})
    asin = fields.String(metadata={"examples": ["B0CW1A0001"]})
    name = fields.String(
        allow_none=True, metadata={"description": "Null without products:read", "examples": ["Copper kettle, 1.7 l"]}
    )
    brand = fields.String(
        allow_none=True, metadata={"description": "Null without products:read", "examples": ["Hearth"]}
    )
    storefront = fields.String(metadata=_CODE)
    storefront_name = fields.String(metadata=_NAME)
    currency = fields.String(metadata=_CURRENCY)
    our_price = Price(
        allow_none=True, metadata={"description": "Ours; null without products:read", "examples": ["49.00"]}
    )
    their_price = Price(metadata={"description": "The storefront's", "examples": ["44.10"]})
    difference = Price(
        allow_none=True,
        metadata={"description": "Theirs less ours; null without products:read", "examples": ["-4.90"]},
    )
    difference_percent = fields.String(
        metadata={"description": "How far theirs is from ours, in percent of ours", "examples": ["-10.0"]}
    )
    observed_at = Instant(metadata={"description": "When theirs was last seen", "examples": _AT})


class PriceDaySchema(Schema):
    """What a storefront asked on a day. With two currencies on a day, prices are those of the last one."""

    day = fields.Date(metadata=_DAY)
    currency = fields.String(metadata=_CURRENCY)
    first_price = Price(attribute="first", metadata={"description": "The day's first", "examples": ["49.00"]})
    last_price = Price(attribute="last", metadata={"description": "The day's last", "examples": ["44.10"]})
    lowest_price = Price(attribute="lowest", metadata={"description": "The day's lowest", "examples": ["44.10"]})
    highest_price = Price(attribute="highest", metadata={"description": "The day's highest", "examples": ["49.00"]})
    visits = _count("Visits that knew the price", 24)
    is_change = fields.Boolean(
        metadata={"description": "Whether the price changed on this day, or since the day before it in the series"}
        | {"examples": [True]}
    )


class StorefrontPricesSchema(Schema):
    """A product's prices on one storefront."""

    storefront = fields.String(metadata=_CODE)
    storefront_name = fields.String(metadata=_NAME)
    days = fields.List(
        fields.Nested(PriceDaySchema), metadata={"description": "Days on which a price was seen, the first one first"}
    )


class OwnPriceSchema(Schema):
    """What we asked from an instant on."""

    at = Instant(metadata={"description": "From when on", "examples": _AT})
    day = fields.Date(metadata=_DAY)
    price = Price(metadata={"examples": ["49.00"]})
    currency = fields.String(metadata=_CURRENCY)


class PriceHistorySchema(Schema):
    """A product's prices across storefronts, and our own."""

    product_id = fields.Integer(metadata={"examples": [42]})
    asin = fields.String(metadata={"examples": ["B0CW1A0001"]})
    since = fields.Date(data_key="from", metadata=_DAY)
    until = fields.Date(data_key="to", metadata=_DAY)
    utc_until = fields.Date(
        allow_none=True,
        metadata={
            "description": "Up to and with this day, days are of UTC, because single visits are not kept any more; "
            "null: all are of the shop",
            "examples": ["2026-08-23"],
        },
    )
    storefronts = fields.List(fields.Nested(StorefrontPricesSchema), metadata={"description": "By code"})
    own = fields.List(
        fields.Nested(OwnPriceSchema),
        allow_none=True,
        metadata={"description": "Our own price when the period begins, and its changes; null without products:read"},
    )


PriceDifferencePage = page_of(PriceDifferenceSchema)
