"""What the farm last saw of a product, and forgetting it when the product is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Row, delete, update

from app.core.extensions import db
from app.core.money import Money
from app.core.orm import clock, count_changed
from app.products.events import ProductDeleted
from app.rpa.models.observations import ObservationCurrent, ObservedChange, ReviewState
from app.rpa.rules.readings import Availability

EXPECTED_AVAILABILITY: Final = Availability.IN_STOCK
"""What the master says of an active product's availability; it has no field of its own."""


def expected_of(product: Row[Any]) -> dict[str, str | None]:
    """What the master says of what a visit reads; of a row with the product's name, brand, price and is_active."""
    return {
        "name": product.name,
        "brand": product.brand,
        "price": str(Money(product.price_minor, product.currency)),
        "availability": EXPECTED_AVAILABILITY.value if product.is_active else None,
    }


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a visit is likely to see."""

    values: dict[str, str | None] = field(default_factory=dict)
    """By attribute: the last known value, where there is none the master's."""
    seen: frozenset[str] = frozenset()
    """Attributes whose value is what the storefront showed before."""


def baseline_of(rows: Sequence[Row[Any]]) -> Baseline:
    """What a visit is likely to see: of rows with the product and, if any, one attribute that was seen each."""
    known: dict[str, str | None] = {row.attribute: row.value for row in rows if row.attribute is not None}
    return Baseline(expected_of(rows[0]) | known, frozenset(known))


def forget_product(event: ProductDeleted) -> None:
    """Drop a deleted product's last known values in the open transaction, and close what waits for a decision.

    When its ASIN comes back, the first visit is measured against the master again. Observations stay.
    """
    session = db.session()
    count_changed(session, delete(ObservationCurrent).where(ObservationCurrent.product_id == event.product_id))
    flagged = update(ObservedChange).where(
        ObservedChange.product_id == event.product_id, ObservedChange.state == ReviewState.OPEN
    )
    count_changed(
        session,
        flagged.values(state=ReviewState.DISMISSED, decided_at=clock(), decided_by="system"),
    )
