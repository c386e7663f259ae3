"""What the farm last saw of a product, and forgetting it when the product is deleted."""

from __future__ import annotations

from sqlalchemy import delete

from app.core.extensions import db
from app.core.orm import count_changed
from app.products.events import ProductDeleted
from app.rpa.models.observations import ObservationCurrent


def forget_product(event: ProductDeleted) -> None:
    """Drop a deleted product's last known values in the open transaction.

    When its ASIN comes back, the first visit is measured against the master again. Observations stay.
    """
    count_changed(db.session(), delete(ObservationCurrent).where(ObservationCurrent.product_id == event.product_id))
