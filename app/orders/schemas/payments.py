"""What the API of payments and refunds takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from app.core.fields import Instant, Json, PageArguments, Price, StrictSchema, Text, page_of
from app.core.money import Money, MoneyError
from app.orders.models.payments import PaymentStatus
from app.orders.schemas.orders import CURRENCY, METHOD, WHEN
from app.orders.schemas.orders_desk import OrderPaymentSchema, OrderRefundSchema
from app.orders.schemas.shipments import OrderStateSchema

_AMOUNT: Final = {"description": "Plain decimal as a string", "examples": ["40.90"]}
_REASON: Final = {"description": "For the order's timeline; the customer may see it", "examples": ["Scratched"]}
_STATUS: Final = {
    "description": "CREATED and WAITING: still to be paid; FAILED and CANCELLED: nothing was charged",
    "examples": ["WAITING"],
}
_NAME: Final = {"description": "The provider's name", "examples": ["stripe"]}
_KIND: Final = {"description": "The provider's own name for it", "examples": ["payment_intent.succeeded"]}
_REF: Final = {"description": "The provider's own id of the payment", "examples": ["pi_3QK2eZvKYlo2C"]}


class MoneyIn(StrictSchema):
    """An amount in a currency; loaded, it is Money."""

    amount = fields.String(required=True, validate=validate.Length(max=40), metadata=_AMOUNT)
    currency = fields.String(required=True, validate=validate.Length(equal=3), metadata=CURRENCY)

    @validates_schema
    def check_money(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse what the currency cannot express, and nothing."""
        try:
            minor = Money.parse(data["amount"], data["currency"]).minor
        except MoneyError as error:
            raise ValidationError(str(error), "amount") from error
        if minor == 0:
            raise ValidationError("must be more than 0.", "amount")

    @post_load
    def make_money(self, data: dict[str, Any], **_kwargs: Any) -> Money:
        """The amount as Money."""
        return Money.parse(data["amount"], data["currency"])


class PaymentIn(StrictSchema):
    """A payment that came in."""

    amount = fields.Nested(MoneyIn, required=True, metadata={"description": "All that is due, in one sum"})
    reference = Text(
        longest=200,
        load_default=None,
        metadata={"description": "What a bank or a receipt calls it", "examples": ["Bank slip 17"]},
    )


class RefundIn(StrictSchema):
    """Money that is to go back while the goods stay; what is cancelled or returned is refunded there."""

    amount = fields.Nested(
        MoneyIn, load_default=None, metadata={"description": "Without: all that is left", "examples": [None]}
    )
    reason = Text(longest=500, required=True, metadata=_REASON)


class RetryIn(StrictSchema):
    """How a refund is tried again that failed."""

    by_hand = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={"description": "Whether you have paid it back yourself, so that no provider is asked"},
    )


class OwnPaymentSchema(Schema):
    """How far the payment of an order is, and what a customer's browser needs to go on with it."""

    status = fields.String(validate=validate.OneOf(list(PaymentStatus)), metadata=_STATUS)
    method = fields.String(metadata=METHOD)
    amount = Price(attribute="amount_minor", metadata={"examples": ["40.90"]})
    currency = fields.String(metadata=CURRENCY)
    error_code = fields.String(
        allow_none=True,
        metadata={"description": "Why the last attempt failed, in the provider's word", "examples": ["card_declined"]},
    )
    client_secret = fields.String(
        allow_none=True,
        metadata={
            "description": "For the provider's own script, while there is something to pay; the customer's alone",
            "examples": ["pi_3QK2eZvKYlo2C_secret_W8Xg1f"],
        },
    )
    redirect_url = fields.String(
        allow_none=True,
        metadata={
            "description": "Where the customer has to go, if their bank wants to ask them something",
            "examples": ["https://hooks.stripe.com/redirect/authenticate/src_1"],
        },
    )


class PaymentSchema(OrderPaymentSchema):
    """One attempt to pay for an order, and how far the order is."""

    order = fields.Nested(OrderStateSchema)


class WholeRefundSchema(OrderRefundSchema):
    """A refund, whether it is another attempt, and how far the order is."""

    retry_of_id = fields.Integer(
        allow_none=True, metadata={"description": "The refund that failed and that it replaces", "examples": [None]}
    )
    order = fields.Nested(OrderStateSchema)


class ProviderEventArguments(PageArguments):
    """Which notices."""

    provider = fields.String(load_default=None, validate=validate.Length(max=16), metadata=_NAME)
    is_handled = fields.Boolean(load_default=None, metadata={"description": "Whether it is known what came of it"})
    payment_ref = fields.String(load_default=None, validate=validate.Length(max=128), metadata=_REF)


class ProviderEventSchema(Schema):
    """Something that a provider told us."""

    id = fields.Integer(metadata={"examples": [55]})
    provider = fields.String(metadata=_NAME)
    event_id = fields.String(metadata={"description": "The provider's own id of it", "examples": ["evt_1QK2f"]})
    kind = fields.String(metadata=_KIND)
    payment_ref = fields.String(allow_none=True, metadata=_REF)
    received_at = Instant(metadata=WHEN)
    handled_at = Instant(allow_none=True, metadata=WHEN)
    outcome = fields.String(
        allow_none=True,
        metadata={
            "description": "What came of it",
            "examples": ["The payment was WAITING; the provider says CAPTURED."],
        },
    )


class WholeProviderEventSchema(ProviderEventSchema):
    """The same with what it said, without secrets and without what it says of people."""

    body = Json(metadata={"type": "object", "description": "As the provider wrote it", "examples": [{"id": "evt_1"}]})


PaymentPage = page_of(PaymentSchema)
RefundPage = page_of(WholeRefundSchema)
ProviderEventPage = page_of(ProviderEventSchema)
