"""What the farm sees of products: rows of the update history that leave the master as it is."""

from __future__ import annotations

from datetime import datetime

from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.products.models.products import ProductUpdate, Source


@in_transaction
def record_observed_change(
    *,
    actor: Principal,
    now: datetime,
    product_id: int,
    asin: str,
    attribute: str,
    previous: str | None,
    current: str | None,
    storefront_id: int,
    job_id: int,
    task_id: int,
    is_flapping: bool = False,
) -> int:
    """Note that the farm saw an attribute change on a storefront; the product master keeps its own value. Its id.

    So neither search nor caches of products hear of it. Meant for ``record_observed_change.joined(...)`` in the
    transaction that ends the task: a task notes an attribute once, which the database enforces.
    """
    row = ProductUpdate(
        product_id=product_id,
        asin=asin,
        attribute=attribute,
        previous_attribute=previous,
        current_attribute=current,
        source=Source.FARM,
        storefront_id=storefront_id,
        job_id=job_id,
        task_id=task_id,
        is_flapping=is_flapping,
        created_at=now,
        updated_at=now,
        **actor.attribution(),
    )
    db.session.add(row)
    db.session.flush()
    return row.id
