"""How far the farm is added up, and what has happened since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from app.analytics.errors import NotAddedUpYet
from app.analytics.models.farm import FarmMark
from app.analytics.queries.farm_raw import Stretch, count_stretch
from app.analytics.rules.farm_buckets import Bucket, Key
from app.analytics.rules.farm_figures import Window
from app.core.orm import table_of
from app.rpa.models.jobs import Attempt, Job

_MARK, _ATTEMPT, _JOB = table_of(FarmMark), table_of(Attempt), table_of(Job)
_WHOLE: Final = select(_MARK)
_VERSION: Final = select(_MARK.c.version)
_NEWEST: Final = select(func.max(_ATTEMPT.c.id))
_FEW: Final = 5_000
"""So many attempts, or tasks of jobs, are counted while somebody waits."""
_BEHIND: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the farm is added up."""

    version: int
    zone: str
    until: datetime
    attempt_id: int
    update_id: int


@dataclass(frozen=True, slots=True)
class Tail:
    """What is not added up, in buckets, and up to when figures are complete with it."""

    buckets: dict[Key, Bucket]
    complete_until: datetime
    version: int | None = None
    """Of the mark that it goes on from."""


def find_version(asked: Connection) -> int | None:
    """The number of the step that was added up last; None where none was."""
    return asked.scalar(_VERSION)


def find_mark(asked: Connection) -> Mark | None:
    """How far the farm is added up; None where it never was."""
    row = asked.execute(_WHOLE).one_or_none()
    return None if row is None else Mark(row.version, row.zone, row.until, row.attempt_id, row.update_id)


def read_tail(asked: Connection, window: Window, now: datetime, zone: ZoneInfo) -> Tail:
    """What of a window is not added up yet, counted itself where it is little.

    Where it is much, figures end before it if that is less than an hour ago; raises NotAddedUpYet if it is more.
    """
    mark = find_mark(asked)
    version = None if mark is None else mark.version
    if mark is not None and mark.zone == zone.key:
        if window.until <= mark.until:
            return Tail({}, window.until, version)
        since, attempt_id, update_id = max(mark.until, window.since), mark.attempt_id, mark.update_id
    else:
        mark, since, attempt_id, update_id = None, window.since, 0, 0
    if _is_little(asked, attempt_id, None if mark is None else mark.until):
        rest = Stretch(since, window.until, attempt_id, update_id, is_newest=True)
        return Tail(count_stretch(asked, rest, window.grain, zone), min(now, window.until), version)
    if mark is None or now - mark.until > _BEHIND:
        raise NotAddedUpYet("What the farm did is being added up for the first time, or again; ask again in a minute.")
    return Tail({}, mark.until, version)


def _is_little(asked: Connection, attempt_id: int, until: datetime | None) -> bool:
    newest = asked.scalar(_NEWEST) or 0
    if newest - attempt_id > _FEW:
        return False
    if until is not None:
        return True
    return int(asked.scalar(select(func.coalesce(func.sum(_JOB.c.total_count), 0))) or 0) <= _FEW
