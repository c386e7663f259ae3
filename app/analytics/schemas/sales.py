"""What the API of sales figures takes and gives; docs/metrics.md says what each number means."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load, validate

from app.analytics.queries.sales_figures import Grouping
from app.analytics.queries.sales_shares import MAX_SHARES
from app.analytics.queries.sales_sources import Dimension
from app.analytics.rules.sales_figures import FIGURES, MEASURES, Filters
from app.analytics.schemas.formats import FormatArguments
from app.analytics.schemas.periods import PeriodArguments
from app.core.fields import Asin, Price, Text
from app.core.money import MoneyError, exponent
from app.products.models.products import MAX_BRAND

GROUPINGS: Final = (*(each.value for each in Grouping), *(each.value for each in Dimension))
_ID: Final = validate.Range(1, 2**63 - 1)
_CURRENCY: Final = {"description": "ISO 4217; amounts of two currencies are never added up", "examples": ["USD"]}
_DAY: Final = {"examples": ["2026-11-01"]}
_PERCENT: Final = "Percent against the period before, one decimal; null where there was nothing to compare with"
_COUNTS: Final = {
    "orders": ("Orders that were paid; null of a part of the shop, because an order may have lines of several", 38),
    "lines": ("Lines that were paid or imported", 61),
    "units": ("Pieces that were paid less those that came back", 74),
    "units_returned": ("Pieces that came back or were cancelled after payment", 3),
}
_AMOUNTS: Final = {
    "gross": ("Of sales, as priced, before discounts and refunds", "3120.00"),
    "discount": ("The part of coupons, of sales", "104.50"),
    "refund": ("What refunds took from net, on the days of the refunds", "96.00"),
    "net": ("What the goods brought: sales less refunds, without discount, tax and shipping", "2432.77"),
    "tax": ("Of goods and shipping, less what was paid back of it", "462.23"),
    "shipping": ("Without tax, less what was paid back of it", "124.50"),
    "total": ("What was paid less what was paid back: net, shipping and tax", "3019.50"),
    "average_order": ("Net of the sales of an order on average, refunds not taken off; null without orders", "66.55"),
}


def _known_currency(code: str) -> None:
    try:
        exponent(code)
    except MoneyError:
        raise ValidationError("must be the code of a currency, such as USD.") from None


class _SalesArguments(FormatArguments, PeriodArguments):
    """A period and filters; becomes ``period`` and ``filters``."""

    currency = fields.String(validate=_known_currency, metadata=_CURRENCY)
    category_id = fields.Integer(
        validate=_ID, metadata={"description": "Only of a category and those below it", "examples": [7]}
    )
    brand = Text(longest=MAX_BRAND, metadata={"description": "Only of a brand", "examples": ["Lumo"]})
    asin = Asin()

    @post_load
    def make_filters(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Replace the filters by what they make."""
        names = ("currency", "category_id", "brand", "asin")
        return data | {"filters": Filters(**{name: data.pop(name, None) for name in names})}


def _compare(said: str) -> fields.Boolean:
    return fields.Boolean(load_default=False, metadata={"description": said, "examples": [True]})


class ComparisonArguments(_SalesArguments):
    """Which period."""


class AnalyticsArguments(_SalesArguments):
    """Which period, cut how."""

    group_by = fields.String(
        load_default=Grouping.DAY.value,
        validate=validate.OneOf(GROUPINGS),
        metadata={"description": "A row for every day, week (from Monday) or month, or for what sold best"},
    )
    compare = _compare("Also tell of the equally long period before: of all, and of every part")
    measure = fields.String(
        load_default="net",
        validate=validate.OneOf(MEASURES),
        metadata={"description": "By what categories, brands and products are ranked"},
    )
    limit = fields.Integer(
        load_default=50,
        validate=validate.Range(1, MAX_SHARES),
        metadata={"description": "How many categories, brands or products of each currency"},
    )


class CategoryArguments(_SalesArguments):
    """Which period, and which categories."""

    parent_id = fields.Integer(
        load_default=None,
        validate=_ID,
        metadata={"description": "The categories directly below this one; by itself those at the top", "examples": [7]},
    )
    compare = _compare("Also tell of each category in the equally long period before")
    measure = fields.String(load_default="net", validate=validate.OneOf(MEASURES))
    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_SHARES))


class TopArguments(_SalesArguments):
    """Which period, and how many products."""

    compare = _compare("Also tell of each product in the equally long period before")
    measure = fields.String(
        load_default="net", validate=validate.OneOf(MEASURES), metadata={"description": "What they are ranked by"}
    )
    limit = fields.Integer(
        load_default=10,
        validate=validate.Range(1, MAX_SHARES),
        metadata={"description": "How many of each currency"},
    )


