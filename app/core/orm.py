"""Column kinds, named once; the base of every model; the clock and the engines of the three databases."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, cast

import orjson
from sqlalchemy import (
    JSON,
    BigInteger,
    CursorResult,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UpdateBase,
    event,
    literal_column,
    text,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

WRITE: Final = "cartwright_write"
"""Execution option of a connection that will write: SQLite then takes its lock at BEGIN, not in the middle."""


_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # as drivers give instants
_EPOCH_IN_UTC: Final = _EPOCH.replace(tzinfo=UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant in UTC with microseconds; refuses naive datetimes."""

    impl = DateTime
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """What pagination asks for, to read a cursor."""
        return datetime

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH_IN_UTC + (value - _EPOCH)  # a fifth of what replace() takes


def key_text(length: int) -> String:
    """Text that is a key (email, ASIN, token): compared byte by byte on every database.

    MySQL's default collation says that é equals e, which in a password reset is an account takeover. What even this one
    ignores there is trailing spaces: trim keys before they get here.
    """
    binary = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return String(length).with_variant(binary, "mysql", "mariadb")


class JsonText(TypeDecorator[Any]):
    """JSON as text in one spelling (sorted keys): two values are equal where their texts are, on every database.

    Reads that only pass it on take the text as it is stored.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(mysql.LONGTEXT() if dialect.name in {"mysql", "mariadb"} else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else orjson.loads(value)

    def compare_values(self, x: Any, y: Any) -> bool:
        """Whether nothing is to be written: to Python ``{"a": 1}`` and ``{"a": true}`` are the same."""
        return json_text(x) == json_text(y)


def json_text(value: Any) -> str:
    """A JSON value as ``JsonText`` stores it."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


BigId: Final = BigInteger().with_variant(Integer, "sqlite")
LongText: Final = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")

PrimaryKey = Annotated[int, mapped_column(BigId, primary_key=True, autoincrement=True)]
Instant = Annotated[datetime, mapped_column(UtcDateTime)]
ShortText = Annotated[str, mapped_column(String(255))]
Document = Annotated[dict[str, Any], mapped_column(JSON)]


class Base(DeclarativeBase):
    """Base of every model; constraints get the same names on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def table_of(model: type[Base]) -> Table:
    """The plain table of a model, for statements that have nothing of the ORM about them."""
    return cast("Table", model.__table__)


@event.listens_for(Table, "before_create")
def _give_no_number_twice(table: Table, connection: Any, **_options: Any) -> None:
    """Let SQLite, like the others, never give the number of a deleted row to a new one: histories refer to it."""
    column = table.autoincrement_column
    if connection.dialect.name == "sqlite" and column is not None and not column.foreign_keys:
        table.dialect_options["sqlite"]["autoincrement"] = True


def utc_now() -> datetime:
    """This machine's clock, aware and in UTC; only the edges (requests, commands, worker loops) read it."""
    return datetime.now(UTC)


class Timestamps:
    """When a row was made and last changed."""

    created_at: Mapped[Instant] = mapped_column(default=utc_now)
    updated_at: Mapped[Instant] = mapped_column(default=utc_now, onupdate=utc_now)


class Attributed:
    """Who caused a row: the principal and the request it came with."""

    actor_kind: Mapped[str] = mapped_column(key_text(8))
    actor_id: Mapped[int | None] = mapped_column(BigId)
    request_id: Mapped[str | None] = mapped_column(key_text(64))


_CLOCK: Final = {
    "sqlite": "SELECT utc_clock(0)",
    "mysql": "SELECT CAST(UTC_TIMESTAMP(6) AS CHAR)",
    "postgresql": "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
}


def _utc_clock(plus_s: int) -> str:
    """SQLite's clock has milliseconds only: what this process notes as now would not be over yet by it."""
    return (utc_now() + timedelta(seconds=plus_s)).strftime("%Y-%m-%d %H:%M:%S.%f")


def database_now(session: Session, *, plus_s: float = 0) -> datetime:
    """The database's clock, plus some seconds: the one clock that leases, holds and locks of all machines share."""
    dialect = session.get_bind().dialect.name
    shown = session.connection().exec_driver_sql(_CLOCK["mysql" if dialect == "mariadb" else dialect]).scalar_one()
    return datetime.fromisoformat(shown).replace(tzinfo=UTC) + timedelta(seconds=plus_s)


