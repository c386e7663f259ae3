"""How much of which line a refund gives back: never more than was paid for the line and is not given back yet.

What was paid for a line is its sales fact, less units that left the order without money; what of it went back, or is
set aside to, are the lines of its refunds that did not fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Executable, func, select

from app.core.extensions import db
from app.orders.models.orders import OrderLine
from app.orders.models.payments import Refund, RefundLine, RefundStatus
from app.orders.models.sales import Sale
from app.orders.shares import NOTHING, LineParts, fitted, parts_of, portion, split


@dataclass(frozen=True, slots=True)
class Share:
    """What of one line goes back, and for how many units that were cancelled or came back."""

    line_id: int
    quantity: int
    parts: LineParts


def left_of(order_id: int) -> dict[int, LineParts]:
    """What was paid for each line of an order and is neither given back nor set aside to be, by the line's id."""
    of_order = (
        select(
            Sale.order_line_id.label("line_id"),
            func.sum(Sale.gross_minor),
            func.sum(Sale.discount_minor),
            func.sum(Sale.tax_minor),
            func.sum(Sale.shipping_minor),
            func.sum(Sale.total_minor),
        )
        .where(Sale.order_id == order_id, Sale.refund_id.is_(None))
        .group_by(Sale.order_line_id)
        .order_by(Sale.order_line_id)
    )
    left = _by_line(of_order)
    back = (
        select(
            RefundLine.order_line_id.label("line_id"),
            func.sum(RefundLine.gross_minor),
            func.sum(RefundLine.discount_minor),
            func.sum(RefundLine.tax_minor),
            func.sum(RefundLine.shipping_minor),
            func.sum(RefundLine.amount_minor),
        )
        .join(Refund, Refund.id == RefundLine.refund_id)
        .where(Refund.order_id == order_id, Refund.status != RefundStatus.FAILED)
        .group_by(RefundLine.order_line_id)
    )
    for line_id, parts in _by_line(back).items():
        left[line_id] -= parts
    return left


def all_left(left: Mapping[int, LineParts]) -> list[Share]:
    """All that is left of every line, without any units: money that goes back while the goods stay."""
    return [Share(line_id, 0, parts) for line_id, parts in left.items()]


def of_units(
    lines: Iterable[OrderLine], units: Mapping[int, int], left: Mapping[int, LineParts], *, shipping: bool
) -> list[Share]:
    """What these units, by line, were paid with: the last ones of those that count as cancelled or returned by now.

    Without ``shipping`` their share of the fee is kept.
    """
    shares = []
    for line in lines:
        count = units.get(line.id, 0)
        if count and line.id in left:
            gone = line.cancelled + line.returned
            priced = line if shipping else _WithoutFee.of(line)
            shares.append(Share(line.id, count, fitted(parts_of(priced, gone - count, gone), left[line.id])))
    return shares


def total_of(shares: Iterable[Share]) -> int:
    """What the shares come to, in minor units."""
    return sum(share.parts.total for share in shares)


def cut(shares: Sequence[Share], total: int) -> list[Share]:
    """The shares, each in proportion, so that they come to ``total``, which is no more than they do."""
    totals = split(total, [share.parts.total for share in shares])
    return [
        replace(share, parts=portion(share.parts, part) if share.parts.total else NOTHING)
        for share, part in zip(shares, totals, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _WithoutFee:
    """A line as if its shipping had cost nothing."""

    quantity: int
    subtotal_minor: int
    discount_minor: int
    shipping_minor: int
    shipping_tax_minor: int
    tax_minor: int
    total_minor: int

    @classmethod
    def of(cls, line: OrderLine) -> _WithoutFee:
        goods, goods_tax = line.subtotal_minor - line.discount_minor, line.tax_minor - line.shipping_tax_minor
        contains_tax = line.total_minor == goods + line.shipping_minor
        return cls(
            quantity=line.quantity,
            subtotal_minor=line.subtotal_minor,
            discount_minor=line.discount_minor,
            shipping_minor=0,
            shipping_tax_minor=0,
            tax_minor=goods_tax,
            total_minor=goods if contains_tax else goods + goods_tax,
        )


def _by_line(found: Executable) -> dict[int, LineParts]:
    return {row[0]: LineParts(*(int(amount) for amount in row[1:])) for row in db.session.execute(found)}
