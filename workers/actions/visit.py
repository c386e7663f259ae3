"""What all errands share: a fresh context, a clock for their stages, an outcome whatever happens, and its evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from app.rpa.codes import Code
from app.rpa.evidence import Ended
from app.rpa.readings import CartReading, PageFacts, Piece, ProductReading, TaskOutcome
from workers.actions.capturing import capture
from workers.chrome.browser import Browser
from workers.chrome.driver_errors import DRIVER_ERRORS, driver_error
from workers.chrome.page import Page
from workers.errors import TaskError

Wanted = Callable[[Ended], bool]
"""Whether a visit that ended so is worth a picture."""


def nothing(_ended: Ended) -> bool:
    """Of no visit a picture."""
    return False


class Visit:
    """One errand in one fresh context."""

    def __init__(self, page: Page, stages: Stages) -> None:
        self.page = page
        self.stage = stages.stage
        self._timed = stages.timed
        self.raw: dict[str, Any] = {}
        """Raw strings to keep as evidence."""
        self.captured: tuple[Piece, ...] = ()
        self.missing: str | None = None
        """Why not all was captured that was wanted."""

    def capture(self, ended: Ended, wanted: Wanted) -> None:
        """Capture the page as it stands, if it came and that is wanted of such an end; HTML only of what failed."""
        if self.page.has_document and wanted(ended):
            with self._timed("capture"):
                self.captured, self.missing = capture(self.page, html=isinstance(ended, Code))


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
        with self.timed(name):
            yield

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Time what is done whether or not the errand is cancelled."""
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
    wanted: Wanted = nothing,
) -> TaskOutcome:
    """Do an errand in a fresh context of the browser and say how it went; only unforeseen exceptions come out.

    The page of an end that is ``wanted`` is captured before it goes.
    """
    stages = Stages(cancelled)
    visit: Visit | None = None
    try:
        with ExitStack() as stack:
            with stages.stage("context"):
                visit = Visit(stack.enter_context(browser.context()), stages)
            reading = _captured(visit, errand, wanted)
    except TaskError as error:
        return TaskOutcome(
            error.code,
            error.reading,
            detail=error.detail,
            retry_after_s=error.retry_after_s,
            facts=_facts(browser, visit, stages),
            captured=visit.captured if visit else (),
        )
    return TaskOutcome(None, reading, facts=_facts(browser, visit, stages), captured=visit.captured)


def _captured(
    visit: Visit, errand: Callable[[Visit], ProductReading | CartReading], wanted: Wanted
) -> ProductReading | CartReading:
    """Do an errand and capture how its page looks at the end."""
    try:
        reading = errand(visit)
    except (TaskError, *DRIVER_ERRORS) as error:
        visit.capture(error.code if isinstance(error, TaskError) else driver_error(error).code, wanted)
        raise
    visit.capture(reading, wanted)
    return reading


def _facts(browser: Browser, visit: Visit | None, stages: Stages) -> PageFacts:
    if visit is None:
        return PageFacts(timings_ms=stages.timings_ms, browser=browser.version)
    return PageFacts(
        final_url=visit.page.url,
        http_status=visit.page.status,
        timings_ms=stages.timings_ms,
        browser=browser.version,
        raw=visit.raw,
        evidence=visit.missing,
    )
