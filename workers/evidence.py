"""Putting what a visit captured into the store: bounded in time, and never an error of the task.

The files come first, their rows with the attempt's end. A store that is full, slow or away costs a task KEEP_S at most.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import replace
from typing import Final

from cachetools import LRUCache, TTLCache
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app.core.files import FileStore, StorageFull
from app.rpa import metrics
from app.rpa.metrics import Dropped
from app.rpa.queries.evidence import has_room, wants_page
from app.rpa.rules import evidence
from app.rpa.rules.codes import Code
from app.rpa.rules.evidence import Ended, Kept, Why
from app.rpa.rules.readings import Kind, Piece, ProductReading, TaskOutcome
from app.rpa.services.leases import Lease

log = logging.getLogger(__name__)

KEEP_S: Final = 5.0
_KNOWN: Final = 1000
_SUPPLIED_S: Final = 60.0


class Keeper:
    """What one worker keeps; for one thread."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._store: FileStore = app.extensions["evidence"]
        self._full: LRUCache[tuple[int, Code], bool] = LRUCache(_KNOWN)
        """Jobs that have enough of a code."""
        self._supplied: TTLCache[int, bool] = TTLCache(_KNOWN, _SUPPLIED_S)
        """Storefronts that have enough pages that were read well."""
        self._stuck: threading.Thread | None = None

    def wanted(self, lease: Lease, ended: Ended) -> frozenset[Kind]:
        """What of a visit that ended so is worth keeping."""
        if isinstance(ended, Code) and (lease.job_id, ended) in self._full:
            return frozenset()
        why = evidence.reason(ended, baseline=lease.baseline, token=lease.token)
        page = {Kind.HTML} if isinstance(ended, ProductReading) and self._wants_page(lease.storefront_id) else set()
        return evidence.pieces_of(ended, why) | page

    def keep(self, lease: Lease, outcome: TaskOutcome) -> tuple[TaskOutcome, list[Kept]]:
        """Store what was captured within KEEP_S seconds; the outcome without it, which says what could not be kept."""
        light = replace(outcome, captured=())
        ended = evidence.ended_of(outcome)
        why = None if ended is None else evidence.reason(ended, baseline=lease.baseline, token=lease.token)
        reasons = [(piece, _why(piece, ended, why)) for piece in outcome.captured]
        kept = [
            evidence.describe(piece, reason, job_id=lease.job_id, task_id=lease.task_id, number=lease.number)
            for piece, reason in reasons
            if reason is not None
        ]
        pieces = tuple(piece for piece, reason in reasons if reason is not None)
        if not kept:
            return light, []
        try:
            if outcome.code is not None and self._has_enough(lease.job_id, outcome.code):
                metrics.count_dropped(Dropped.ENOUGH, [piece.size for piece in kept])
                return light, []
            self._within(KEEP_S, lambda: self._write(pieces, kept))
        except Exception as error:  # noqa: BLE001  # every store has errors of its own, and none is the task's
            log.warning("evidence could not be kept: %s: %s", type(error).__name__, error)
            metrics.count_dropped(Dropped.NOT_STORED, [piece.size for piece in kept])
            said = f"could not be kept: {_reason_of(error)}"
            return replace(light, facts=replace(light.facts, evidence=said)), []
        return light, kept

    def put(self, path: str, content: bytes) -> str | None:
        """Store a file within KEEP_S seconds; why it could not be kept, where it could not."""

        def write() -> None:
            self._store.require_room(len(content))
            with self._store.writing(path) as target:
                target.write(content)

        try:
            self._within(KEEP_S, write)
        except Exception as error:  # noqa: BLE001  # every store has errors of its own
            log.warning("%s could not be kept: %s: %s", path, type(error).__name__, error)
            return f"could not be kept: {_reason_of(error)}"
        return None

    def _wants_page(self, storefront_id: int) -> bool:
        """Whether the page of a visit that went well is kept; who has enough is looked up once a minute."""
        if storefront_id in self._supplied:
            return False
        try:
            with self._app.app_context():
                wants = wants_page(storefront_id)
        except SQLAlchemyError:  # a visit is not worth less because of it
            wants = False
        if not wants:
            self._supplied[storefront_id] = True
        return wants

    def _has_enough(self, job_id: int, code: Code) -> bool:
        with self._app.app_context():
            enough = not has_room(job_id, code)
        if enough:
            self._full[job_id, code] = True
        return enough

    def _write(self, pieces: tuple[Piece, ...], kept: list[Kept]) -> None:
        self._store.require_room(sum(piece.size for piece in kept))
        for piece, row in zip(pieces, kept, strict=True):
            with self._store.writing(row.path) as target:
                target.write(piece.content)

    def _within(self, seconds: float, work: Callable[[], None]) -> None:
        """Do some work beside this thread and wait for it; what does not end in time is left alone, one at a time."""
        if self._stuck is not None and self._stuck.is_alive():
            raise TimeoutError
        done: Future[None] = Future()
        # In a copy of our context, so that lines of the log name the task there, too.
        run = copy_context().run
        thread = threading.Thread(target=run, args=(_settle, done, work), name="evidence", daemon=True)
        thread.start()
        try:
            done.result(seconds)
        except TimeoutError:
            self._stuck = thread
            raise


def _why(piece: Piece, ended: Ended | None, why: Why | None) -> Why | None:
    """Why a piece is kept: the HTML of what went well is for replays."""
    return Why.PAGE if piece.kind is Kind.HTML and isinstance(ended, ProductReading) else why


def _settle(done: Future[None], work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException as error:  # noqa: BLE001  # told to who waits
        done.set_exception(error)
    else:
        done.set_result(None)


def _reason_of(error: Exception) -> str:
    """Why, in a sentence that tells nothing of where the store is."""
    if isinstance(error, TimeoutError):
        return "the store does not answer in time"
    if isinstance(error, SQLAlchemyError):
        return "the database does not answer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) if isinstance(error, StorageFull) else type(error).__name__
