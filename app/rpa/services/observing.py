"""Recording what a visit read of a product: the observation, the last known values, the history, what is flagged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, insert, select
from sqlalchemy.orm import Session

from app.core import outbox
from app.core.many_rows import upsert
from app.core.orm import table_of
from app.core.permissions import for_job
from app.core.transactions import after_commit, connection
from app.products.models.products import Product, ProductUpdate, Source
from app.products.services.observations import record_observed_change
from app.rpa import metrics
from app.rpa.models.observations import Observation, ObservationCurrent, ObservedChange, ReviewState
from app.rpa.rules import changes, suspicions
from app.rpa.rules.cart_findings import differs, findings
from app.rpa.rules.readings import CartReading, ChoicesReading, ProductReading, Read, Reading
from app.rpa.rules.suspicions import FirstLook, Judged, Reason, Verdict
from app.rpa.services.baselines import expected_of
from app.rpa.services.leases import Lease

_ALWAYS_REVIEWED: Final = frozenset({Reason.CURRENCY, Reason.MANY_AT_ONCE})
FOLLOW: Final = "follow_storefront"
"""Kind of the outbox row."""
_LOOKED_BACK: Final = 50
"""Changes of one attribute that are looked at for flapping."""
_PRODUCT, _CURRENT = table_of(Product).c, table_of(ObservationCurrent).c
_MASTER: Final[Select[Any]] = (
    select(
        _PRODUCT.id, _PRODUCT.asin, _PRODUCT.name, _PRODUCT.brand, _PRODUCT.price_minor, _PRODUCT.currency,
        _PRODUCT.is_active, _PRODUCT.deleted_at,
    )
    .where(_PRODUCT.id == bindparam("product_id"))
    .with_for_update()
)  # fmt: skip
_KNOWN: Final = select(_CURRENT.attribute, _CURRENT.value).where(
    _CURRENT.product_id == bindparam("product_id"), _CURRENT.storefront_id == bindparam("storefront_id")
)
_OBSERVATION: Final = insert(table_of(Observation)).inline()


def look_first(lease: Lease, reading: ProductReading, *, read: int, changed: int) -> FirstLook | None:
    """What a visit read if it is not to be believed at once; None where it is.

    ``read`` and ``changed`` are how many products of the job were read and had changed before. It is measured against
    what the lease brought along; what was recorded since is taken into account by ``record_observation``.
    """
    observed = changes.observed_values(reading)
    known = {name: value for name, value in lease.baseline.items() if name in lease.seen and value is not None}
    found = changes.decide_changes(observed, known, {})
    is_changed = any(change.attribute in known for change in found)
    many = is_changed and suspicions.are_many(changed + 1, read + 1)
    trusted = suspicions.trusted(known, lease.baseline, observed) if lease.updates_master else known
    reasons = suspicions.suspicions(changes.decide_changes(observed, trusted, {}), trusted, many=many)
    return FirstLook(observed, reasons) if reasons else None


def record_observation(
    session: Session, lease: Lease, reading: ProductReading, first: FirstLook | None, now: datetime
) -> bool:
    """Write what a visit read, in the transaction that ends its task; whether the storefront showed something new.

    Suspicious values that no first look confirms stay out of all but ``observed_change``. Locks the product.
    """
    master = connection().execute(_MASTER, {"product_id": lease.product_id}).one()
    if master.deleted_at is not None:
        connection().execute(_OBSERVATION, _observation(lease, reading, changes.observed_values(reading), now))
        return False  # what was last seen of it is forgotten, so that it is measured against the master when it is back
    observed = changes.observed_values(reading)
    seen = {"product_id": lease.product_id, "storefront_id": lease.storefront_id}
    known: dict[str, str] = {row.attribute: row.value for row in connection().execute(_KNOWN, seen)}
    found = changes.decide_changes(observed, known, expected_of(master))
    trusted = suspicions.trusted(known, expected_of(master), observed) if lease.updates_master else known
    reasons = suspicions.suspicions(found, trusted, many=False)
    judged = suspicions.judge(found, reasons, first, observed=observed, known=known)
    for one in judged:
        _record(session, lease, master, one, now)
    held = {one.change.attribute for one in judged if not one.is_recorded}
    believed = {name: value for name, value in observed.items() if name not in held}
    connection().execute(_OBSERVATION, _observation(lease, reading, believed, now))
    if believed:
        last = {**seen, "observed_at": now, "task_id": lease.task_id}
        rows = [{**last, "attribute": name, "value": value} for name, value in sorted(believed.items())]
        upsert(connection(), table_of(ObservationCurrent), rows)
    return any(one.is_recorded and one.change.attribute in known for one in judged)


def _record(session: Session, lease: Lease, master: Row[Any], judged: Judged, now: datetime) -> None:
    """Write a change into the history if it is believed, and flag it where people shall or may look at it."""
    update_id = None
    if judged.is_recorded:
        update_id = _into_history(session, lease, master, judged.change, now)
        about = lease.storefront_id, judged.change.attribute
        after_commit(partial(metrics.count_change, *about, is_suspicious=judged.reason is not None))
    if judged.verdict is None or judged.reason is None or not _is_flagged(judged, lease):
        if update_id is not None and lease.updates_master:
            request_following(update_id)
        return
    session.add(
        ObservedChange(
            product_id=master.id,
            asin=master.asin,
            storefront_id=lease.storefront_id,
            job_id=lease.job_id,
            task_id=lease.task_id,
            attribute=judged.change.attribute,
            previous=judged.change.previous,
            first_value=judged.first,
            current=judged.change.current,
            reason=judged.reason,
            verdict=judged.verdict,
            state=ReviewState.NOTED if judged.verdict is Verdict.FLICKER else ReviewState.OPEN,
            update_id=update_id,
            observed_at=now,
        )
    )


def request_following(update_id: int) -> None:
    """Have the product take the value of this row of its history over, soon after the open transaction."""
    outbox.add(FOLLOW, key=f"{FOLLOW}:{update_id}", update_id=update_id)


def _is_flagged(judged: Judged, lease: Lease) -> bool:
    is_reviewed = judged.reason in _ALWAYS_REVIEWED or lease.reviews_jumps
    return judged.verdict is not Verdict.CONFIRMED or is_reviewed


def _into_history(session: Session, lease: Lease, master: Row[Any], change: changes.Change, now: datetime) -> int:
    return record_observed_change.joined(
        actor=for_job(lease.job_id),
        now=now,
        product_id=master.id,
        asin=master.asin,
        attribute=change.attribute,
        previous=change.previous,
        current=change.current,
        storefront_id=lease.storefront_id,
        job_id=lease.job_id,
        task_id=lease.task_id,
        is_flapping=flaps(session, lease.product_id, lease.storefront_id, change, now),
    )


def flaps(session: Session, product_id: int, storefront_id: int, change: changes.Change, now: datetime) -> bool:
    """Whether a change that is about to be recorded is one more of a value that goes back and forth."""
    before = (
        select(ProductUpdate.previous_attribute, ProductUpdate.current_attribute)
        .where(ProductUpdate.product_id == product_id, ProductUpdate.storefront_id == storefront_id)
        .where(ProductUpdate.attribute == change.attribute, ProductUpdate.source == Source.FARM)
        .where(ProductUpdate.created_at > now - timedelta(days=suspicions.FLAPPING_DAYS))
        .order_by(ProductUpdate.id.desc())
        .limit(_LOOKED_BACK)
    )
    rows = list(session.execute(before))[::-1]
    values = [row.previous_attribute for row in rows[:1]] + [row.current_attribute for row in rows]
    return suspicions.is_flapping([*values, change.current])


def _observation(lease: Lease, reading: ProductReading, believed: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The row of a visit."""
    price = reading.price.value if reading.price and "price" in believed else None
    return {
        "task_id": lease.task_id,
        "product_id": lease.product_id,
        "storefront_id": lease.storefront_id,
        "observed_at": now,
        "name": believed.get("name"),
        "brand": believed.get("brand"),
        "price_minor": price.minor if price else None,
        "currency": price.currency if price else None,
        "availability": believed.get("availability"),
        "sources": describe(reading),
        "profile_version": lease.profile_version,
    }


def describe(reading: Reading) -> dict[str, Any]:
    """A reading as JSON values: per field its value, where it stood and how it was spelled there."""
    if isinstance(reading, ChoicesReading):
        choices = [{"value": choice.value, "is_available": choice.is_available} for choice in reading.choices]
        return {"option": reading.option, "choices": choices}
    if isinstance(reading, CartReading):
        return {
            "quantity": reading.quantity,
            "unit_price": _described(reading.unit_price),
            "line_price": _described(reading.line_price),
            "page_price": _described(reading.page_price),
            "price_differs": differs(reading),
            "options": dict(reading.options),
            "findings": findings(reading),
        }
    fields = {name: _described(getattr(reading, name)) for name in ("name", "brand", "price", "availability")}
    return {**fields, "conflicts": list(reading.conflicts)}


def _described(read: Read[Any] | None) -> dict[str, str] | None:
    return None if read is None else {"value": str(read.value), "source": read.source, "raw": read.raw}
