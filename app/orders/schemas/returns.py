"""What the API of returns takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, post_load, validate

from app.core.fields import Instant, Price, StrictSchema, Text, page_of
from app.orders.models.orders import MAX_ORDER_LINES
from app.orders.models.payments import RefundStatus
from app.orders.schemas.payments import MoneyIn
from app.orders.schemas.shipments import MAX_UNITS, OrderStateSchema, ParcelLineSchema, UnitsIn
from app.orders.services.returns import Returned, Wish

MAX_REASON: Final = 500
_RESALEABLE: Final = {"description": "How many of them are back on the shelves", "examples": [1]}
_REASON: Final = {"description": "Why they came back", "examples": ["The lid does not close."]}
_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}


class ReturnedIn(UnitsIn):
    """So many units of a line that came back."""

    resaleable = fields.Integer(required=True, strict=True, validate=validate.Range(0, MAX_UNITS), metadata=_RESALEABLE)

    @post_load
    def make_units(self, data: dict[str, Any], **_kwargs: Any) -> Returned:
        """The line, how many came back, and how many of them can be sold again."""
        return Returned(data["line_id"], data["quantity"], data["resaleable"])


class WishIn(StrictSchema):
    """How much money goes back."""

    shipping = fields.Boolean(
        load_default=True,
        truthy={True},
        falsy={False},
        metadata={"description": "Whether the units' share of the shipping fee goes back as well", "examples": [True]},
    )
    amount = fields.Nested(
        MoneyIn,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "No more than the units were paid with; null: all of that",
            "examples": [{"amount": "12.00", "currency": "USD"}],
        },
    )

    @post_load
    def make_wish(self, data: dict[str, Any], **_kwargs: Any) -> Wish:
        """What is asked for."""
        return Wish(**data)


class ReturnIn(StrictSchema):
    """Goods that came back."""

    lines = fields.List(
        fields.Nested(ReturnedIn),
        required=True,
        validate=validate.Length(1, MAX_ORDER_LINES),
        data_key="lines",
        attribute="units",
    )
    reason = Text(longest=MAX_REASON, required=True, metadata=_REASON)
    refund = fields.Nested(
        WishIn,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "null: no money goes back. Else the answer has the refund, or nothing is taken back (409). "
            "Giving money back needs the permission refunds:write, too",
            "examples": [{"shipping": True, "amount": None}],
        },
    )


class ReturnedLineSchema(ParcelLineSchema):
    """How many of a line came back."""

    resaleable = fields.Integer(metadata=_RESALEABLE)


class ReturnRefundSchema(Schema):
    """The money that goes back with a return."""

    id = fields.Integer(metadata={"examples": [12]})
    amount = Price(attribute="amount_minor", metadata={"examples": ["20.00"]})
    currency = fields.String(metadata={"description": "ISO 4217", "examples": ["USD"]})
    status = fields.String(
        validate=validate.OneOf(list(RefundStatus)),
        metadata={"description": "CLAIMED until the provider has said yes or no", "examples": ["CLAIMED"]},
    )


class ReturnSchema(Schema):
    """Goods that came back."""

    id = fields.Integer(attribute="returned.id", metadata={"examples": [8]})
    created_at = Instant(attribute="returned.created_at", metadata=_WHEN)
    reason = fields.String(attribute="returned.reason", metadata=_REASON)
    lines = fields.List(fields.Nested(ReturnedLineSchema))
    refund = fields.Nested(
        ReturnRefundSchema,
        allow_none=True,
        metadata={"examples": [{"id": 12, "amount": "20.00", "currency": "USD", "status": "CLAIMED"}]},
    )
    order = fields.Nested(OrderStateSchema)


ReturnPage = page_of(ReturnSchema)
