"""Groups of the command line that say what is wrong around them in a line, without a traceback."""

from __future__ import annotations

from typing import Any, Final

import click
from flask.cli import AppGroup
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, OperationalError

_NOT_THERE: Final = {"42S02", "42S22", "42P01", "42703"}
"""SQLSTATE of no such table and no such column: of MariaDB and MySQL, of PostgreSQL."""
_SQLITE_NOT_THERE: Final = ("no such table", "no such column")
_SQLITE_UNUSABLE: Final = ("unable to open", "database is locked", "attempt to write a readonly", "disk I/O")


class CommandGroup(AppGroup):
    """Commands that end with 1 and a line where the database or Redis is not to be had, or was not migrated.

    Anything else that is raised is a fault of ours, and keeps its traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Do the command; raises ClickException instead of what the database or Redis says of themselves."""
        try:
            return super().invoke(ctx)
        except DBAPIError as error:
            said = _said(error)
            if said is None:
                raise
            raise said from error
        except RedisError as error:
            raise click.ClickException(f"Redis cannot be used: {_first_line(error)}") from error


def _said(error: DBAPIError) -> click.ClickException | None:
    why = _first_line(error.orig)
    if _is_not_there(error.orig):
        return click.ClickException(f"{why}. The database is not prepared for this version: flask db upgrade")
    if isinstance(error, OperationalError) and _is_surroundings(error.orig):
        return click.ClickException(f"The database cannot be used: {why}")
    return None


def _is_not_there(error: BaseException | None) -> bool:
    return getattr(error, "sqlstate", None) in _NOT_THERE or str(error).startswith(_SQLITE_NOT_THERE)


def _is_surroundings(error: BaseException | None) -> bool:
    return not type(error).__module__.startswith("sqlite3") or str(error).startswith(_SQLITE_UNUSABLE)


def _first_line(error: BaseException | None) -> str:
    lines = (str(error.args[-1]) if error and error.args else "").strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
