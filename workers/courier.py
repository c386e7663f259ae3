"""Sending webhooks, beside the work of a background worker: a receiver that is slow must not hold up mails or imports.

One thread asks the database what is due and notes what came of it; others only wait for receivers. It asks again and
again and is not rung for, so that a write that has something to tell costs no message.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from flask import Flask

from app.config import Settings
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.vault import UnreadableSecret
from app.notifications.queries.webhooks import MAX_WEBHOOKS
from app.notifications.services import delivering
from app.notifications.services.sending import DEADLINE_S, Outcome, Parcel, attempt

log = logging.getLogger(__name__)

POLL_S: Final = 0.5
AT_ONCE: Final = 4
"""Requests to one webhook; while it fails, one."""
SPARE: Final = 30
"""Requests beside the first one to each webhook, which has a place of its own whatever the others do."""
NOTE_S: Final = 0.2
"""How long what went well may wait to be noted with more, and how often leases are looked after."""
AVOID_S: Final = 60.0
RENEW_S: Final = delivering.LEASE_S / 4
_FAILURE_PAUSE_S: Final = 2.0


@dataclass(slots=True)
class Lane:
    """What is under way to one webhook."""

    webhook_id: int
    waiting: deque[Parcel] = field(default_factory=deque)
    under_way: dict[Future[Outcome], Parcel] = field(default_factory=dict)
    done: list[Outcome] = field(default_factory=list)
    """What has come back and is not noted yet."""
    noted_at: float = field(default_factory=time.monotonic)
    at_once: int = 1
    """One, until that went well."""
    is_open: bool = True
    """Whether more may be sent at once."""


class Courier:
    """Sends what is due; ``start`` lets it run in a thread of its own, ``end`` lets what is under way finish."""

    def __init__(self, app: Flask, settings: Settings, *, deadline_s: float = DEADLINE_S) -> None:
        self._app = app
        self._send = partial(attempt, private=settings.private_targets, deadline_s=deadline_s)
        self._deadline_s = deadline_s
        self._token = secrets.token_hex(16)
        self._lanes: dict[int, Lane] = {}
        self._renewed_at = time.monotonic()
        self._looked_at = self._checked_at = float("-inf")
        self._avoided: dict[int, float] = {}
        """Until when not to serve webhooks of which something cannot be read."""
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(MAX_WEBHOOKS + SPARE, thread_name_prefix="courier")
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way or waits for it."""
        return bool(self._lanes)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def end(self) -> None:
        """Begin nothing new, note what comes of what is under way, and give the leases back."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(self._deadline_s + 5)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        with self._app.app_context():
            while not self._stopped.is_set():
                self._attempted_turn()
            self._finish()
            db.session.remove()

    def _attempted_turn(self) -> None:
        try:
            self.turn()
        except Exception:
            log.exception("webhooks could not be sent; the courier goes on")
            db.session.rollback()
            self._stopped.wait(_FAILURE_PAUSE_S)

    def turn(self, *, now: datetime | None = None) -> None:
        """Note what has come back, send what is due, and wait a moment for what is under way.

        ``now`` replaces the database's clock.
        """
        now = now or delivering.clock()
        self._keep_leases(now)
        self._take_new(now)
        for lane in list(self._lanes.values()):
            self._settle(lane, now)
            self._refill(lane, now)
            self._dispatch(lane)
        under_way = self._under_way()
        if under_way:
            wait(under_way, timeout=POLL_S, return_when=FIRST_COMPLETED)
        else:
            self._stopped.wait(POLL_S)

    def _under_way(self) -> list[Future[Outcome]]:
        return [future for lane in self._lanes.values() for future in lane.under_way]

    def _settle(self, lane: Lane, now: datetime, *, at_once: bool = False) -> None:
        """Note what has come back: several together while all is well, and at once what failed."""
        for future in [future for future in lane.under_way if future.done()]:
            lane.done.append(_outcome(future, lane.under_way.pop(future)))
        is_enough = len(lane.done) >= delivering.BATCH or time.monotonic() - lane.noted_at > NOTE_S
        if not lane.done or not (at_once or is_enough or not lane.waiting or not _all_well(lane.done)):
            return
        goes_on = delivering.settle(webhook_id=lane.webhook_id, token=self._token, outcomes=lane.done, now=now)
        lane.done, lane.noted_at = [], time.monotonic()
        lane.is_open = lane.is_open and goes_on
        lane.at_once = AT_ONCE  # a lane that does not go on ends, and the next one begins with one again

    def _keep_leases(self, now: datetime) -> None:
        """Send nothing more where the lease was lost or taken away by a change of the webhook."""
        if not self._lanes or time.monotonic() - self._checked_at < NOTE_S:
            return
        self._checked_at = time.monotonic()
        if time.monotonic() - self._renewed_at > RENEW_S:
            held = delivering.renew(webhook_ids=list(self._lanes), token=self._token, now=now)
            self._renewed_at = time.monotonic()
        else:
            held = delivering.still_held(list(self._lanes), token=self._token)
        for lane in self._lanes.values():
            lane.is_open = lane.is_open and lane.webhook_id in held

    def _take_new(self, now: datetime) -> None:
        if time.monotonic() - self._looked_at < POLL_S:
            return
        self._looked_at = time.monotonic()
        for webhook_id in delivering.find_due(now=now):
            is_free = webhook_id not in self._lanes and self._avoided.get(webhook_id, 0) < time.monotonic()
            if is_free and delivering.take(webhook_id=webhook_id, token=self._token, now=now):
                self._lanes[webhook_id] = Lane(webhook_id)

    def _refill(self, lane: Lane, now: datetime) -> None:
        """Read what is due once all that was read is sent; give the lease back when there is nothing more."""
        if not lane.is_open:
            lane.waiting.clear()
        elif not lane.waiting:
            lane.waiting.extend(self._read(lane, now))
        if not lane.waiting and not lane.under_way:
            del self._lanes[lane.webhook_id]
            delivering.release(webhook_id=lane.webhook_id, token=self._token)

    def _read(self, lane: Lane, now: datetime) -> list[Parcel]:
        besides = [parcel.delivery_id for parcel in lane.under_way.values()]
        try:
            return delivering.due_parcels(lane.webhook_id, token=self._token, besides=besides, now=now)
        except UnreadableSecret as error:
            log.error("webhook %d is not served for a minute: %s", lane.webhook_id, error)  # noqa: TRY400
            db.session.rollback()
            self._avoided[lane.webhook_id] = time.monotonic() + AVOID_S
            lane.is_open = False
            return []

    def _dispatch(self, lane: Lane) -> None:
        while lane.waiting and len(lane.under_way) < lane.at_once:
            if lane.under_way and self._beside_the_first() >= SPARE:
                return
            parcel = lane.waiting.popleft()
            lane.under_way[self._pool.submit(self._send, parcel, now=utc_now())] = parcel

    def _beside_the_first(self) -> int:
        return sum(max(0, len(lane.under_way) - 1) for lane in self._lanes.values())

    def _finish(self) -> None:
        wait(self._under_way(), timeout=self._deadline_s + 1)
        try:
            now = delivering.clock()
            for lane in self._lanes.values():
                self._settle(lane, now, at_once=True)
                delivering.release(webhook_id=lane.webhook_id, token=self._token)
        except Exception:
            log.exception("what was sent could not be noted; it is sent again")


def _outcome(future: Future[Outcome], parcel: Parcel) -> Outcome:
    """What came of an attempt; a mistake of our own counts as its failure, so that it is not repeated for ever."""
    try:
        return future.result()
    except Exception as error:
        log.exception("delivery %d could not be sent", parcel.delivery_id)
        return Outcome(parcel, utc_now(), 0, error=f"It could not be sent: {type(error).__name__}.")


def _all_well(outcomes: list[Outcome]) -> bool:
    return all(outcome.is_success for outcome in outcomes)
