"""How pages say the states of jobs and tasks: a word and a colour."""

from __future__ import annotations

from typing import Final

from app.rpa.models.jobs import JobState, TaskState

JOBS: Final = {
    JobState.PREPARING: ("Preparing", ""),
    JobState.QUEUED: ("Waiting", ""),
    JobState.RUNNING: ("At work", "accent"),
    JobState.PAUSED: ("Paused", "warning"),
    JobState.CANCELLING: ("Stopping", "warning"),
    JobState.CANCELLED: ("Cancelled", ""),
    JobState.COMPLETED: ("Completed", "good"),
    JobState.COMPLETED_WITH_ERRORS: ("Completed with errors", "bad"),
}
TASKS: Final = {
    TaskState.READY: ("Waiting", ""),
    TaskState.QUEUED: ("About to start", ""),
    TaskState.LEASED: ("At work", "accent"),
    TaskState.SUCCEEDED: ("Succeeded", "good"),
    TaskState.REFUSED: ("Refused by the shop", "warning"),
    TaskState.FAILED: ("Failed", "bad"),
    TaskState.SKIPPED: ("Skipped", "warning"),
    TaskState.CANCELLED: ("Cancelled", ""),
}
