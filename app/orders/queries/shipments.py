"""Reads of shipments and returns, each with its lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select

from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.orders.errors import OrderNotFound, ReturnNotFound, ShipmentNotFound
from app.orders.models.fulfilment import OrderReturn, OrderReturnLine, Shipment, ShipmentLine
from app.orders.models.orders import Order, OrderLine
from app.orders.models.payments import Refund


@dataclass(frozen=True, slots=True)
class ShipmentRecord:
    """A shipment, what is in it, and the order it belongs to."""

    shipment: Shipment
    order: Order
    lines: list[Any]

    @property
    def version(self) -> int:
        """The shipment's own, for its ETag."""
        return self.shipment.version


@dataclass(frozen=True, slots=True)
class ReturnRecord:
    """A return, what came back, and the order it belongs to."""

    returned: OrderReturn
    order: Order
    lines: list[Any]
    refund: Refund | None


def list_shipments(order_id: int, *, limit: int, cursor: str | None = None) -> Page[ShipmentRecord]:
    """An order's shipments, the newest first; raises OrderNotFound."""
    order = _order(order_id)
    found = select(Shipment).where(Shipment.order_id == order_id)
    page = fetch_page(found, keys=[(Shipment.id, True)], limit=limit, cursor=cursor)
    return Page(_with_contents(order, page.items), page.next_cursor)


def get_shipment(order_id: int, shipment_id: int) -> ShipmentRecord:
    """One shipment of an order; raises OrderNotFound, ShipmentNotFound."""
    order = _order(order_id)
    found = select(Shipment).where(Shipment.id == shipment_id, Shipment.order_id == order_id)
    shipment = db.session.scalar(found.execution_options(populate_existing=True))
    if shipment is None:
        raise ShipmentNotFound(f"Order {order.number} has no shipment {shipment_id}.")
    return _with_contents(order, [shipment])[0]


def list_returns(order_id: int, *, limit: int, cursor: str | None = None) -> Page[ReturnRecord]:
    """What came back of an order, the newest first; raises OrderNotFound."""
    order = _order(order_id)
    found = select(OrderReturn).where(OrderReturn.order_id == order_id)
    page = fetch_page(found, keys=[(OrderReturn.id, True)], limit=limit, cursor=cursor)
    return Page(_with_what_came_back(order, page.items), page.next_cursor)


def get_return(order_id: int, return_id: int) -> ReturnRecord:
    """One return of an order; raises OrderNotFound, ReturnNotFound."""
    order = _order(order_id)
    found = db.session.scalar(select(OrderReturn).where(OrderReturn.id == return_id, OrderReturn.order_id == order_id))
    if found is None:
        raise ReturnNotFound(f"Order {order.number} has no return {return_id}.")
    return _with_what_came_back(order, [found])[0]


def _order(order_id: int) -> Order:
    order = db.session.get(Order, order_id)
    if order is None:
        raise OrderNotFound("There is no order with this number.")
    return order


def _with_contents(order: Order, shipments: Sequence[Shipment]) -> list[ShipmentRecord]:
    rows = (
        select(ShipmentLine.shipment_id, ShipmentLine.quantity)
        .add_columns(OrderLine.id.label("line_id"), OrderLine.asin, OrderLine.name)
        .join(OrderLine, OrderLine.id == ShipmentLine.order_line_id)
        .where(ShipmentLine.shipment_id.in_([each.id for each in shipments]))
        .order_by(OrderLine.position)
    )
    lines = _grouped(rows)
    return [ShipmentRecord(each, order, lines[each.id]) for each in shipments]


def _with_what_came_back(order: Order, returns: Sequence[OrderReturn]) -> list[ReturnRecord]:
    rows = (
        select(OrderReturnLine.order_return_id, OrderReturnLine.quantity, OrderReturnLine.resaleable)
        .add_columns(OrderLine.id.label("line_id"), OrderLine.asin, OrderLine.name)
        .join(OrderLine, OrderLine.id == OrderReturnLine.order_line_id)
        .where(OrderReturnLine.order_return_id.in_([each.id for each in returns]))
        .order_by(OrderLine.position)
    )
    lines = _grouped(rows)
    known = select(Refund).where(Refund.id.in_([each.refund_id for each in returns if each.refund_id is not None]))
    refunds = {refund.id: refund for refund in db.session.scalars(known)}
    return [ReturnRecord(each, order, lines[each.id], refunds.get(each.refund_id or 0)) for each in returns]


def _grouped(rows: Select[Any]) -> dict[int, list[Any]]:
    """Rows by their first column."""
    found: dict[int, list[Any]] = defaultdict(list)
    for row in db.session.execute(rows):
        found[row[0]].append(row)
    return found
