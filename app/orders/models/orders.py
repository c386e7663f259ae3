"""Tables of orders: what was bought, for how much, by whom, and everything that happened to it."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, validates

from app.core.append_only import append_only
from app.core.orm import (
    Attributed,
    Base,
    BigId,
    Instant,
    JsonText,
    PrimaryKey,
    Timestamps,
    UtcDateTime,
    key_text,
    utc_now,
)
from app.orders.addresses import MAX_POSTAL_CODE, MAX_RECIPIENT, keys_of
from app.products.models.products import MAX_BRAND, MAX_NAME

REFERENCE: Final = "order"
"""What allocations of an order are known by (``Reference.kind``)."""
FIRST_NUMBER: Final = 100_000
MAX_ORDER_LINES: Final = 50
_MAX_DIGITS: Final = 18


class OrderState(StrEnum):
    """How far the order itself is."""

    DRAFT = "DRAFT"
    """In checkout: stock is held and nothing is bought yet."""
    PLACED = "PLACED"
    COMPLETED = "COMPLETED"
    """Paid, and all that was not cancelled has arrived."""
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    """A checkout that was not finished; what it held is free again."""


class PaymentState(StrEnum):
    """How far the money is."""

    UNPAID = "UNPAID"
    PENDING = "PENDING"
    """The provider is at it, or waits for the customer."""
    PAID = "PAID"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    VOIDED = "VOIDED"
    """Nothing was paid, and nothing will be."""


class FulfilmentState(StrEnum):
    """How far the goods are."""

    UNFULFILLED = "UNFULFILLED"
    PARTIALLY_SHIPPED = "PARTIALLY_SHIPPED"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    PARTIALLY_RETURNED = "PARTIALLY_RETURNED"
    RETURNED = "RETURNED"
    VOIDED = "VOIDED"
    """Everything was cancelled."""


def _recipient_of(context: Any) -> str:
    """What an INSERT past the ORM says of whom the parcels go to."""
    return keys_of(context.get_current_parameters()["shipping_address"])[0]


def _postal_code_of(context: Any) -> str | None:
    return keys_of(context.get_current_parameters()["shipping_address"])[1]


class Order(Timestamps, Base):
    """One order. Its amounts are sums of its lines' and stay as they were placed."""

    __tablename__ = "order"
    __table_args__ = (
        CheckConstraint("total_minor >= 0", name="total_not_negative"),
        CheckConstraint("cancelled_minor >= 0 AND cancelled_minor <= total_minor", name="cancelled_within_total"),
        Index("ix_order_user", "user_id", "id"),
        Index("ix_order_email", "email", "id"),
        Index("ix_order_state", "state", "id"),
        Index("ix_order_payment", "payment_state", "id"),
        Index("ix_order_fulfilment", "fulfilment_state", "id"),
        Index("ix_order_attention", "attention", "id"),
        Index("ix_order_placed", "placed_at", "id"),
        Index("ix_order_total", "total_minor", "id"),
        Index("ix_order_coupon", "coupon_code", "id"),
        Index("ix_order_recipient", "recipient_key", "id"),
        Index("ix_order_postal", "postal_key", "id"),
    )

    id: Mapped[PrimaryKey]
    cart_id: Mapped[int | None] = mapped_column(BigId, unique=True)
    """The cart it was made from: a cart becomes one order, however often it is sent. None for orders by staff."""
    user_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("user.id"))
    email: Mapped[str] = mapped_column(key_text(254))
    state: Mapped[str] = mapped_column(key_text(12), default=OrderState.DRAFT)
    payment_state: Mapped[str] = mapped_column(key_text(20), default=PaymentState.UNPAID)
    fulfilment_state: Mapped[str] = mapped_column(key_text(20), default=FulfilmentState.UNFULFILLED)
    payment_method: Mapped[str] = mapped_column(key_text(16))
    """``invoice``, ``cash`` or ``card``."""
    attention: Mapped[str | None] = mapped_column(key_text(32))
    """Why staff should look at it (``app.orders.attention``); None: all is well."""
    currency: Mapped[str] = mapped_column(key_text(3))
    tax_rate_ppm: Mapped[int] = mapped_column(Integer)
    """Millionths: 190000 is 19 %."""
    tax_included: Mapped[bool]
    """Whether prices and the shipping fee contain the tax."""
    subtotal_minor: Mapped[int] = mapped_column(BigInteger)
    discount_minor: Mapped[int] = mapped_column(BigInteger)
    shipping_minor: Mapped[int] = mapped_column(BigInteger)
    tax_minor: Mapped[int] = mapped_column(BigInteger)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    cancelled_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    """What of the total was cancelled: total - cancelled is to be paid."""
    coupon_code: Mapped[str | None] = mapped_column(key_text(40))
    note: Mapped[str] = mapped_column(String(1000), default="")
    """The customer's."""
    shipping_address: Mapped[dict[str, Any]] = mapped_column(JsonText)
    billing_address: Mapped[dict[str, Any]] = mapped_column(JsonText)
    recipient_key: Mapped[str] = mapped_column(key_text(MAX_RECIPIENT), default=_recipient_of)
    """Who the parcels go to, as staff search for it; follows the shipping address."""
    postal_key: Mapped[str | None] = mapped_column(key_text(MAX_POSTAL_CODE), default=_postal_code_of)
    """Likewise."""
    placed_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    placed_on: Mapped[date | None] = mapped_column(Date)
    """The shop's day."""
    paid_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """When it was completed, cancelled or expired."""
    version: Mapped[int] = mapped_column(Integer, default=1)

    @validates("shipping_address")
    def _set_keys(self, _name: str, address: dict[str, Any]) -> dict[str, Any]:
        self.recipient_key, self.postal_key = keys_of(address)
        return address

    @property
    def number(self) -> str:
        """What people call it; never given twice."""
        return number_of(self.id)


