"""What a job would be, without submitting it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.core.extensions import db
from app.core.orm import database_now
from app.rpa.models.jobs import Action
from app.rpa.queries.estimates import Outlook, find_facts, look_ahead
from app.rpa.rules.planning import default_deadline
from app.rpa.services.choosing import Chosen, choose
from app.rpa.services.submitting import find_active


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The products that a job would be over, until when it would have time, and how long it would take."""

    chosen: Chosen
    total_count: int
    deadline_at: datetime
    estimate: Outlook


def estimate_job(
    *,
    action: str,
    storefront: str,
    asins: Sequence[str] | None = None,
    products: Mapping[str, Any] | None = None,
    product_filter_id: int | None = None,
    deadline_s: int | None = None,
    concurrency: int | None = None,
    quantity: int = 1,
    options: Mapping[str, str] | None = None,
    **_unused: Any,
) -> Foreseen:
    """What ``submit_job`` would make of the same arguments; changes nothing. Raises what it raises."""
    shop = find_active(storefront, Action(action), quantity, options)
    chosen = choose(asins=asins, products=products, product_filter_id=product_filter_id)
    count = len(chosen.products)
    facts = find_facts(shop, Action(action), concurrency)
    time = default_deadline(count, facts) if deadline_s is None else timedelta(seconds=deadline_s)
    deadline_at = database_now(db.session()) + time
    ahead = look_ahead(shop, Action(action), count, job_concurrency=concurrency, deadline_at=deadline_at)
    return Foreseen(chosen, count, deadline_at, ahead)
