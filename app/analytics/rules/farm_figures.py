"""The figures of the farm as pages, charts and the API get them (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from app.analytics.rules.farm_buckets import OUTCOMES, Bucket, Grain, Parts, parts_of, share, success_rate
from app.analytics.rules.latencies import Percentiles, percentiles_of
from app.rpa.models.jobs import TaskState
from app.rpa.rules.codes import RULES, Code

WHOLE: Final = "total"
"""The stage that is the whole visit."""
STAGES: Final = {
    "queue": "Waiting for a worker",
    "context": "Opening a context",
    "navigate": "Loading the page",
    "ready": "Waiting for content",
    "extract": "Reading it",
    "choose": "Choosing options",
    "click": "Adding to the cart",
    "confirm": "Confirming the cart",
    "empty": "The cart before",
    "cart": "Reading the cart",
    "capture": "Taking evidence",
    WHOLE: "The whole visit",
}
"""What people are told of each stage, short enough for a phone, in the order of a visit; others come at the end."""
_ORDER: Final = {stage: place for place, stage in enumerate(STAGES)}
ENDS_OF_TASKS: Final = tuple(f"tasks:{outcome}" for outcome in OUTCOMES)
"""What buckets call them."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, from the first instant to before the last, and how it is divided."""

    since: datetime
    until: datetime
    grain: Grain


@dataclass(frozen=True, slots=True)
class Which:
    """Of what the figures are; None for everything."""

    storefront_id: int | None = None
    action: str | None = None
    worker_id: int | None = None
    job_id: int | None = None


@dataclass(slots=True)  # not frozen: there are thousands in an answer, and such ones take thrice as long to make
class Outcomes:
    """How many tasks ended, and how."""

    succeeded: int = 0
    refused: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0

    @property
    def tasks(self) -> int:
        """All that ended."""
        return self.succeeded + self.refused + self.failed + self.skipped + self.cancelled

    @property
    def success_rate(self) -> Decimal | None:
        """Percent of those that were tried; None where none was."""
        return success_rate({
            TaskState.SUCCEEDED: self.succeeded, TaskState.REFUSED: self.refused, TaskState.FAILED: self.failed,
        })  # fmt: skip


@dataclass(slots=True, kw_only=True)
class OutcomePoint(Outcomes):
    """The same of a minute, an hour or a day."""

    start_at: datetime


@dataclass(frozen=True, slots=True)
class CodeFigure:
    """How often something was the end of a task, and how often it was tried again."""

    code: str
    outcome: str
    tasks: int
    share: Decimal | None
    """Percent of the tasks that were tried; None for what was not tried."""
    retries: int


@dataclass(frozen=True, slots=True)
class StageTimes:
    """How long a stage of visits took."""

    stage: str
    times: Percentiles


@dataclass(frozen=True, slots=True)
class TimesPoint:
    """How long the stages took in a stretch of time."""

    start_at: datetime
    stages: Mapping[str, Percentiles]


@dataclass(frozen=True, slots=True)
class FarmSummary:
    """What a stretch of time comes to."""

    outcomes: Outcomes
    attempts: int
    retries: int
    second_looks: int
    changes: Mapping[str, int]
    """Changes found, by attribute."""
    codes: Sequence[CodeFigure]
    """The most frequent first."""
    latencies: Sequence[StageTimes]

    @property
    def visits(self) -> Percentiles | None:
        """How long whole visits took; None where none came to a page."""
        return next((one.times for one in self.latencies if one.stage == WHOLE), None)


@dataclass(slots=True, kw_only=True)
class FarmGroup(Outcomes):
    """The same of a storefront or a worker."""

    id: int
    code: str
    """The storefront's code or the worker's name."""
    name: str
    """The storefront's name or the worker's host."""
    summary: FarmSummary


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """How the farm stood at a moment: tasks that wait, are released, run; workers by what they do."""

    at: datetime
    waiting: int
    queued: int
    running: int
    idle: int
    busy: int
    draining: int


def counts_of(bucket: Bucket) -> list[int]:
    """Tasks by how they ended, in the order of the fields of ``Outcomes``."""
    return [bucket[name] for name in ENDS_OF_TASKS]


def summary_of(bucket: Bucket) -> FarmSummary:
    """What a bucket comes to."""
    outcomes, parts = Outcomes(*counts_of(bucket)), parts_of(bucket)
    return FarmSummary(
        outcomes, sum(parts.attempts.values()), parts.attempts.get("RETRY", 0), parts.attempts.get("VERIFY", 0),
        dict(sorted(parts.change.items())), _codes_of(parts, outcomes), times_of(parts),
    )  # fmt: skip


def _codes_of(parts: Parts, outcomes: Outcomes) -> list[CodeFigure]:
    """The codes that tasks ended with or were tried again after, the most frequent first."""
    tried = outcomes.succeeded + outcomes.refused + outcomes.failed
    found = []
    for code in {*parts.code, *parts.retry}:
        ending = str(RULES[Code(code)].ending) if code in Code.__members__ else "FAILED"
        tasks = parts.code.get(code, 0)
        of = share(tasks, tried) if ending in {"REFUSED", "FAILED"} else None
        found.append(CodeFigure(code, ending, tasks, of, parts.retry.get(code, 0)))
    return sorted(found, key=lambda figure: (-figure.tasks, -figure.retries, figure.code))


def times_of(parts: Parts) -> list[StageTimes]:
    """The percentiles of each stage, in the order of a visit."""
    found = {stage: percentiles_of(classes) for stage, classes in parts.stage.items()}
    shown = [StageTimes(stage, times) for stage, times in found.items() if times is not None]
    return sorted(shown, key=lambda one: (_place(one.stage), one.stage))


def _place(stage: str) -> int:
    return _ORDER.get(stage, len(STAGES))
