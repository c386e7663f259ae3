"""MariaDB is told how large tables have become; the others need not be."""

from __future__ import annotations

from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import text

from app.core.extensions import db
from app.core.statistics import refresh_statistics
from tests.servers import DATABASES

LONG_AGO = datetime(2001, 1, 1)  # noqa: DTZ001  # MariaDB keeps it without a time zone
AGE = text("UPDATE mysql.innodb_table_stats SET last_update = :at WHERE database_name = DATABASE()")
AGED = text("SELECT table_name FROM mysql.innodb_table_stats WHERE database_name = DATABASE() AND last_update = :at")


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_all_tables_are_looked_at_and_none_complains(context: Flask, caplog: pytest.LogCaptureFixture) -> None:
    db.session.execute(AGE, {"at": LONG_AGO})
    db.session.commit()
    aged = set(db.session.scalars(AGED, {"at": LONG_AGO}))
    db.session.rollback()
    assert {"task", "attempt", "product", "sale"} <= aged
    assert refresh_statistics() == len(db.metadata.tables)
    assert set(db.session.scalars(AGED, {"at": LONG_AGO})) <= {"alembic_version"}
    assert caplog.records == []


@pytest.mark.parametrize("database", [kind for kind in DATABASES if kind != "mariadb"], indirect=True)
def test_other_databases_look_for_themselves(context: Flask) -> None:
    assert refresh_statistics() == 0
