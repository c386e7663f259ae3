"""What all errands share: a fresh context, a clock for their stages, and an outcome whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from app.rpa.codes import Code
from app.rpa.readings import CartReading, PageFacts, ProductReading, TaskOutcome
from workers.chrome.browser import Browser
from workers.chrome.page import Page
from workers.errors import TaskError


class Visit:
    """One errand in one fresh context."""

    def __init__(self, page: Page, stages: Stages) -> None:
        self.page = page
        self.stage = stages.stage
        self.raw: dict[str, Any] = {}
        """Raw strings to keep as evidence."""


class Stages:
    """Times the stages of an errand and asks between them whether it shall go on."""

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self.timings_ms: dict[str, int] = {}
        self._cancelled = cancelled

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage (repeated ones add up); raises TaskError(CANCELLED) instead of starting a cancelled one."""
        if self._cancelled():
            raise TaskError(Code.CANCELLED)
        started = time.monotonic()
        try:
            yield
        finally:
            spent = round((time.monotonic() - started) * 1000)
            self.timings_ms[name] = self.timings_ms.get(name, 0) + spent


def run_errand(
    browser: Browser,
    errand: Callable[[Visit], ProductReading | CartReading],
    *,
    cancelled: Callable[[], bool],
) -> TaskOutcome:
    """Do an errand in a fresh context of the browser and say how it went; only unforeseen exceptions come out."""
    stages = Stages(cancelled)
    visit: Visit | None = None
    try:
        with ExitStack() as stack:
            with stages.stage("context"):
                visit = Visit(stack.enter_context(browser.context()), stages)
            reading = errand(visit)
    except TaskError as error:
        facts = _facts(browser, visit, stages)
        return TaskOutcome(error.code, detail=error.detail, retry_after_s=error.retry_after_s, facts=facts)
    return TaskOutcome(None, reading, facts=_facts(browser, visit, stages))


def _facts(browser: Browser, visit: Visit | None, stages: Stages) -> PageFacts:
    if visit is None:
        return PageFacts(timings_ms=stages.timings_ms, browser=browser.version)
    return PageFacts(
        final_url=visit.page.url,
        http_status=visit.page.status,
        timings_ms=stages.timings_ms,
        browser=browser.version,
        raw=visit.raw,
    )
