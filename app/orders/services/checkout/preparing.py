"""PREPARE, the first phase of a checkout, as one transaction: from the locked cart to an order whose stock is held.

Everything is decided by what the database says inside of it: prices and whether products are sold are read again, the
total is compared with what the customer was shown, and the same cart is always the same order. Orders that no provider
is asked about are placed by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from app.auth.models import User
from app.auth.services.accounts import checked_email, normalised_email
from app.cart.services.closing import LockedCart, lock_cart
from app.cart.shopper import Shopper
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.money import Money
from app.core.transactions import in_transaction
from app.orders.errors import AlreadyOrdered
from app.orders.models.orders import HoldState, Order, OrderLine, OrderState
from app.orders.models.payments import Payment, PaymentStatus
from app.orders.providers.registry import MANUAL, name_for
from app.orders.services.checkout import drafting, holds
from app.orders.services.checkout.composing import compose, require_total
from app.orders.services.checkout.errors import Running
from app.orders.services.checkout.wanted import CheckedOut, Wanted

ENDED: Final = frozenset({OrderState.PLACED, OrderState.COMPLETED, OrderState.CANCELLED})
"""Of an order that its cart can become nothing else any more."""


@in_transaction
def prepare(*, wanted: Wanted, now: datetime) -> CheckedOut:
    """Make the order of a cart, or change its draft to what is wanted now, with its stock.

    It is placed where no provider is to be asked, and DRAFT where the next phase has to; the order of a cart that was
    ordered before is returned as it is. Raises what ``compose`` and ``require_total`` raise, CartNotFound,
    AlreadyOrdered where something else was ordered before, or was cancelled, and of this package Running and Short.
    """
    cart = lock_cart(wanted.cart_id, wanted.shopper)
    order = _order_of(cart.id)
    if order is not None and order.state in ENDED:
        _require_same(order, wanted)
        return CheckedOut(order, drafting.read_lines(order.id))
    email = address_of(wanted.shopper, wanted.particulars.email)
    particulars = replace(wanted.particulars, email=email, note=wanted.particulars.note or cart.note)
    if order is not None and holds.hold_of(order.id) == HoldState.PAYING:
        raise _running(order, cart, replace(wanted, particulars=particulars))
    composed = compose(
        cart.items, coupon=particulars.coupon, email=email, now=now, order_id=order.id if order is not None else None
    )
    require_total(composed, wanted.expected_total)
    places = name_for(particulars.method) == MANUAL or composed.totals.total_minor == 0
    actor = wanted.shopper.principal
    user_id = cart.user_id or wanted.shopper.user_id
    if order is not None:
        return drafting.change(order, composed, particulars, user_id=user_id, places=places, actor=actor, now=now)
    return drafting.create(composed, particulars, cart_id=cart.id, user_id=user_id, places=places, actor=actor, now=now)


def _require_same(order: Order, wanted: Wanted) -> None:
    """Raise AlreadyOrdered unless the order is what is wanted once more, and there to be had or paid."""
    differs = _differing(order, wanted)
    if differs:
        raise AlreadyOrdered(number=order.number, state=order.state, differs=differs)
    was_paid = select(Payment.id).where(Payment.order_id == order.id, Payment.status == PaymentStatus.CAPTURED)
    if order.state == OrderState.CANCELLED and db.session.scalar(was_paid.limit(1)) is None:
        raise AlreadyOrdered(number=order.number, state=order.state)


def _differing(order: Order, wanted: Wanted) -> list[str]:
    """The members of a checkout that say something else than the order that its cart became."""
    particulars = wanted.particulars
    members = {
        "expected_total": (wanted.expected_total, Money(order.total_minor, order.currency)),
        "payment_method": (particulars.method, order.payment_method),
        "email": (normalised_email(particulars.email) or order.email, order.email),
        "shipping_address": (dict(particulars.shipping_address), order.shipping_address),
        "billing_address": (dict(particulars.billing_address), order.billing_address),
        "coupon": (particulars.coupon, order.coupon_code),
        "note": (particulars.note or order.note, order.note),
    }
    return [name for name, (said, ordered) in members.items() if said != ordered]


def _order_of(cart_id: int) -> Order | None:
    found = select(Order).where(Order.cart_id == cart_id).with_for_update()
    return db.session.scalar(found.execution_options(populate_existing=True))


def address_of(shopper: Shopper, given: str) -> str:
    """The address of an order: of people that of their account, of guests what they say; raises Invalid."""
    if shopper.user_id is None:
        if not given:
            raise Invalid.field("/email", "must be an email address such as ada@example.org: whom to write to.")
        return checked_email(given)
    own = db.session.scalar(select(User.email).where(User.id == shopper.user_id)) or ""
    if given and checked_email(given) != own:
        raise Invalid.field("/email", "is for guests; whoever is logged in orders with the address of the account.")
    return own


def _running(order: Order, cart: LockedCart, wanted: Wanted) -> Running:
    payment = db.session.execute(
        select(Payment.id, Payment.source_ref).where(Payment.active_order_id == order.id)
    ).one()
    is_same = _is_same(order, drafting.read_lines(order.id), payment.source_ref, cart, wanted)
    return Running(order_id=order.id, payment_id=payment.id, is_same=is_same)


def _is_same(order: Order, lines: Sequence[OrderLine], source: str | None, cart: LockedCart, wanted: Wanted) -> bool:
    """Whether a checkout that is being paid is what is wanted now, so that it only has to be finished."""
    particulars = wanted.particulars
    running: list[Any] = [
        sorted((line.product_id, line.quantity) for line in lines),
        (order.total_minor, order.currency),
        (order.email, order.payment_method, order.note, order.coupon_code, source),
        (order.shipping_address, order.billing_address),
    ]
    return running == [
        sorted((item.product_id, item.quantity) for item in cart.items),
        (wanted.expected_total.minor, wanted.expected_total.currency),
        (particulars.email, particulars.method, particulars.note, particulars.coupon, wanted.source),
        (dict(particulars.shipping_address), dict(particulars.billing_address)),
    ]
