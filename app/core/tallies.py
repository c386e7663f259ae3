"""What every process has counted, one row each, so that whoever is asked can tell the sum.

A process writes what it has counted since its start, not what came in addition: sent twice, it counts once. Rows of
processes that are gone are added up in one row, in the transaction that deletes them, and all rows are read by one
statement; so the sum never goes back. What a killed process counted since its last report is lost.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from functools import partial
from typing import Any, Final

from flask import Flask
from sqlalchemy import JSON, delete, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.extensions import db
from app.core.metrics import Counts, add_counts, read_counts
from app.core.orm import Base, Instant, count_changed, database_now, key_text
from app.core.transactions import after_commit, in_transaction

log = logging.getLogger(__name__)

PAST: Final = "past"
"""The row of all processes that are gone."""
IDLE_S: Final = 86_400
REPORT_S: Final = 5.0
_FOLDED_AT_ONCE: Final = 500


class Tally(Base):
    """What one process has counted since its start (``app.core.metrics.Counts``)."""

    __tablename__ = "tally"

    source: Mapped[str] = mapped_column(key_text(128), primary_key=True)
    counts: Mapped[dict[str, Any]] = mapped_column(JSON)
    updated_at: Mapped[Instant] = mapped_column(index=True)


class Reporter:
    """Writes what this process has counted; for one thread."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._source = self._new_source()
        self._base: Counts = {}
        """What is in the row of the past already."""
        self._written: Counts | None = None

    def write(self, session: Session) -> None:
        """Bring this process's row up to date in the open transaction, where there is anything new."""
        source, base = self._source, self._base
        counts = add_counts(read_counts(), base, sign=-1)
        if counts == (self._written or {}):
            return
        now = database_now(session)
        mine = update(Tally).where(Tally.source == source).values(counts=counts, updated_at=now)
        if count_changed(session, mine) == 0:
            if self._written is not None:  # it had nothing to tell for so long that its row was added to the past
                base = add_counts(base, self._written)
                source, counts = self._new_source(), add_counts(counts, self._written, sign=-1)
            session.add(Tally(source=source, counts=counts, updated_at=now))
        after_commit(partial(self._note, source, base, counts))

    def _note(self, source: str, base: Counts, counts: Counts) -> None:
        self._source, self._base, self._written = source, base, counts

    def _new_source(self) -> str:
        return f"{self._kind}:{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(4)}"


@in_transaction
def report(*, reporter: Reporter) -> None:
    """Write what this process has counted."""
    reporter.write(db.session())


@in_transaction
def fold_tallies(*, idle_s: float = IDLE_S) -> int:
    """Add rows that did not change for ``idle_s`` seconds to that of the past; returns how many."""
    session = db.session()
    now = database_now(session)
    past = session.scalar(select(Tally).where(Tally.source == PAST).with_for_update())
    if past is None:
        past = Tally(source=PAST, counts={}, updated_at=now)
        session.add(past)
        session.flush()
    before = database_now(session, plus_s=-idle_s)
    idle = select(Tally).where(Tally.source != PAST, Tally.updated_at < before).limit(_FOLDED_AT_ONCE)
    rows = session.scalars(idle.with_for_update()).all()
    past.counts, past.updated_at = add_counts(past.counts, *(row.counts for row in rows)), now
    session.flush()
    session.execute(delete(Tally).where(Tally.source.in_([row.source for row in rows])))
    return len(rows)


def read_total() -> Counts:
    """What all processes have counted."""
    return add_counts(*db.session.scalars(select(Tally.counts)))


class ProcessReporter:
    """Reports for a process that has no heartbeat, from a thread of its own; ``start`` it after the last fork."""

    def __init__(self, app: Flask, kind: str) -> None:
        self._app = app
        self._kind = kind
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def start(self) -> None:
        """Begin to report, once in each process."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._run, name="tallies", daemon=True)
                self._thread.start()

    def end(self) -> None:
        """Report for the last time; waits a few seconds for that at most."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(REPORT_S)

    def _run(self) -> None:
        reporter = Reporter(self._kind)
        while not self._ended.wait(REPORT_S):
            self._report(reporter)
        self._report(reporter)

    def _report(self, reporter: Reporter) -> None:
        try:
            with self._app.app_context():
                report(reporter=reporter)
        except SQLAlchemyError as error:
            log.warning("what was counted cannot be reported now: %s", error)
        except Exception:
            log.exception("what was counted cannot be reported")
