"""Clicks as a person makes them, by Selenium: none is sent again that may have been sent already."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import Remote
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from workers.chrome.page import Page

_SCROLL_TO: Final = "arguments[0].scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'})"
_SCROLL_ON: Final = """const end = document.documentElement.scrollHeight - innerHeight - 2;
scrollTo({top: scrollY >= end ? 0 : scrollY + innerHeight * 0.8, behavior: 'instant'})"""
_POLL_S: Final = 0.1


class Click(StrEnum):
    """What came of wanting to click something."""

    SENT = "sent"
    UNSURE = "unsure"
    """The browser did not say in time; it may have been sent, so it must not be sent again."""
    MISSING = "missing"
    DISABLED = "disabled"
    COVERED = "covered"
    UNREACHABLE = "unreachable"


SENT: Final = frozenset({Click.SENT, Click.UNSURE})


class Mouse:
    """Clicks on one page, which the Selenium session must be pointed at."""

    def __init__(self, driver: Remote, page: Page) -> None:
        self._driver = driver
        self._page = page

    def find(self, css: str, at: int | None = None) -> WebElement | None:
        """The first match that is displayed, or the one in place ``at`` whatever it looks like."""
        matches = self._driver.find_elements(By.CSS_SELECTOR, css)
        if at is not None:
            return matches[at] if at < len(matches) else None
        for element in matches:
            try:
                if element.is_displayed():
                    return element
            except StaleElementReferenceException:
                continue
        return matches[0] if matches else None

    def click(self, css: str, at: int | None = None, *, label: bool = False) -> Click:
        """Try once to click a match; with ``label`` the label of a form's field where the field itself cannot be."""
        try:
            element = self.find(css, at)
            if element is None:
                return Click.MISSING
            if not element.is_enabled() or element.get_attribute("aria-disabled") == "true":
                return Click.DISABLED
            return self._send(element, label=label)
        except (NoSuchElementException, StaleElementReferenceException):
            return Click.MISSING

    def click_when_there(
        self, css: str, *, within_s: float, at: int | None = None, label: bool = False, on_covered: Callable[[], None]
    ) -> Click:
        """Try again and again until it is clicked, scrolling to where the page may show it; the last thing in the way.

        ``on_covered`` is called when something lies above it.
        """
        deadline = time.monotonic() + within_s
        while True:
            came = self.click(css, at, label=label)
            if came in SENT or time.monotonic() + _POLL_S > deadline:
                return came
            if came is Click.COVERED:
                on_covered()
            elif came is not Click.DISABLED:
                self._driver.execute_script(_SCROLL_ON)
            self._page.idle(_POLL_S)

    def _send(self, element: WebElement, *, label: bool) -> Click:
        self._driver.execute_script(_SCROLL_TO, element)
        try:
            element.click()
        except ElementClickInterceptedException:
            return self._send_to_label(element) if label else Click.COVERED
        except ElementNotInteractableException:
            return self._send_to_label(element) if label else Click.UNREACHABLE
        except TimeoutException:
            return Click.UNSURE
        return Click.SENT

    def _send_to_label(self, element: WebElement) -> Click:
        """Radio buttons are often drawn by their labels and cannot be hit themselves."""
        first = self._driver.execute_script("return arguments[0].labels ? arguments[0].labels[0] : null", element)
        return Click.UNREACHABLE if first is None else self._send(first, label=False)
