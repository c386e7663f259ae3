"""What tests of imports and exports share: sending a file, and doing what a background worker would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from app.core.extensions import db
from app.core.files import FileStore, file_store
from app.core.orm import utc_now
from app.core.permissions import system
from app.operations.models import AT_WORK, Operation
from app.operations.services.running import run_operation
from app.products.services.imports import decisions as imports

IMPORTS = "/api/v1/imports"
EXPORTS = "/api/v1/exports"
OPERATIONS = "/api/v1/operations"
HEADER = "asin,name,price\n"

Upload = Callable[..., TestResponse]
Import = Callable[..., dict[str, Any]]


def row_of(app: Flask, operation_id: int) -> dict[str, Any]:
    """The row of an operation."""
    with app.app_context():
        found = db.session.get(Operation, operation_id, populate_existing=True)
        assert found is not None
        return {column.key: getattr(found, column.key) for column in Operation.__table__.columns}


def work(app: Flask, operation_id: int, *, slice_s: float = 1e9, slices: int = 1000) -> str:
    """Do what background workers would do about an operation until nothing is left; its state then."""
    for _ in range(slices):
        row = row_of(app, operation_id)
        if row["state"] not in AT_WORK:
            break
        with app.app_context():
            run_operation(operation_id=operation_id, slice_no=row["slice_no"], slice_s=slice_s)
    state: str = row_of(app, operation_id)["state"]
    return state


def begin(app: Flask, text: str | bytes, *, name: str = "products.csv", **options: Any) -> int:
    """An import of this file, not begun; its number."""
    content = text.encode() if isinstance(text, str) else text
    with app.app_context():
        folder = FileStore.new_folder("operations")
        with file_store().writing(f"{folder}/upload") as upload:
            upload.write(content)
        made = imports.create_import(
            actor=system(), now=utc_now(), folder=folder, filename=name, size=len(content), limit=2**20, **options
        )
        return made.id
