"""The figures of the farm in reports, as rows (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.analytics.queries.farm_figures import find_summary, find_throughput
from app.analytics.queries.price_index import storefront_id_of
from app.analytics.rules.farm_buckets import Grain
from app.analytics.rules.farm_figures import Which, Window
from app.analytics.rules.periods import Period
from app.core.running import settings

Rows = Iterator[Mapping[str, Any]]


def by_day(period: Period, filters: Mapping[str, Any]) -> Rows:
    """How many tasks ended on each day on which any did, and how. Raises NotAddedUpYet or StorefrontUnknown."""
    for point in find_throughput(_window(period), _which(filters)):
        counts = {name: getattr(point, name) for name in ("succeeded", "refused", "failed", "skipped", "cancelled")}
        day = point.start_at.astimezone(settings().timezone).date()
        yield {"day": day, "tasks": point.tasks, **counts, "success_rate": point.success_rate}


def by_code(period: Period, filters: Mapping[str, Any]) -> Rows:
    """How often each code was the end of a task, the most frequent first. Raises as ``by_day``."""
    for row in find_summary(_window(period), _which(filters)).codes:
        yield {name: getattr(row, name) for name in ("code", "outcome", "tasks", "share", "retries")}


def latencies(period: Period, filters: Mapping[str, Any]) -> Rows:
    """How long each stage of visits took, in milliseconds, in the order of a visit. Raises as ``by_day``."""
    for row in find_summary(_window(period), _which(filters)).latencies:
        names = ("count", "p50_ms", "p90_ms", "p95_ms", "p99_ms")
        yield {"stage": row.stage, **{name: getattr(row.times, name) for name in names}}


def _window(period: Period) -> Window:
    return Window(*period.instants(settings().timezone), Grain.DAY)


def _which(filters: Mapping[str, Any]) -> Which:
    code = filters.get("storefront")
    return Which(storefront_id=None if code is None else storefront_id_of(code))
