"""What becomes of each product of a bulk action or an undo: decided alike for the dry run and the run, then written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, insert

from app.core.extensions import db
from app.core.permissions import Principal
from app.operations.models import OperationRow
from app.products.bulk import Action, RowRefused
from app.products.changes import DELETED, Change, as_text
from app.products.events import ProductChange
from app.products.models.products import Source
from app.products.queries.categories import find_paths
from app.products.services.bulk.many import Present, read_products, write_products
from app.products.services.memberships import UNPLACED, Placing, share_tree
from app.products.services.recording import NOTHING, record_changes

CHUNK: Final = 500
"""Products of one transaction, which holds the locks of all of them."""
SAMPLE: Final = 25
"""Products of which a dry run keeps what would become of them: so many changed ones, and so many refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """What became of one product, or would."""

    product_id: int | None
    asin: str | None
    result: str
    """``changed``, ``unchanged`` or ``refused``."""
    attribute: str
    previous: str | None = None
    current: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class Chunk:
    """Some products that were looked at, and what is to be written of them."""

    results: list[RowResult] = field(default_factory=list)
    present: dict[int, Present] = field(default_factory=dict)
    new: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Values by attribute, by product."""
    changes: dict[int, list[Change]] = field(default_factory=dict)
    reverts: dict[tuple[int, str], int] = field(default_factory=dict)
    placing: Placing = UNPLACED

    def counts(self) -> dict[str, int]:
        """How many became what."""
        told = [row.result for row in self.results]
        return {name: told.count(name) for name in ("changed", "unchanged", "refused")}


def examine(
    action: Action, product_ids: Sequence[int], *, lock: bool, which: Sequence[ColumnElement[bool]] | None = None
) -> Chunk:
    """What an action does to some products, which with ``lock`` stay as they are until the transaction ends.

    Those that do not fit ``which`` any more are passed over; without it, those that are not there are refused.
    """
    chunk = Chunk()
    if lock and action.attribute == "categories":
        share_tree(())
    chunk.present = read_products(product_ids, {action.attribute}, lock=lock, fitting=which or ())
    if action.attribute == "categories":
        chunk.placing = place(action.named, (each.values["categories"] for each in chunk.present.values()))
    for product_id in product_ids:
        present = chunk.present.get(product_id)
        if present is None and which is None:
            chunk.results.append(unknown(action, product_id=product_id))
        elif present is not None:
            _decide(chunk, action, present)
    return chunk


def unknown(action: Action, *, product_id: int | None = None, asin: str | None = None) -> RowResult:
    """The refusal of what names no product."""
    reason = f"There is no product {asin or product_id}."
    return RowResult(product_id=product_id, asin=asin, result="refused", attribute=action.attribute, reason=reason)


def place(named: Iterable[int], direct: Iterable[Sequence[int]]) -> Placing:
    """What is above all these categories; the open transaction has taken the tree, unless it writes nothing."""
    return Placing(find_paths({*named, *(id_ for ids in direct for id_ in ids)}))


def write(chunk: Chunk, *, actor: Principal, now: datetime, source: Source, operation_id: int) -> None:
    """Write what a chunk decided, with history and refusals, in the transaction that has locked its products."""
    if chunk.new:
        write_products(chunk.present, chunk.new, now=now, placing=chunk.placing)
    changed = [
        ProductChange(product_id, chunk.present[product_id].asin, tuple(changes))
        for product_id, changes in chunk.changes.items()
    ]
    record_changes(
        changed, actor=actor, now=now, source=source, operation_id=operation_id, reverts=chunk.reverts or NOTHING
    )
    note_refusals(chunk.results, operation_id)


def note_refusals(results: Sequence[RowResult], operation_id: int) -> None:
    """Keep, of what became of some products, why some were refused."""
    rows = [
        {
            "operation_id": operation_id,
            "product_id": row.product_id,
            "asin": row.asin,
            "reasons": [{"column": row.attribute, "detail": row.reason}],
        }
        for row in results
        if row.result == "refused"
    ]
    if rows:
        db.session.execute(insert(OperationRow), rows)


def with_sample(report: Mapping[str, Any], results: Sequence[RowResult]) -> dict[str, Any]:
    """The report of a dry run with what would become of some more products."""
    sample: list[dict[str, Any]] = list(report.get("sample", ()))
    for result in ("changed", "refused"):
        room = SAMPLE - sum(row["result"] == result for row in sample)
        sample += [asdict(row) for row in results if row.result == result][: max(0, room)]
    return dict(report) | {"sample": sample}


def refusal_of_deletion(present: Present) -> str | None:
    """Why a product cannot be deleted; None where it can."""
    if not present.allocated:
        return None
    return f"{present.allocated} of it are promised; ship them or cancel that first."


def _decide(chunk: Chunk, action: Action, present: Present) -> None:
    named: dict[str, Any] = {
        "product_id": present.product_id, "asin": present.asin, "attribute": action.attribute
    }  # fmt: skip
    try:
        after = _next_value(chunk, action, present)
    except RowRefused as refused:
        chunk.results.append(RowResult(**named, result="refused", reason=str(refused)))
        return
    before = present.values[action.attribute]
    change = Change(action.attribute, as_text(before), as_text(after))
    result = "unchanged" if change.previous == change.current else "changed"
    if result == "changed":
        chunk.new[present.product_id] = {action.attribute: after}
        chunk.changes[present.product_id] = [change]
    chunk.results.append(RowResult(**named, result=result, previous=change.previous, current=change.current))


def _next_value(chunk: Chunk, action: Action, present: Present) -> Any:
    if present.is_deleted and action.attribute != DELETED:
        raise RowRefused("The product is deleted; restore it first.")
    after = action.new(present.values[action.attribute])
    if action.attribute == "categories":
        check_categories(after, chunk.placing.paths)
    if action.attribute == DELETED and after and not present.is_deleted:
        reason = refusal_of_deletion(present)
        if reason is not None:
            raise RowRefused(reason)
    return after


def check_categories(category_ids: Sequence[int], paths: Mapping[int, object]) -> None:
    """Raise RowRefused for categories that do not exist."""
    gone = [id_ for id_ in category_ids if id_ not in paths]
    if gone:
        raise RowRefused(f"There is no category {', '.join(map(str, gone))}.")
