"""Doing an operation in the foreground: what a command does instead of waiting for background workers."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from typing import Final

from flask import Flask
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.operations.kinds import KINDS
from app.operations.models import AT_WORK, Operation, OperationState
from app.operations.queries import find_writer, get_operation
from app.operations.services import operations
from app.operations.services.leases import OperationBusy
from app.operations.services.running import run_operation

_LOOK_S: Final = 0.5


def finish(operation_id: int) -> None:
    """Do an operation until it has ended or somebody has to decide; cancels it where it is interrupted."""
    try:
        _work(operation_id)
    except KeyboardInterrupt:
        operations.cancel_operation(actor=system(), now=utc_now(), operation_id=operation_id)
        raise


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
        slot = KINDS[operation.kind].slot
        waits = state == OperationState.QUEUED and slot is not None and find_writer(slot) is not None
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
