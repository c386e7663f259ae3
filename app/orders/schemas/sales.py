"""What the API of sales takes and gives; docs/metrics.md says what each number means."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from app.core.fields import Asin, Instant, PageArguments, Price, StrictSchema, Text, page_of
from app.core.orm import utc_now
from app.orders.models.orders import id_of_number
from app.orders.models.sales import SaleKind
from app.orders.services.sales import day_of
from app.products.models.products import MAX_BRAND

DAYS: Final = 30
MAX_DAYS: Final = 366
_EARLIEST, _LATEST = date(1970, 1, 1), date(9000, 1, 1)
_ID: Final = validate.Range(1, 2**63 - 1)
_NO_ORDER: Final = 0
_BOUNDED: Final = frozenset({"order_number", "order_id", "operation_id"})
"""Each is of so few facts that they are summed whatever their days are; the number may be read as an id by then."""
_WHEN: Final = {"description": "When the payment, or the refund, was recorded"} | {
    "examples": ["2026-11-21T10:00:00.000000Z"]
}
_DAY: Final = {"description": "The same as a day of the shop's time zone", "examples": ["2026-11-21"]}
_FROM: Final = {"description": "The first day, in the shop's time zone", "examples": ["2026-11-01"]}
_TO: Final = {"description": "The last day, which counts as well", "examples": ["2026-11-30"]}
_ASIN: Final = {"examples": ["B0CW1A0001"]}
_BRAND: Final = {"examples": ["Kettles & Co."]}
_CURRENCY: Final = {"description": "ISO 4217", "examples": ["USD"]}
_NUMBER: Final = {"description": "The order's number; null for what was imported", "examples": ["100042"]}
_QUANTITY: Final = {"description": "Units; of refunds negative, 0 where the goods stay", "examples": [2]}
_AMOUNTS: Final = {
    "gross": ("Unit price times quantity, as priced, before any discount", "40.00"),
    "discount": ("The share of the coupon, as priced", "4.00"),
    "tax": ("Of goods and shipping", "6.53"),
    "shipping": ("The share of the shipping fee, without tax", "4.12"),
    "net": ("What the goods bring: without discount, tax and shipping", "30.25"),
    "total": ("net, shipping and tax together", "40.90"),
}


def _amount(name: str) -> Price:
    said, example = _AMOUNTS[name]
    return Price(attribute=f"{name}_minor", metadata={"description": said, "examples": [example]})


def _day(metadata: dict[str, Any], **kwargs: Any) -> fields.Date:
    return fields.Date(validate=validate.Range(_EARLIEST, _LATEST, error=_RANGE), metadata=metadata, **kwargs)


_RANGE: Final = "must be a day between the years 1970 and 9000."


class _Which(StrictSchema):
    """Which facts."""

    product_id = fields.Integer(validate=_ID, metadata={"examples": [17]})
    asin = Asin()
    brand = Text(longest=MAX_BRAND, metadata=_BRAND)
    order_number = fields.String(validate=validate.Length(1, 20), metadata={"examples": ["100042"]})
    kind = fields.String(validate=validate.OneOf([kind.value for kind in SaleKind]))
    operation_id = fields.Integer(validate=_ID, metadata={"description": "The import they came with", "examples": [3]})

    @validates_schema
    def check_days(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse a period that ends before it begins."""
        if data.get("until", _LATEST) < data.get("since", _EARLIEST):
            raise ValidationError({"to": ["must not be before from."]})

    @post_load
    def make_values(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Values of columns; no order has a number that is none."""
        number = data.pop("order_number", None)
        if number is not None:
            data["order_id"] = id_of_number(number) or _NO_ORDER
        if "sort" in data:
            data["oldest"] = data.pop("sort") == "oldest"
        return data


class SaleArguments(PageArguments, _Which):
    """Which facts, in which order."""

    since = _day(_FROM, data_key="from")
    until = _day(_TO, data_key="to")
    sort = fields.String(
        load_default="newest",
        validate=validate.OneOf(["newest", "oldest"]),
        metadata={"description": "By the shop's day and, of one day, in the order they were recorded"},
    )


class TotalsArguments(_Which):
    """Of which facts; by itself of the last 30 days, and of an order or an import all there are."""

    since = _day(
        _FROM
        | {"description": "The first day; by itself 30 days with the last one, of one order or import since ever"},
        data_key="from",
    )
    until = _day(
        _TO | {"description": "The last day, which counts as well; by itself today, of one order or import no end"},
        data_key="to",
    )

    @post_load
    def make_period(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """The period: of one order or import as it was given, else with both its ends and at most a year."""
        if not data.keys().isdisjoint(_BOUNDED):
            return data
        until = data.get("until") or day_of(utc_now())
        since = data.get("since") or until - timedelta(days=DAYS - 1)
        if since > until:
            raise ValidationError({"from": ["must not be after today."]})
        if until - since >= timedelta(days=MAX_DAYS):
            raise ValidationError({"from": [f"must be within {MAX_DAYS} days of the last day."]})
        return data | {"since": since, "until": until}


class SaleSchema(Schema):
    """One fact: a line that was paid, or a part of it that was paid back, with negative amounts."""

    id = fields.Integer(metadata={"examples": [9001]})
    key = fields.String(
        attribute="unique_key",
        metadata={"description": "What it is recorded once by", "examples": ["line:412"]},
    )
    kind = fields.String(validate=validate.OneOf([kind.value for kind in SaleKind]))
    sold_at = Instant(metadata=_WHEN)
    sold_on = fields.Date(metadata=_DAY)
    order_number = fields.String(allow_none=True, metadata=_NUMBER)
    refund_id = fields.Integer(allow_none=True, metadata={"examples": [None]})
    operation_id = fields.Integer(
        allow_none=True, metadata={"description": "The import it came with", "examples": [None]}
    )
    product_id = fields.Integer(allow_none=True, metadata={"examples": [17]})
    asin = fields.String(metadata=_ASIN)
    name = fields.String(metadata={"examples": ["Copper kettle, 1.7 l"]})
    brand = fields.String(allow_none=True, metadata=_BRAND)
    quantity = fields.Integer(metadata=_QUANTITY)
    currency = fields.String(metadata=_CURRENCY)
    gross, discount, tax = _amount("gross"), _amount("discount"), _amount("tax")
    shipping, net, total = _amount("shipping"), _amount("net"), _amount("total")


class SumsSchema(Schema):
    """Sums of facts."""

    facts = fields.Integer(metadata={"description": "How many", "examples": [3]})
    orders = fields.Integer(
        metadata={"description": "Different orders: paid, or of refunds those that money went back of", "examples": [2]}
    )
    quantity = fields.Integer(metadata=_QUANTITY)
    gross, discount, tax = _amount("gross"), _amount("discount"), _amount("tax")
    shipping, net, total = _amount("shipping"), _amount("net"), _amount("total")


class TotalsOfCurrencySchema(Schema):
    """The sums of one currency."""

    currency = fields.String(metadata=_CURRENCY)
    sale = fields.Nested(SumsSchema, metadata={"description": "What was paid"})
    refund = fields.Nested(SumsSchema, metadata={"description": "What was paid back: negative"})
    altogether = fields.Nested(SumsSchema, metadata={"description": "Both; `orders` are those that were paid"})


class TotalsSchema(Schema):
    """The sums of a period."""

    since = fields.Date(
        data_key="from",
        allow_none=True,
        metadata=_FROM | {"description": f"{_FROM['description']}; null: since ever"},
    )
    until = fields.Date(
        data_key="to", allow_none=True, metadata=_TO | {"description": f"{_TO['description']}; null: without end"}
    )
    currencies = fields.List(
        fields.Nested(TotalsOfCurrencySchema), metadata={"description": "Amounts of two currencies are never added up"}
    )


SalePage = page_of(SaleSchema)
