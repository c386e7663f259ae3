"""Bulk actions: asked for, done at once where they are small, else by a background worker some hundred at a time.

A small one is one transaction, like a PUT of each product. A large one is an operation that writes, so it waits for
its turn behind imports and other bulk actions; what a chunk changes is committed together with how far it is, so a
worker that dies has done nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from app.core import audit
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.running import settings
from app.core.transactions import in_transaction
from app.operations.services import operations
from app.operations.services.chunks import Progress, begin, finish_at_once, go_on, note_progress
from app.operations.services.leases import Work
from app.operations.services.running import Clock
from app.products import kinds
from app.products.bulk import Action, read_action
from app.products.changes import DELETED
from app.products.errors import OtherCount
from app.products.models.products import Source
from app.products.queries.bulk import BulkAction, get_bulk, present
from app.products.services.bulk import selecting
from app.products.services.bulk.rows import (
    CHUNK,
    Chunk,
    RowResult,
    examine,
    note_refusals,
    place,
    unknown,
    with_sample,
    write,
)
from app.products.services.memberships import share_tree

AT_ONCE: Final = CHUNK
"""So many products are done while the request waits."""


@in_transaction
def submit_bulk(
    *,
    actor: Principal,
    now: datetime,
    action: Mapping[str, Any],
    which: Mapping[str, Any] | None = None,
    product_ids: Sequence[int] = (),
    asins: Sequence[str] = (),
    expected_count: int | None = None,
    dry_run: bool = False,
) -> BulkAction:
    """Do an action to the products that fit a filter (``which``), or to a list of at most 10,000.

    With up to AT_ONCE products it is done when this returns; more are left to a background worker. A dry run changes
    nothing. Raises Invalid for a filter that fits no product and for categories that do not exist, OtherCount where not
    just ``expected_count`` products fit, PermissionMissing.
    """
    wanted = read_action(action, currency=settings().currency)
    actor.require_all(wanted.permissions, to=f"change {wanted.attribute}")
    _check_categories(wanted, dry_run=dry_run)
    refused: list[RowResult] = []
    if which is None:
        ids, missing, unknown_asins = selecting.find_listed(product_ids, asins)
        refused = [unknown(wanted, product_id=id_) for id_ in missing]
        refused += [unknown(wanted, asin=asin) for asin in unknown_asins]
        cursor: dict[str, Any] = {"ids": ids}
    else:
        cursor = {"after": 0, "until": selecting.highest_id()}
        ids = _first_fitting(wanted, which, cursor["until"], expected_count)
    arguments = {
        "action": action,
        "filter": None if which is None else dict(which),
        "listed": len(ids) + len(refused) if which is None else None,
        "expected_count": expected_count,
        "dry_run": dry_run,
    }
    operation = begin(
        actor=actor,
        now=now,
        kind=kinds.BULK,
        arguments=arguments,
        cursor=cursor,
        at_once=len(ids) <= AT_ONCE,
    )
    audit.record(actor=actor, action="bulk.submit", subject=("operation", operation.id), after=arguments)
    if not dry_run:
        note_refusals(refused, operation.id)
    if len(ids) > AT_ONCE:
        operation.refused_count = len(refused)
        operation.total_count = None if which is not None else len(ids) + len(refused)
        return present(operation, now=now)
    chunk = examine(wanted, ids, lock=not dry_run, which=None if which is None else selecting.conditions(which))
    if expected_count is not None and len(chunk.results) != expected_count:
        raise OtherCount(expected_count, len(chunk.results))
    if not dry_run:
        write(chunk, actor=actor, now=now, source=Source.BULK, operation_id=operation.id)
    rows = [*refused, *chunk.results]
    if dry_run:
        operation.report = with_sample(operation.report, rows)
    finish_at_once(operation, Chunk(results=rows).counts(), actor=actor, now=now)
    return present(operation, now=now, rows=rows)


@in_transaction
def cancel_bulk(*, actor: Principal, now: datetime, operation_id: int) -> BulkAction:
    """Stop a bulk action or an undo: what it has changed stays. Raises OperationNotFound, OperationEnded."""
    get_bulk(operation_id, now=now)
    return present(operations.cancel_operation.joined(actor=actor, now=now, operation_id=operation_id), now=now)


def write_bulk(work: Work, clock: Clock) -> Work | None:
    """Do a slice of a bulk action."""
    return go_on(work, clock, _count, _write_chunk)


def check_bulk(work: Work, clock: Clock) -> Work | None:
    """Do a slice of its dry run."""
    return go_on(work, clock, _count, _check_chunk)


def _check_categories(action: Action, *, dry_run: bool) -> None:
    if action.named:
        placing = place(action.named, ()) if dry_run else share_tree(action.named)
        gone = [id_ for id_ in action.named if id_ not in placing.paths]
        if gone:
            raise Invalid.field("/action/categories", f"There is no category {', '.join(map(str, gone))}.")


def _first_fitting(action: Action, which: Mapping[str, Any], until: int, expected_count: int | None) -> list[int]:
    if action.attribute == DELETED and not action.new(None):
        raise Invalid.field("/filter", "fits no deleted product; name those to restore in a list.")
    ids = selecting.find_fitting(which, after=0, until=until, limit=AT_ONCE + 1)
    if expected_count is not None:
        count = selecting.count_fitting(which, until=until) if len(ids) > AT_ONCE else len(ids)
        if count != expected_count:
            raise OtherCount(expected_count, count)
    if not ids and expected_count != 0:
        raise Invalid.field("/filter", "fits no product.")
    return ids


def _count(work: Work) -> int:
    db.session.rollback()
    rest = selecting.count_fitting(work.arguments["filter"], until=work.cursor["until"])
    db.session.rollback()
    return sum(work.counts.values()) + rest


def _next(work: Work) -> tuple[list[int], dict[str, Any]]:
    """The products of the next chunk, and the cursor behind them."""
    if "ids" in work.cursor:
        ids = work.cursor["ids"]
        return ids[:CHUNK], {"ids": ids[CHUNK:]}
    after, until = work.cursor["after"], work.cursor["until"]
    ids = selecting.find_fitting(work.arguments["filter"], after=after, until=until, limit=CHUNK, is_walk=True)
    return ids, work.cursor | {"after": ids[-1] if len(ids) == CHUNK else until}


def _examine_next(work: Work, *, lock: bool) -> tuple[Chunk, dict[str, Any]]:
    action = read_action(work.arguments["action"], currency=settings().currency)
    which = work.arguments["filter"]
    ids, cursor = _next(work)
    return examine(action, ids, lock=lock, which=None if which is None else selecting.conditions(which)), cursor


@in_transaction
def _write_chunk(*, work: Work, now: datetime) -> Progress:
    chunk, cursor = _examine_next(work, lock=True)
    write(chunk, actor=work.actor, now=now, source=Source.BULK, operation_id=work.id)
    return note_progress(work, chunk.counts(), cursor, is_over=_is_over(cursor))


@in_transaction
def _check_chunk(*, work: Work, now: datetime) -> Progress:  # noqa: ARG001  # called as the other one is
    chunk, cursor = _examine_next(work, lock=False)
    report = with_sample(work.report, chunk.results)
    return note_progress(work, chunk.counts(), cursor, is_over=_is_over(cursor), report=report)


def _is_over(cursor: Mapping[str, Any]) -> bool:
    return not cursor["ids"] if "ids" in cursor else bool(cursor["after"] >= cursor["until"])
