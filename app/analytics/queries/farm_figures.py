"""The figures of the farm: from what is added up, and what has happened since then (docs/metrics.md).

Every read is bounded by the buckets of its window: 2,880 minutes, 744 hours or 3,660 days of one storefront and kind.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, func, select

from app.analytics.models.farm import FarmBucket, FarmWorker
from app.analytics.queries.farm_marks import Tail, read_tail
from app.analytics.queries.farm_raw import Stretch, count_stretch
from app.analytics.rules.farm_buckets import ALL, ALL_KINDS, OUTCOMES, Bucket, Grain, Key, beginning
from app.analytics.rules.farm_figures import (
    FarmSummary,
    OutcomeGroup,
    OutcomePoint,
    TimesPoint,
    Which,
    Window,
    latencies_of,
    outcomes_of,
    summary_of,
)
from app.core.orm import clock, table_of
from app.core.reading import reading
from app.core.running import settings
from app.rpa.models.jobs import Action
from app.rpa.models.storefronts import Storefront

GROUPS: Final = 100
"""So many storefronts or workers are shown, those with the most tasks."""
_BUCKET, _WORKER, _SHOP = table_of(FarmBucket), table_of(FarmWorker), table_of(Storefront)
_KINDS: Final = tuple(action.value for action in Action)
_COUNTS: Final = tuple(_BUCKET.c[outcome.lower()] for outcome in OUTCOMES)
_NAMES: Final = tuple(column.name for column in _COUNTS)


@dataclass(frozen=True, slots=True)
class FarmFigures:
    """What was asked for; what was not is None."""

    complete_until: datetime
    """What happened later may be missing."""
    summary: FarmSummary
    throughput: list[OutcomePoint]
    """Stretches in which a task ended, the first one first."""
    groups: list[OutcomeGroup] | None
    """By storefront or worker, those with the most tasks first."""


def find_figures(window: Window, which: Which, *, per: str | None = None) -> FarmFigures:
    """Everything that a page shows of a window, for one reading of what is not added up yet.

    ``per`` is ``storefront`` or ``worker``. Raises NotAddedUpYet, and PeriodTooWide for a job that is too large.
    """
    with reading() as asked:
        read = _Reading(asked, window, which)
        groups = None if per is None else read.groups(per)
        return FarmFigures(read.tail.complete_until, read.summary(), read.throughput(), groups)


def find_throughput(window: Window, which: Which) -> list[OutcomePoint]:
    """How many tasks ended, and how, in each stretch in which any did, the first one first."""
    with reading() as asked:
        return _Reading(asked, window, which).throughput()


def find_summary(window: Window, which: Which) -> FarmSummary:
    """What the whole window comes to."""
    with reading() as asked:
        return _Reading(asked, window, which).summary()


def find_times(window: Window, which: Which) -> list[TimesPoint]:
    """How long the stages of visits took in each stretch in which any ended, the first one first."""
    with reading() as asked:
        return _Reading(asked, window, which).times()


def find_groups(window: Window, which: Which, per: str) -> list[OutcomeGroup]:
    """How tasks ended on each storefront or with each worker (``per``), those with the most tasks first."""
    with reading() as asked:
        return _Reading(asked, window, which).groups(per)


class _Reading:
    """Reads of one window with the same tail."""

    def __init__(self, asked: Connection, window: Window, which: Which) -> None:
        self._asked, self._window, self._which = asked, window, which
        zone = settings().timezone
        self._zone = zone
        self.tail = self._read_tail(zone)
        self._wanted = {key: bucket for key, bucket in self.tail.buckets.items() if _is_wanted(key, which)}

    def _read_tail(self, zone: ZoneInfo) -> Tail:
        now: datetime = self._asked.execute(select(clock())).scalar_one()
        if self._which.job_id is None:
            return read_tail(self._asked, self._window, now, zone)
        stretch = Stretch(self._window.since, self._window.until, job_id=self._which.job_id)
        buckets = count_stretch(self._asked, stretch, self._window.grain, zone)
        return Tail(buckets, min(now, self._window.until))

    def throughput(self) -> list[OutcomePoint]:
        points: dict[datetime, Counter[str]] = {}
        for row in self._rows(_BUCKET.c.at, *_COUNTS):
            points.setdefault(row[0], Counter()).update(dict(zip(_NAMES, row[1:], strict=True)))
        for key, bucket in self._wanted.items():
            points.setdefault(key.at, Counter()).update(outcomes_of(bucket))
        ended = ((at, points[at]) for at in sorted(points) if any(points[at].values()))
        return [OutcomePoint(start_at=at, **counts) for at, counts in ended]

    def times(self) -> list[TimesPoint]:
        points: dict[datetime, Bucket] = {}
        for row in self._rows(_BUCKET.c.at, _BUCKET.c.detail):
            points.setdefault(row.at, Counter()).update(row.detail)
        for key, bucket in self._wanted.items():
            points.setdefault(key.at, Counter()).update(bucket)
        found = {at: {one.stage: one.times for one in latencies_of(points[at])} for at in sorted(points)}
        return [TimesPoint(at, stages) for at, stages in found.items() if stages]

    def summary(self) -> FarmSummary:
        total: Bucket = Counter()
        sums = [0] * len(_COUNTS)
        for detail, *counts in self._rows(_BUCKET.c.detail, *_COUNTS, grain=self._coarsest()):
            total.update(detail)
            sums = [one + more for one, more in zip(sums, counts, strict=True)]
        total.update({f"tasks:{name.upper()}": count for name, count in zip(_NAMES, sums, strict=True)})
        for bucket in self._wanted.values():
            total.update(bucket)
        return summary_of(total)

    def groups(self, per: str) -> list[OutcomeGroup]:
        of = _BUCKET.c.storefront_id if per == "storefront" else _BUCKET.c.worker_id
        sums: dict[int, Counter[str]] = {}
        for row in self._grouped(of, per):
            sums[row[0]] = Counter({name: int(count) for name, count in zip(_NAMES, row[1:], strict=True)})
        for key, bucket in self.tail.buckets.items():
            if _is_in_groups(key, self._which, per):
                number = key.storefront_id if per == "storefront" else key.worker_id
                sums.setdefault(number, Counter()).update(outcomes_of(bucket))
        most = sorted(sums, key=lambda number: (-sums[number].total(), number))[:GROUPS]
        names = self._names(per, most)
        return [
            OutcomeGroup(
                id=number, code=names.get(number, ("", ""))[0], name=names.get(number, ("", ""))[1], **sums[number]
            )
            for number in most
        ]

    def _coarsest(self) -> Grain:
        """The longest buckets that make up the window."""
        ends = (self._window.since, self._window.until)
        if all(beginning(Grain.DAY, end, self._zone) == end for end in ends):
            return Grain.DAY
        return Grain.HOUR

    def _grouped(self, of: ColumnElement[int], per: str) -> Any:
        if self._which.job_id is not None:
            return ()
        column, which = _BUCKET.c, self._which
        total = func.sum(sum(_COUNTS[1:], _COUNTS[0]))
        query = (
            select(of, *(func.sum(count) for count in _COUNTS))
            .where(column.grain == self._coarsest(), column.at >= self._window.since, column.at < self._window.until)
            .where(column.storefront_id != ALL, column.action.in_(_KINDS if which.action is None else (which.action,)))
            .group_by(of).order_by(total.desc(), of).limit(GROUPS)
        )  # fmt: skip
        if which.storefront_id is not None:
            query = query.where(column.storefront_id == which.storefront_id)
        if which.worker_id is not None:
            query = query.where(column.worker_id == which.worker_id)
        else:
            query = query.where(column.worker_id == ALL if per == "storefront" else column.worker_id != ALL)
        return self._asked.execute(query)

    def _names(self, per: str, ids: list[int]) -> dict[int, tuple[str, str]]:
        if per == "storefront":
            query = select(_SHOP.c.id, _SHOP.c.code, _SHOP.c.name).where(_SHOP.c.id.in_(ids))
        else:
            query = select(_WORKER.c.id, _WORKER.c.name, _WORKER.c.host).where(_WORKER.c.id.in_(ids))
        return {row[0]: (row[1], row[2]) for row in self._asked.execute(query)} if ids else {}

    def _rows(self, *columns: Any, grain: Grain | None = None) -> Any:
        """The rows of buckets that make up the window, as they were added up; none of one job."""
        if self._which.job_id is not None:
            return ()
        column, which = _BUCKET.c, self._which
        query = select(*columns).where(
            column.grain == (grain or self._window.grain), column.worker_id == (which.worker_id or ALL),
            column.at >= self._window.since, column.at < self._window.until,
        )  # fmt: skip
        if which.worker_id is not None and which.storefront_id is None:
            query = query.where(column.storefront_id != ALL)
        else:
            query = query.where(column.storefront_id == (which.storefront_id or ALL))
        return self._asked.execute(query.where(column.action.in_(_actions(which))))


def _actions(which: Which) -> tuple[str, ...]:
    """The kinds of the buckets to add up; of everything there is one bucket already."""
    if which.action is not None:
        return (which.action,)
    return _KINDS if which.storefront_id is not None or which.worker_id is not None else (ALL_KINDS,)


def _is_wanted(key: Key, which: Which) -> bool:
    """Whether a bucket of the tail is among those that ``_rows`` would read."""
    if which.worker_id is not None and which.storefront_id is None:
        is_shop = key.storefront_id != ALL
    else:
        is_shop = key.storefront_id == (which.storefront_id or ALL)
    return is_shop and key.worker_id == (which.worker_id or ALL) and key.action in _actions(which)


def _is_in_groups(key: Key, which: Which, per: str) -> bool:
    if key.storefront_id == ALL or (which.storefront_id or key.storefront_id) != key.storefront_id:
        return False
    if (which.action or key.action) != key.action:
        return False
    if which.worker_id is not None:
        return key.worker_id == which.worker_id
    return (key.worker_id == ALL) == (per == "storefront")
