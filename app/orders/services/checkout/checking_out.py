"""A customer's checkout from beginning to end: PREPARE, PAYMENT and FINALIZE, each on its own side of a commit.

Whatever it is interrupted by, the same cart sent again goes on where it stopped: a cart is one order, and an order is
paid once. All transactions but the last one are aside of the request's Idempotency-Key, which is so completed together
with what it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from app.orders.providers.registry import MANUAL, name_for
from app.orders.services.checkout.methods import require_offered
from app.orders.services.checkout.preparing import prepare
from app.orders.services.checkout.stocking import with_stock
from app.orders.services.checkout.wanted import CheckedOut, Wanted


def check_out(*, wanted: Wanted, clock: Callable[[], datetime]) -> CheckedOut:
    """Order what is in a cart; the order is PLACED, or DRAFT where the customer still has to pay at the provider."""
    require_offered(wanted.particulars.method)
    return _prepared(wanted, clock())


def _prepared(wanted: Wanted, now: datetime) -> CheckedOut:
    is_last = name_for(wanted.particulars.method) == MANUAL
    run = prepare.tried if is_last else prepare.aside
    request_id = wanted.shopper.principal.request_id
    return with_stock(lambda: run(wanted=wanted, now=now), now=now, request_id=request_id)
