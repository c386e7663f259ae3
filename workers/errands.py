"""Running one task: claim it, send the browser, record what came of it."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from flask import Flask
from sqlalchemy.exc import InterfaceError, OperationalError

from app.config import Farm, Settings
from app.core.extensions import db
from app.rpa import metrics
from app.rpa.models.jobs import Action
from app.rpa.queries.claims import find_released
from app.rpa.rules.codes import Code
from app.rpa.rules.evidence import Kept
from app.rpa.rules.readings import TaskOutcome
from app.rpa.rules.supply import patience_s
from app.rpa.services import leases, outcomes, robots
from workers.actions.add_to_cart import Wish, add_to_cart
from workers.actions.view_product import view_product
from workers.chrome.browser import Browser
from workers.chrome.contexts import Contexts
from workers.chrome.settings import MEBIBYTE, BrowserSettings, RecyclingLimits
from workers.chrome.shelf import Browsers, Key
from workers.duty import Duty
from workers.errors import TaskError
from workers.evidence import Keeper
from workers.pulse import Pulse, Stop, Watch

log = logging.getLogger(__name__)

_STOPPED: Final = {Stop.CANCELLED: Code.CANCELLED, Stop.TIMEOUT: Code.TASK_TIMEOUT}
_RECORD_AGAIN_S: Final = 1.0
_UNRECORDABLE: Final = "The result could not be recorded"


class Errands:
    """What one worker does with task messages; it owns the worker's browsers."""

    def __init__(self, app: Flask, farm: Farm, browsers: Browsers, pulse: Pulse, worker_id: int, duty: Duty) -> None:
        self._app = app
        self._farm = farm
        self._browsers = browsers
        self._pulse = pulse
        self._worker_id = worker_id
        self._duty = duty
        self._keeper = Keeper(app)

    def run_task(self, task_id: int, release_no: int) -> None:
        """Do a released task, or give it back while the worker is drained; an old or doubled message changes nothing.

        Every line of the log names the task meanwhile, and its job as soon as that is known.
        """
        with structlog.contextvars.bound_contextvars(task_id=task_id):
            with self._app.app_context():
                if not self._duty.takes_tasks:
                    leases.return_task(task_id=task_id, release_no=release_no)
                    return
                known = find_released(db.session.connection(), task_id)
                lease = leases.claim_task(
                    task_id=task_id,
                    release_no=release_no,
                    worker_id=self._worker_id,
                    lease_s=self._farm.lease_s,
                    known=known,
                    verdict=robots.judge_task(known),
                    patience_s=patience_s(self._farm.dispatch_s),
                )
                claimed_at = time.monotonic()
            if lease is not None:
                with structlog.contextvars.bound_contextvars(job_id=lease.job_id):
                    self._run(lease, claimed_at + lease.wait_s)

    def _run(self, lease: leases.Lease, begins_at: float) -> None:
        self._duty.began()
        limits = lease.profile.timeouts
        limit_s = limits.view_task_s if lease.action is Action.VIEW_PRODUCT else limits.cart_task_s
        with self._pulse.watching(lease, limit_s=limit_s) as watch:
            outcome, kept = self._keeper.keep(lease, self._visit(lease, watch, begins_at))
        metrics.observe(lease.action, {stage: ms / 1000 for stage, ms in outcome.facts.timings_ms.items()})
        if watch.stop is Stop.LEASE_LOST and outcome.code is not None:
            log.warning("the lease was lost; the errand was broken off")
            return
        began_at = time.monotonic()
        recorded = self._record(lease, outcome, kept, until=watch.lease_ends_at)
        metrics.observe(lease.action, {"record": time.monotonic() - began_at})
        if recorded:
            self._duty.ended(outcome.code)
        log.info("%s %s: %s%s", lease.action, lease.asin, outcome.code or "ok", "" if recorded else " (dropped)")

    def _record(self, lease: leases.Lease, outcome: TaskOutcome, kept: list[Kept], *, until: float) -> bool:
        """Record what came of an errand; False when somebody else has the task.

        A database that is away is asked again until the lease ends (``until``, on the monotonic clock). A result that
        it does not take ends the attempt as INTERNAL, so that the task does not come back as that of a lost worker.
        """
        while True:
            try:
                with self._app.app_context():
                    return outcomes.finish_task(lease=lease, outcome=outcome, kept=kept)
            except (OperationalError, InterfaceError) as error:
                if time.monotonic() + _RECORD_AGAIN_S > until:
                    raise
                log.warning("the result cannot be recorded now and is sent again: %s", error.orig)
                time.sleep(_RECORD_AGAIN_S)
            except Exception as error:
                if outcome.detail.startswith(_UNRECORDABLE):
                    raise
                log.exception("the result cannot be recorded")
                outcome = TaskOutcome(Code.INTERNAL, detail=f"{_UNRECORDABLE}: {type(error).__name__}.")
                kept = []

    def _visit(self, lease: leases.Lease, watch: Watch, begins_at: float) -> TaskOutcome:
        """Send the browser when the storefront's pace lets it: at ``begins_at`` on the monotonic clock."""
        if lease.verdict.code is not None:
            return TaskOutcome(lease.verdict.code, detail=lease.verdict.detail)
        time.sleep(max(0.0, begins_at - time.monotonic()))
        try:
            outcome = self._sent(lease, watch)
        except TaskError as error:
            outcome = TaskOutcome(
                error.code, detail=error.detail, retry_after_s=error.retry_after_s, counts=error.counts
            )
        except Exception as error:
            log.exception("an error of our own")
            outcome = TaskOutcome(Code.INTERNAL, detail=f"{type(error).__name__}: {error}")
        if watch.stop in _STOPPED and outcome.code is not None:
            return TaskOutcome(_STOPPED[watch.stop], detail=f"Stopped: {watch.stop}.", facts=outcome.facts)
        return outcome

    def _sent(self, lease: leases.Lease, watch: Watch) -> TaskOutcome:
        """Send a browser: of its own for a cart, which is filled by clicks, and for a page that lost one before."""
        views = lease.action is Action.VIEW_PRODUCT
        key = Key(lease.storefront_id, lease.storefront_version, lease.profile.draws or not views)
        if views and not lease.is_alone:
            with self._browsers.lend(key, lease.profile) as contexts:
                return self._view(contexts, lease, watch)
        with self._browsers.own(key, lease.profile) as browser:
            visit = self._view if views else self._fill_cart
            return visit(browser, lease, watch)

    def _view(self, browser: Contexts, lease: leases.Lease, watch: Watch) -> TaskOutcome:
        watch.kill = browser.kill
        wanted = partial(self._keeper.wanted, lease)
        return view_product(browser, lease.profile, lease.asin, cancelled=watch.is_stopped, wanted=wanted)

    def _fill_cart(self, browser: Browser, lease: leases.Lease, watch: Watch) -> TaskOutcome:
        watch.kill = browser.kill
        wish, wanted = Wish(quantity=lease.quantity, options=lease.options), partial(self._keeper.wanted, lease)
        return add_to_cart(browser, lease.profile, lease.asin, wish=wish, cancelled=watch.is_stopped, wanted=wanted)


def recycling_limits(settings: Settings) -> RecyclingLimits:
    """When browsers are replaced, as the application's settings want it."""
    browsers = settings.browsers
    return RecyclingLimits(contexts=browsers.max_contexts, memory_bytes=browsers.max_memory_mb * MEBIBYTE)


def browser_settings(settings: Settings, root: Path, run_as: str | None) -> BrowserSettings:
    """What a browser must be told of the application's settings; ``run_as`` is None without root."""
    browsers = settings.browsers
    return BrowserSettings(
        chrome_shell=Path(browsers.shell),
        chrome_full=Path(browsers.full),
        chromedriver=Path(browsers.driver),
        root=root,
        run_as=run_as,
        no_sandbox=browsers.no_sandbox,
        private_targets=settings.private_targets,
        contact=settings.farm.contact,
    )
