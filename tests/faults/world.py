"""One read of everything that says who bought what, who holds what and who paid what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from app.cart.models import Cart
from app.core.extensions import db
from app.core.orm import Base, database_now, table_of
from app.core.outbox import Outbox
from app.orders.models.coupons import Coupon, CouponCustomer, CouponUse
from app.orders.models.fulfilment import OrderReturn, OrderReturnLine, Shipment, ShipmentLine
from app.orders.models.orders import Hold, Order, OrderEvent, OrderLine
from app.orders.models.payments import Payment, ProviderEvent, Refund, RefundLine
from app.orders.models.sales import Sale
from app.products.models.stock import Allocation, Stock, StockMovement
from tests.orders.stripe_server import StripeServer

TABLES: Final[tuple[type[Base], ...]] = (
    Allocation, Cart, Coupon, CouponCustomer, CouponUse, Hold, Order, OrderEvent, OrderLine, OrderReturn,
    OrderReturnLine, Outbox, Payment, ProviderEvent, Refund, RefundLine, Sale, Shipment, ShipmentLine, Stock,
    StockMovement,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Charged:
    """A payment as the provider's books have it."""

    ref: str
    key: str
    order_number: str
    captured_minor: int
    """0 where nothing was taken (yet)."""


@dataclass(frozen=True, slots=True)
class PaidBack:
    """A refund as the provider's books have it."""

    ref: str
    payment_ref: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Books:
    """All that a provider did for us."""

    charges: Sequence[Charged] = ()
    refunds: Sequence[PaidBack] = ()


def books_of(double: StripeServer) -> Books:
    """The books of the double of Stripe."""
    books = double.books
    with books.lock:
        charges = [
            Charged(one["id"], one["metadata"]["payment"], one["metadata"]["order"], one["amount_received"])
            for one in books.intents.values()
        ]
        refunds = [
            PaidBack(one["id"], one["payment_intent"], one["amount"])
            for one in books.refunds.values()
            if one["status"] != "failed"
        ]
    return Books(charges, refunds)


@dataclass
class World:
    """The rows of every table of ``TABLES``, the provider's books, and the database's time of the read."""

    rows: dict[type[Base], list[Any]]
    books: Books
    now: datetime
    orders: dict[int, Any] = field(init=False)
    holds: dict[int, Any] = field(init=False)
    """By order."""
    lines: dict[int, list[Any]] = field(init=False)
    """By order."""
    payments: dict[int, list[Any]] = field(init=False)
    """By order."""
    refunds: dict[int, list[Any]] = field(init=False)
    """By payment."""

    def __post_init__(self) -> None:
        self.orders = {row.id: row for row in self.rows[Order]}
        self.holds = {row.order_id: row for row in self.rows[Hold]}
        self.lines = grouped(self.rows[OrderLine], "order_id")
        self.payments = grouped(self.rows[Payment], "order_id")
        self.refunds = grouped(self.rows[Refund], "payment_id")


def read_world(books: Books) -> World:
    """Read it in one transaction."""
    session = db.session()
    session.rollback()
    now = database_now(session)
    rows = {model: list(session.execute(select(table_of(model)))) for model in TABLES}
    session.rollback()
    return World(rows, books, now)


def grouped(rows: Iterable[Any], *columns: str) -> dict[Any, list[Any]]:
    """Rows by the value of a column, or by the values of several; an unknown one has none."""
    found: dict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        key = tuple(getattr(row, column) for column in columns)
        found[key[0] if len(key) == 1 else key].append(row)
    return found


def total(rows: Iterable[Any], column: str) -> int:
    """The sum of a column."""
    return sum(getattr(row, column) for row in rows)
