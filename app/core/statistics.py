"""Telling the database how large its tables have become."""

from __future__ import annotations

import logging
from typing import Final

from app.core.extensions import db

log = logging.getLogger(__name__)

_FINE: Final = "OK"


def refresh_statistics() -> int:
    """Have MariaDB or MySQL look how large its tables are; returns how many it looked at, none on other databases.

    They plan by what a table was like when it was opened, and keep tables open for as long as they run. Where they were
    empty then, joins begin at the wrong end: reading 1,400 of 100,000 attempts took 160 ms before and 25 ms after this,
    1.4 s of a million. It samples a few pages of each index, 2 ms a table, and keeps nobody waiting (all this measured
    on MariaDB 10.11). PostgreSQL does so by itself; SQLite has no such numbers unless somebody asks for them.
    """
    if db.engine.dialect.name != "mysql":
        return 0
    quoted = db.engine.dialect.identifier_preparer.quote
    names = [quoted(table.name) for table in db.metadata.sorted_tables]
    with db.engine.connect() as connection:
        # where operators have MariaDB keep more about tables than this, it would read all of them
        is_mariadb = getattr(connection.dialect, "is_mariadb", False)
        only = "SET STATEMENT use_stat_tables = 'never' FOR " if is_mariadb else ""
        told = connection.exec_driver_sql(f"{only}ANALYZE NO_WRITE_TO_BINLOG TABLE {', '.join(names)}").all()
    for table, _, kind, text in told:
        if text != _FINE:
            log.warning("%s of %s: %s", kind, table, text)
    return len(names)
