"""Fifty rows where there was one: copies of everything in the database, made without the product's own writes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Column, Table, UniqueConstraint

from app.core.extensions import db

_STEP: Final = 100
"""Between the number of a row and those of its copies."""


def multiply(count: int, *, but: str | None = None) -> None:
    """Copy every row ``count`` times; copies belong to copies of what the row belonged to.

    Those of the table ``but`` are not copied: what belongs to one of them, so do its copies.
    """
    with db.engine.begin() as connection:
        existing = set(sa.inspect(connection).get_table_names())
        for table in db.metadata.sorted_tables:
            if table.name in existing and table.name != but:
                rows = connection.execute(sa.select(table).order_by(*table.primary_key.columns)).mappings().all()
                copies = [_copy(table, dict(row), turn, but) for row in rows for turn in range(1, count + 1)]
                for copy in copies:
                    if copy is not None:
                        connection.execute(table.insert(), copy)


def _copy(table: Table, row: dict[str, Any], turn: int, but: str | None) -> dict[str, Any] | None:
    """One copy of a row; None where it could not be told from the row itself."""
    moved = {column.name for column in table.columns if _is_moved(column, but) and row[column.name] is not None}
    copy = {column.name: row[column.name] for column in table.columns if column.computed is None}
    copy |= {name: row[name] + turn * _STEP for name in moved}
    for names in _unique(table):
        if moved.isdisjoint(names) and None not in {copy[name] for name in names}:
            name = next((name for name in names if not table.columns[name].foreign_keys), None)
            if name is None:
                return None
            copy[name] = _varied(copy[name], turn)
    return copy


def _is_moved(column: Column[Any], but: str | None) -> bool:
    if column.foreign_keys:
        return all(key.column.table.name != but for key in column.foreign_keys)
    return column.primary_key and column.name == "id"


def _unique(table: Table) -> list[list[str]]:
    """The columns of everything that must be unique in a table."""
    found = [[column.name for column in table.primary_key.columns]]
    found += [list(each.columns.keys()) for each in table.constraints if isinstance(each, UniqueConstraint)]
    found += [[column.name for column in index.columns] for index in table.indexes if index.unique]
    return found


def _varied(value: Any, turn: int) -> Any:
    if isinstance(value, bytes):
        return bytes([turn]) + value[1:]
    if isinstance(value, datetime):
        return value + timedelta(hours=turn)
    if isinstance(value, date):
        return value + timedelta(days=turn)
    return chr(0x4E00 + turn) + value[1:] if isinstance(value, str) else value + turn * _STEP
