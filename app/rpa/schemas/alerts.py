"""What the API of alerts takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.core.fields import Asin, Instant, PageArguments, StrictSchema, Text, page_of
from app.core.money import Money, MoneyError
from app.rpa.models.alerts import Rhythm
from app.rpa.rules.alerting import OF_PRODUCTS, AlertKind

MAX_ASINS: Final = 1000
_KINDS: Final = [kind.value for kind in AlertKind]
_LIMITS: Final = ("percent", "amount", "below", "above")
_AMOUNTS: Final = ("amount", "below", "above")
_WHEN = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_NONE_YET = {"examples": [None, *_WHEN["examples"]]}
_NAME = {"examples": ["Price drops of kettles"]}
_KIND = {
    "description": "price and availability of products, products that cannot be put into the cart, selectors of a "
    "profile that six visits in a row did not find, storefronts that have blocked us, schedules that were missed, and "
    "jobs that ended with failed tasks",
    "examples": ["price"],
}
_CODE = {"description": "Only on the storefront of this code", "examples": [None, "my-shop"]}
_ASINS = {"description": "Only of these products", "examples": [None, ["B0CW1A0001"]]}
_CATEGORY = {"description": "Only of products in this category or below it", "examples": [None, 4]}
_FILTER = {"description": "Only of products that fit this saved filter", "examples": [None, 2]}
_RHYTHMS: Final = [rhythm.value for rhythm in Rhythm]
_MAIL = {
    "description": "Mail to who may change storefronts and wants to know: never, within a minute, or as one mail of "
    "what was told in an hour or a day of the shop's time zone",
    "examples": ["daily"],
}
_WEBHOOKS = {"description": "Whether webhooks get alert.fired", "examples": [True]}
LIMIT = {"percent": 10, "direction": "down"}
WISH_IN: dict[str, Any] = {"kind": "price", "when": LIMIT, "storefront": "my-shop"}
RULE_IN: dict[str, Any] = {"name": "Price drops", "mail": "daily", **WISH_IN}


class WhenIn(StrictSchema):
    """When a rule fires: of a price exactly one of percent, amount, below and above."""

    percent = fields.Float(
        validate=validate.Range(0, 1000, min_inclusive=False),
        metadata={"description": "The price moved by so many percent or more", "examples": [10]},
    )
    amount = fields.String(metadata={"description": "It moved by so much or more", "examples": ["5.00"]})
    below = fields.String(metadata={"description": "It fell below this", "examples": ["20.00"]})
    above = fields.String(metadata={"description": "It rose above this", "examples": ["30.00"]})
    currency = fields.String(
        validate=validate.Regexp(r"^[A-Z]{3}\Z"),
        metadata={"description": "Of amount, below and above; other currencies do not count", "examples": ["USD"]},
    )
    direction = fields.String(
        validate=validate.OneOf(["up", "down", "any"]),
        metadata={"description": "Of percent and amount; any by itself", "examples": ["down"]},
    )
    becomes = fields.String(
        validate=validate.OneOf(["gone", "back"]),
        metadata={
            "description": "Of availability: it cannot be bought any more, or can be again",
            "examples": ["gone"],
        },
    )


class AlertWishIn(StrictSchema):
    """What is watched, and of which products."""

    kind = fields.String(required=True, validate=validate.OneOf(_KINDS), metadata=_KIND)
    when = fields.Nested(
        WhenIn,
        load_default=dict,
        metadata={"description": "Its limits; needed for price and availability", "examples": [LIMIT]},
    )
    storefront = fields.String(load_default=None, allow_none=True, validate=validate.Length(1, 64), metadata=_CODE)
    asins = fields.List(
        Asin(), load_default=None, allow_none=True, validate=validate.Length(1, MAX_ASINS), metadata=_ASINS
    )
    category_id = fields.Integer(
        load_default=None, allow_none=True, validate=validate.Range(1, 2**63 - 1), metadata=_CATEGORY
    )
    product_filter_id = fields.Integer(
        load_default=None, allow_none=True, validate=validate.Range(1, 2**63 - 1), metadata=_FILTER
    )

    @validates_schema(skip_on_field_errors=True)
    def fitting_limits(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse limits that do not belong to the kind, or that are not said."""
        kind, when = AlertKind(data["kind"]), data["when"]
        allowed = {AlertKind.PRICE: {*_LIMITS, "currency", "direction"}, AlertKind.AVAILABILITY: {"becomes"}}
        _refuse({"when": {name: ["does not belong to this kind."] for name in when.keys() - allowed.get(kind, set())}})
        if kind is AlertKind.AVAILABILITY and "becomes" not in when:
            _refuse({"when": {"becomes": ["say gone or back."]}})
        if kind is AlertKind.PRICE:
            _check_price(when)
        about = [name for name in ("asins", "category_id", "product_filter_id") if data[name] is not None]
        if kind not in OF_PRODUCTS:
            _refuse({name: ["does not belong to this kind."] for name in about})
        _refuse({name: [f"{about[0]} says already which products."] for name in about[1:]})


class AlertRuleIn(AlertWishIn):
    """A rule about what is told."""

    name = Text(longest=120, required=True, metadata=_NAME)
    mail = fields.String(load_default=Rhythm.NEVER.value, validate=validate.OneOf(_RHYTHMS), metadata=_MAIL)
    tells_webhooks = fields.Boolean(load_default=True, truthy={True}, falsy={False}, metadata=_WEBHOOKS)
    is_active = fields.Boolean(load_default=True, truthy={True}, falsy={False})


