"""Which stretch of time figures of the farm are asked for, and how it may be divided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from app.analytics.rules.farm_buckets import ALL, Bucket, Grain, Key, beginning, following
from app.analytics.rules.farm_figures import Window
from app.analytics.rules.periods import Period
from app.core.errors import Invalid

MOST_HOURS: Final = 48
MOST_DAYS_BY_HOUR: Final = 31
KEPT: Final = {Grain.MINUTE: timedelta(hours=48), Grain.HOUR: timedelta(days=90)}
KEPT_OF_WORKERS: Final = {
    Grain.MINUTE: timedelta(hours=2),
    Grain.HOUR: timedelta(days=14),
    Grain.DAY: timedelta(days=400),
    Grain.MONTH: timedelta(days=400),
}
LEEWAY: Final = timedelta(hours=2)
"""How much longer buckets are there than anybody is told of them."""
_ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FEW_HOURS: Final = 6
_FEW_DAYS: Final = 2
_SPARE: Final = timedelta(hours=1)


def kept_since(grain: Grain, *, of_worker: bool, now: datetime) -> datetime:
    """From when on there are buckets of one size, altogether or of a single worker."""
    kept_for = (KEPT_OF_WORKERS if of_worker else KEPT).get(grain)
    return _ALWAYS if kept_for is None else now - kept_for


def still_kept(buckets: Mapping[Key, Bucket], grain: Grain, *, now: datetime) -> dict[Key, Bucket]:
    """Buckets of one size without those that are too old to be there."""
    since = {of_worker: kept_since(grain, of_worker=of_worker, now=now) for of_worker in (False, True)}
    return {key: bucket for key, bucket in buckets.items() if key.at >= since[key.worker_id != ALL]}


def last_hours(hours: int, grain: Grain | None, *, now: datetime, zone: ZoneInfo) -> Window:
    """The hour under way and those before it, ``hours`` altogether; up to six by minute unless it is said."""
    since = beginning(Grain.HOUR, now - timedelta(hours=hours - 1), zone)
    return Window(since, now, grain or (Grain.MINUTE if hours <= _FEW_HOURS else Grain.HOUR))


def whole_days(period: Period, grain: Grain | None, *, zone: ZoneInfo) -> Window:
    """Days of the shop; up to two by hour unless it is said."""
    since, until = period.instants(zone)
    return Window(since, until, grain or (Grain.HOUR if period.days <= _FEW_DAYS else Grain.DAY))


def pieces_of(window: Window, zone: ZoneInfo) -> list[Window]:
    """As few buckets as make up a window: whole months, days before and behind them; or hours, where days are cut."""
    first, last = _next_beginning(Grain.MONTH, window.since, zone), beginning(Grain.MONTH, window.until, zone)
    if any(beginning(Grain.DAY, end, zone) != end for end in (window.since, window.until)):
        return [Window(window.since, window.until, Grain.HOUR)]
    if first >= last:
        return [Window(window.since, window.until, Grain.DAY)]
    pieces = [
        Window(window.since, first, Grain.DAY),
        Window(first, last, Grain.MONTH),
        Window(last, window.until, Grain.DAY),
    ]
    return [piece for piece in pieces if piece.since < piece.until]


def _next_beginning(grain: Grain, instant: datetime, zone: ZoneInfo) -> datetime:
    at = beginning(grain, instant, zone)
    return at if at == instant else following(grain, at, zone)


def check_window(window: Window, *, now: datetime, of_worker: bool, of_job: bool) -> None:
    """Raise Invalid, naming /group or /from of the query, for what is not kept so finely or would be too many rows."""
    length = window.until - window.since
    if window.grain is Grain.MINUTE and length > KEPT[Grain.MINUTE] + _SPARE:
        raise _refusal("/group", f"must be hour or day: by minute there are at most {MOST_HOURS} hours.")
    if window.grain is Grain.HOUR and length > timedelta(days=MOST_DAYS_BY_HOUR) + _SPARE:
        raise _refusal("/group", f"must be day: by hour there are at most {MOST_DAYS_BY_HOUR} days.")
    if of_job:
        return
    if of_worker and window.grain is Grain.MINUTE:
        raise _refusal("/group", "must be hour or day: workers are not counted by minute.")
    kept = (KEPT_OF_WORKERS if of_worker else KEPT).get(window.grain)
    if kept is not None and window.since < now - kept - _SPARE:
        whose = " of workers" if of_worker else ""
        days = f"{kept.days} days" if kept.days > _FEW_DAYS else f"{MOST_HOURS} hours"
        raise _refusal("/from", f"must be within the last {days}: so long figures{whose} by {window.grain} are kept.")


def are_workers_kept(window: Window, *, now: datetime) -> bool:
    """Whether all days of each worker are kept."""
    return window.since >= now - KEPT_OF_WORKERS[Grain.DAY] - _SPARE


def check_workers_kept(window: Window, *, now: datetime) -> None:
    """Raise Invalid, naming /from of the query, where they are not."""
    if not are_workers_kept(window, now=now):
        days = KEPT_OF_WORKERS[Grain.DAY].days
        raise _refusal("/from", f"must be within the last {days} days: so long figures of workers are kept.")


def _refusal(pointer: str, detail: str) -> Invalid:
    return Invalid.field(pointer, detail, place="query")
