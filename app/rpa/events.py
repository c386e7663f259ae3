"""What the farm sets off in upper domains; published inside the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AlertFired:
    """A rule told something; once per crossing."""

    alert_id: int
    rule_id: int
    rule: str
    kind: str
    subject: str
    detail: str
    asin: str | None
    storefront: str | None
    job_id: int | None
    task_id: int | None
    at: datetime
