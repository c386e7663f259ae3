"""What the farm's processes count. ``storefront`` is the id; who shows it puts the code instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.core.metrics import counter, histogram
from app.rpa.codes import Code
from app.rpa.models.jobs import Action, TaskState

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
