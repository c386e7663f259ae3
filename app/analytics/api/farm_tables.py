"""Figures of the farm as the rows of a file, and as charts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from app.analytics.api.formats import Table
from app.analytics.charts.item import chart_item
from app.analytics.charts.latency import LatencyPoint, StageLatency, latency_by_stage, latency_percentiles
from app.analytics.charts.load import LoadSample, queue_and_workers
from app.analytics.charts.shares import CodeCount, outcomes_by_code
from app.analytics.charts.throughput import OutcomeCounts, job_throughput
from app.analytics.queries.farm_analytics import FarmAnalytics
from app.analytics.queries.farm_figures import find_times
from app.analytics.queries.farm_load import list_load
from app.analytics.rules.farm_buckets import Grain
from app.analytics.rules.farm_figures import FarmGroup
from app.core.running import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from bokeh.plotting import figure as Figure  # noqa: N812

    from app.analytics.charts.clock import Period

_OUTCOMES = ("tasks", "succeeded", "refused", "failed", "skipped", "cancelled", "success_rate")
_CODES = ("code", "outcome", "tasks", "share", "retries")
_VISITS = ("p50_ms", "p90_ms", "p95_ms", "p99_ms")
_TIMES = ("count", *_VISITS)
_GROUP = ("id", "code", "name")
_ATTEMPTS = ("attempts", "retries", "second_looks")
_STEPS = {Grain.MINUTE: timedelta(minutes=1), Grain.HOUR: timedelta(hours=1), Grain.DAY: timedelta(days=1)}


def table_of(found: FarmAnalytics, name: str) -> Table:
    """One of the tables: throughput, codes, latencies, groups, or codes and latencies of each group."""
    groups = found.per or []
    if name == "codes":
        return Table(_CODES, (_cells(one, _CODES) for one in found.summary.codes))
    if name == "latencies":
        return Table(("stage", *_TIMES), ((one.stage, *_cells(one.times, _TIMES)) for one in found.summary.latencies))
    if name == "groups":
        return Table((*_GROUP, *_OUTCOMES, *_ATTEMPTS, *_VISITS), map(_group, groups))
    if name == "group_codes":
        rows = ((one.id, one.code, *_cells(code, _CODES)) for one in groups for code in one.summary.codes)
        return Table(("group_id", "group_code", *_CODES), rows)
    if name == "group_latencies":
        rows = (
            (one.id, one.code, each.stage, *_cells(each.times, _TIMES))
            for one in groups
            for each in one.summary.latencies
        )
        return Table(("group_id", "group_code", "stage", *_TIMES), rows)
    return Table(("start_at", *_OUTCOMES), ((one.start_at, *_cells(one, _OUTCOMES)) for one in found.throughput))


def _group(one: FarmGroup) -> list[Any]:
    visits: list[Any] = [None] * len(_VISITS) if one.summary.visits is None else _cells(one.summary.visits, _VISITS)
    return [*_cells(one, _GROUP), *_cells(one, _OUTCOMES), *_cells(one.summary, _ATTEMPTS), *visits]


def chart_of(found: FarmAnalytics, name: str) -> dict[str, Any]:
    """One of the charts, as an item that browsers draw."""
    return chart_item(_CHARTS[name](found))


def _throughput(found: FarmAnalytics) -> Figure:
    rows = [
        OutcomeCounts(one.start_at, one.succeeded, one.refused, one.failed, one.skipped, one.cancelled)
        for one in found.throughput
    ]  # fmt: skip
    grain = found.window.grain
    period = _period(found)
    return job_throughput(rows, step=_STEPS[grain], zone=settings().timezone, per=grain.value, period=period)


def _period(found: FarmAnalytics) -> Period:
    return found.window.since, found.window.until


def _cells(row: object, names: tuple[str, ...]) -> list[Any]:
    return [getattr(row, name) for name in names]


def _latency(found: FarmAnalytics) -> Figure:
    times = ((one.start_at, one.stages.get("total")) for one in find_times(found.window, found.which))
    rows = [LatencyPoint(at, all_.count, all_.p50_ms, all_.p95_ms, all_.p99_ms) for at, all_ in times if all_]
    step = _STEPS[found.window.grain]
    return latency_percentiles(rows, zone=settings().timezone, step=step, period=_period(found))


def _stages(found: FarmAnalytics) -> Figure:
    shown = ((one.stage, one.times) for one in found.summary.latencies)
    return latency_by_stage([StageLatency(stage, of.count, of.p50_ms, of.p95_ms, of.p99_ms) for stage, of in shown])


def _codes(found: FarmAnalytics) -> Figure:
    return outcomes_by_code([
        CodeCount(one.code, one.outcome, one.tasks, one.retries) for one in found.summary.codes
    ])  # fmt: skip


def _load(found: FarmAnalytics) -> Figure:
    points = list_load(*_period(found))
    rows = [
        LoadSample(one.at, one.waiting + one.queued, one.running, one.idle + one.busy + one.draining) for one in points
    ]  # fmt: skip
    return queue_and_workers(rows, zone=settings().timezone, period=_period(found))


_CHARTS: Final[dict[str, Callable[[FarmAnalytics], Figure]]] = {
    "throughput": _throughput,
    "latency": _latency,
    "stages": _stages,
    "load": _load,
    "codes": _codes,
}
