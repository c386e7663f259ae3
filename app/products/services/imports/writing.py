"""The run of an import: checked rows become products, some hundred in a transaction, together with how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from app.core.money import exponent
from app.core.orm import utc_now
from app.core.running import settings
from app.core.transactions import in_transaction
from app.operations.services import leases
from app.operations.services.imports.rows import RefusedRow, Row, checked_rows, counts_so_far, end_of, refuse
from app.operations.services.leases import Work
from app.operations.services.running import Clock
from app.products.changes import CREATED, DELETED, THRESHOLD, Change
from app.products.events import ProductChange
from app.products.models.products import Source
from app.products.queries import imports as queries
from app.products.services.imports.categories import CategoryMaker
from app.products.services.imports.rows import Categories, Decision, decide
from app.products.services.memberships import Placing, put_products, share_tree
from app.products.services.product_rows import VALUES, AsinsTaken, insert_products, update_products
from app.products.services.recording import record_changes
from app.products.services.stock import set_thresholds

CHUNK: Final = 500
"""Rows of a transaction: it locks the products that it changes."""
_TRIES: Final = 3
_BACK: Final = Change(DELETED, "true", "false")


@dataclass(slots=True)
class _Run:
    """What one slice of a run works with."""

    work: Work
    currency: str
    decimals: int
    categories: Categories
    counts: dict[str, int]
    done: int
    maker: CategoryMaker | None = None
    """Makes the categories that are missing, where that was asked for."""

    def beat(self) -> None:
        """Say that it is still being worked on, without having got further."""
        leases.beat(work=self.work, done=self.done, counts=self.counts)


def write_rows(work: Work, clock: Clock) -> Work | None:
    """Write checked rows until all are, or time is up."""
    run = _begin(work)
    cursor = dict(work.cursor)
    for rows, behind in checked_rows(work, CHUNK):
        if run.maker is not None:
            run.categories = run.maker.make(rows, run.categories)
            cursor["made"] = run.maker.made
        cursor["at"] = behind
        run.counts = _write(run, rows, cursor)
        run.done += len(rows)
        if clock():
            leases.hand_over(work=work)
            return None
    return leases.move_on(work=work, state=end_of(run.counts), now=utc_now())


def _begin(work: Work) -> _Run:
    currency = settings().currency
    counts = counts_so_far(work)
    run = _Run(work, currency, exponent(currency), Categories(), counts, sum(counts.values()))
    if work.arguments.get("create_categories"):
        run.maker = CategoryMaker(work.actor, made=work.cursor.get("made", 0), beat=run.beat)
    return run


def _write(run: _Run, rows: list[Row], cursor: dict[str, Any]) -> dict[str, int]:
    """Write a chunk, again where somebody adds the same products at the same time."""
    for _ in range(_TRIES - 1):
        try:
            return write_chunk(run=run, rows=rows, cursor=cursor, now=utc_now())
        except AsinsTaken:
            continue
    return write_chunk(run=run, rows=rows, cursor=cursor, now=utc_now())


@in_transaction
def write_chunk(*, run: _Run, rows: list[Row], cursor: dict[str, Any], now: datetime) -> dict[str, int]:
    """Write some rows with their history and how far the import is then, in one transaction; returns the counts.

    Raises AsinsTaken, OperationStopped.
    """
    placing = _placing(run, rows)
    decisions = _decide(run, rows)
    refused = [each for each in decisions if each.reasons]
    new = [each for each in decisions if not each.reasons and each.present is None]
    back = [each for each in decisions if not each.reasons and each.present is not None and each.present.deleted_at]
    changed = [each for each in decisions if each.outcome == "changed"]
    ids = _insert(new, now)
    _update([*changed, *back], now)
    _put(new, [*changed, *back], ids, placing)
    history = [ProductChange(ids[each.row.values["asin"]], each.row.values["asin"], (CREATED,)) for each in new]
    history += [_history(each, each.changes) for each in changed]
    history += [_history(each, [_BACK, *each.changes]) for each in back]
    record_changes(history, actor=run.work.actor, now=now, source=Source.IMPORT, operation_id=run.work.id)
    _set_thresholds(run, [*changed, *back], now)
    refuse(run.work, [_refused(each) for each in refused])
    counts = dict(run.counts)
    for each in decisions:
        counts[each.outcome] += 1
    leases.save_progress(run.work, done=run.done + len(rows), counts=counts, cursor=cursor)
    return counts


def _placing(run: _Run, rows: list[Row]) -> Placing | None:
    """The categories that rows name, which stay as they are until the transaction ends; None where none is named."""
    if not any("categories" in row.values for row in rows):
        return None
    placing = share_tree(_named(run, rows))
    if len(placing.paths) < len(_named(run, rows)):  # one was deleted since this slice began
        run.categories = Categories()
        placing = share_tree(_named(run, rows))
    return placing


def _named(run: _Run, rows: list[Row]) -> set[int]:
    return {id_ for row in rows for name in row.values.get("categories", ()) if (id_ := run.categories.find(name))}


def _decide(run: _Run, rows: list[Row]) -> list[Decision]:
    present = queries.find_by_asins([row.values["asin"] for row in rows], lock=True)
    thresholds = {}
    if any("low_stock_threshold" in row.values for row in rows):
        thresholds = queries.find_thresholds([product.id for product in present.values()])
    return [
        decide(
            row,
            product := present.get(row.values["asin"]),
            currency=run.currency,
            decimals=run.decimals,
            categories=run.categories,
            threshold=None if product is None else thresholds.get(product.id),
        )
        for row in rows
    ]


def _insert(decisions: Sequence[Decision], now: datetime) -> dict[str, int]:
    """Add products; their ids by ASIN."""
    rows = [each.columns | {"asin": each.row.values["asin"]} for each in decisions]
    thresholds = {each.row.values["asin"]: each.row.values.get("low_stock_threshold") for each in decisions}
    return insert_products(rows, now, thresholds=thresholds)


def _update(decisions: Sequence[Decision], now: datetime) -> None:
    """Give products new values, and bring back who was deleted."""
    rows = [
        {name: each.columns.get(name, getattr(each.present, name)) for name in VALUES}
        | {"id": each.present.id, "asin": each.present.asin, "version": each.present.version}
        for each in decisions
        if each.present.deleted_at is not None or any(change.attribute != THRESHOLD for change in each.changes)
    ]
    update_products(rows, now)


def _put(new: Sequence[Decision], other: Sequence[Decision], ids: dict[str, int], placing: Placing | None) -> None:
    """Put products into the categories that their rows name."""
    if placing is None:
        return
    put_products({ids[each.row.values["asin"]]: _category_ids(each) for each in new}, placing, new=True)
    moved = {each.present.id: _category_ids(each) for each in other if "categories" in each.columns}
    put_products(moved, placing)


def _category_ids(decision: Decision) -> list[int]:
    found: list[int] = orjson.loads(decision.columns.get("categories", "[]"))
    return found


def _history(decision: Decision, changes: Sequence[Change]) -> ProductChange:
    attributes = tuple(change for change in changes if change.attribute != THRESHOLD)
    return ProductChange(decision.present.id, decision.present.asin, attributes)


def _set_thresholds(run: _Run, decisions: Sequence[Decision], now: datetime) -> None:
    wanted = {
        each.present.id: each.row.values["low_stock_threshold"]
        for each in decisions
        if any(change.attribute == THRESHOLD for change in each.changes)
    }
    if wanted:
        set_thresholds.joined(
            actor=run.work.actor, now=now, thresholds=wanted, source=Source.IMPORT, operation_id=run.work.id
        )


def _refused(decision: Decision) -> RefusedRow:
    product = decision.present
    return RefusedRow(
        row=decision.row,
        reasons=decision.reasons,
        product_id=None if product is None else product.id,
        asin=decision.row.values["asin"],
    )