def _check_price(when: dict[str, Any]) -> None:
    named = [name for name in _LIMITS if name in when]
    if len(named) != 1:
        _refuse({"when": {"percent": ["say exactly one of percent, amount, below and above."]}})
    if (named[0] in _AMOUNTS) != ("currency" in when):
        _refuse({"when": {"currency": ["belongs to amount, below and above, which need it."]}})
    if "direction" in when and named[0] in ("below", "above"):
        _refuse({"when": {"direction": ["belongs to percent and amount."]}})
    if named[0] in _AMOUNTS:
        try:
            Money.parse(when[named[0]], when["currency"])
        except MoneyError as error:
            _refuse({"when": {named[0]: [str(error)]}})


def _refuse(messages: dict[str, Any]) -> None:
    """Raise ValidationError where there is something to say."""
    if any(messages.values()):
        raise ValidationError(messages)


class AlertRuleSchema(Schema):
    """A rule about what is told."""

    id = fields.Integer(metadata={"examples": [3]})
    name = fields.String(metadata=_NAME)
    kind = fields.String(validate=validate.OneOf(_KINDS), metadata=_KIND)
    when = fields.Raw(metadata={"type": "object", "description": "Its limits", "examples": [LIMIT]})
    storefront = fields.String(allow_none=True, metadata=_CODE)
    asins = fields.List(fields.String(), allow_none=True, metadata=_ASINS)
    category_id = fields.Integer(allow_none=True, metadata=_CATEGORY)
    product_filter_id = fields.Integer(allow_none=True, metadata=_FILTER)
    mail = fields.String(validate=validate.OneOf(_RHYTHMS), metadata=_MAIL)
    tells_webhooks = fields.Boolean(metadata=_WEBHOOKS)
    is_active = fields.Boolean(metadata={"description": "False while it is paused"})
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


class AlertArguments(PageArguments):
    """Which alerts to list."""

    rule_id = fields.Integer(load_default=None, validate=validate.Range(1, 2**63 - 1), metadata={"examples": [3]})
    is_read = fields.Boolean(load_default=None, metadata={"description": "Only those that were, or were not, read"})
    is_dismissed = fields.Boolean(load_default=False, metadata={"description": "Those that were put away"})


class AlertSchema(Schema):
    """Something that a rule told."""

    id = fields.Integer(metadata={"examples": [12]})
    rule_id = fields.Integer(metadata={"examples": [3]})
    subject = fields.String(
        metadata={
            "description": "What it is about; a condition is told once until it ends",
            "examples": ["product:7@2"],
        }
    )
    detail = fields.String(metadata={"examples": ["B0CW1A0001 on my-shop: price from 24.99 USD to 19.99 USD."]})
    asin = fields.String(allow_none=True, metadata={"examples": ["B0CW1A0001"]})
    storefront = fields.String(allow_none=True, metadata={"examples": ["my-shop"]})
    job_id = fields.Integer(allow_none=True, metadata={"examples": [5]})
    task_id = fields.Integer(
        allow_none=True, metadata={"description": "The visit, which has the evidence", "examples": [73]}
    )
    fired_at = Instant(metadata=_WHEN)
    ended_at = Instant(
        allow_none=True, metadata=_NONE_YET | {"description": "When what it tells was over; null while it holds"}
    )
    read_at = Instant(allow_none=True, metadata=_NONE_YET)
    dismissed_at = Instant(allow_none=True, metadata=_NONE_YET)
    dismissed_by = fields.String(allow_none=True, metadata={"examples": [None, "user:7"]})


class AlertUnreadSchema(Schema):
    """How many alerts nobody has read."""

    count = fields.Integer(metadata={"examples": [7]})
    is_capped = fields.Boolean(
        metadata={"description": "Whether there may be more than the count", "examples": [False]}
    )


class AlertsReadIn(StrictSchema):
    """Which alerts were read."""

    up_to_id = fields.Integer(
        required=True,
        validate=validate.Range(1, 2**63 - 1),
        metadata={"description": "The newest alert that was seen", "examples": [12]},
    )
    rule_id = fields.Integer(
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, 2**63 - 1),
        metadata={"description": "Only what this rule told", "examples": [None, 3]},
    )


class AlertsReadSchema(Schema):
    """How many alerts were marked as read."""

    count = fields.Integer(metadata={"examples": [7]})
    is_complete = fields.Boolean(metadata={"description": "False: ask again for the older ones", "examples": [True]})


class WouldTellSchema(Schema):
    """An alert that there would have been."""

    asin = fields.String(metadata={"examples": ["B0CW1A0001"]})
    storefront = fields.String(metadata={"examples": ["my-shop"]})
    detail = fields.String(metadata={"examples": ["B0CW1A0001 on my-shop: price from 24.99 USD to 19.99 USD."]})
    job_id = fields.Integer(allow_none=True, metadata={"examples": [5]})
    task_id = fields.Integer(allow_none=True, metadata={"examples": [73]})
    at = Instant(metadata=_WHEN)


class AlertPreviewSchema(Schema):
    """What a rule would have told."""

    since = Instant(metadata=_WHEN | {"description": "From when on changes were looked at"})
    is_complete = fields.Boolean(
        metadata={"description": "False: there were too many changes to look at seven days", "examples": [True]}
    )
    count = fields.Integer(metadata={"description": "How many alerts that would have been", "examples": [1]})
    items = fields.List(
        fields.Nested(WouldTellSchema), metadata={"description": "The newest 100 of them, the newest first"}
    )


AlertRulePage = page_of(AlertRuleSchema)
AlertPage = page_of(AlertSchema)
