"""What the API of the time series takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, validate

from app.core.fields import Instant, PageArguments, page_of
from app.core.money import decimal_text
from app.rpa.models.observations import Observation, ObservationDay

_WHEN: Final = ["2026-11-21T10:00:00.000000Z"]
_CURRENCY: Final = {"examples": ["USD"]}


class SeriesArguments(PageArguments):
    """Which part of a product's time series, newest first."""

    storefront = fields.String(
        required=True, validate=validate.Length(1, 64), metadata={"description": "Its code", "examples": ["my-shop"]}
    )
    since = Instant(load_default=None, metadata={"description": "Seen at this instant or later", "examples": _WHEN})
    until = Instant(load_default=None, metadata={"description": "Seen before this instant", "examples": _WHEN})


def _amount(name: str, description: str) -> fields.Function:
    def shown(row: Observation | ObservationDay) -> str | None:
        minor = getattr(row, name)
        return None if minor is None or row.currency is None else decimal_text(minor, row.currency)

    about: dict[str, Any] = {"type": ["string", "null"], "description": description, "examples": ["1199.00"]}
    return fields.Function(shown, metadata=about)


class ObservationSchema(Schema):
    """What one visit saw of a product on a storefront; what it did not read, or what is held back, is null."""

    id = fields.Integer(metadata={"examples": [501]})
    task_id = fields.Integer(metadata={"examples": [73]})
    storefront_id = fields.Integer(metadata={"examples": [1]})
    observed_at = Instant(metadata={"examples": _WHEN})
    name = fields.String(allow_none=True, metadata={"examples": ["Copper kettle, 1.7 l"]})
    brand = fields.String(allow_none=True, metadata={"examples": ["Hearth"]})
    price = _amount("price_minor", "In its currency")
    currency = fields.String(allow_none=True, metadata=_CURRENCY)
    availability = fields.String(allow_none=True, metadata={"examples": ["IN_STOCK"]})


class ObservationDaySchema(Schema):
    """What the visits of a day come to. Prices are in the currency of the last one: they begin anew when it changes."""

    day = fields.Date(metadata={"description": "In UTC", "examples": ["2026-11-21"]})
    storefront_id = fields.Integer(metadata={"examples": [1]})
    count = fields.Integer(metadata={"description": "Visits", "examples": [24]})
    priced_count = fields.Integer(metadata={"description": "Visits that knew the price", "examples": [24]})
    currency = fields.String(allow_none=True, metadata=_CURRENCY)
    first_price = _amount("first_minor", "The day's first")
    last_price = _amount("last_minor", "The day's last")
    lowest_price = _amount("lowest_minor", "The day's lowest")
    highest_price = _amount("highest_minor", "The day's highest")
    known_count = fields.Integer(metadata={"description": "Visits that knew the availability", "examples": [24]})
    available_count = fields.Integer(metadata={"description": "Visits at which it could be bought", "examples": [22]})


ObservationPage = page_of(ObservationSchema)
ObservationDayPage = page_of(ObservationDaySchema)
