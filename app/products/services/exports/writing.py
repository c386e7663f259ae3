"""Exports: files of products that a background worker writes into the file store."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from app.core import audit
from app.core.errors import Invalid
from app.core.files import CHUNK_BYTES, file_store
from app.core.orm import utc_now
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.operations.files.table import XLSX
from app.operations.files.workbook import LAST_ROW
from app.operations.files.writing import TooManyRows, Writer, writer_for
from app.operations.models import Operation, OperationState
from app.operations.services import leases, operations
from app.operations.services.leases import OperationFailed, Work
from app.operations.services.running import Clock
from app.products import kinds
from app.products.services.exports import rows as exporting

BEAT_S: Final = 2.0


@in_transaction
def create_export(*, actor: Principal, now: datetime, format: str, which: Mapping[str, Any]) -> Operation:  # noqa: A002
    """Begin to write the products that fit the filters of a list (prices in minor units) into a file.

    What needs stock:read is left out for an actor without it. Raises Invalid for more rows than a workbook can have.
    """
    check_size(format, which)
    arguments = {"format": format, "filter": dict(which), "with_stock": actor.may(exporting.FOR_STOCK)}
    operation = operations.add_operation(
        actor=actor, now=now, kind=kinds.EXPORT, state=OperationState.RUNNING, arguments=arguments
    )
    audit.record(actor=actor, action="export.create", subject=("operation", operation.id), after=arguments)
    return operation


def has_stock(arguments: Mapping[str, Any]) -> bool:
    """Whether the file of an export has what only those see who may read stock."""
    return bool(arguments.get("with_stock", True))  # files of before this was asked for have it


def check_size(format: str, which: Mapping[str, Any]) -> None:  # noqa: A002  # it is what it is called everywhere
    """Raise Invalid for more rows than a workbook can have."""
    if format == XLSX and exporting.count(which) >= LAST_ROW:
        raise Invalid.field("/format", f"xlsx has at most {LAST_ROW - 1} products: choose csv, or filter.")


def write_export(work: Work, clock: Clock) -> Work | None:
    """Write the file. All formats but XLSX in parts, one a slice, which stand one behind the other when it is sent."""
    if work.total is None:
        work.total = exporting.count(work.arguments["filter"])
        leases.beat(work=work, done=work.done, total=work.total)
    key = work.key("part")
    try:
        after, done, is_over = _write_part(work, clock, key)
    except TooManyRows as problem:
        raise OperationFailed("TOO_MANY_ROWS", f"{problem} Choose csv, or filter.") from problem
    parts = [*work.cursor.get("parts", []), key]
    if is_over:
        size = sum(file_store().size(part) for part in parts)
        return leases.move_on(
            work=work,
            state=OperationState.COMPLETED,
            now=utc_now(),
            cursor={"parts": parts},
            result_bytes=size,
            done_count=done,
            total_count=done,
        )
    _commit(work=work, done=done, cursor={"parts": parts, "after": after})
    leases.hand_over(work=work)
    return None


def _write_part(work: Work, clock: Clock, key: str) -> tuple[int, int, bool]:
    kind, with_stock = work.arguments["format"], has_stock(work.arguments)
    writer: Writer = writer_for(kind, exporting.columns(with_stock=with_stock))
    after, done, beaten, unlooked = work.cursor.get("after", 0), work.done, time.monotonic(), 0
    with file_store().writing(key) as part:
        if not after:
            part.write(writer.begin())
        for chunk in exporting.chunks(work.arguments["filter"], format=kind, with_stock=with_stock, after=after):
            text = writer.rows(chunk.rows)
            part.write(text)
            after, done, unlooked = chunk.after, done + len(chunk.rows), unlooked + len(text)
            if unlooked > 64 * CHUNK_BYTES:
                file_store().require_room(unlooked)
                unlooked = 0
            if kind != XLSX and clock():
                return after, done, False
            if time.monotonic() - beaten > BEAT_S:
                leases.beat(work=work, done=done)
                beaten = time.monotonic()
        part.write(writer.end())
    return after, done, True


@in_transaction
def _commit(*, work: Work, done: int, cursor: dict[str, Any]) -> None:
    leases.save_progress(work, done=done, cursor=cursor)
