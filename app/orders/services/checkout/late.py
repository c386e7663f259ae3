"""Payments that were captured when the stock had been given free: the order is placed if its stock can be had again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.core.extensions import db
from app.core.permissions import Principal
from app.orders.errors import CouponNotUsable, UnknownCoupon
from app.orders.models.orders import HoldState, Order, OrderLine
from app.orders.services import moving
from app.orders.services.checkout import drafting, holds
from app.orders.services.checkout.placing import place_paid
from app.orders.services.coupons import claiming


def place_late(order: Order, lines: Sequence[OrderLine], *, actor: Principal, now: datetime) -> None:
    """Place a locked order that had expired, with its stock allocated again. Raises Short where there is too little."""
    if not holds.change_hold(order.id, [HoldState.RELEASED], HoldState.CONSUMED, now=now):
        raise RuntimeError(f"the hold of order {order.id} changed under its lock")
    if order.coupon_code is not None:
        _use_coupon_again(order, actor=actor, now=now)
    place_paid(order, lines, actor=actor, now=now)
    db.session.flush()
    drafting.allocate(order, lines, actor=actor, now=now)


def _use_coupon_again(order: Order, *, actor: Principal, now: datetime) -> None:
    """Count the coupon again that was given back; where it counts no more, the price that was paid stays as it is."""
    code = order.coupon_code or ""
    try:
        claiming.find_discount(
            code,
            subtotal_minor=order.subtotal_minor,
            currency=order.currency,
            email=order.email,
            now=now,
            order_id=order.id,
        )
    except (CouponNotUsable, UnknownCoupon) as refused:
        details = {"coupon": code, "reason": refused.detail}
        moving.note(order, "coupon.not_counted", actor=actor, now=now, details=details, public=False)
        return
    claiming.claim.joined(
        order_id=order.id,
        code=code,
        email=order.email,
        subtotal_minor=order.subtotal_minor,
        currency=order.currency,
        now=now,
    )
