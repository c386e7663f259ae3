"""A process that dies, or is failed by those it depends on, at a place that is counted beforehand.

Places are: after every SQL statement, before and after every COMMIT, before and after every request to the provider. A
process that has died says nothing more to anybody: every later statement of it is refused, and its connections are
closed with what they had open, as the kernel does it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
import pymysql
import sqlalchemy as sa
from sqlalchemy import event

from app.core.errors import NotReachable
from app.core.extensions import db
from app.core.orm import WRITE

MEANWHILE_S: Final = 60.0
_NO_PLACES: Final = ("BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE")


class Killed(BaseException):
    """The process died; nothing may catch it."""


class Fault(StrEnum):
    """What happens at the place."""

    KILL = "kill"
    """The process is gone."""
    LOSE = "lose"
    """The connection to the database, or the provider's answer, is lost; the process goes on."""
    DEADLOCK = "deadlock"
    """The database gives the transaction up in favour of another one."""


class Place(StrEnum):
    """Where something can happen."""

    READ = "after read"
    """Outside of a write's transaction."""
    STATEMENT = "after statement"
    COMMIT = "before commit"
    COMMITTED = "after commit"
    CALL = "before call"
    CALLED = "after call"


POSSIBLE: Final[dict[Fault, frozenset[Place]]] = {
    Fault.KILL: frozenset(Place),
    Fault.LOSE: frozenset(Place),
    Fault.DEADLOCK: frozenset({Place.STATEMENT, Place.COMMIT}),
}


@dataclass
class Process:
    """Counts the places that it comes to, and at the one with the number ``at`` the fault happens; None: nowhere.

    With ``meanwhile`` no fault happens there: it is what somebody else does while this process stands there.
    """

    at: int | None = None
    fault: Fault = Fault.KILL
    meanwhile: Callable[[], object] | None = None
    is_dead: bool = False
    is_standing: bool = False
    came_by: list[tuple[Place, str]] = field(default_factory=list)

    def reached(self, place: Place, what: str) -> bool:
        """Note the place; True where the fault is to happen, Killed where that is the end."""
        if self.is_standing:
            return False
        self.refuse_if_dead()
        self.came_by.append((place, what))
        if self.at != len(self.came_by) - 1:
            return False
        if self.meanwhile is not None:
            self.is_standing = True
            with ThreadPoolExecutor(1) as somebody_else:  # in contexts of their own
                somebody_else.submit(self.meanwhile).result(MEANWHILE_S)
            self.is_standing = False
            return False
        if self.fault == Fault.KILL:
            self.is_dead = True
            raise Killed(f"{place}: {what}")
        return True

    @property
    def is_reached(self) -> bool:
        """Whether the fault has happened."""
        return self.at is not None and self.at < len(self.came_by)

    @property
    def where(self) -> str:
        """The place at which the fault happened."""
        if self.at is None or not self.is_reached:
            return "nowhere"
        place, what = self.came_by[self.at]
        return f"{place} {what} (place {self.at} of this scenario)"

    def refuse_if_dead(self) -> None:
        """What is dead does nothing more."""
        if self.is_dead:
            raise Killed("it was dead already")

    @contextlib.contextmanager
    def running(self, engine: sa.Engine) -> Iterator[None]:
        """Everything that this thread says to the database in this block comes by here."""

        def before(*_arguments: Any) -> None:
            self.refuse_if_dead()

        def after(connection: sa.Connection, _cursor: Any, statement: str, *_others: Any) -> None:
            if statement.startswith(_NO_PLACES):
                return
            is_write = connection.get_execution_options().get(WRITE)
            with _undone_unless_reached(connection, self.fault):
                if self.reached(Place.STATEMENT if is_write else Place.READ, _short(statement)):
                    raise _error(connection.dialect.name, self.fault)

        dialect: Any = engine.dialect
        commit = dialect.do_commit

        def do_commit(dbapi_connection: Any) -> None:
            if self.reached(Place.COMMIT, "COMMIT"):
                dbapi_connection.rollback()  # as the server does
                raise _error(dialect.name, self.fault)
            commit(dbapi_connection)
            if self.reached(Place.COMMITTED, "COMMIT"):
                raise _error(dialect.name, self.fault)

        event.listen(engine, "before_cursor_execute", before)
        event.listen(engine, "after_cursor_execute", after)
        dialect.do_commit = do_commit
        try:
            yield
        finally:
            del dialect.do_commit
            event.remove(engine, "before_cursor_execute", before)
            event.remove(engine, "after_cursor_execute", after)

    def calling(self, fetch: Callable[..., Any]) -> Callable[..., Any]:
        """What sends requests to the provider, by way of here."""

        def called(method: str, url: str, **options: Any) -> Any:
            what = f"{method} {urlsplit(url).path}"
            if db.session().in_transaction():
                raise AssertionError(f"{what}: a transaction is open while the provider is asked")
            if self.reached(Place.CALL, what):
                raise NotReachable("It was not sent.")
            answer = fetch(method, url, **options)
            if self.reached(Place.CALLED, what):
                raise NotReachable("The answer was lost.")
            return answer

        return called


@contextlib.contextmanager
def _undone_unless_reached(connection: sa.Connection, fault: Fault) -> Iterator[None]:
    """Undo at once what a process that dies has open; SQLite would wait for the garbage collector."""
    try:
        yield
    except BaseException:
        dbapi_connection: Any = connection.connection.dbapi_connection
        dbapi_connection.rollback()
        if fault == Fault.LOSE and connection.dialect.name != "sqlite":
            connection.invalidate()
        raise


def _error(dialect: str, fault: Fault) -> Exception:
    """What the driver raises for it."""
    is_lost = fault == Fault.LOSE
    if dialect == "sqlite":
        error = sqlite3.OperationalError("disk I/O error" if is_lost else "database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR if is_lost else sqlite3.SQLITE_BUSY
        return error
    if dialect == "postgresql":
        return psycopg.OperationalError("lost") if is_lost else psycopg.errors.DeadlockDetected("deadlock detected")
    said = (2013, "Lost connection") if is_lost else (1213, "Deadlock found")
    raised: Exception = pymysql.err.OperationalError(*said)
    return raised


def _short(statement: str) -> str:
    return " ".join(statement.split())[:60]
