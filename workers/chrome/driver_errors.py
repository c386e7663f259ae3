"""What Selenium and its HTTP client raise, told apart: page, tab, driver or browser."""

from __future__ import annotations

from typing import Final

from selenium.common.exceptions import (
    InvalidSessionIdException,
    NoSuchWindowException,
    TimeoutException,
    WebDriverException,
)
from urllib3.exceptions import HTTPError, ReadTimeoutError

from app.rpa.rules.codes import Code
from workers.errors import TaskError

DRIVER_ERRORS: Final = (WebDriverException, HTTPError)
"""Every exception a Selenium command may raise."""
_DEAD_BROWSER: Final = ("disconnected", "chrome not reachable", "not connected to devtools", "session deleted")


def driver_error(error: Exception) -> TaskError:
    """The TaskError for one of DRIVER_ERRORS.

    DRIVER_TIMEOUT and CHROME_CRASH mean that driver and browser are of no further use.
    """
    shown = (getattr(error, "msg", None) or str(error)).strip().partition("\n")[0][:300]
    text = shown.lower()
    if isinstance(error, ReadTimeoutError):
        return TaskError(Code.DRIVER_TIMEOUT, "The driver did not answer in time.")
    if isinstance(error, HTTPError):
        return TaskError(Code.CHROME_CRASH, f"The driver is gone: {shown}")
    if "tab crashed" in text or isinstance(error, NoSuchWindowException):
        return TaskError(Code.TAB_CRASH, shown)
    if isinstance(error, InvalidSessionIdException) or any(words in text for words in _DEAD_BROWSER):
        return TaskError(Code.CHROME_CRASH, shown)
    if isinstance(error, TimeoutException):
        return TaskError(Code.NAV_TIMEOUT, shown)
    return TaskError(Code.INTERNAL, f"{type(error).__name__}: {shown}")
