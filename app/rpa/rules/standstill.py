"""Why nothing of an open job runs now, and until when: decided with plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from app.rpa.models.jobs import JobState

_SOON: Final = timedelta(seconds=1)
"""What lasts no longer than this is no waiting."""


class Reason(StrEnum):
    """What a job waits for."""

    PAUSED = "PAUSED"
    PREPARING = "PREPARING"
    STOREFRONT_INACTIVE = "STOREFRONT_INACTIVE"
    STOREFRONT_PAUSED = "STOREFRONT_PAUSED"
    COOLDOWN = "COOLDOWN"
    ROBOTS = "ROBOTS"
    HOURS = "HOURS"
    DAILY_CAP = "DAILY_CAP"
    NO_WORKERS = "NO_WORKERS"
    RETRY = "RETRY"
    PACE = "PACE"
    TURN = "TURN"


@dataclass(frozen=True, slots=True)
class Wait:
    """What a job waits for, in a sentence, and until when where that is known."""

    reason: Reason
    detail: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an open job stands at an instant."""

    now: datetime
    state: JobState
    paused_by: str | None
    leased: int
    """Tasks that run."""
    next_task_at: datetime | None
    """When the first of its READY tasks may start; None where there is none."""
    has_queued: bool
    shop_waits: Wait | None
    """Why nothing starts on its storefront (``app.rpa.rules.holds``)."""
    shop_starts_at: datetime
    """When the storefront's pace lets the next task start."""
    workers: int


def why_waiting(job: Standing) -> Wait | None:
    """Why nothing of a job starts; None while some of it runs or is about to."""
    if job.state is JobState.PAUSED:
        return Wait(Reason.PAUSED, f"Paused by {(job.paused_by or 'somebody').replace(':', ' ')}, until it is resumed.")
    if job.leased or job.state is JobState.CANCELLING:
        return None
    if job.state is JobState.PREPARING:
        return Wait(Reason.PREPARING, "Its first tasks are being made.")
    if job.shop_waits is not None:
        return job.shop_waits
    return Wait(Reason.NO_WORKERS, "No worker is alive.") if job.workers == 0 else _of_tasks(job)


def _of_tasks(job: Standing) -> Wait | None:
    if job.has_queued:
        return None
    if job.next_task_at is not None and job.next_task_at > job.now + _SOON:
        return Wait(Reason.RETRY, "What is left waits to be tried again.", job.next_task_at)
    if job.shop_starts_at > job.now + _SOON:
        return Wait(Reason.PACE, "The storefront's pace lets the next task start then.", job.shop_starts_at)
    if job.next_task_at is not None:
        return Wait(Reason.TURN, "Other jobs have the storefront's or the workers' next places.")
    return None
