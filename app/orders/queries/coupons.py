"""Reads of coupons and of their uses."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Select, case, select

from app.core.extensions import db
from app.core.orm import table_of
from app.core.pagination import Page, fetch_page
from app.orders.errors import CouponNotFound
from app.orders.models.coupons import Coupon, CouponUse
from app.orders.models.orders import Order, number_of

_COUPON: Final = table_of(Coupon)


class CouponState(StrEnum):
    """Whether a coupon counts now."""

    USABLE = "usable"
    SCHEDULED = "scheduled"
    EXPIRED = "expired"
    USED_UP = "used_up"
    INACTIVE = "inactive"


def get_coupon(coupon_id: int, *, now: datetime) -> Any:
    """A coupon with its ``state``; raises CouponNotFound."""
    row = db.session.execute(_coupons(now).where(_COUPON.c.id == coupon_id, _COUPON.c.deleted_at.is_(None))).first()
    if row is None:
        raise CouponNotFound(f"There is no coupon {coupon_id}.")
    return row


def list_coupons(
    *,
    now: datetime,
    limit: int,
    cursor: str | None = None,
    code: str | None = None,
    kind: str | None = None,
    state: str | None = None,
    is_deleted: bool = False,
) -> Page[Any]:
    """Coupons, the newest first; ``code`` is what it begins with. Those that were deleted are a list of their own."""
    wanted = _coupons(now).where(_COUPON.c.deleted_at.is_not(None) if is_deleted else _COUPON.c.deleted_at.is_(None))
    if code is not None:
        wanted = wanted.where(_COUPON.c.code.startswith(code.upper(), autoescape=True))
    if kind is not None:
        wanted = wanted.where(_COUPON.c.kind == kind)
    if state is not None:
        wanted = wanted.where(_state(now) == state)
    return fetch_page(wanted, keys=[(_COUPON.c.id, True)], limit=limit, cursor=cursor, scalars=False)


def list_uses(coupon_id: int, *, limit: int, cursor: str | None = None) -> Page[Any]:
    """The orders that use a coupon, the newest first, also of one that was deleted; raises CouponNotFound."""
    if db.session.get(Coupon, coupon_id) is None:
        raise CouponNotFound(f"There is no coupon {coupon_id}.")
    uses: Any = (
        select(
            CouponUse.id, CouponUse.created_at, CouponUse.order_id, Order.state, Order.discount_minor, Order.currency
        )
        .join(Order, Order.id == CouponUse.order_id)
        .where(CouponUse.coupon_id == coupon_id)
    )
    page = fetch_page(uses, keys=[(CouponUse.id, True)], limit=limit, cursor=cursor, scalars=False)
    rows = [row._asdict() | {"order_number": number_of(row.order_id)} for row in page.items]
    return Page(rows, page.next_cursor)


def _coupons(now: datetime) -> Select[Any]:
    return select(*_COUPON.columns, _state(now).label("state"))


def _state(now: datetime) -> Any:
    return case(
        (_COUPON.c.is_active.is_(False), CouponState.INACTIVE.value),
        (_COUPON.c.ends_at <= now, CouponState.EXPIRED.value),
        (_COUPON.c.used >= _COUPON.c.max_uses, CouponState.USED_UP.value),
        (_COUPON.c.starts_at > now, CouponState.SCHEDULED.value),
        else_=CouponState.USABLE.value,
    )
