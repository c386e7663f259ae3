"""Reads of bulk actions and undos, and of what became of their products."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.operations.errors import OperationNotFound
from app.operations.models import Operation, OperationRow
from app.products import kinds
from app.products.models.products import ProductUpdate

KINDS: Final = (kinds.BULK, kinds.UNDO)


@dataclass(frozen=True, slots=True)
class BulkAction:
    """A bulk action or an undo as people see it at an instant."""

    operation: Operation
    now: datetime
    rows: Collection[Any] | None = None
    """What became of each product, where it was done at once just now."""
    sample: Collection[Mapping[str, Any]] = field(default=())
    """Of a dry run: what would become of some products."""


def present(operation: Operation, *, now: datetime, rows: Collection[Any] | None = None) -> BulkAction:
    """An operation as people see it."""
    return BulkAction(operation, now, rows, operation.report.get("sample", ()) if rows is None else ())


def get_bulk(operation_id: int, *, now: datetime) -> BulkAction:
    """One bulk action or undo; raises OperationNotFound."""
    operation = db.session.get(Operation, operation_id)
    if operation is None or operation.kind not in KINDS:
        raise OperationNotFound(f"There is no bulk action {operation_id}.")
    return present(operation, now=now)


def list_bulk(*, limit: int, cursor: str | None = None, now: datetime) -> Page[BulkAction]:
    """Bulk actions and undos, newest first, without samples."""
    wanted = select(Operation).where(Operation.kind.in_(KINDS))
    page = fetch_page(wanted, keys=[(Operation.id, True)], limit=limit, cursor=cursor)
    return Page([BulkAction(operation, now) for operation in page.items], page.next_cursor)


def list_rows(operation_id: int, *, result: str, limit: int, cursor: str | None = None) -> Page[Any]:
    """The products that a bulk action or an undo changed (``changed``), or was refused (``refused``), in its order.

    Raises OperationNotFound.
    """
    operation = db.session.get(Operation, operation_id)
    if operation is None or operation.kind not in KINDS:
        raise OperationNotFound(f"There is no bulk action {operation_id}.")
    model: type[Any] = ProductUpdate if result == "changed" else OperationRow
    told = select(model).where(model.operation_id == operation_id)
    page = fetch_page(told, keys=[(model.id, False)], limit=limit, cursor=cursor)
    tell = _changed if result == "changed" else _refused
    return Page([tell(row) for row in page.items], page.next_cursor)


def _changed(row: ProductUpdate) -> dict[str, Any]:
    return {
        "product_id": row.product_id,
        "asin": row.asin,
        "result": "changed",
        "attribute": row.attribute,
        "previous": row.previous_attribute,
        "current": row.current_attribute,
        "reason": None,
    }


def _refused(row: OperationRow) -> dict[str, Any]:
    reason = row.reasons[0]
    return {
        "product_id": row.product_id,
        "asin": row.asin,
        "result": "refused",
        "attribute": reason["column"],
        "previous": None,
        "current": None,
        "reason": reason["detail"],
    }
