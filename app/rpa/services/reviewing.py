"""Deciding about changes that were flagged: accepting writes what was held back, once; dismissing writes nothing."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core import audit
from app.core.extensions import db
from app.core.orm import count_changed, database_now
from app.core.permissions import Principal
from app.core.transactions import after_commit, in_transaction
from app.products.models.products import Product
from app.products.services.observations import record_observed_change
from app.rpa import metrics
from app.rpa.errors import ObservedChangeDecided, ObservedChangeNotFound, ObservedChangeOutdated
from app.rpa.models.observations import ObservationCurrent, ObservedChange, ReviewState
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.changes import Change
from app.rpa.services.observing import flaps, request_following


@in_transaction
def accept_change(*, actor: Principal, change_id: int) -> ObservedChange:
    """Believe a flagged change: what was not recorded is now, and the product follows where its storefront says so.

    Raises ObservedChangeNotFound, ObservedChangeDecided; ObservedChangeOutdated when the product is deleted or the
    storefront was visited since. Lock order: product, then the change.
    """
    session = db.session()
    row = _get(session, change_id)
    present = select(Product).where(Product.id == row.product_id, Product.deleted_at.is_(None))
    product = session.scalar(present.with_for_update())
    now = database_now(session)
    _decide(session, row, ReviewState.ACCEPTED, actor, now)
    if product is None:
        raise ObservedChangeOutdated("The product is deleted; dismiss the change.")
    if row.update_id is None:
        row.update_id = _record(session, row, actor, now)
        after_commit(partial(metrics.count_change, row.storefront_id, row.attribute, is_suspicious=True))
    followed = select(Storefront.updates_master).where(Storefront.id == row.storefront_id)
    if session.scalar(followed):
        request_following(row.update_id)
    _audit(actor, row, "observed_change.accept")
    return row


@in_transaction
def dismiss_change(*, actor: Principal, change_id: int) -> ObservedChange:
    """Say that a flagged change is of no concern; what was recorded of it stays recorded.

    Raises ObservedChangeNotFound, ObservedChangeDecided.
    """
    session = db.session()
    row = _get(session, change_id)
    _decide(session, row, ReviewState.DISMISSED, actor, database_now(session))
    _audit(actor, row, "observed_change.dismiss")
    return row


def _get(session: Session, change_id: int) -> ObservedChange:
    row = session.get(ObservedChange, change_id)
    if row is None:
        raise ObservedChangeNotFound("There is no such observed change.")
    return row


def _decide(session: Session, row: ObservedChange, state: ReviewState, actor: Principal, now: datetime) -> None:
    """OPEN -> another state, by who comes first."""
    mine = update(ObservedChange).where(ObservedChange.id == row.id, ObservedChange.state == ReviewState.OPEN)
    if not count_changed(session, mine.values(state=state, decided_at=now, decided_by=actor.key)):
        session.refresh(row)
        raise ObservedChangeDecided(f"The change is {row.state} already.")
    session.refresh(row)


def _record(session: Session, row: ObservedChange, actor: Principal, now: datetime) -> int:
    """Write the history and the last known value as the visit would have; the product is locked."""
    key = {"product_id": row.product_id, "storefront_id": row.storefront_id, "attribute": row.attribute}
    known = session.get(ObservationCurrent, key, populate_existing=True)
    if known is not None and known.observed_at > row.observed_at:
        raise ObservedChangeOutdated(f"Since then the storefront has shown {known.value!r}; dismiss the change.")
    change = Change(row.attribute, row.previous if known is None else known.value, row.current)
    update_id = record_observed_change.joined(
        actor=actor,
        now=now,
        product_id=row.product_id,
        asin=row.asin,
        attribute=row.attribute,
        previous=change.previous,
        current=change.current,
        storefront_id=row.storefront_id,
        job_id=row.job_id,
        task_id=row.task_id,
        is_flapping=flaps(session, row.product_id, row.storefront_id, change, now),
    )
    known = known or ObservationCurrent(**key)
    known.value, known.observed_at, known.task_id = row.current, row.observed_at, row.task_id
    session.add(known)
    return update_id


def _audit(actor: Principal, row: ObservedChange, action: str) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=("observed_change", row.id),
        before={"state": ReviewState.OPEN},
        after={
            "state": row.state,
            "product_id": row.product_id,
            "attribute": row.attribute,
            "update_id": row.update_id,
        },
    )
