"""Addresses as the API takes and gives them."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load

from app.core.fields import StrictSchema, Text
from app.orders.addresses import (
    FIELDS,
    MAX_ADDRESS_LINE,
    MAX_CITY,
    MAX_PERSON,
    MAX_PHONE,
    MAX_POSTAL_CODE,
    countries,
)

ADDRESS: Final[dict[str, Any]] = {
    "name": "Grace Hopper",
    "company": None,
    "line1": "1 Compiler Road",
    "line2": None,
    "city": "Arlington",
    "region": "VA",
    "postal_code": "22201",
    "country": "US",
    "phone": None,
}
"""For examples."""
_COUNTRY: Final = {"description": "Two letters (ISO 3166-1)", "examples": ["US"]}


class Country(fields.String):
    """A country by its code of two letters; small ones become capitals."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        code = super()._deserialize(value, attr, data, **kwargs).strip().upper()
        if code not in countries():
            raise ValidationError("must be the code of a country (ISO 3166-1, two letters), such as US.")
        return code


class AddressIn(StrictSchema):
    """Where parcels or bills go."""

    name = Text(longest=MAX_PERSON, required=True, metadata={"examples": ["Grace Hopper"]})
    company = Text(longest=MAX_PERSON, allow_none=True, metadata={"examples": ["Eckert & Mauchly"]})
    line1 = Text(
        longest=MAX_ADDRESS_LINE,
        required=True,
        metadata={"description": "Street and number, or a box", "examples": ["1 Compiler Road"]},
    )
    line2 = Text(longest=MAX_ADDRESS_LINE, allow_none=True, metadata={"examples": ["Floor 3"]})
    city = Text(longest=MAX_CITY, required=True, metadata={"examples": ["Arlington"]})
    region = Text(longest=MAX_CITY, allow_none=True, metadata={"description": "State or province", "examples": ["VA"]})
    postal_code = Text(longest=MAX_POSTAL_CODE, allow_none=True, metadata={"examples": ["22201"]})
    country = Country(required=True, metadata=_COUNTRY)
    phone = Text(longest=MAX_PHONE, allow_none=True, metadata={"examples": ["+1 703 555 0100"]})

    @post_load
    def complete(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """All of its fields, None where nothing was said: as it is stored."""
        return {name: data.get(name) for name in FIELDS}


class PostalAddressSchema(Schema):
    """An address as it was given; null for what was not."""

    name = fields.String(metadata={"examples": ["Grace Hopper"]})
    company = fields.String(allow_none=True, metadata={"examples": [None]})
    line1 = fields.String(metadata={"examples": ["1 Compiler Road"]})
    line2 = fields.String(allow_none=True, metadata={"examples": [None]})
    city = fields.String(metadata={"examples": ["Arlington"]})
    region = fields.String(allow_none=True, metadata={"examples": ["VA"]})
    postal_code = fields.String(allow_none=True, metadata={"examples": ["22201"]})
    country = fields.String(metadata=_COUNTRY)
    phone = fields.String(allow_none=True, metadata={"examples": ["+1 703 555 0100"]})
