"""One reading of what is added up of the farm, with what is not added up yet.

It is bounded by the buckets of its window: 2,880 minutes, 744 hours, or 120 months and 60 days, of each storefront and
kind, or of each worker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from operator import add
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, select

from app.analytics.models.farm import FarmWorker
from app.analytics.queries.farm_marks import Tail, find_version, read_tail
from app.analytics.queries.farm_raw import Stretch, count_stretch
from app.analytics.queries.farm_rows import COUNTS, read_buckets, read_details, read_groups
from app.analytics.rules.farm_buckets import Bucket, Key, add_to, parts_of
from app.analytics.rules.farm_figures import (
    ENDS_OF_TASKS,
    FarmGroup,
    FarmSummary,
    OutcomePoint,
    TimesPoint,
    Which,
    Window,
    counts_of,
    summary_of,
    times_of,
)
from app.analytics.rules.farm_slices import STOREFRONT, Slice
from app.analytics.rules.farm_windows import pieces_of
from app.core.orm import clock, table_of
from app.core.running import settings
from app.rpa.models.storefronts import Storefront

GROUPS: Final = 100
"""So many storefronts or workers are shown, those with the most tasks."""
_WORKER, _SHOP = table_of(FarmWorker).c, table_of(Storefront).c
_IDS: Final[BindParameter[int]] = bindparam("ids", expanding=True)
_NOW: Final = select(clock())
_SHOPS: Final = select(_SHOP.id, _SHOP.code, _SHOP.name).where(_SHOP.id.in_(_IDS))
_WORKERS: Final = select(_WORKER.id, _WORKER.name, _WORKER.host).where(_WORKER.id.in_(_IDS))


class FarmReading:
    """Answers about one window; all of them with the same tail."""

    def __init__(self, asked: Connection, window: Window, which: Which) -> None:
        self._asked, self._window, self._which = asked, window, which
        self._zone = settings().timezone
        self._of = Slice.of(which)
        self.tail = self._read_tail()
        self._late = [(key.at, bucket) for key, bucket in self.tail.buckets.items() if self._of.has(key)]

    def is_still_true(self) -> bool:
        """Whether nothing was added up since the tail was read."""
        return self._which.job_id is not None or find_version(self._asked) == self.tail.version

    def throughput(self) -> list[OutcomePoint]:
        """How tasks ended in each stretch in which any did."""
        points: dict[datetime, Sequence[int]] = {}
        for at, *counts in self._buckets([self._window], "at", *COUNTS):
            points[at] = tuple(map(add, points[at], counts)) if at in points else counts
        for at, bucket in self._late:
            points[at] = tuple(map(add, points.get(at, (0,) * len(COUNTS)), counts_of(bucket)))
        return [OutcomePoint(*points[at], start_at=at) for at in sorted(points) if any(points[at])]

    def times(self) -> list[TimesPoint]:
        """How long the stages took in each stretch in which any ended."""
        points: dict[datetime, Bucket] = {}
        for at, more in [*self._buckets([self._window], "at", "detail"), *self._late]:
            points.setdefault(at, Counter()).update(more)
        found = {at: {one.stage: one.times for one in times_of(parts_of(points[at]))} for at in sorted(points)}
        return [TimesPoint(at, stages) for at, stages in found.items() if stages]

    def summary(self) -> FarmSummary:
        """What the window comes to."""
        total: dict[str, int] = {}
        for detail, *counts in self._buckets(pieces_of(self._window, self._zone), "detail", *COUNTS):
            add_to(total, detail)
            add_to(total, dict(zip(ENDS_OF_TASKS, counts, strict=True)))
        for _, bucket in self._late:
            add_to(total, bucket)
        return summary_of(Counter(total))

    def groups(self, per: str) -> list[FarmGroup]:
        """What it comes to of each storefront or worker, of those with the most tasks."""
        totals = self._late_groups(per) if self._which.job_id is not None else self._groups(per)
        most = sorted(totals, key=lambda number: (-sum(counts_of(totals[number])), number))[:GROUPS]
        query = _SHOPS if per == STOREFRONT else _WORKERS
        names = {number: (code, name) for number, code, name in self._asked.execute(query, {"ids": most})}
        return [_group_of(number, *names.get(number, ("", "")), totals[number]) for number in most]

    def _groups(self, per: str) -> dict[int, Bucket]:
        """Everything of those with the most tasks; who gets among so many within the last seconds may be missing."""
        pieces, of = pieces_of(self._window, self._zone), Slice.per(self._which, per)
        rows = read_groups(self._asked, pieces, of, per, GROUPS)
        found: dict[int, dict[str, int]] = {
            row[0]: dict(zip(ENDS_OF_TASKS, map(int, row[1:]), strict=True)) for row in rows
        }
        for number, detail in read_details(self._asked, pieces, of, per, list(found)):
            add_to(found[number], detail)
        is_all = len(found) < GROUPS
        for number, bucket in self._late_groups(per).items():
            if is_all or number in found:
                add_to(found.setdefault(number, {}), bucket)
        return {number: Counter(counts) for number, counts in found.items()}

    def _late_groups(self, per: str) -> dict[int, Bucket]:
        of = Slice.per(self._which, per)
        found: dict[int, Bucket] = {}
        for key, bucket in self.tail.buckets.items():
            if of.has(key):
                found.setdefault(_number(key, per), Counter()).update(bucket)
        return found

    def _buckets(self, pieces: list[Window], *columns: str) -> Any:
        """The rows that make up the window, as they were added up; none of one job."""
        return () if self._which.job_id is not None else read_buckets(self._asked, pieces, self._of, columns)

    def _read_tail(self) -> Tail:
        now: datetime = self._asked.execute(_NOW).scalar_one()
        if self._which.job_id is None:
            return read_tail(self._asked, self._window, now, self._zone)
        stretch = Stretch(self._window.since, self._window.until, job_id=self._which.job_id)
        buckets = count_stretch(self._asked, stretch, self._window.grain, self._zone)
        return Tail(buckets, min(now, self._window.until))


def _group_of(number: int, code: str, name: str, bucket: Bucket) -> FarmGroup:
    return FarmGroup(*counts_of(bucket), id=number, code=code, name=name, summary=summary_of(bucket))


def _number(key: Key, per: str) -> int:
    return key.storefront_id if per == STOREFRONT else key.worker_id
