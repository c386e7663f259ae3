"""Running one trial: claim it, send a browser of its own, record what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from flask import Flask

from app.config import Farm
from app.rpa.models.trials import TrialKind
from app.rpa.profiles.addresses import read_addresses
from app.rpa.profiles.profile import Profile
from app.rpa.queries.replays import KeptPage, kept_pages, read_page
from app.rpa.rules import retrying
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Kind, TaskOutcome
from app.rpa.rules.robots import State, origin_of, read_rules, unread_code
from app.rpa.rules.trials import screenshot_of
from app.rpa.services import robots, trials
from app.rpa.services.robots_reading import read_robots
from app.rpa.services.trials import TrialLease
from workers.actions.replay_pages import nowhere, replay_pages
from workers.actions.suggest_profile import suggest_profile, visiting_profile
from workers.actions.try_profile import try_profile
from workers.chrome.browser import Browser
from workers.chrome.settings import BrowserSettings
from workers.duty import Duty
from workers.errors import TaskError
from workers.evidence import Keeper
from workers.pulse import Pulse, Stop, Watch

log = logging.getLogger(__name__)

_GAP_S: Final = 2.0
_LONGEST_GAP_S: Final = 60.0
"""Between the two pages of a suggestion: the shop's pace is not known, but what its robots.txt wants."""
_LIMIT_S: Final = 150.0
"""For a suggestion (two pages, each looked at a few times) and for a replay."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a trial ended."""

    code: Code | None
    detail: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    has_screenshot: bool = False
    pause_s: float = 0


class Trials:
    """What one worker does with messages of trials. Each has a browser of its own that ends with it."""

    def __init__(
        self, app: Flask, farm: Farm, browsers: BrowserSettings, pulse: Pulse, worker_id: int | None, duty: Duty
    ) -> None:
        self._app = app
        self._farm = farm
        self._browsers = browsers
        self._pulse = pulse
        self._worker_id = worker_id
        self._duty = duty
        self._keeper = Keeper(app)
        self._kinds: Final[dict[TrialKind, Callable[[TrialLease, Watch], _Ended]]] = {
            TrialKind.TRY: self._try,
            TrialKind.SUGGEST: self._suggest,
            TrialKind.REPLAY: self._replay,
        }

    def run_trial(self, trial_id: int) -> None:
        """Do a waiting trial; an old or doubled message changes nothing."""
        with structlog.contextvars.bound_contextvars(trial_id=trial_id):
            self._run(trial_id)

    def _run(self, trial_id: int) -> None:
        if not self._duty.takes_tasks:
            return  # the dispatcher rings again, and another worker hears it
        with self._app.app_context():
            lease = trials.claim_trial(trial_id=trial_id, worker_id=self._worker_id, lease_s=self._farm.lease_s)
        if lease is None:
            return
        with self._pulse.watching(lease, limit_s=_limit_s(lease)) as watch:
            ended = self._done(lease, watch)
        with self._app.app_context():
            recorded = trials.finish_trial(
                lease=lease, code=ended.code, detail=ended.detail, result=ended.result or None,
                has_screenshot=ended.has_screenshot, pause_s=ended.pause_s,
            )  # fmt: skip
        log.info("%s: %s%s", lease.kind, ended.code or "ok", "" if recorded else " (dropped)")

    def _done(self, lease: TrialLease, watch: Watch) -> _Ended:
        try:
            ended = self._kinds[lease.kind](lease, watch)
        except TaskError as error:
            ended = _Ended(error.code, error.detail)
        except Exception as error:
            log.exception("an error of our own")
            ended = _Ended(Code.INTERNAL, f"{type(error).__name__} in the worker; its log has more.")
        if watch.stop is Stop.TIMEOUT and ended.code is not None:
            return _Ended(Code.TASK_TIMEOUT, f"Stopped after {_limit_s(lease):g} s.", ended.result)
        return ended

    def _try(self, lease: TrialLease, watch: Watch) -> _Ended:
        profile = Profile.from_document(lease.asks["profile"])
        self._ask_robots(lease, profile)
        browser = Browser(self._browsers, profile)
        watch.kill = browser.kill
        try:
            outcome, fields = try_profile(browser, profile, lease.asks["asin"], cancelled=watch.is_stopped)
        finally:
            browser.close()
        result = {
            "fields": fields,
            "final_url": outcome.facts.final_url,
            "http_status": outcome.facts.http_status,
            "timings_ms": outcome.facts.timings_ms,
            "browser": outcome.facts.browser,
        }
        missing = self._keep_picture(lease, outcome)
        return _Ended(
            outcome.code, outcome.detail, result | {"screenshot_missing": missing}, missing is None,
            _pause_s(outcome, profile),
        )  # fmt: skip

    def _ask_robots(self, lease: TrialLease, profile: Profile) -> None:
        """Raise TaskError where the shop's robots.txt denies the page, or says nothing because it cannot be read."""
        if lease.storefront_id is None:
            return
        urls = [profile.product_url(lease.asks["asin"])]
        with self._app.app_context():
            verdict = robots.judge_pages(storefront_id=lease.storefront_id, profile=profile, urls=urls)
        if verdict.code is not None:
            raise TaskError(verdict.code, verdict.detail)
        if verdict.wait_until is not None:
            why = f"The shop's robots.txt cannot be read now, so nothing is visited. {verdict.detail}"
            raise TaskError(verdict.unread, why.rstrip())

    def _suggest(self, lease: TrialLease, watch: Watch) -> _Ended:
        urls = lease.asks["urls"]
        address = read_addresses(urls)
        profile = visiting_profile(address)
        with self._app.app_context():
            gap_s = _ask_robots_of(urls, profile)
        browser = Browser(self._browsers, profile)
        watch.kill = browser.kill
        try:
            result = suggest_profile(browser, address, urls, gap_s=gap_s, cancelled=watch.is_stopped)
        finally:
            browser.close()
        return _Ended(None, result=result)

    def _replay(self, lease: TrialLease, watch: Watch) -> _Ended:
        before, after = (Profile.from_document(one["profile"]) for one in (lease.asks["against"], lease.asks))
        with self._app.app_context():
            kept = [] if lease.storefront_id is None else kept_pages(lease.storefront_id)
            pages = [(page, document) for page in kept if (document := _document(page)) is not None]
        browser = Browser(self._browsers, nowhere(before))
        watch.kill = browser.kill
        try:
            result = replay_pages(browser, before, after, pages, cancelled=watch.is_stopped)
        finally:
            browser.close()
        if watch.stop is not None:
            return _Ended(Code.TASK_TIMEOUT, "Not all pages were read in time.", result)
        return _Ended(None, result=result)

    def _keep_picture(self, lease: TrialLease, outcome: TaskOutcome) -> str | None:
        """Store the screenshot; why there is none, where there is none."""
        for piece in outcome.captured:
            if piece.kind is Kind.SCREENSHOT:
                return self._keeper.put(screenshot_of(lease.trial_id), piece.content)
        return outcome.facts.evidence or "there was no page to show"


