"""What the API of shipments and returns takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from app.core.fields import Instant, StrictSchema, Text, page_of
from app.orders.carriers import MAX_TRACKING_URL, problem_with
from app.orders.models.fulfilment import ShipmentState
from app.orders.models.orders import MAX_ORDER_LINES, FulfilmentState, OrderState, PaymentState
from app.orders.services.counting import Units
from app.orders.services.shipping import Tracking

MAX_UNITS: Final = 1_000_000
_LINE: Final = {"description": "Of the order's lines", "examples": [412]}
_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_CARRIER: Final = {"description": "As people call it", "examples": ["DHL"]}
_NUMBER: Final = {"examples": ["JD014600003828387401"]}
_URL: Final = {
    "description": "https, where the customer can follow the parcel; null: the carrier's own page, where it is known "
    "(Canada Post, DHL, DPD, FedEx, GLS, Royal Mail, UPS, USPS)",
    "examples": ["https://www.dhl.com/global-en/home/tracking.html?tracking-id=JD014600003828387401"],
}
_TRACKING_NUMBER: Final = validate.Regexp(
    r"^[A-Za-z0-9][A-Za-z0-9 ./-]*\Z", error="must be letters and digits, with blanks, dots, slashes or dashes between."
)


def _number(**kwargs: Any) -> Text:
    field = Text(longest=60, allow_none=True, metadata=_NUMBER, **kwargs)
    field.validators.append(_TRACKING_NUMBER)
    return field


class TrackingUrl(fields.String):
    """An address that customers may be sent to."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            allow_none=True, validate=validate.Length(max=MAX_TRACKING_URL), metadata=_URL | {"format": "uri"}, **kwargs
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        url = super()._deserialize(value, attr, data, **kwargs).strip()
        problem = problem_with(url)
        if problem is not None:
            raise ValidationError(problem)
        return url


class UnitsIn(StrictSchema):
    """So many of one line."""

    line_id = fields.Integer(required=True, strict=True, validate=validate.Range(1, 2**63 - 1), metadata=_LINE)
    quantity = fields.Integer(
        required=True, strict=True, validate=validate.Range(1, MAX_UNITS), metadata={"examples": [2]}
    )

    @post_load
    def make_units(self, data: dict[str, Any], **_kwargs: Any) -> Units:
        """The line and how many of it."""
        return Units(data["line_id"], data["quantity"])


class ShipmentIn(StrictSchema):
    """A parcel that leaves."""

    lines = fields.List(
        fields.Nested(UnitsIn),
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, MAX_ORDER_LINES),
        metadata={"description": "What is in it; null: all that is left of the order"},
    )
    carrier = Text(longest=60, required=True, metadata=_CARRIER)
    tracking_number = _number(load_default=None)
    tracking_url = TrackingUrl(load_default=None)

    @post_load
    def make_tracking(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """The units, and how the parcel can be followed."""
        names = {"carrier": "carrier", "number": "tracking_number", "url": "tracking_url"}
        return {"units": data["lines"], "tracking": Tracking(**{name: data[key] for name, key in names.items()})}


class TrackingIn(StrictSchema):
    """What is to be different about a shipment; what is left out stays, but for the carrier's own page."""

    carrier = Text(longest=60, metadata=_CARRIER)
    tracking_number = _number()
    tracking_url = TrackingUrl()

    @validates_schema
    def check_something(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse what changes nothing."""
        if not data:
            raise ValidationError("must say what is to be different.")


class OrderStateSchema(Schema):
    """How far the order is, and its version, which whatever is done next has to be based on."""

    number = fields.String(metadata={"examples": ["100042"]})
    version = fields.Integer(metadata={"description": "The number in the order's ETag, for If-Match", "examples": [3]})
    state = fields.String(validate=validate.OneOf(list(OrderState)), metadata={"examples": ["PLACED"]})
    payment_state = fields.String(validate=validate.OneOf(list(PaymentState)), metadata={"examples": ["PAID"]})
    fulfilment_state = fields.String(
        validate=validate.OneOf(list(FulfilmentState)), metadata={"examples": ["PARTIALLY_SHIPPED"]}
    )
    attention = fields.String(
        allow_none=True, metadata={"description": "Why staff should look at it", "examples": [None]}
    )


class ParcelLineSchema(Schema):
    """How many of a line are in a parcel."""

    line_id = fields.Integer(metadata=_LINE)
    asin = fields.String(metadata={"examples": ["B0CW1A0001"]})
    name = fields.String(metadata={"examples": ["Copper kettle, 1.7 l"]})
    quantity = fields.Integer(metadata={"examples": [2]})


class ShipmentSchema(Schema):
    """A parcel."""

    id = fields.Integer(attribute="shipment.id", metadata={"examples": [31]})
    state = fields.String(
        attribute="shipment.state", validate=validate.OneOf(list(ShipmentState)), metadata={"examples": ["SHIPPED"]}
    )
    carrier = fields.String(attribute="shipment.carrier", metadata=_CARRIER)
    tracking_number = fields.String(attribute="shipment.tracking_number", allow_none=True, metadata=_NUMBER)
    tracking_url = fields.String(attribute="shipment.tracking_url", allow_none=True, metadata=_URL)
    shipped_at = Instant(attribute="shipment.shipped_at", metadata=_WHEN)
    delivered_at = Instant(attribute="shipment.delivered_at", allow_none=True, metadata=_WHEN)
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    lines = fields.List(fields.Nested(ParcelLineSchema))
    order = fields.Nested(OrderStateSchema)


ShipmentPage = page_of(ShipmentSchema)
