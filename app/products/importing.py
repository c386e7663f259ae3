"""Importing a file from the command line: the same operation that the API makes, done by the command itself."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Iterator

from flask import Flask
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.core.extensions import db
from app.core.files import FileStore, file_store
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.running import settings
from app.operations.models import AT_WORK, Operation, OperationState
from app.operations.queries import find_writer, get_operation
from app.operations.services import operations
from app.operations.services.leases import OperationBusy
from app.operations.services.running import run_operation
from app.products.kinds import CATALOGUE
from app.products.services.imports import decisions as imports

_LOOK_S = 0.5


def import_path(path: str, *, run: bool, create_categories: bool, encoding: str | None, delimiter: str | None) -> int:
    """Import a file of this machine; returns the number of the operation, which is as far as it gets by itself."""
    store, folder = file_store(), FileStore.new_folder("operations")
    size = os.path.getsize(path)
    store.require_room(size)
    store.keep(path, f"{folder}/{imports.UPLOAD}")
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
    try:
        _work(operation_id)
    except KeyboardInterrupt:
        operations.cancel_operation(actor=system(), now=utc_now(), operation_id=operation_id)
        raise
    return operation_id


@contextlib.contextmanager
def progress_bar(app: Flask, console: Console) -> Iterator[None]:
    """Show how far the newest operation is while the block runs; nothing where nobody looks."""
    if not console.is_terminal:
        yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    over = threading.Event()
    with Progress(*columns, console=console, transient=True) as bar:
        watcher = threading.Thread(target=_watch, args=(app, bar, over), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def _work(operation_id: int) -> None:
    """Do slices until nothing is left to do; background workers may do some of them."""
    while True:
        operation = get_operation(operation_id)
        state, slice_no = operation.state, operation.slice_no
        waits = state == OperationState.QUEUED and find_writer(CATALOGUE) is not None
        db.session.rollback()
        if state not in AT_WORK:
            return
        if waits:
            time.sleep(_LOOK_S)
            continue
        try:
            run_operation(operation_id=operation_id, slice_no=slice_no, slice_s=math.inf)
        except OperationBusy:
            time.sleep(_LOOK_S)


def _watch(app: Flask, bar: Progress, over: threading.Event) -> None:
    task = bar.add_task("", total=None)
    with app.app_context():
        while not over.wait(_LOOK_S):
            newest = db.session.query(Operation).order_by(Operation.id.desc()).first()
            if newest is not None:
                bar.update(
                    task, description=newest.state.lower(), completed=newest.done_count, total=newest.total_count
                )
            db.session.rollback()
