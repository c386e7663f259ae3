"""Evidence and flagged changes for the tests, as a worker and the end of its attempt put them there."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from app.core.extensions import db
from app.core.files import evidence_store
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.rpa.models.evidence import Evidence
from app.rpa.models.jobs import Attempt, Task
from app.rpa.models.observations import Observation, ObservedChange
from app.rpa.rules.readings import Kind
from app.rpa.rules.trials import screenshot_of
from app.rpa.services import trials


@in_transaction
def add_evidence(task_id: int, content: bytes, *, kind: Kind = Kind.SCREENSHOT, **changes: Any) -> Evidence:
    """A piece of evidence of a new attempt at a task, or of the one that ``attempt_id`` names."""
    session, now = db.session(), utc_now()
    task = session.get_one(Task, task_id)
    number = (session.scalar(select(func.max(Attempt.number)).where(Attempt.task_id == task_id)) or 0) + 1
    attempt_id = changes.pop("attempt_id", None)
    if attempt_id is None:
        attempt = Attempt(task_id=task_id, number=number, lease_token=f"{task_id}-{number}", started_at=now)
        session.add(attempt)
        session.flush()
        attempt_id = attempt.id
    is_html = kind is Kind.HTML
    path = f"evidence/{task.job_id}/{task_id}/{number}/{'page.html.gz' if is_html else 'screenshot.jpg'}"
    values: dict[str, Any] = {
        "attempt_id": attempt_id, "job_id": task.job_id, "task_id": task_id, "product_id": task.product_id,
        "kind": kind, "why": "failure", "code": "SELECTOR_MISSING", "path": path, "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "content_type": "text/html; charset=utf-8" if is_html else "image/jpeg",
        "created_at": now, "expires_at": now + timedelta(days=1),
    }  # fmt: skip
    row = Evidence(**(values | changes))
    session.add(row)
    session.flush()
    with evidence_store().writing(row.path) as target:
        target.write(content)
    return row


def end_trial(trial_id: int, result: dict[str, Any], *, screenshot: bytes | None = None) -> None:
    """Claim a trial as a worker does and end it well."""
    lease = trials.claim_trial(trial_id=trial_id, worker_id=None, lease_s=30)
    assert lease is not None
    if screenshot is not None:
        with evidence_store().writing(screenshot_of(trial_id)) as target:
            target.write(screenshot)
    assert trials.finish_trial(lease=lease, code=None, result=result, has_screenshot=screenshot is not None)


@in_transaction
def add_flagged(*, task_id: int) -> ObservedChange:
    """A price of a task's product that two visits read differently; it waits for a decision."""
    session = db.session()
    task = session.get_one(Task, task_id)
    row = ObservedChange(product_id=task.product_id, asin=task.asin, storefront_id=task.storefront_id, task_id=task_id)
    row.job_id, row.attribute, row.reason, row.verdict = task.job_id, "price", "PRICE_JUMP", "UNSTEADY"
    row.previous, row.first_value, row.current = "10.00 USD", "30.00 USD", "40.00 USD"
    row.state, row.observed_at = "OPEN", utc_now()
    session.add(row)
    session.flush()
    return row


@in_transaction
def add_observation(*, task_id: int, **changes: Any) -> Observation:
    """What the visit of a task read."""
    session = db.session()
    task = session.get_one(Task, task_id)
    values: dict[str, Any] = {
        "task_id": task_id, "product_id": task.product_id, "storefront_id": task.storefront_id,
        "observed_at": utc_now(), "price_minor": 1000, "currency": "USD", "availability": "IN_STOCK", "sources": {},
    }  # fmt: skip
    row = Observation(**(values | changes))
    session.add(row)
    session.flush()
    return row
