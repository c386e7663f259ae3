"""What operators want of this worker, and what it tells of itself; both go with its heartbeat."""

from __future__ import annotations

import logging
import os
import platform
import signal
import threading
import time
from datetime import timedelta
from importlib.metadata import version
from typing import Any, Final

from app.core.fields import utc_text
from app.core.orm import utc_now
from app.rpa.models.workers import Wanted
from app.rpa.rules.codes import RULES, Code, Ending
from workers.chrome.processes import memory_bytes
from workers.chrome.shelf import Browsers

log = logging.getLogger(__name__)

WEIGH_S: Final = 15.0
"""Weighing reads files of every process of every browser: tens of milliseconds."""
_VERSIONS: Final = ("rq", "selenium")


class Duty:
    """One worker's orders and counts; its heart's thread and its main thread use it."""

    def __init__(self, browsers: Browsers, *, lanes: int = 1) -> None:
        """``lanes`` is how many workers the process has, of whose memory this one has its part."""
        self._browsers = browsers
        self._lanes = lanes
        self._takes_tasks = threading.Event()
        self._takes_tasks.set()
        self._is_told_to_stop = False
        self._counts = {"visits": 0, "succeeded": 0, "refused": 0, "failed": 0}
        self._versions = {"python": platform.python_version()} | {name: version(name) for name in _VERSIONS}
        self._memory_bytes = 0
        self._weighed_at = float("-inf")

    @property
    def takes_tasks(self) -> bool:
        """Whether the worker may begin a task."""
        return self._takes_tasks.is_set()

    def wait_until_it_takes_tasks(self, seconds: float) -> bool:
        """Wait at most ``seconds`` for it; returns whether it may begin a task now."""
        return self._takes_tasks.wait(seconds)

    def hear(self, wanted: Wanted) -> None:
        """Do as operators want. To stop, the worker asks itself as its pool would: it ends after the task at hand."""
        if wanted is Wanted.WORK:
            self._takes_tasks.set()
            return
        if self._takes_tasks.is_set():
            log.info("this worker begins no further task: it is to %s", wanted)
        self._takes_tasks.clear()
        if wanted is Wanted.STOP and not self._is_told_to_stop:
            self._is_told_to_stop = True
            os.kill(os.getpid(), signal.SIGTERM)

    def began(self) -> None:
        """Count a task that was begun."""
        self._counts["visits"] += 1

    def ended(self, code: Code | None) -> None:
        """Count how an attempt ended."""
        if code is None:
            self._counts["succeeded"] += 1
        elif RULES[code].ending is Ending.REFUSED:
            self._counts["refused"] += 1
        elif RULES[code].ending is Ending.FAILED:
            self._counts["failed"] += 1

    def vitals(self) -> dict[str, Any]:
        """What the worker tells of itself, as JSON values."""
        browsers = self._browsers.shown()
        return {
            **self._counts,
            "memory_bytes": self._weigh(),
            "versions": self._versions,
            "browsers": [
                {
                    "storefront_id": storefront_id,
                    "version": browser.version,
                    "started_at": utc_text(utc_now() - timedelta(seconds=browser.age_s)),
                    "visits": browser.contexts,
                    "draws": browser.draws,
                }
                for storefront_id, browser in browsers
            ],
        }

    def _weigh(self) -> int:
        if time.monotonic() - self._weighed_at > WEIGH_S:
            self._weighed_at = time.monotonic()
            self._memory_bytes = memory_bytes([os.getpid()]) // self._lanes + self._browsers.memory_bytes()
        return self._memory_bytes
