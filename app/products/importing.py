"""Importing a file from the command line: the same operation that the API makes, done by the command itself."""

from __future__ import annotations

import os

from app.core.files import FileStore, file_store
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.running import settings
from app.operations.foreground import finish
from app.operations.services.imports.decisions import UPLOAD
from app.products.services.imports import decisions as imports


def import_path(path: str, *, run: bool, create_categories: bool, encoding: str | None, delimiter: str | None) -> int:
    """Import a file of this machine; returns the number of the operation, which is as far as it gets by itself."""
    store, folder = file_store(), FileStore.new_folder("operations")
    size = os.path.getsize(path)
    store.require_room(size)
    store.keep(path, f"{folder}/{UPLOAD}")
    operation_id = imports.create_import(
        actor=system(),
        now=utc_now(),
        folder=folder,
        filename=os.path.basename(path)[-200:],
        size=size,
        limit=max(size, settings().files.max_upload_mb * 1024 * 1024),
        run=run,
        create_categories=create_categories,
        encoding=encoding,
        delimiter=delimiter,
        ring=False,
    ).id
    finish(operation_id)
    return operation_id
