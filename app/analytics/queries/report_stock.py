"""Insights into stock in reports, as rows, by the usual assumptions (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from app.analytics.queries.inventory_insights import Insight, Sort, Status, list_insights
from app.analytics.rules.periods import Period
from app.analytics.rules.replenishing import Policy
from app.analytics.rules.report_tables import MAX_ROWS

_FEWEST, _MOST = 7, 365
"""Days that demand is known from."""
_USUAL: Final = {"dead_days": 90, "lead_days": 14, "order_days": 30, "service_percent": 95.0}
Rows = Iterator[Mapping[str, Any]]


def to_reorder(period: Period, filters: Mapping[str, Any]) -> Rows:
    """What is to be bought again now, what is gone first comes first; the demand is that of the period's days."""
    yield from _insights(period, filters, Sort.COVER, Status.REORDER)


def dead(period: Period, filters: Mapping[str, Any]) -> Rows:
    """What lies on the shelf and nobody buys, what is worth most first."""
    yield from _insights(period, filters, Sort.VALUE, Status.DEAD)


def _insights(period: Period, filters: Mapping[str, Any], sort: Sort, status: Status) -> Rows:
    policy = Policy(days=min(max(period.days, _FEWEST), _MOST), **_USUAL)  # type: ignore[arg-type]  # of several kinds
    today = period.last_on + timedelta(days=1)
    found = list_insights(policy=policy, today=today, limit=MAX_ROWS + 1, sort=sort, status=status, **filters)
    return map(_row, found.items)


def _row(found: Insight) -> Mapping[str, Any]:
    row = found.row
    return {
        "asin": row.asin,
        "name": row.name,
        "available": row.available,
        "units_sold": found.demand.units,
        "days_of_cover": found.days_of_cover,
        "last_sold_on": found.last_sold_on,
        "currency": found.currency,
        "value": found.value_minor,
        "reorder_point": found.reorder_point,
        "order_quantity": found.order_quantity,
    }
