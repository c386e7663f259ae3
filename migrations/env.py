"""Runs migrations on the application's own engine; ``flask db upgrade``, ``flask db migrate -m ...``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final, Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import mysql

from app.core.extensions import db
from app.core.orm import WRITE, BigId, JsonText, LongText, UtcDateTime

APP: Final = Path(__file__).resolve().parent.parent / "app"


def load_models() -> None:
    """Import every module that defines tables, so that the metadata is whole."""
    for module in ("audit", "idempotency", "outbox", "schedule"):
        importlib.import_module(f"app.core.{module}")
    for path in sorted([*APP.glob("*/models.py"), *APP.glob("*/models/[a-z]*.py")]):
        importlib.import_module(".".join(path.relative_to(APP.parent).with_suffix("").parts))


def render_item(kind: str, item: Any, _autogen: AutogenContext) -> str | Literal[False]:
    """Write our column kinds by their names, which script.py.mako imports; everything else as Alembic does."""
    if kind != "type":
        return False
    if isinstance(item, UtcDateTime):
        return "UtcDateTime()"
    if isinstance(item, JsonText):
        return "LongText"
    for name, own in (("BigId", BigId), ("LongText", LongText)):
        if item is own:
            return name
    variant = getattr(item, "_variant_mapping", {}).get("mysql")
    if isinstance(item, sa.String) and getattr(variant, "collation", None) == "utf8mb4_bin":
        return f"key_text({item.length})"
    return False


def compare_type(
    migration: MigrationContext, _inspected: Any, _column: Any, inspected_type: Any, metadata_type: Any
) -> bool | None:
    """Whether a column's type differs; None leaves it to Alembic.

    MariaDB keeps JSON as LONGTEXT, and bytes of a length below 256 as TINYBLOB. SQLite keeps no text to a length, so
    columns stay as they are there when it changes.
    """
    if isinstance(metadata_type, sa.JSON) and isinstance(inspected_type, mysql.LONGTEXT):
        return False
    if migration.dialect.name == "sqlite" and isinstance(inspected_type, sa.VARCHAR):
        return False if isinstance(metadata_type, sa.String) and not isinstance(metadata_type, sa.Text) else None
    if isinstance(metadata_type, JsonText) and isinstance(inspected_type, sa.Text):
        return False
    if isinstance(metadata_type, sa.LargeBinary) and isinstance(inspected_type, mysql.TINYBLOB):
        return bool((metadata_type.length or 256) > 255)
    return None


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Leave out the full text indexes and tables, which every database has of its own; their migration makes them."""
    return not (kind in {"table", "index"} and name is not None and name.startswith("fts_"))


def tidy(_context: MigrationContext, _revision: Any, directives: list[Any]) -> None:
    """Write no file when models and database agree; drop tables without dropping their indexes first.

    MariaDB refuses to drop an index that a foreign key uses, and takes them all with the table anyhow.
    """
    script = directives[0]
    if getattr(context.config.cmd_opts, "autogenerate", False) and script.upgrade_ops.is_empty():
        directives[:] = []
        return
    dropped = {step.table_name for step in script.downgrade_ops.ops if isinstance(step, ops.DropTableOp)}
    script.downgrade_ops.ops = [
        step
        for step in script.downgrade_ops.ops
        if not (isinstance(step, ops.ModifyTableOps) and step.table_name in dropped)
    ]


def migrate_offline() -> None:
    """Print the SQL instead of running it (``--sql``)."""
    context.configure(
        dialect_name=db.engine.dialect.name,
        target_metadata=db.metadata,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def migrate_online() -> None:
    """Run the migrations in one transaction, where the database can do that."""
    with db.engine.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            # before BEGIN, else it does nothing; rebuilding a table would delete the rows that refer to it
            _on_driver(connection, "PRAGMA foreign_keys=OFF")
        context.configure(
            connection=connection.execution_options(**{WRITE: True}),
            target_metadata=db.metadata,
            compare_type=compare_type,
            render_item=render_item,
            include_name=include_name,
            render_as_batch=True,
            process_revision_directives=tidy,
        )
        try:
            with context.begin_transaction():
                context.run_migrations()
                if sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise RuntimeError("the migration left rows that refer to rows that do not exist")
        finally:
            if sqlite:
                connection.rollback()  # the check has begun a transaction, in which the pragma would do nothing
                _on_driver(connection, "PRAGMA foreign_keys=ON")


def _on_driver(connection: sa.Connection, statement: str) -> None:
    driver = connection.connection.dbapi_connection
    if driver is not None:
        driver.cursor().execute(statement)


load_models()
if context.is_offline_mode():
    migrate_offline()
else:
    migrate_online()
