"""Reads of imports of sales: what they are about, and what they have added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import func, select

from app.core.extensions import db
from app.core.orm import table_of
from app.core.pagination import Page
from app.operations import queries as operations
from app.operations.errors import OperationNotFound
from app.operations.kinds import spoken
from app.operations.models import Operation
from app.orders.kinds import KINDS, SALES_IMPORT
from app.orders.models.sales import Sale
from app.products.models.products import Product

PREFIX: Final = "import:"
_NAMES: Final = frozenset(kind.name for kind in KINDS)
_SALE: Final = table_of(Sale)
_COMPARED: Final = (
    _SALE.c.unique_key, _SALE.c.kind, _SALE.c.sold_at, _SALE.c.asin, _SALE.c.name, _SALE.c.brand, _SALE.c.quantity,
    _SALE.c.currency, _SALE.c.gross_minor, _SALE.c.discount_minor, _SALE.c.tax_minor, _SALE.c.shipping_minor,
    _SALE.c.net_minor, _SALE.c.total_minor, _SALE.c.operation_id,
)  # fmt: skip


def get_import(operation_id: int) -> Operation:
    """An import of sales, or the undo of one; raises OperationNotFound."""
    operation = operations.get_operation(operation_id)
    if operation.kind not in _NAMES:
        raise OperationNotFound(f"There is no {spoken(SALES_IMPORT)} {operation_id}.")
    return operation


def list_imports(*, limit: int, cursor: str | None = None, state: str | None = None) -> Page[Operation]:
    """Imports of sales and undos of such, newest first."""
    return operations.list_operations(kinds=_NAMES, limit=limit, cursor=cursor, state=state, whole=True)


def find_products(asins: Iterable[str]) -> dict[str, Any]:
    """The products that have these ASINs, deleted ones too: id, name and brand by ASIN."""
    wanted = select(Product.asin, Product.id, Product.name, Product.brand).where(Product.asin.in_(asins))
    return {row.asin: row for row in db.session.execute(wanted)}


def find_imported(external_ids: Sequence[str]) -> dict[str, Any]:
    """The facts that were imported under these ids, by id."""
    keys = [f"{PREFIX}{external_id}" for external_id in external_ids]
    found = db.session.execute(select(*_COMPARED).where(_SALE.c.unique_key.in_(keys)))
    return {row.unique_key.removeprefix(PREFIX): row for row in found}


def count_added(operation_id: int) -> int:
    """How many facts an import has added that are still there."""
    counted = select(func.count()).select_from(_SALE).where(_SALE.c.operation_id == operation_id)
    return db.session.scalar(counted) or 0


def last_of_chunk(operation_id: int, size: int) -> int | None:
    """The id up to which the first so many facts of an import reach; None where none are left."""
    first = select(_SALE.c.id).where(_SALE.c.operation_id == operation_id).order_by(_SALE.c.id).limit(size).subquery()
    last: int | None = db.session.scalar(select(func.max(first.c.id)))
    return last
