"""Several things at the same moment, each in a thread with an application context of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from flask import Flask

TIMEOUT_S: Final = 30.0


def at_once(app: Flask, *deeds: Callable[[], Any]) -> list[Any]:
    """Start all deeds together; returns what each returned, or the exception that it raised, in their order."""
    barrier = threading.Barrier(len(deeds))

    def run(deed: Callable[[], Any]) -> Any:
        with app.app_context():
            barrier.wait(TIMEOUT_S)
            try:
                return deed()
            except Exception as error:  # noqa: BLE001  # it is what the test looks at
                return error

    with ThreadPoolExecutor(len(deeds)) as pool:
        return [future.result(TIMEOUT_S) for future in [pool.submit(run, deed) for deed in deeds]]
