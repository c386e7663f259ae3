"""Orders that staff place for a customer, by the same rules as a checkout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from app.auth.services.accounts import checked_email
from app.core.money import Money
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.orders.services.checkout import drafting
from app.orders.services.checkout.composing import compose, require_total
from app.orders.services.checkout.methods import require_manual
from app.orders.services.checkout.stocking import with_stock
from app.orders.services.checkout.wanted import CheckedOut, Item, Particulars


def place_for_customer(
    *,
    actor: Principal,
    now: datetime,
    user_id: int | None,
    particulars: Particulars,
    items: Sequence[Item],
    expected_total: Money | None = None,
) -> CheckedOut:
    """Place an order on invoice or for cash with a customer's account or, without ``user_id``, for an address alone.

    ``items`` name 1 to 50 products, none twice. Raises Invalid for a way to pay that is not offered or needs a
    provider, UnknownProducts, ProductsUnavailable, SoldOut, TotalChanged, TotalTooLarge, UnknownCoupon,
    CouponNotUsable.
    """
    require_manual(particulars.method)
    particulars = replace(particulars, email=checked_email(particulars.email))

    def work() -> CheckedOut:
        return _place.tried(
            actor=actor,
            now=now,
            user_id=user_id,
            particulars=particulars,
            items=items,
            expected_total=expected_total,
        )

    return with_stock(work, now=now, request_id=actor.request_id)


@in_transaction
def _place(
    *,
    actor: Principal,
    now: datetime,
    user_id: int | None,
    particulars: Particulars,
    items: Sequence[Item],
    expected_total: Money | None,
) -> CheckedOut:
    composed = compose(items, coupon=particulars.coupon, email=particulars.email, now=now)
    if expected_total is not None:
        require_total(composed, expected_total)
    return drafting.create(composed, particulars, cart_id=None, user_id=user_id, places=True, actor=actor, now=now)
