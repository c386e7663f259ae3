"""Reads that may take the database too long, and are given up then."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Select, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import CompoundSelect

from app.core.extensions import db

MOST_S: Final = 2.0
_STEPS: Final = 20_000
"""Of SQLite's machine, between two looks at the clock."""
_WORDS: Final = re.compile(r"'[^']*'|`[^`]*`|[()]|\bSELECT\b", re.IGNORECASE)
_MYSQL_OVER: Final = {1969, 3024}
_POSTGRES_OVER: Final = "57014"
_SQLITE_INTERRUPTED: Final = 9


class TakesTooLong(Exception):
    """The database was stopped because its time was over."""


def rows_within(
    statement: Select[Any] | CompoundSelect[Any], values: Mapping[str, Any], *, most_s: float | None = None
) -> Sequence[Any]:
    """The rows of a read that may last so many seconds, MOST_S by itself; raises TakesTooLong."""
    connection = db.session.connection()
    most_s = MOST_S if most_s is None else most_s
    try:
        with _limited(connection, most_s):
            return connection.execute(statement, values).all()
    except DBAPIError as error:
        db.session.rollback()
        if _is_over(error):
            raise TakesTooLong from error
        raise


@contextmanager
def _limited(connection: Connection, most_s: float) -> Iterator[None]:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(most_s * 1000)}")
        yield
        connection.exec_driver_sql("SET LOCAL statement_timeout TO DEFAULT")
    elif connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        until = time.monotonic() + most_s
        driver.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        try:
            yield
        finally:
            driver.set_progress_handler(None, 0)
    elif getattr(connection.dialect, "is_mariadb", False):
        with _reworded(connection, lambda read: f"SET STATEMENT max_statement_time={most_s:g} FOR {read}"):
            yield
    else:
        with _reworded(connection, lambda read: hinted(read, most_s)):
            yield


@contextmanager
def _reworded(connection: Connection, change: Callable[[str], str]) -> Iterator[None]:
    """Tell MariaDB and MySQL within the statement itself, which costs no further one."""

    def reworded(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        return change(statement), parameters

    event.listen(connection, "before_cursor_execute", reworded, retval=True)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", reworded)


def hinted(read: str, most_s: float) -> str:
    """A read as MySQL is told how many seconds it may last: all of it, by its first SELECT that is in no brackets.

    A union has it in its first part, a read of common table expressions behind them (MySQL 8.4 Reference Manual,
    10.9.3, "Statement Execution Time Optimizer Hints"). Raises ValueError for what is no read.
    """
    depth = 0
    for found in _WORDS.finditer(read):
        word = found.group()
        if word in "()":
            depth += 1 if word == "(" else -1
        elif depth == 0 and word.upper() == "SELECT":
            return f"{read[: found.end()]} /*+ MAX_EXECUTION_TIME({max(1, int(most_s * 1000))}) */{read[found.end() :]}"
    raise ValueError(read)


def _is_over(error: DBAPIError) -> bool:
    original: Any = error.orig
    if getattr(original, "sqlite_errorcode", None) == _SQLITE_INTERRUPTED:
        return True
    number = next(iter(getattr(original, "args", ())), None)
    return number in _MYSQL_OVER or getattr(original, "sqlstate", None) == _POSTGRES_OVER
