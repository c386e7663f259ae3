"""What the farm's processes count. ``storefront`` is the id; who shows it puts the code instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from app.core.metrics import counter, histogram
from app.rpa.models.jobs import Action, TaskState
from app.rpa.rules.codes import Code


class Dropped(StrEnum):
    """Why a file of evidence is not kept, or not any longer."""

    NOT_STORED = "not_stored"
    """The store was full, slow or away."""
    ENOUGH = "enough"
    """The job has enough of the code."""
    EXPIRED = "expired"
    JOB_FULL = "job_full"
    """It was the oldest of a job that has more than it may."""
    PAGES_FULL = "pages_full"
    """Its storefront has as many newer pages that were read well."""
    STORE_FULL = "store_full"
    NO_ROW = "no_row"
    """Its attempt was never recorded, or is gone."""


_OK: Final = "OK"
_SECOND_LOOK: Final = "SECOND_LOOK"
"""Nothing failed: what was read is doubtful."""

TASKS: Final = counter(
    "cartwright_tasks", "Tasks that ended, by outcome and code", ("action", "storefront", "outcome", "code")
)
RETRIES: Final = counter(
    "cartwright_task_retries", "Attempts after which a task is tried again", ("action", "storefront", "code")
)
LEASES_EXPIRED: Final = counter("cartwright_leases_expired", "Leases that ran out", ("storefront",))
STAGE_SECONDS: Final = histogram(
    "cartwright_task_stage_seconds",
    "Stages of attempts: queue (from release to claim), those of the visit, record",
    ("action", "stage"),
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
)
BROWSER_START_SECONDS: Final = histogram(
    "cartwright_browser_start_seconds", "Starts of browsers that went well", (), (0.25, 0.5, 1, 2.5, 5, 10, 30)
)
BROWSER_ENDS: Final = counter(
    "cartwright_browser_ends",
    "Browsers that were ended: crashed (or killed), contexts, age, memory, profile (changed), room (for another), stop",
    ("reason",),
)
ORPHANS: Final = counter("cartwright_browser_orphans", "Browsers whose owner died and that were swept by the next one")
CHANGES: Final = counter(
    "cartwright_changes_recorded",
    "Changes that went into the history, and whether they were suspicious at first",
    ("storefront", "attribute", "suspicious"),
)
ALERTS: Final = counter("cartwright_alerts_fired", "Alerts that rules have made", ("kind",))
KEPT_FILES: Final = counter("cartwright_evidence_kept_files", "Files of evidence that were kept", ("kind", "why"))
KEPT_BYTES: Final = counter("cartwright_evidence_kept_bytes", "How large they are", ("kind", "why"))
DROPPED_FILES: Final = counter("cartwright_evidence_dropped_files", "Files of evidence that are not kept", ("reason",))
DROPPED_BYTES: Final = counter("cartwright_evidence_dropped_bytes", "How large they were", ("reason",))
TURN_SECONDS: Final = histogram(
    "cartwright_dispatcher_turn_seconds",
    "Turns of the leading dispatcher",
    (),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


def count_end(
    action: Action | str, storefront_id: int, state: TaskState, code: Code | str | None, count: int = 1
) -> None:
    """Count tasks that ended, or an attempt after which one is tried again; call it after the commit."""
    if state is TaskState.READY:
        RETRIES.labels(str(action), str(storefront_id), str(code or _SECOND_LOOK)).inc(count)
    else:
        TASKS.labels(str(action), str(storefront_id), str(state), str(code or _OK)).inc(count)


def observe(action: Action | str, seconds: Mapping[str, float]) -> None:
    """Note how long stages took."""
    for stage, took in seconds.items():
        STAGE_SECONDS.labels(str(action), stage).observe(took)


def count_change(storefront_id: int, attribute: str, *, is_suspicious: bool) -> None:
    """Count a change that went into the history; call it after the commit."""
    CHANGES.labels(str(storefront_id), attribute, "yes" if is_suspicious else "no").inc()


def count_kept(kind: str, why: str, size: int) -> None:
    """Count a file of evidence that is kept; call it after the commit."""
    KEPT_FILES.labels(kind, why).inc()
    KEPT_BYTES.labels(kind, why).inc(size)


def count_dropped(reason: Dropped, sizes: Sequence[int]) -> None:
    """Count files of evidence that are not kept; inside a transaction call it after the commit."""
    if sizes:
        DROPPED_FILES.labels(str(reason)).inc(len(sizes))
        DROPPED_BYTES.labels(str(reason)).inc(sum(sizes))