class clock(FunctionElement[datetime]):  # noqa: N801  # in statements it stands like a function
    """The same clock inside of a statement, plus some whole seconds."""

    inherit_cache = True
    type = UtcDateTime()

    def __init__(self, plus_s: int = 0) -> None:
        super().__init__(literal_column(str(int(plus_s))))


@compiles(clock, "sqlite")
def _clock_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"utc_clock({compiler.process(element.clauses, **kwargs)})"


@compiles(clock, "mysql", "mariadb")
def _clock_mysql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"(UTC_TIMESTAMP(6) + INTERVAL {compiler.process(element.clauses, **kwargs)} SECOND)"


@compiles(clock, "postgresql")
def _clock_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    seconds = compiler.process(element.clauses, **kwargs)
    return f"(clock_timestamp() AT TIME ZONE 'UTC' + INTERVAL '{seconds} seconds')"


IDLE_S: Final = 1.0

_MYSQL_SESSION: Final = (
    "SET time_zone = '+00:00', sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
)
"""Refuse what does not fit instead of cutting it, whatever the server's default is."""


def engine_options(url: str) -> dict[str, Any]:
    """Options of ``create_engine`` for a database URL: READ COMMITTED and time limits; SQLite has neither.

    Errors never show the values of a statement, which may be somebody's address or the hash of a secret.
    """
    if url.startswith("sqlite"):
        return {"hide_parameters": True, "connect_args": {"timeout": 15, "check_same_thread": False}}
    connect: dict[str, Any] = {"connect_timeout": 10}
    if url.startswith("mysql"):
        connect |= {"read_timeout": 60, "write_timeout": 60, "init_command": _MYSQL_SESSION}
        connect |= {"charset": "utf8mb4"}
    else:
        connect |= {"options": "-c timezone=UTC -c statement_timeout=60000"}
    options = {"isolation_level": "READ COMMITTED", "hide_parameters": True, "pool_recycle": 1800}
    options |= {"pool_reset_on_return": None}  # prepare_engine does it
    return options | {"connect_args": connect}


def prepare_engine(engine: Engine) -> None:
    """Give SQLite what the others have: foreign keys, readers beside a writer, and a write lock taken at BEGIN.

    Of the others, have a connection that was idle for IDLE_S asked whether it is still there before it is used.
    """
    if engine.dialect.name != "sqlite":
        _check_idle(engine)
        _reset_what_is_open(engine)
        return

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.create_function("utc_clock", 1, _utc_clock, deterministic=True)  # asked once in a statement
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=15000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        write = connection.get_execution_options().get(WRITE)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _check_idle(engine: Engine) -> None:
    """Do what ``pool_pre_ping`` does, but not for a connection that answered a moment ago.

    The question costs as much as reading a record. Where one does not answer, all that were open then are given up.
    """

    @event.listens_for(engine, "checkin")
    def _on_checkin(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is None or time.monotonic() - idle_since < IDLE_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error


def _reset_what_is_open(engine: Engine) -> None:
    """Roll back what a connection has open when it is given back; after a commit that would be a question for nothing.

    A COMMIT that fails leaves nothing open, either: the server has undone it, or the connection is lost.
    """

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.info["is_done"] = False

    @event.listens_for(engine, "commit")
    @event.listens_for(engine, "rollback")
    def _on_end(connection: Any) -> None:
        if not connection.invalidated:  # of one that is lost nothing is noted; asked for it, it would raise
            connection.info["is_done"] = True

    @event.listens_for(engine, "reset")
    def _on_reset(connection: Any, record: Any, state: Any) -> None:
        if not (state.terminate_only or (record is not None and record.info.get("is_done"))):
            connection.rollback()


def count_changed(session: Session, statement: UpdateBase, parameters: dict[str, Any] | None = None) -> int:
    """Run an UPDATE or DELETE straight on the database and say how many rows it met: the compare-and-set."""
    result = session.execute(statement.execution_options(synchronize_session=False), parameters)
    return cast("CursorResult[Any]", result).rowcount


def ping(session: Session) -> None:
    """Raise unless the database answers."""
    session.execute(text("SELECT 1"))
