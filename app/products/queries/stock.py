"""Reads of what is behind stock: the counters, the ledger, and who holds what is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, select

from app.core.cursors import open_cursor, refused_cursor, seal_cursor
from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.products.errors import ProductNotFound
from app.products.models.products import Product
from app.products.models.stock import Allocation, Stock, StockMovement

Rows = Select[*tuple[Any, ...]]

SHOWN_ALLOCATIONS: Final = 20
"""How many of those who hold a product are named in a refusal."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A movement with what the counters were after it."""

    movement: StockMovement
    on_hand: int
    allocated: int


def counters(*product_ids: int) -> Rows:
    """The statement that reads some products' counters."""
    read = select(Stock.product_id, Stock.on_hand, Stock.allocated, Stock.low_stock_threshold, Stock.is_low)
    return read.where(Stock.product_id.in_(product_ids))


def list_movements(product_id: int, *, limit: int, cursor: str | None = None) -> Page[LedgerRow]:
    """The ledger of one product, newest first, also of a deleted one; raises ProductNotFound.

    The counters are the sums of the ledger, so what they were after a row is what they are now less all later rows. The
    first page begins with the present counters, read by the same statement as its rows; its cursor carries what they
    were before its last row, and the next page goes on from there. So each page reads its own rows and no others.
    Movements of the same moment stand in the order they were written down, which may not be that of their effect.
    """
    inner, *carried = _split(cursor, product_id)
    wanted = select(StockMovement, Stock.on_hand, Stock.allocated).join(
        Stock, Stock.product_id == StockMovement.product_id
    )
    wanted = wanted.where(StockMovement.product_id == product_id)
    keys = [(StockMovement.id, True)]
    found = fetch_page(wanted.add_columns(StockMovement.id), keys=keys, limit=limit, cursor=inner, scalars=False)
    if not found.items:
        _require_product(product_id)
        return Page([], None)
    on_hand, allocated = carried or (found.items[0].on_hand, found.items[0].allocated)
    rows = []
    for movement, *_ in found.items:
        rows.append(LedgerRow(movement, on_hand, allocated))
        on_hand -= movement.on_hand_delta
        allocated -= movement.allocated_delta
    more = found.next_cursor
    return Page(rows, None if more is None else seal_cursor([product_id, more, on_hand, allocated]))


def newest_allocations(product_id: int, *, limit: int = SHOWN_ALLOCATIONS) -> list[dict[str, Any]]:
    """Who holds a product, the newest first, at most ``limit``."""
    rows = db.session.execute(
        select(Allocation.reference_kind, Allocation.reference_id, Allocation.label, Allocation.quantity)
        .where(Allocation.product_id == product_id)
        .order_by(Allocation.id.desc())
        .limit(limit)
    )
    return [dict(row._mapping) for row in rows]  # noqa: SLF001  # SQLAlchemy's name for it is public


def as_numbers(row: Any) -> dict[str, Any]:
    """A row of ``counters`` as refusals and the audit trail show it."""
    return {
        "product_id": row.product_id,
        "on_hand": row.on_hand,
        "allocated": row.allocated,
        "available": row.on_hand - row.allocated,
    }


def _require_product(product_id: int) -> None:
    if db.session.scalar(select(Product.id).where(Product.id == product_id)) is None:
        raise ProductNotFound(f"There is no product {product_id}.")


def _split(cursor: str | None, product_id: int) -> tuple[Any, ...]:
    """The parts of a ledger's cursor: the page's own, then both counters."""
    if not cursor:
        return (None,)
    try:
        of, inner, on_hand, allocated = open_cursor(cursor)
    except ValueError:
        raise refused_cursor() from None
    if of != product_id:
        raise refused_cursor()
    return inner, on_hand, allocated
