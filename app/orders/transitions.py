"""What may follow what: the three axes of an order, and how two of them follow from its lines and its money."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final, Protocol

from app.orders.models.orders import FulfilmentState, OrderState, PaymentState


class Axis(StrEnum):
    """What of an order moves."""

    ORDER = "order"
    PAYMENT = "payment"
    FULFILMENT = "fulfilment"


COLUMNS: Final = {Axis.ORDER: "state", Axis.PAYMENT: "payment_state", Axis.FULFILMENT: "fulfilment_state"}
"""What each axis is called of an order."""
ORDER: Final[dict[str, frozenset[str]]] = {
    OrderState.DRAFT: frozenset({OrderState.PLACED, OrderState.EXPIRED, OrderState.CANCELLED}),
    OrderState.PLACED: frozenset({OrderState.COMPLETED, OrderState.CANCELLED}),
    OrderState.EXPIRED: frozenset(
        {
            OrderState.DRAFT,  # the same cart is checked out again
            OrderState.PLACED,  # the payment came late, and there is still stock
            OrderState.CANCELLED,  # it came late, there is none, and the money goes back
        }
    ),
    OrderState.COMPLETED: frozenset(),
    OrderState.CANCELLED: frozenset(),
}
PAYMENT: Final[dict[str, frozenset[str]]] = {
    PaymentState.UNPAID: frozenset({PaymentState.PENDING, PaymentState.PAID, PaymentState.VOIDED}),
    PaymentState.PENDING: frozenset(
        {
            PaymentState.UNPAID,  # declined
            PaymentState.PAID,
            PaymentState.VOIDED,
        }
    ),
    PaymentState.PAID: frozenset({PaymentState.PARTIALLY_REFUNDED, PaymentState.REFUNDED}),
    PaymentState.PARTIALLY_REFUNDED: frozenset(
        {
            PaymentState.REFUNDED,
            PaymentState.PAID,  # a bank sent back what had gone
        }
    ),
    PaymentState.REFUNDED: frozenset({PaymentState.PARTIALLY_REFUNDED, PaymentState.PAID}),  # likewise
    PaymentState.VOIDED: frozenset(
        {
            PaymentState.UNPAID,  # a checkout that had expired begins again
            PaymentState.PENDING,
            PaymentState.PAID,  # it came late
        }
    ),
}
FULFILMENT: Final[dict[str, frozenset[str]]] = {
    FulfilmentState.UNFULFILLED: frozenset(
        {FulfilmentState.PARTIALLY_SHIPPED, FulfilmentState.SHIPPED, FulfilmentState.VOIDED}
    ),
    FulfilmentState.PARTIALLY_SHIPPED: frozenset(
        {
            FulfilmentState.SHIPPED,
            FulfilmentState.DELIVERED,  # what was shipped had arrived when the rest was cancelled
            FulfilmentState.PARTIALLY_RETURNED,
            FulfilmentState.RETURNED,
        }
    ),
    FulfilmentState.SHIPPED: frozenset(
        {FulfilmentState.DELIVERED, FulfilmentState.PARTIALLY_RETURNED, FulfilmentState.RETURNED}
    ),
    FulfilmentState.DELIVERED: frozenset({FulfilmentState.PARTIALLY_RETURNED, FulfilmentState.RETURNED}),
    FulfilmentState.PARTIALLY_RETURNED: frozenset({FulfilmentState.RETURNED}),
    FulfilmentState.RETURNED: frozenset(),
    FulfilmentState.VOIDED: frozenset(),
}
TABLES: Final[Mapping[Axis, Mapping[str, Collection[str]]]] = {
    Axis.ORDER: ORDER,
    Axis.PAYMENT: PAYMENT,
    Axis.FULFILMENT: FULFILMENT,
}
SETTLED: Final = frozenset(
    {PaymentState.PAID, PaymentState.PARTIALLY_REFUNDED, PaymentState.REFUNDED, PaymentState.VOIDED}
)
"""States in which nothing is to be paid any more."""


class Counted(Protocol):
    """A line, or a row of one, with what became of its units."""

    @property
    def quantity(self) -> int: ...
    @property
    def cancelled(self) -> int: ...
    @property
    def shipped(self) -> int: ...
    @property
    def returned(self) -> int: ...


def fulfilment_of(lines: Iterable[Counted], *, delivered: bool = False) -> FulfilmentState:
    """How far the goods are by the counters of an order's lines.

    ``delivered``: every shipment that there is has arrived. While something is still to be shipped that comes first,
    whatever else has arrived or come back. Whatever the counters are, this answers.
    """
    counted = list(lines)
    to_ship = any(line.quantity > line.cancelled + line.shipped for line in counted)
    shipped = sum(line.shipped for line in counted)
    returned = sum(line.returned for line in counted)
    if shipped <= 0:
        return FulfilmentState.UNFULFILLED if to_ship else FulfilmentState.VOIDED
    if to_ship:
        return FulfilmentState.PARTIALLY_SHIPPED
    if returned > 0:
        return FulfilmentState.RETURNED if returned >= shipped else FulfilmentState.PARTIALLY_RETURNED
    return FulfilmentState.DELIVERED if delivered else FulfilmentState.SHIPPED


def payment_state_of(*, captured_minor: int, refunded_minor: int) -> PaymentState:
    """How far the money of a captured payment is; ``refunded_minor`` is what refunds that succeeded gave back."""
    if refunded_minor == 0:
        return PaymentState.PAID
    return PaymentState.REFUNDED if refunded_minor >= captured_minor else PaymentState.PARTIALLY_REFUNDED
