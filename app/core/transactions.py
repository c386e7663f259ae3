"""One use case, one transaction: the only place that commits."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Final, Generic, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core.extensions import db
from app.core.orm import WRITE

P = ParamSpec("P")
R = TypeVar("R")

ATTEMPTS: Final = 6
_MYSQL_RETRY: Final = {1213, 1205, 1020}
_MYSQL_NO_SAVEPOINT: Final = 1305
_POSTGRES_RETRY: Final = {"40001", "40P01", "55P03"}
_SQLITE_BUSY: Final = 5

log = logging.getLogger(__name__)


class NestedTransaction(RuntimeError):
    """A write service was called inside another one by accident; say ``service.joined(...)`` where it is meant."""


class NoTransaction(RuntimeError):
    """Something that must share a transaction was called outside of one."""


@dataclass(slots=True)
class _Running:
    after_commit: list[Callable[[], object]] = field(default_factory=list)
    connection: Connection | None = None


class Transactional(Generic[P, R]):
    """A write service: called, it is one whole transaction; ``joined`` runs it inside the one that is open."""

    def __init__(self, service: Callable[P, R]) -> None:
        self._service = service
        wraps(service)(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        session = db.session()
        if "transaction" in session.info:
            raise NestedTransaction(self._service.__qualname__)
        prepares = session.info.pop("next_commit", [])
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._once(session, prepares, *args, **kwargs)
            except DBAPIError as error:
                if attempt == ATTEMPTS or not is_retryable(error):
                    raise
                log.info("transaction repeated", extra={"service": self._service.__qualname__, "attempt": attempt})
                time.sleep(random.uniform(0.5, 1.5) * 0.01 * 2**attempt)
        raise AssertionError("unreachable")

    def aside(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run as a whole transaction that is not the work of the request, such as noting why it is refused."""
        info = db.session().info
        prepares = info.pop("next_commit", None)
        try:
            return self(*args, **kwargs)
        finally:
            if prepares is not None:
                info["next_commit"] = prepares

    def tried(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run as the work of the request; where it raises, the next one that runs is that instead."""
        info = db.session().info
        prepares = info.get("next_commit")
        try:
            return self(*args, **kwargs)
        except BaseException:
            if prepares is not None:
                info["next_commit"] = prepares
            raise

    def joined(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run as a part of the transaction that is open; raises NoTransaction when none is."""
        _running()
        return self._service(*args, **kwargs)

    def _once(self, session: Session, prepares: list[Callable[[R], None]], *args: P.args, **kwargs: P.kwargs) -> R:
        session.rollback()
        session.expire_all()
        running = session.info["transaction"] = _Running()
        try:
            running.connection = session.connection(execution_options={WRITE: True})
            result = self._service(*args, **kwargs)
            session.flush()
            for prepare in prepares:
                prepare(result)
            session.commit()
        except BaseException:
            session.rollback()
            raise
        finally:
            del session.info["transaction"]
        for effect in running.after_commit:
            _attempt(effect)
        return result


def in_transaction(service: Callable[P, R]) -> Transactional[P, R]:
    """Make a keyword-only function a write service.

    It ends any open read, starts a fresh transaction (BEGIN IMMEDIATE on SQLite, READ COMMITTED elsewhere), commits,
    and runs the whole function again after a deadlock, a lock timeout or a busy database; so the function must do
    nothing outside the database except through ``after_commit``.
    """
    return Transactional(service)


def connection() -> Connection:
    """The connection of the open transaction, for statements that are not the session's affair; it flushes nothing."""
    found = _running().connection
    if found is None:
        raise NoTransaction("this must happen inside a write service")
    return found


def after_commit(effect: Callable[[], object]) -> None:
    """Do ``effect`` once the open transaction has committed, never when it fails; errors in it are only logged."""
    _running().after_commit.append(effect)


@contextmanager
def before_next_commit(prepare: Callable[[Any], None]) -> Iterator[None]:
    """Call ``prepare`` with the result of the first write service that runs in this block, inside its transaction."""
    info = db.session().info
    info["next_commit"] = [prepare]
    try:
        yield
    finally:
        info.pop("next_commit", None)


def is_retryable(error: DBAPIError) -> bool:
    """Whether the whole transaction may simply be run again: deadlock, lock timeout, snapshot conflict, busy."""
    original: Any = error.orig
    if getattr(original, "sqlite_errorcode", None) is not None:
        return bool(original.sqlite_errorcode & 0xFF == _SQLITE_BUSY)
    # MySQL drivers may have a sqlstate as well, but a lock timeout's is only "general error"
    number = next(iter(getattr(original, "args", ())), None)
    if number == _MYSQL_NO_SAVEPOINT:  # a deadlock takes the savepoint with it, whose rollback then hides the deadlock
        hidden = getattr(original, "__context__", None)
        return isinstance(hidden, DBAPIError) and is_retryable(hidden)
    return number in _MYSQL_RETRY or getattr(original, "sqlstate", None) in _POSTGRES_RETRY


def _running() -> _Running:
    try:
        running: _Running = db.session().info["transaction"]
    except KeyError:
        raise NoTransaction("this must happen inside a write service") from None
    return running


def _attempt(effect: Callable[[], object]) -> None:
    try:
        effect()
    except Exception:
        log.exception("an effect after commit failed; the outbox repeats it")