def _figure(name: str) -> fields.Field[Any]:
    plain = name.removesuffix("_minor")
    if name in _COUNTS:
        said, example = _COUNTS[name]
        metadata: dict[str, Any] = {"description": said, "examples": [example]}
        return fields.Integer(allow_none=name == "orders", metadata=metadata)
    told, amount = _AMOUNTS[plain]
    metadata = {"description": told, "examples": [amount]}
    return Price(attribute=name, data_key=plain, allow_none=plain == "average_order", metadata=metadata)


FiguresSchema = Schema.from_dict(
    {
        "currency": fields.String(metadata=_CURRENCY),
        **{name.removesuffix("_minor"): _figure(name) for name in FIGURES},
    },
    name="FiguresSchema",
)
GrowthSchema = Schema.from_dict(
    {
        name.removesuffix("_minor"): fields.String(
            attribute=name, allow_none=True, metadata={"description": _PERCENT, "examples": ["12.5"]}
        )
        for name in FIGURES
    },
    name="GrowthSchema",
)


class PartSchema(Schema):
    """The figures of one part of what was asked for."""

    first_on = fields.Date(data_key="from", attribute="first_on", allow_none=True, metadata=_DAY)
    last_on = fields.Date(
        data_key="to",
        attribute="last_on",
        allow_none=True,
        metadata={"description": "Its last day; both are null of a category, brand or product"}
        | {"examples": ["2026-11-01"]},
    )
    key = fields.String(
        allow_none=True,
        metadata={
            "description": "The category's id, the brand or the ASIN; empty of what has none; null of days",
            "examples": ["B0CW1A0001"],
        },
    )
    name = fields.String(
        allow_none=True,
        metadata={
            "description": "What it is called now; null of days, and of what has no name (any more)",
            "examples": ["Copper kettle, 1.7 l"],
        },
    )
    product_id = fields.Integer(
        allow_none=True, metadata={"description": "Of a product that is in the master", "examples": [17]}
    )
    figures = fields.Nested(FiguresSchema, metadata={"description": "Its figures"})
    before = fields.Nested(
        FiguresSchema,
        attribute="compared.before",
        allow_none=True,
        dump_default=None,
        metadata={
            "description": "Those of a category, brand or product in the equally long period before; null unless asked "
            "for (`compare`), and of days",
            "examples": [None],
        },
    )
    growth = fields.Nested(
        GrowthSchema,
        attribute="compared.growth",
        allow_none=True,
        dump_default=None,
        metadata={"description": "Against these, by figure; null where they are", "examples": [None]},
    )


class ComparedSchema(Schema):
    """The figures of one currency beside those of the period before."""

    now = fields.Nested(FiguresSchema, metadata={"description": "Of the period"})
    before = fields.Nested(FiguresSchema, metadata={"description": "Of the equally long period before it"})
    growth = fields.Nested(GrowthSchema, metadata={"description": "By figure"})


class PeriodSchema(Schema):
    """Days of the shop, both included."""

    first_on = fields.Date(data_key="from", metadata=_DAY)
    last_on = fields.Date(data_key="to", metadata={"examples": ["2026-11-30"]})


class ComparisonSchema(Schema):
    """Two periods side by side."""

    period = fields.Nested(PeriodSchema, metadata={"description": "The period"})
    before = fields.Nested(PeriodSchema, metadata={"description": "The equally long one that ends the day before"})
    currencies = fields.List(fields.Nested(ComparedSchema), metadata={"description": "By currency"})


class SharesSchema(Schema):
    """What categories, brands or products brought."""

    period = fields.Nested(PeriodSchema, metadata={"description": "The period"})
    totals = fields.List(fields.Nested(FiguresSchema), metadata={"description": "Of everything in it, by currency"})
    parts = fields.List(fields.Nested(PartSchema), metadata={"description": "By currency, the best first"})


class AnalyticsSchema(SharesSchema):
    """The figures of a period and of its parts."""

    group_by = fields.String(validate=validate.OneOf(GROUPINGS), metadata={"description": "What the parts are"})
    comparison = fields.Nested(
        ComparisonSchema,
        allow_none=True,
        metadata={"description": "Beside the period before; null unless asked for (`compare`)", "examples": [None]},
    )
    parts_before = fields.List(
        fields.Nested(PartSchema),
        allow_none=True,
        metadata={
            "description": "The parts of the period before, for days, weeks and months; null unless asked for",
            "examples": [None],
        },
    )
