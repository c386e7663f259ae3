"""A catalogue of a million products to measure on, built once and kept.

    python -m bench.catalogue --database mariadb --products 1000000

Names and descriptions have words by Zipf's law, products brands and categories likewise: some hold a fifth of all,
most hold hardly any. It stands in the folder BENCH_DIR (default: ``cartwright-bench`` below the system's folder for
temporary files), one per database and size; migrations that were added since are run when it is opened.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import logging
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import flask_migrate
import psycopg
import pymysql
from sqlalchemy import make_url

from app import create_base
from bench.rows import TABLES, Row
from tests.servers import make_settings, mariadb_server, postgresql_server

LONG: Final = 1_000_000
SHORT: Final = 100_000
FORMAT: Final = 1
"""Raised when the rows change, so that a catalogue of before is built anew."""
_MARIADB: Final = (
    "--innodb-buffer-pool-size=512M",
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-log-file-size=256M",
    "--max-connections=300",
)
_POSTGRESQL: Final = ("shared_buffers=512MB", "fsync=on", "max_wal_size=4GB")
_CHUNK: Final = 20_000


@dataclass(frozen=True)
class Catalogue:
    """A filled database that answers at ``url`` as long as its block is open."""

    kind: str
    url: str
    products: int
    folder: Path


@contextlib.contextmanager
def catalogue(kind: str = "mariadb", products: int = LONG) -> Iterator[Catalogue]:
    """The catalogue of that size in that database (``mariadb``, ``sqlite`` or ``postgresql``), built if need be."""
    folder = Path(os.environ.get("BENCH_DIR") or Path(tempfile.gettempdir()) / "cartwright-bench")
    folder = folder.absolute() / f"{kind}-{products}-{FORMAT}"
    folder.mkdir(parents=True, exist_ok=True)
    for part in (folder, *folder.parents):  # the servers may be other users
        if part.owner() == folder.owner() and part != Path(part.anchor):
            part.chmod(part.stat().st_mode | 0o011)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"{folder} is in use; name another folder by BENCH_DIR") from None
        filled = folder / "filled"
        if not filled.exists():
            for left in ("mariadb", "postgresql"):
                shutil.rmtree(folder / left, ignore_errors=True)
            for left in folder.glob("catalogue.db*"):
                left.unlink()
        with _server(kind, folder) as url:
            _migrate(url)
            if not filled.exists():
                _FILL[kind](url, products)
                filled.touch()
            yield Catalogue(kind, url, products, folder)


@contextlib.contextmanager
def _server(kind: str, folder: Path) -> Iterator[str]:
    if kind == "mariadb":
        with mariadb_server(folder, options=_MARIADB, stop_signal="TERM") as url:
            yield url
    elif kind == "postgresql":
        with postgresql_server(folder, options=_POSTGRESQL) as url:
            yield url
    else:
        yield f"sqlite:///{folder}/catalogue.db"


def _migrate(url: str) -> None:
    app = create_base(make_settings(url, "unix:///nowhere"))
    logging.disable(logging.INFO)
    with app.app_context():
        flask_migrate.upgrade()
        from app.core.extensions import db

        db.session.remove()
        db.engine.dispose()


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _lines(rows: list[Row]) -> str:
    """Rows as LOAD DATA and COPY read them; our values have neither tabs nor backslashes."""
    return "".join(["\t".join(["\\N" if value is None else str(value) for value in row]) + "\n" for row in rows])


def _fill_mariadb(url: str, products: int) -> None:
    socket = make_url(url).query["unix_socket"]
    connect: dict[str, Any] = {"unix_socket": socket, "user": "root", "database": "cartwright", "local_infile": True}
    with contextlib.closing(pymysql.connect(**connect)) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION unique_checks = 0, foreign_key_checks = 0")
        cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 0")
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "rows"
            for table, columns, rows in TABLES:
                names = ", ".join(f"`{name}`" for name in columns)
                for chunk in _chunks(rows(products)):
                    file.write_text(_lines(chunk), encoding="utf-8")
                    cursor.execute(
                        f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE {table} CHARACTER SET utf8mb4 ({names})"
                    )
                    cursor.execute("SHOW WARNINGS")
                    if warnings := cursor.fetchall():
                        raise SystemExit(f"{table}: {warnings[0]}")
                    connection.commit()
        for table, _, _ in TABLES:
            cursor.execute(f"ANALYZE TABLE {table}")
        cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")


def _fill_sqlite(url: str, products: int) -> None:
    with contextlib.closing(sqlite3.connect(make_url(url).database or "")) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-400000")
        for table, columns, rows in TABLES:
            marks = ", ".join("?" * len(columns))
            for chunk in _chunks(rows(products)):
                connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", chunk)
            connection.commit()
        connection.execute("ANALYZE")
        connection.commit()


def _fill_postgresql(url: str, products: int) -> None:
    query = make_url(url).query
    with psycopg.connect(host=str(query["host"]), user="cartwright", dbname="postgres") as connection:
        for table, columns, rows in TABLES:
            with connection.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:  # type: ignore[arg-type]  # our own names
                for chunk in _chunks(rows(products)):
                    copy.write(_lines(chunk))
            if "id" in columns:
                connection.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"  # type: ignore[arg-type]  # likewise
                )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")


_FILL: Final[dict[str, Callable[[str, int], None]]] = {
    "mariadb": _fill_mariadb,
    "sqlite": _fill_sqlite,
    "postgresql": _fill_postgresql,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=sorted(_FILL), default="mariadb")
    parser.add_argument("--products", type=int, default=LONG)
    parser.add_argument("--keep-open", action="store_true", help="leave the server running until Ctrl-C")
    chosen = parser.parse_args()
    began = time.monotonic()
    with catalogue(chosen.database, chosen.products) as found:
        print(f"{found.products:,} products in {found.folder} after {time.monotonic() - began:.1f} s: {found.url}")
        if chosen.keep_open:
            with contextlib.suppress(KeyboardInterrupt):
                while True:
                    time.sleep(3600)


if __name__ == "__main__":
    main()
