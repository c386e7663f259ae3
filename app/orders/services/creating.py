"""Orders that staff place: for a customer's account, or for somebody without one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.auth.models import User
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.money import Money
from app.core.permissions import Principal
from app.orders.services.checkout.for_customers import place_for_customer
from app.orders.services.checkout.wanted import CheckedOut, Item, Particulars


def create_order(
    *,
    actor: Principal,
    now: datetime,
    customer_id: int | None,
    email: str | None,
    items: Sequence[Item],
    payment_method: str,
    expected_total: Money | None = None,
    **particulars: Any,
) -> CheckedOut:
    """Place an order for the account ``customer_id``, by default with its own email, or for an email alone.

    ``particulars`` are shipping_address, billing_address, coupon and note. Raises Invalid for a customer who is not
    there, and what ``place_for_customer`` raises.
    """
    if customer_id is not None:
        own = _email_of(customer_id)
        email = email or own
    about = Particulars(email=email or "", method=payment_method, **particulars)
    return place_for_customer(
        actor=actor, now=now, user_id=customer_id, particulars=about, items=items, expected_total=expected_total
    )


def _email_of(customer_id: int) -> str:
    email = db.session.scalar(select(User.email).where(User.id == customer_id, User.is_active.is_(True)))
    if email is None:
        raise Invalid.field("/customer_id", "there is no such account, or it is not active.")
    return email
