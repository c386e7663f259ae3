"""Reads that hand on what the database says: rows without objects, texts that are ready to be sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, Label, Text, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import String

from app.core.extensions import db


@contextmanager
def reading() -> Iterator[Connection]:
    """A connection that sees all that is committed by now; inside a write service it is the one of its transaction."""
    if db.session.registry.has():
        session = db.session()
        if "transaction" in session.info:
            yield session.connection()
            return
        session.rollback()  # what it has read is as old as its transaction, and one connection a request is enough
    with db.engine.connect() as connection:
        yield connection


class instant_text(FunctionElement[str]):  # noqa: N801  # in statements it stands like a function
    """An instant as JSON carries it (``utc_text``), written by the database."""

    type = String()
    inherit_cache = True


@compiles(instant_text, "sqlite")
def _instant_text_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"replace({compiler.process(element.clauses, **kwargs)}, ' ', 'T') || 'Z'"


@compiles(instant_text, "mysql", "mariadb")
def _instant_text_mysql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"DATE_FORMAT({compiler.process(element.clauses, **kwargs)}, '%%Y-%%m-%%dT%%H:%%i:%%s.%%fZ')"


@compiles(instant_text, "postgresql")
def _instant_text_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"""to_char({compiler.process(element.clauses, **kwargs)}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


class plain(FunctionElement[Any]):  # noqa: N801  # likewise
    """A column that is only compared: SQLite looks for no index of it, where it would choose the wrong one."""

    inherit_cache = True

    def __init__(self, column: Any) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(plain)
def _plain(element: Any, compiler: Any, **kwargs: Any) -> str:
    text: str = compiler.process(element.clauses, **kwargs)
    return text


@compiles(plain, "sqlite")
def _plain_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"+{compiler.process(element.clauses, **kwargs)}"


def raw_json(column: Any) -> Label[Any]:
    """A ``JsonText`` column as the text that it is stored as, by its own name; the fields of kind Json know it."""
    return type_coerce(column, Text()).label(column.key)


def instant(column: Any) -> ColumnElement[str]:
    """A column of instants as texts, by its own name."""
    return instant_text(column).label(column.key)
