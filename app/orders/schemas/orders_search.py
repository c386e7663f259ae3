"""What the list of all orders may be asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from app.auth.services.accounts import normalised_email
from app.core.days import beginning_of, end_of
from app.core.fields import Asin, PageArguments, Text
from app.core.money import MAX_MINOR
from app.core.running import settings
from app.orders.addresses import MAX_PERSON, MAX_POSTAL_CODE, postal_key, recipient_key
from app.orders.attention import REASONS
from app.orders.models.orders import FulfilmentState, OrderState, PaymentState, id_of_number
from app.orders.queries.orders_listing import FEW, SORTS
from app.orders.queries.orders_walks import LOOK_AT
from app.orders.schemas import orders as own
from app.orders.schemas.kinds import MinorUnits
from app.orders.services.coupons.claiming import normalised_code

ANY: Final = "any"
METHODS: Final = ("invoice", "cash", "card")
_DAYS: Final = validate.Range(date(1970, 1, 1), date(8999, 12, 30))
_CURSOR: Final = {
    "description": "next_cursor of the page before. Where a filter fits more than "
    f"{FEW:,} orders and another one few of them, a page ends after looking at {sum(LOOK_AT):,}: it may have fewer "
    "orders than the limit, even none, and still a next_cursor to go on with",
    "examples": ["WzI4NTM4NzE2MDQsNDJd"],
}


class _Read(fields.String):
    """A text that is searched for in another spelling; one of which nothing is left then is refused."""

    def __init__(
        self, read: Callable[[str], Any], rule: str, *, longest: int, metadata: dict[str, Any], **kwargs: Any
    ) -> None:
        self._read, self._rule, self._text = read, rule, Text(longest=longest)
        super().__init__(metadata=metadata | {"minLength": 1, "maxLength": longest}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        found = self._read(self._text.deserialize(super()._deserialize(value, attr, data, **kwargs)))
        if not found:
            raise ValidationError(self._rule)
        return found


def _states(kinds: Any, metadata: dict[str, Any]) -> fields.List[Any]:
    """Some of an axis' states; asked for several times, each is one."""
    one = fields.String(validate=validate.OneOf(list(kinds)), metadata=metadata)
    return fields.List(
        one, validate=validate.Length(1, len(kinds)), metadata={"description": "Any of these; repeat it for several"}
    )


class OrderArguments(PageArguments):
    """Which orders, in which order."""

    cursor = fields.String(load_default=None, validate=validate.Length(max=4000), metadata=_CURSOR)
    sort = fields.String(
        load_default="newest",
        validate=validate.OneOf(list(SORTS)),
        metadata={
            "description": "By number, with placed_from or placed_to by when they were placed; or by total",
            "examples": ["newest"],
        },
    )
    order_id = _Read(
        id_of_number, "must be the number of an order.", longest=20, metadata=own.NUMBER, data_key="number"
    )
    email = _Read(
        normalised_email, "must be an email address.", longest=254, metadata={"examples": ["ada@example.org"]}
    )
    customer = fields.Integer(data_key="customer_id", validate=own.ID, metadata=own.CUSTOMER)
    product = fields.Integer(data_key="product_id", validate=own.ID, metadata={"examples": [17]})
    asin = Asin()
    tracking_number = Text(longest=60, metadata={"examples": ["JD014600003828387401"]})
    recipient = _Read(
        recipient_key,
        "must be a name.",
        longest=MAX_PERSON,
        metadata={"description": "Whom the parcels go to, or how that begins", "examples": ["grace hop"]},
    )
    postal_code = _Read(
        postal_key,
        "must have letters or digits.",
        longest=MAX_POSTAL_CODE,
        metadata={"description": "Of the shipping address", "examples": ["22201"]},
    )
    state = _states(OrderState, own.STATE)
    payment_state = _states(PaymentState, own.PAYMENT_STATE)
    fulfilment_state = _states(FulfilmentState, own.FULFILMENT_STATE)
    payment_method = fields.String(validate=validate.OneOf(METHODS), metadata=own.METHOD)
    attention = fields.String(
        validate=validate.OneOf([*REASONS, ANY]),
        metadata=own.ATTENTION | {"description": f"Why staff should look at it; {ANY}: for whatever reason"},
    )
    coupon = _Read(normalised_code, "must be the code of a coupon.", longest=40, metadata={"examples": ["SPRING10"]})
    placed_from = fields.Date(
        validate=_DAYS, metadata={"description": "Placed on this day of the shop or later", "examples": ["2026-11-01"]}
    )
    placed_to = fields.Date(
        validate=_DAYS, metadata={"description": "Placed on this day or earlier", "examples": ["2026-11-30"]}
    )
    total_min = MinorUnits(metadata={"description": "Not less than this", "examples": ["10.00"]})
    total_max = MinorUnits(metadata={"description": "Not more than this", "examples": ["99.90"]})

    @validates_schema(skip_on_field_errors=True)
    def check_ranges(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse ranges that nothing can be in."""
        if data.get("total_min", 0) > data.get("total_max", MAX_MINOR):
            raise ValidationError({"total_min": ["must not be above total_max."]})
        if data.get("placed_from", date.min) > data.get("placed_to", date.max):
            raise ValidationError({"placed_from": ["must not be after placed_to."]})

    @post_load
    def complete(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Days of the shop as instants, and what any reason means."""
        zone = settings().timezone
        if "placed_from" in data:
            data["placed_from"] = beginning_of(data["placed_from"], zone)
        if "placed_to" in data:
            data["placed_to"] = end_of(data["placed_to"], zone)
        if data.get("attention") == ANY:
            data["attention"] = list(REASONS)
        return data


class OrderExportArguments(OrderArguments):
    """Which orders, in which order; all of them at once."""

    class Meta(OrderArguments.Meta):
        exclude = ("limit", "cursor")
