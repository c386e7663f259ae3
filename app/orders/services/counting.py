"""The counters of an order's lines: which of them a deed is about, and changing them so that none goes too far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, update

from app.core.errors import FieldError, Invalid
from app.core.extensions import db
from app.core.orm import count_changed
from app.orders.errors import MoreThanLeft
from app.orders.models.orders import OrderLine

NO_LINE: Final = "is no line of this order."


@dataclass(frozen=True, slots=True)
class Units:
    """So many units of one line of an order."""

    line_id: int
    quantity: int


def read_lines(order_id: int) -> list[OrderLine]:
    """The lines of a locked order by ascending id, as they are now."""
    found = select(OrderLine).where(OrderLine.order_id == order_id).order_by(OrderLine.id)
    return list(db.session.scalars(found.execution_options(populate_existing=True)))


def check_units(units: Sequence[Units], lines: Sequence[OrderLine], left: Mapping[int, int]) -> None:
    """Refuse what names no line of the order, one twice, or more of it than ``left`` says by line id.

    Raises Invalid for lines that are none (pointer ``/lines/0/line_id``), MoreThanLeft for quantities above what is.
    """
    asins = {line.id: line.asin for line in lines}
    wrong = [
        FieldError(f"/lines/{at}/line_id", NO_LINE if each.line_id not in asins else "is named twice.")
        for at, each in enumerate(units)
        if each.line_id not in asins or any(each.line_id == other.line_id for other in units[:at])
    ]
    if wrong:
        raise Invalid("The request breaks a rule.", errors=tuple(wrong))
    above: list[dict[str, Any]] = [
        {"at": at, "line_id": each.line_id, "asin": asins[each.line_id], "wanted": each.quantity}
        | {"left": left[each.line_id]}
        for at, each in enumerate(units)
        if each.quantity > left[each.line_id]
    ]
    if above:
        raise MoreThanLeft(above)


def count_shipped(units: Sequence[Units]) -> None:
    """Count units as shipped; raises MoreThanLeft where there are fewer, whoever changes the lines meanwhile."""
    left = OrderLine.quantity - OrderLine.shipped - OrderLine.cancelled
    _count(units, OrderLine.shipped, left)


def count_cancelled(units: Sequence[Units]) -> None:
    """Count units as cancelled; raises MoreThanLeft where there are fewer, whoever changes the lines meanwhile."""
    left = OrderLine.quantity - OrderLine.shipped - OrderLine.cancelled
    _count(units, OrderLine.cancelled, left)


def count_returned(units: Sequence[Units]) -> None:
    """Count units as returned; raises MoreThanLeft where fewer are outside, whoever changes the lines meanwhile."""
    _count(units, OrderLine.returned, OrderLine.shipped - OrderLine.returned)


def _count(units: Sequence[Units], counter: Any, left: Any) -> None:
    """Raise a counter of lines, by ascending id, where so many are ``left``."""
    for at, each in sorted(enumerate(units), key=lambda one: one[1].line_id):
        raised = update(OrderLine).where(OrderLine.id == each.line_id, left >= each.quantity)
        if count_changed(db.session(), raised.values({counter: counter + each.quantity})) == 1:
            continue
        line = db.session.execute(select(OrderLine.asin, left.label("left")).where(OrderLine.id == each.line_id)).one()
        about = {"at": at, "line_id": each.line_id, "asin": line.asin, "wanted": each.quantity, "left": line.left}
        raise MoreThanLeft([about])
