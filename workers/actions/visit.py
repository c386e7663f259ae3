"""What all errands share: a fresh context, a clock for their stages, an outcome whatever happens, and its evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from app.rpa.rules.codes import Code
from app.rpa.rules.evidence import Ended
from app.rpa.rules.readings import CartReading, Kind, PageFacts, Piece, ProductReading, TaskOutcome
from workers.actions.capturing import capture
from workers.chrome.contexts import Contexts
from workers.chrome.driver_errors import DRIVER_ERRORS, driver_error
from workers.chrome.page import Page
from workers.errors import TaskError

Wanted = Callable[[Ended], Collection[Kind]]
"""What is to be captured of a visit that ended so."""


def nothing(_ended: Ended) -> frozenset[Kind]:
    """Of no visit anything."""
    return frozenset()


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
        """Capture of the page as it stands, if it came, what is wanted of such an end."""
        if self.page.has_document and (kinds := wanted(ended)):
            with self._timed("capture"):
                self.captured, self.missing = capture(self.page, kinds)


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
    browser: Contexts,
    errand: Callable[[Visit], ProductReading | CartReading],
    *,
    cancelled: Callable[[], bool],
    wanted: Wanted = nothing,
) -> TaskOutcome:
    """Do an errand in a fresh context of the browser and say how it went; only unforeseen exceptions come out.

    What is ``wanted`` of the page of such an end is captured before it goes.
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
            missing=error.missing,
            facts=_facts(browser, visit, stages),
            captured=visit.captured if visit else (),
            counts=error.counts,
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


def _facts(browser: Contexts, visit: Visit | None, stages: Stages) -> PageFacts:
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
