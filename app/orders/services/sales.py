"""Sales facts: written in the transaction that records a payment or a refund, and never changed (docs/metrics.md).

``record_sale`` and ``record_refund`` belong into a transaction that holds the order's lock. Each fact has a key of its
own, so that recording the same payment twice is recording it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import insert, select

from app.core.orm import table_of
from app.core.running import settings
from app.core.transactions import connection
from app.orders.models.orders import Order, OrderLine
from app.orders.models.payments import Refund, RefundLine
from app.orders.models.sales import Sale, SaleKind
from app.orders.services.refund_parts import Share
from app.orders.shares import NOTHING, LineParts, parts_of

_SALE: Final = table_of(Sale)
_LINE: Final = table_of(OrderLine)
_REFUND_LINE: Final = table_of(RefundLine)


def record_sale(order: Order, lines: Sequence[OrderLine], *, now: datetime) -> int:
    """Write a fact for each line of an order that was paid just now; returns how many are new.

    What was cancelled before is not in it: together the facts are what was captured. Raises NoTransaction.
    """
    rows = []
    for line in lines:
        gone = line.cancelled + line.returned
        if gone < line.quantity:
            parts = parts_of(line, gone, line.quantity)
            own = {"kind": SaleKind.SALE, "order_id": order.id, "refund_id": None, "currency": order.currency}
            rows.append(own | _fact(f"line:{line.id}", line, line.quantity - gone, parts))
    return _write(rows, now)


def record_refund(refund: Refund, *, now: datetime) -> int:
    """Write a fact for each line of a refund that the provider has confirmed just now; returns how many are new.

    They are the refund's lines with the signs turned round, on the refund's own day. Raises NoTransaction.
    """
    return _write([_fact_of(row, refund, "refund", -1) for row in _lines_of(refund)], now)


def record_return(order: Order, shares: Sequence[Share], *, now: datetime) -> int:
    """Write facts for units that were cancelled or came back and that no money goes back for; how many are new.

    They cost nothing, or their money went back before. Raises NoTransaction.
    """
    if not shares:
        return 0
    by_id = {share.line_id: share for share in shares}
    rows = []
    for line in connection().execute(select(_LINE).where(_LINE.c.id.in_(by_id))):
        share, gone = by_id[line.id], line.cancelled + line.returned
        own = {"kind": SaleKind.REFUND, "order_id": order.id, "refund_id": None, "currency": order.currency}
        rows.append(own | _fact(f"return:{line.id}:{gone}", line, -share.quantity, NOTHING - share.parts))
    return _write(rows, now)


def undo_refund(refund: Refund, *, now: datetime) -> int:
    """Write the opposite of a refund's facts, today: a bank has sent the money back that had gone; how many are new.

    Raises NoTransaction.
    """
    return _write([_fact_of(row, refund, "refund-returned", 1) for row in _lines_of(refund)], now)


def day_of(instant: datetime) -> date:
    """The shop's day of an instant."""
    return instant.astimezone(settings().timezone).date()


def _lines_of(refund: Refund) -> Sequence[Any]:
    of_refund = (
        select(_REFUND_LINE, _LINE.c.product_id, _LINE.c.asin, _LINE.c.name, _LINE.c.brand)
        .join(_LINE, _LINE.c.id == _REFUND_LINE.c.order_line_id)
        .where(_REFUND_LINE.c.refund_id == refund.id)
        .order_by(_LINE.c.position)
    )
    return connection().execute(of_refund).all()


def _fact_of(row: Any, refund: Refund, name: str, sign: int) -> dict[str, Any]:
    """A line of a refund as a fact; ``sign`` is -1 where money goes back."""
    parts = LineParts(row.gross_minor, row.discount_minor, row.tax_minor, row.shipping_minor, row.amount_minor)
    signed = parts if sign > 0 else NOTHING - parts
    fact = _fact(f"{name}:{refund.id}:{row.order_line_id}", row, sign * row.quantity, signed)
    own = {"kind": SaleKind.REFUND, "order_id": refund.order_id, "refund_id": refund.id, "currency": refund.currency}
    return own | fact | {"order_line_id": row.order_line_id}


def _fact(key: str, line: Any, quantity: int, parts: LineParts) -> dict[str, Any]:
    return {
        "unique_key": key,
        "order_line_id": line.id,
        "product_id": line.product_id,
        "asin": line.asin,
        "name": line.name,
        "brand": line.brand,
        "quantity": quantity,
        "gross_minor": parts.gross,
        "discount_minor": parts.discount,
        "tax_minor": parts.tax,
        "shipping_minor": parts.shipping,
        "net_minor": parts.net,
        "total_minor": parts.total,
    }


def _write(rows: Sequence[dict[str, Any]], now: datetime) -> int:
    """Insert the facts that are not there yet; the order's lock keeps others from doing so meanwhile."""
    keys = [row["unique_key"] for row in rows]
    known = set(connection().scalars(select(_SALE.c.unique_key).where(_SALE.c.unique_key.in_(keys))))
    when = {"created_at": now, "sold_at": now, "sold_on": day_of(now)}
    new = [row | when for row in rows if row["unique_key"] not in known]
    if new:
        connection().execute(insert(_SALE), new)
    return len(new)
