"""What a cart would cost: the totals that a checkout will expect, with nothing written and nothing held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.cart.errors import CartClosed
from app.cart.models import CartState
from app.cart.services.closing import look_at_cart
from app.cart.shopper import Shopper
from app.core.extensions import db
from app.orders.models.orders import Order
from app.orders.providers.registry import methods
from app.orders.services.checkout.composing import Composed, compose
from app.orders.services.checkout.preparing import address_of


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order of the cart would be made of, and how it could be paid."""

    cart_id: int
    composed: Composed
    payment_methods: tuple[str, ...]


def quote(*, shopper: Shopper, cart_id: int, coupon: str | None, email: str, now: datetime) -> Quote:
    """Price a cart as a checkout would.

    ``email`` is a guest's, and may be empty: then nobody knows how often they used the coupon. Raises CartNotFound,
    CartClosed for one that was ordered, and what ``compose`` raises.
    """
    cart = look_at_cart(cart_id, shopper)
    if cart.state != CartState.OPEN:
        raise CartClosed
    known = email if shopper.user_id is None and not email else address_of(shopper, email)
    draft_id = db.session.scalar(select(Order.id).where(Order.cart_id == cart_id))
    composed = compose(cart.items, coupon=coupon, email=known, now=now, order_id=draft_id)
    return Quote(cart_id, composed, methods())