def _ask_robots_of(urls: Sequence[str], profile: Profile) -> float:
    """Seconds to leave between two pages of a shop that is no storefront yet; TaskError where it denies one of them."""
    reading = read_robots(origin_of(urls[0]), profile.allowed_hosts)
    if reading.state is State.REFUSED:
        raise TaskError(Code.ADDRESS_REFUSED, reading.problem or "")
    if reading.state is None:
        problem = reading.problem or ""
        raise TaskError(unread_code(reading.status, problem), f"The shop's robots.txt cannot be read. {problem}")
    rules = read_rules(reading.body or "")
    if not all(rules.allows(url) for url in urls):
        raise TaskError(Code.ROBOTS_DENIED, "The shop's robots.txt denies the page.")
    return min(max(_GAP_S, rules.delay_ms / 1000), _LONGEST_GAP_S)


def _document(page: KeptPage) -> bytes | None:
    """The kept document; None where it is gone or cannot be read."""
    try:
        return read_page(page)
    except Exception:
        log.exception("evidence %d cannot be replayed", page.evidence_id)
        return None


def _limit_s(lease: TrialLease) -> float:
    if lease.kind is not TrialKind.TRY:
        return _LIMIT_S
    return Profile.from_document(lease.asks["profile"]).timeouts.view_task_s


def _pause_s(outcome: TaskOutcome, profile: Profile) -> float:
    """How long the shop wants to be left alone, as after a task."""
    if outcome.code is None:
        return 0
    spent = retrying.Spent(0, 0, 0)
    return retrying.decide(outcome.code, spent, profile.retry, retry_after_s=outcome.retry_after_s).storefront_pause_s
