"""Leaving through all ``with`` blocks when a signal ends a program, so that none of the processes it started stays."""

from __future__ import annotations

import signal
from typing import Any, Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def unwind_on_signals() -> None:
    """Have the first signal that ends a program raise SystemExit in the main thread; those after it are ignored."""
    for number in _SIGNALS:
        signal.signal(number, _unwind)


def _unwind(number: int, _frame: Any) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)