def number_of(order_id: int) -> str:
    """An order's number by its id."""
    return str(FIRST_NUMBER + order_id)


def id_of_number(number: str) -> int | None:
    """An order's id by its number; None for what is no number of ours, whether or not there is such an order."""
    if not (number.isascii() and number.isdigit()) or len(number) > _MAX_DIGITS or number.startswith("0"):
        return None
    order_id = int(number) - FIRST_NUMBER
    return order_id if order_id > 0 else None


class OrderLine(Base):
    """One product of an order with its name and price as they were, and what became of its units."""

    __tablename__ = "order_line"
    __table_args__ = (
        UniqueConstraint("order_id", "product_id"),
        CheckConstraint("quantity >= 1", name="quantity_positive"),
        CheckConstraint("cancelled >= 0 AND shipped >= 0 AND returned >= 0", name="counts_not_negative"),
        CheckConstraint("shipped + cancelled <= quantity", name="shipped_within_quantity"),
        CheckConstraint("returned <= shipped", name="returned_within_shipped"),
        CheckConstraint("discount_minor >= 0 AND discount_minor <= subtotal_minor", name="discount_within_subtotal"),
        Index("ix_order_line_product", "product_id", "order_id"),
    )

    id: Mapped[PrimaryKey]
    order_id: Mapped[int] = mapped_column(BigId, ForeignKey("order.id"))
    product_id: Mapped[int] = mapped_column(BigId, ForeignKey("product.id"))
    position: Mapped[int] = mapped_column(Integer)
    asin: Mapped[str] = mapped_column(key_text(10))
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    brand: Mapped[str | None] = mapped_column(key_text(MAX_BRAND))
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price_minor: Mapped[int] = mapped_column(BigInteger)
    subtotal_minor: Mapped[int] = mapped_column(BigInteger)
    """Unit price times quantity, as priced (``Order.tax_included``)."""
    discount_minor: Mapped[int] = mapped_column(BigInteger)
    """Its share of the coupon, by largest remainder; as priced."""
    shipping_minor: Mapped[int] = mapped_column(BigInteger)
    """Its share of the shipping fee, by largest remainder; as priced."""
    shipping_tax_minor: Mapped[int] = mapped_column(BigInteger)
    tax_minor: Mapped[int] = mapped_column(BigInteger)
    """Of goods and shipping."""
    total_minor: Mapped[int] = mapped_column(BigInteger)
    """What is paid for this line: goods less discount, its share of shipping, and all tax."""
    cancelled: Mapped[int] = mapped_column(Integer, default=0)
    shipped: Mapped[int] = mapped_column(Integer, default=0)
    returned: Mapped[int] = mapped_column(Integer, default=0)


class HoldState(StrEnum):
    """What becomes of the stock of a checkout; every step is a compare-and-set."""

    HELD = "HELD"
    PAYING = "PAYING"
    """Somebody may be charged: only the provider's word ends it."""
    CONSUMED = "CONSUMED"
    RELEASED = "RELEASED"


class Hold(Timestamps, Base):
    """Whose stock is held until when, on the database's clock; one for every order that came from a checkout."""

    __tablename__ = "hold"
    __table_args__ = (Index("ix_hold_due", "state", "expires_at", "id"),)

    id: Mapped[PrimaryKey]
    order_id: Mapped[int] = mapped_column(BigId, ForeignKey("order.id"), unique=True)
    state: Mapped[str] = mapped_column(key_text(8), default=HoldState.HELD)
    expires_at: Mapped[Instant]


@append_only
class OrderEvent(Attributed, Base):
    """One thing that happened to an order, and who did it; customers see the public ones."""

    __tablename__ = "order_event"
    __table_args__ = (Index("ix_order_event_order", "order_id", "id"),)

    id: Mapped[PrimaryKey]
    created_at: Mapped[Instant] = mapped_column(UtcDateTime, default=utc_now)
    order_id: Mapped[int] = mapped_column(BigId, ForeignKey("order.id"))
    kind: Mapped[str] = mapped_column(key_text(32))
    """``order.state``, ``payment.state``, ``fulfilment.state`` for moves; else what was done (``note.added``)."""
    before: Mapped[str | None] = mapped_column(key_text(32))
    after: Mapped[str | None] = mapped_column(key_text(32))
    is_public: Mapped[bool]
    details: Mapped[dict[str, Any]] = mapped_column(JsonText, default=dict)


class OrderLink(Base):
    """A link in a mail that shows one order to whoever holds it."""

    __tablename__ = "order_link"
    __table_args__ = (Index("ix_order_link_order", "order_id"), Index("ix_order_link_expires", "expires_at", "id"))

    id: Mapped[PrimaryKey]
    order_id: Mapped[int] = mapped_column(BigId, ForeignKey("order.id"))
    token_hash: Mapped[str] = mapped_column(key_text(64), unique=True)
    created_at: Mapped[Instant] = mapped_column(UtcDateTime, default=utc_now)
    expires_at: Mapped[Instant] = mapped_column(UtcDateTime)
