"""What somebody wants to order, and what it became: the words of a checkout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.cart.shopper import Shopper
from app.core.money import Money
from app.orders.models.orders import Order, OrderLine


class Item(Protocol):
    """So many of a product."""

    @property
    def product_id(self) -> int: ...
    @property
    def quantity(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Ordered:
    """So many of a product, as staff order it for somebody."""

    product_id: int
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """What is agreed besides the goods; texts are clean, and addresses as ``AddressSchema`` leaves them."""

    email: str
    shipping_address: Mapping[str, Any]
    billing_address: Mapping[str, Any]
    method: str
    """``invoice``, ``cash`` or ``card``."""
    coupon: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A checkout as a customer sent it."""

    shopper: Shopper
    cart_id: int
    expected_total: Money
    particulars: Particulars
    source: str | None = None
    """What is paid with (``pm_...``); None: the customer says so to the provider."""
    return_url: str | None = None
    """Where the customer's browser goes when a bank has asked them something."""


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """An order as a checkout leaves it, with its lines in their order."""

    order: Order
    lines: Sequence[OrderLine]

    @property
    def version(self) -> int:
        """The order's, for its ETag."""
        return self.order.version
