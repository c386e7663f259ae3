"""Coupons at checkout: whether one counts, using it up with an order, and giving it back.

Every limit is a guarded update (``used < max_uses``), so the last use goes to one order however many ask at once; the
database checks ``used <= max_uses``. Whoever uses a coupon holds its row until the transaction ends, which makes the
counts of one customer safe as well. Only unknown codes are refused without a reason: whoever has the code may know.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, insert, or_, select, update

from app.auth.services.accounts import mailbox_of
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import count_changed, table_of
from app.core.running import settings
from app.core.transactions import connection, in_transaction
from app.orders.errors import CouponNotUsable, UnknownCoupon
from app.orders.models.coupons import Coupon, CouponCustomer, CouponUse
from app.orders.pricing import Discount

CODE: Final = re.compile(r"[A-Z0-9_-]{3,40}")
_COUPON: Final = table_of(Coupon)
_USE: Final = table_of(CouponUse)
_CUSTOMER: Final = table_of(CouponCustomer)


def normalised_code(text: str) -> str:
    """A code as it is kept and compared: trimmed, in capitals."""
    return text.strip().upper()


def find_discount(
    code: str, *, subtotal_minor: int, currency: str, email: str | None, now: datetime, order_id: int | None = None
) -> Discount:
    """What a coupon takes off an order of this subtotal, by whoever has this address (None: not known yet).

    Changes nothing: ``claim`` uses it up. What the order ``order_id`` has used already does not count against it.
    Raises UnknownCoupon, and CouponNotUsable with the reason.
    """
    coupon = _find(code)
    _check_terms(coupon, subtotal_minor, currency, now)
    own = _use_of(order_id) if order_id is not None else None
    own_hash = own.customer_hash if own is not None and own.coupon_id == coupon.id else None
    if coupon.max_uses is not None and coupon.used - (own_hash is not None) >= coupon.max_uses:
        raise _used_up(coupon.code)
    if coupon.max_per_customer is not None and email:
        hashes = customer_hashes(email)
        if _used_by(coupon.id, hashes) - (own_hash in hashes) >= coupon.max_per_customer:
            raise _used_by_customer(coupon.code, coupon.max_per_customer)
    return Discount(code=coupon.code, percent_ppm=coupon.percent_ppm, amount_minor=coupon.amount_minor)


@in_transaction
def claim(*, order_id: int, code: str, email: str, subtotal_minor: int, currency: str, now: datetime) -> None:
    """Use a coupon up with an order, whose row the caller has locked, and give back another one that it had.

    Safe to repeat: an order uses a coupon once. Raises UnknownCoupon, and CouponNotUsable with the reason.
    """
    coupon = _find(code)
    _check_terms(coupon, subtotal_minor, currency, now)
    hashes = customer_hashes(email)
    known = _use_of(order_id)
    if known is not None:
        if known.coupon_id == coupon.id and known.customer_hash in hashes:
            return
        both = select(Coupon.id).where(Coupon.id.in_([known.coupon_id, coupon.id])).order_by(Coupon.id)
        db.session.execute(both.with_for_update()).all()
        _give_back(known)
    _count_use(coupon)
    _count_customer(coupon, hashes)
    values = {"coupon_id": coupon.id, "order_id": order_id, "customer_hash": hashes[0], "created_at": now}
    connection().execute(insert(_USE), values)


@in_transaction
def give_back(*, order_id: int) -> bool:
    """Give back the coupon of an order that is not placed after all; False where it has none (any more)."""
    known = _use_of(order_id)
    return known is not None and _give_back(known)


def customer_hashes(email: str) -> list[str]:
    """Whose mailbox an address is, with and without an account: a keyed hash, and those that older keys made of it."""
    configured = settings()
    text = f"coupon customer {mailbox_of(email)}".encode()
    keys = (configured.secret_key, *configured.old_secret_keys)
    return [hmac.new(key.encode(), text, hashlib.sha256).hexdigest() for key in keys]


def _find(code: str) -> Any:
    """A coupon that there is, as it is now."""
    wanted = normalised_code(code)
    if CODE.fullmatch(wanted):
        present = select(_COUPON).where(
            _COUPON.c.code == wanted, _COUPON.c.deleted_at.is_(None), _COUPON.c.is_active.is_(True)
        )
        row = db.session.execute(present).one_or_none()
        if row is not None:
            return row
    raise UnknownCoupon


def _check_terms(coupon: Any, subtotal_minor: int, currency: str, now: datetime) -> None:
    """Raise CouponNotUsable where it does not count for this order, or not now."""
    if coupon.starts_at is not None and now < coupon.starts_at:
        raise CouponNotUsable(f"The coupon {coupon.code} does not count yet.", reason="not_started")
    if coupon.ends_at is not None and now >= coupon.ends_at:
        raise CouponNotUsable(f"The coupon {coupon.code} has expired.", reason="expired")
    if coupon.currency != currency:
        raise CouponNotUsable(f"The coupon {coupon.code} is for orders in {coupon.currency}.", reason="currency")
    if subtotal_minor < coupon.minimum_minor:
        minimum = Money(coupon.minimum_minor, currency)
        raise CouponNotUsable(
            f"The coupon {coupon.code} counts from {minimum} on.",
            reason="minimum",
            minimum={"amount": minimum.decimal_string(), "currency": currency},
        )


def _count_use(coupon: Any) -> None:
    """Count one more use, if there is one left; the coupon's row is locked then."""
    mine = _COUPON.c.id == coupon.id
    left = or_(_COUPON.c.max_uses.is_(None), _COUPON.c.used < _COUPON.c.max_uses)
    present = _COUPON.c.deleted_at.is_(None) & _COUPON.c.is_active.is_(True)
    if _add(_COUPON, 1, mine, left, present):
        return
    if db.session.execute(select(_COUPON.c.id).where(mine, present)).first() is None:
        raise UnknownCoupon
    raise _used_up(coupon.code)


