"""Writes of coupons by staff. Uses are counted elsewhere (claiming); a coupon's version does not count them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.core import audit
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.fields import utc_text
from app.core.permissions import Principal
from app.core.running import settings
from app.core.transactions import in_transaction
from app.orders.errors import CouponChanged, CouponCodeTaken, CouponNotDeleted, CouponNotFound, CouponUsedMoreOften
from app.orders.models.coupons import Coupon, CouponKind
from app.orders.queries.coupons import get_coupon

_VALUES: Final = (
    "description", "percent_ppm", "amount_minor", "minimum_minor", "starts_at", "ends_at", "max_uses",
    "max_per_customer", "is_active",
)  # fmt: skip


@in_transaction
def create_coupon(*, actor: Principal, now: datetime, code: str, **values: Any) -> Any:
    """Add a coupon in the shop's currency; returns it as ``get_coupon`` does.

    ``values``: either percent_ppm or amount_minor, and any of the other columns that staff decide on. Raises
    CouponCodeTaken, also for the code of one that was deleted, and Invalid where its time would end before it begins.
    """
    coupon = Coupon(code=code, currency=settings().currency, created_at=now, updated_at=now)
    _apply(coupon, values)
    session = db.session()
    try:
        with session.begin_nested():
            session.add(coupon)
    except IntegrityError as error:
        other = session.execute(select(Coupon.id, Coupon.deleted_at).where(Coupon.code == code)).one_or_none()
        if other is None:
            raise
        raise CouponCodeTaken(code, coupon_id=other.id, is_deleted=other.deleted_at is not None) from error
    audit.record(actor=actor, action="coupon.create", subject=("coupon", coupon.id), after=_audited(coupon))
    return get_coupon(coupon.id, now=now)


@in_transaction
def update_coupon(*, actor: Principal, now: datetime, coupon_id: int, expected_version: int, **values: Any) -> Any:
    """Give a coupon new ``values``, as ``create_coupon`` takes them; a percentage takes the place of an amount.

    What orders got by it stays. Raises CouponNotFound, CouponChanged, CouponUsedMoreOften where it was used more often
    than max_uses, and Invalid where its time would end before it begins.
    """
    coupon = _locked(coupon_id, expected_version)
    most = values.get("max_uses")
    if most is not None and most < coupon.used:
        raise CouponUsedMoreOften(coupon.used)
    for name in ("amount_minor", "minimum_minor"):
        if values.get(name) and coupon.currency != settings().currency:
            raise Invalid.field(
                f"/{name.removesuffix('_minor')}", f"cannot change: the coupon is in {coupon.currency}."
            )
    before = _audited(coupon)
    _apply(coupon, values)
    after = _audited(coupon)
    if after != before:
        _touch(coupon, now)
        audit.record(actor=actor, action="coupon.update", subject=("coupon", coupon.id), before=before, after=after)
    return get_coupon(coupon.id, now=now)


@in_transaction
def delete_coupon(*, actor: Principal, now: datetime, coupon_id: int, expected_version: int) -> None:
    """Delete a coupon: nobody can use it any more, orders that did keep what they got.

    Its code stays its own. Raises CouponNotFound, CouponChanged.
    """
    coupon = _locked(coupon_id, expected_version)
    coupon.deleted_at = now
    _touch(coupon, now)
    audit.record(actor=actor, action="coupon.delete", subject=("coupon", coupon.id), before=_audited(coupon))


@in_transaction
def restore_coupon(*, actor: Principal, now: datetime, coupon_id: int) -> Any:
    """Bring a deleted coupon back as it was, with its uses; raises CouponNotFound, CouponNotDeleted."""
    coupon = db.session.scalar(select(Coupon).where(Coupon.id == coupon_id).with_for_update())
    if coupon is None:
        raise CouponNotFound(f"There is no coupon {coupon_id}.")
    if coupon.deleted_at is None:
        raise CouponNotDeleted(f"Coupon {coupon_id} is not deleted.")
    coupon.deleted_at = None
    _touch(coupon, now)
    audit.record(actor=actor, action="coupon.restore", subject=("coupon", coupon.id), after=_audited(coupon))
    return get_coupon(coupon.id, now=now)


def _locked(coupon_id: int, expected_version: int) -> Coupon:
    present = select(Coupon).where(Coupon.id == coupon_id, Coupon.deleted_at.is_(None)).with_for_update()
    coupon = db.session.scalar(present.execution_options(populate_existing=True))
    if coupon is None:
        raise CouponNotFound(f"There is no coupon {coupon_id}.")
    if coupon.version != expected_version:
        raise CouponChanged(f"The coupon has version {coupon.version}; this was based on {expected_version}.")
    return coupon


def _apply(coupon: Coupon, values: dict[str, Any]) -> None:
    if "percent_ppm" in values:
        coupon.kind, coupon.amount_minor = CouponKind.PERCENT, None
    elif "amount_minor" in values:
        coupon.kind, coupon.percent_ppm = CouponKind.FIXED, None
    for name, value in values.items():
        setattr(coupon, name, value)
    if coupon.starts_at is not None and coupon.ends_at is not None and coupon.ends_at <= coupon.starts_at:
        raise Invalid.field("/ends_at", "must be later than starts_at.")


def _touch(coupon: Coupon, now: datetime) -> None:
    coupon.version += 1
    coupon.updated_at = now
    db.session.flush()


def _audited(coupon: Coupon) -> dict[str, Any]:
    values = {"code": coupon.code, "currency": coupon.currency} | {name: getattr(coupon, name) for name in _VALUES}
    return {name: utc_text(value) if isinstance(value, datetime) else value for name, value in values.items()}
