"""Where the files of a trial lie in the store of evidence."""

from __future__ import annotations

from typing import Final

FOLDER: Final = "trials"


def folder_of(trial_id: int) -> str:
    """The key of the folder of a trial; no two have the same."""
    return f"{FOLDER}/{trial_id}"


def screenshot_of(trial_id: int) -> str:
    """The key of a trial's screenshot."""
    return f"{folder_of(trial_id)}/screenshot.jpg"