def _count_customer(coupon: Any, hashes: Sequence[str]) -> None:
    """Count one more use by a customer, if they have one left."""
    most = db.session.scalar(select(_COUPON.c.max_per_customer).where(_COUPON.c.id == coupon.id))
    before = _used_by(coupon.id, hashes[1:])
    mine = (_CUSTOMER.c.coupon_id == coupon.id) & (_CUSTOMER.c.customer_hash == hashes[0])
    left = () if most is None else (_CUSTOMER.c.used + before < most,)
    if _add(_CUSTOMER, 1, mine, *left):
        return
    is_known = db.session.execute(select(_CUSTOMER.c.id).where(mine)).first() is not None
    if is_known or (most is not None and before >= most):
        raise _used_by_customer(coupon.code, most)
    connection().execute(insert(_CUSTOMER), {"coupon_id": coupon.id, "customer_hash": hashes[0], "used": 1})


def _give_back(known: Any) -> bool:
    """Take one use away and count it back; False where somebody else has done so meanwhile."""
    if not count_changed(db.session(), delete(_USE).where(_USE.c.id == known.id)):
        return False
    _add(_COUPON, -1, _COUPON.c.id == known.coupon_id)
    _add(_CUSTOMER, -1, _CUSTOMER.c.coupon_id == known.coupon_id, _CUSTOMER.c.customer_hash == known.customer_hash)
    return True


def _add(table: Any, uses: int, *conditions: Any) -> bool:
    """Count uses in the row that fits the conditions; it is no change of the coupon by anybody."""
    unchanged = {"updated_at": table.c.updated_at} if "updated_at" in table.c else {}
    counted = update(table).where(*conditions).values(used=table.c.used + uses, **unchanged)
    return count_changed(db.session(), counted) == 1


def _use_of(order_id: int) -> Any:
    return db.session.execute(select(_USE).where(_USE.c.order_id == order_id)).one_or_none()


def _used_by(coupon_id: int, hashes: Sequence[str]) -> int:
    if not hashes:
        return 0
    of_customer = _CUSTOMER.c.coupon_id == coupon_id, _CUSTOMER.c.customer_hash.in_(hashes)
    return int(db.session.scalar(select(func.sum(_CUSTOMER.c.used)).where(*of_customer)) or 0)


def _used_up(code: str) -> CouponNotUsable:
    return CouponNotUsable(f"The coupon {code} has been used as often as it may be.", reason="used_up")


def _used_by_customer(code: str, most: int | None) -> CouponNotUsable:
    return CouponNotUsable(
        f"The coupon {code} may be used {most} times by one customer.", reason="used_by_customer", max_per_customer=most
    )
