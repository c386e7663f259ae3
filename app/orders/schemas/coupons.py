"""What the coupons' API takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from app.core.fields import Instant, PageArguments, Price, StrictSchema, Text, page_of
from app.core.running import settings
from app.orders.models.coupons import CouponKind
from app.orders.models.orders import OrderState
from app.orders.queries.coupons import CouponState
from app.orders.schemas.kinds import MinorUnits, Percent
from app.orders.services.coupons.claiming import CODE, normalised_code
from app.products.schemas.kinds import Flag

MAX_USES: Final = 1_000_000_000
_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_CODE: Final = {
    "description": "What customers type: 3 to 40 letters, digits, - and _; small letters become capitals",
    "examples": ["WELCOME-10"],
    "pattern": "^[A-Za-z0-9_-]{3,40}$",
}
_DESCRIPTION: Final = {"description": "For staff", "examples": ["For new customers"]}
_PERCENT: Final = {
    "description": "Percent of the subtotal that it takes off, at most four decimals, as a string; null: an amount",
    "examples": ["10"],
}
_AMOUNT: Final = {
    "description": "What it takes off, at most the subtotal; null: a percentage",
    "examples": [None],
}
_CURRENCY: Final = {"description": "ISO 4217; the shop's", "examples": ["USD"]}
_MINIMUM: Final = {"description": "The subtotal from which on it counts", "examples": ["50.00"]}
_STARTS: Final = {"description": "When it begins to count; null: at once", "examples": ["2026-11-27T00:00:00.000000Z"]}
_ENDS: Final = {"description": "When it ends to count; null: never", "examples": ["2026-12-01T00:00:00.000000Z"]}
_MAX_USES: Final = {"description": "In how many orders it can be used; null: in any number", "examples": [500]}
_PER_CUSTOMER: Final = {
    "description": "In how many orders of one customer, known by their address with and without an account; null: in "
    "any number",
    "examples": [1],
}
_ACTIVE: Final = {"description": "Whether it can be used; customers are not told that it exists otherwise"}
_STATE: Final = {"description": "Whether it counts now", "examples": ["usable"]}


COUPON: Final[dict[str, Any]] = {
    "code": "WELCOME-10",
    "description": "For new customers",
    "percent": "10",
    "minimum": "50.00",
    "max_per_customer": 1,
}


class Code(fields.String):
    """A coupon's code; small letters become capitals."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata=_CODE, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        code = normalised_code(text)
        if not text.isascii() or not CODE.fullmatch(code):
            raise ValidationError("must be 3 to 40 letters, digits, - and _.")
        return code


def _limit(metadata: dict[str, Any], **kwargs: Any) -> fields.Integer:
    return fields.Integer(
        strict=True, allow_none=True, validate=validate.Range(1, MAX_USES), metadata=metadata, **kwargs
    )


class _Values(StrictSchema):
    """What staff decide on."""

    description = Text(longest=200, blank=True, metadata=_DESCRIPTION)
    percent = Percent(attribute="percent_ppm", metadata=_PERCENT)
    amount = MinorUnits(positive=True, attribute="amount_minor", metadata=_AMOUNT | {"examples": ["5.00"]})
    currency = fields.String(metadata=_CURRENCY)
    minimum = MinorUnits(attribute="minimum_minor", metadata=_MINIMUM)
    starts_at = Instant(allow_none=True, metadata=_STARTS)
    ends_at = Instant(allow_none=True, metadata=_ENDS)
    max_uses = _limit(_MAX_USES)
    max_per_customer = _limit(_PER_CUSTOMER)
    is_active = Flag(metadata=_ACTIVE)

    @validates_schema(skip_on_field_errors=False)
    def check_values(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse other currencies than the shop's, and a percentage together with an amount."""
        problems = {}
        if data.get("currency", settings().currency) != settings().currency:
            problems["currency"] = [f"must be {settings().currency}, the currency of this shop."]
        if "percent_ppm" in data and "amount_minor" in data:
            problems["amount"] = ["does not go together with percent."]
        if problems:
            raise ValidationError(problems)

    @post_load
    def leave_currency(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Only the values that can be chosen."""
        return {name: value for name, value in data.items() if name != "currency"}


class CouponIn(_Values):
    """A new coupon: either a percentage or an amount."""

    code = Code(required=True)

    @validates_schema
    def check_kind(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse what takes nothing off."""
        if "percent_ppm" not in data and "amount_minor" not in data:
            raise ValidationError({"percent": ["is needed, or an amount."]})


class CouponChange(_Values):
    """What is to be different about a coupon; what is left out stays. Its code stays always."""


class CouponArguments(PageArguments):
    """Which coupons."""

    code = Text(longest=40, metadata={"description": "What the code begins with", "examples": ["WELCOME"]})
    kind = fields.String(validate=validate.OneOf([kind.value for kind in CouponKind]))
    state = fields.String(validate=validate.OneOf([state.value for state in CouponState]), metadata=_STATE)
    is_deleted = fields.Boolean(load_default=False, metadata={"description": "Those that were deleted, instead"})


class CouponSchema(Schema):
    """A coupon."""

    id = fields.Integer(metadata={"examples": [5]})
    code = fields.String(metadata=_CODE)
    description = fields.String(metadata=_DESCRIPTION)
    kind = fields.String(validate=validate.OneOf([kind.value for kind in CouponKind]))
    percent = Percent(attribute="percent_ppm", allow_none=True, metadata=_PERCENT)
    amount = Price(attribute="amount_minor", allow_none=True, metadata=_AMOUNT)
    currency = fields.String(metadata=_CURRENCY)
    minimum = Price(attribute="minimum_minor", metadata=_MINIMUM)
    starts_at = Instant(allow_none=True, metadata=_STARTS)
    ends_at = Instant(allow_none=True, metadata=_ENDS)
    max_uses = fields.Integer(allow_none=True, metadata=_MAX_USES)
    max_per_customer = fields.Integer(allow_none=True, metadata=_PER_CUSTOMER)
    used = fields.Integer(metadata={"description": "In how many orders it is used now", "examples": [41]})
    is_active = fields.Boolean(metadata=_ACTIVE)
    state = fields.String(validate=validate.OneOf([state.value for state in CouponState]), metadata=_STATE)
    deleted_at = Instant(allow_none=True, metadata={"examples": [None]})
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


class CouponUseSchema(Schema):
    """An order that uses a coupon."""

    order_number = fields.String(metadata={"examples": ["100042"]})
    state = fields.String(
        validate=validate.OneOf([state.value for state in OrderState]),
        metadata={"description": "How far the order is; DRAFT: it is in checkout", "examples": ["PLACED"]},
    )
    discount = Price(attribute="discount_minor", metadata={"examples": ["10.00"]})
    currency = fields.String(metadata={"examples": ["USD"]})
    created_at = Instant(metadata=_WHEN)


CouponPage = page_of(CouponSchema)
CouponUsePage = page_of(CouponUseSchema)
