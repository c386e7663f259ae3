"""Shipping: goods leave, the shelves have fewer of them, and the customer gets a link to follow them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.core import audit
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.orders.carriers import problem_with, tracking_page
from app.orders.errors import NothingLeft, OrderNotPaid, OrderNotPlaced, ShipmentChanged, StockTaken
from app.orders.models.fulfilment import Shipment, ShipmentLine
from app.orders.models.orders import Order, OrderLine, OrderState, PaymentState
from app.orders.queries import shipments as queries
from app.orders.queries.shipments import ShipmentRecord
from app.orders.services import mails
from app.orders.services.counting import Units, check_units, count_shipped, read_lines
from app.orders.services.fulfilling import move_goods
from app.orders.services.moving import lock_order, note, tell
from app.orders.services.promises import reference_of
from app.products.errors import NotAllocated
from app.products.services import allocations

_SHIPPED_UNPAID: Final = frozenset({"invoice", "cash"})
"""Payment methods by which goods go first and money comes later."""
_PAID: Final = frozenset({PaymentState.PAID, PaymentState.PARTIALLY_REFUNDED})
_GIVEN_BACK: Final = frozenset({PaymentState.REFUNDED, PaymentState.VOIDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """Who carries a parcel and where it can be followed."""

    carrier: str
    number: str | None = None
    url: str | None = None
    """None: the carrier's own page, where we know it."""


@in_transaction
def ship(
    *,
    actor: Principal,
    now: datetime,
    order_id: int,
    expected_version: int,
    tracking: Tracking,
    units: Sequence[Units] | None = None,
) -> ShipmentRecord:
    """Ship units of a placed order in one parcel; None: all that is left of it.

    The customer is mailed. ``expected_version`` is the order's, which counts up, so that a second click ships nothing.
    Raises OrderNotFound, OrderChanged, OrderNotPlaced, OrderNotPaid (of card payments, and where the money went back),
    NothingLeft, MoreThanLeft, StockTaken where promised stock was taken away, Invalid.
    """
    url = _checked_url(tracking)
    order = lock_order(order_id, version=expected_version)
    lines = read_lines(order_id)
    left = {line.id: line.quantity - line.shipped - line.cancelled for line in lines}
    _require_shippable(order, left)
    chosen = _chosen(lines, left, units)
    shipment = _add(order_id, tracking, url, chosen, actor=actor, now=now)
    count_shipped(chosen)
    shown = _shown(shipment, lines, chosen)
    note(order, "shipment.shipped", actor=actor, now=now, details=shown, public=True)
    move_goods(order, actor=actor, now=now)
    audit.record(actor=actor, action="order.ship", subject=("order", order_id), after=shown)
    tell(order, "shipped", now=now)
    mails.request_shipped(shipment.id)
    db.session.flush()
    made = queries.get_shipment(order_id, shipment.id)
    _take_from_shelves(order, lines, chosen, is_named=units is not None, actor=actor, now=now)
    return made


@in_transaction
def change_tracking(
    *,
    actor: Principal,
    now: datetime,
    order_id: int,
    shipment_id: int,
    expected_version: int,
    **changes: Any,
) -> ShipmentRecord:
    """Change ``carrier``, ``tracking_number`` or ``tracking_url`` of a shipment, which was written down wrong.

    Where the address is not among the changes, it becomes the carrier's own page again. Raises OrderNotFound,
    ShipmentNotFound, ShipmentChanged, Invalid.
    """
    order = lock_order(order_id)
    record = queries.get_shipment(order_id, shipment_id)
    shipment = record.shipment
    if shipment.version != expected_version:
        raise ShipmentChanged(f"Shipment {shipment_id} has changed since; its version is {shipment.version}.")
    before = _tracking_of(shipment)
    known = {"carrier": shipment.carrier, "number": shipment.tracking_number}
    asked = {"number" if name == "tracking_number" else name: value for name, value in changes.items()}
    url = asked.pop("tracking_url", None)
    if not asked and "tracking_url" not in changes:
        return record
    tracking = Tracking(**(known | asked), url=url)
    shipment.carrier, shipment.tracking_number = tracking.carrier, tracking.number
    shipment.tracking_url = _checked_url(tracking)
    after = _tracking_of(shipment)
    if after != before:
        shipment.version += 1
        shipment.updated_at = now
        note(order, "shipment.tracking", actor=actor, now=now, details={"shipment": shipment_id} | after, public=True)
        audit.record(
            actor=actor, action="shipment.update", subject=("shipment", shipment_id), before=before, after=after
        )
    return record


def _require_shippable(order: Order, left: Mapping[int, int]) -> None:
    if order.state not in {OrderState.PLACED, OrderState.COMPLETED}:
        raise OrderNotPlaced(order, f"Order {order.number} is {order.state}; only placed orders are shipped.")
    if not any(left.values()):
        raise NothingLeft(order, f"Everything of order {order.number} was shipped or cancelled.")
    if order.payment_state in _GIVEN_BACK:
        detail = f"The payment of order {order.number} is {order.payment_state}: cancel what is left of it."
        raise OrderNotPaid(order, detail)
    if order.payment_state not in _PAID and order.payment_method not in _SHIPPED_UNPAID:
        raise OrderNotPaid(order, f"Order {order.number} is to be paid by {order.payment_method} before it is shipped.")


def _chosen(lines: Sequence[OrderLine], left: Mapping[int, int], units: Sequence[Units] | None) -> list[Units]:
    if units is None:
        return [Units(line_id, count) for line_id, count in left.items() if count]
    check_units(units, lines, left)
    return list(units)


def _take_from_shelves(
    order: Order, lines: Sequence[OrderLine], units: Sequence[Units], *, is_named: bool, actor: Principal, now: datetime
) -> None:
    """Take units from the shelves; ``is_named``: whoever ships them named the lines, and is told which are short."""
    of = {line.id: line for line in lines}
    items = {of[each.line_id].product_id: each.quantity for each in units}
    try:
        allocations.ship.joined(actor=actor, now=now, reference=reference_of(order), items=items)
    except NotAllocated as refused:
        short: list[dict[str, Any]] = [
            {"at": at, "line_id": each.line_id, "asin": of[each.line_id].asin, "wanted": each.quantity}
            | {"shippable": refused.held[of[each.line_id].product_id]}
            for at, each in enumerate(units)
            if of[each.line_id].product_id in refused.held
        ]
        if not short:
            raise
        raise StockTaken(short, is_named=is_named) from refused


def _checked_url(tracking: Tracking) -> str | None:
    if tracking.url is None:
        return tracking_page(tracking.carrier, tracking.number)
    problem = problem_with(tracking.url)
    if problem is not None:
        raise Invalid.field("/tracking_url", problem)
    return tracking.url


def _add(
    order_id: int,
    tracking: Tracking,
    url: str | None,
    units: Sequence[Units],
    *,
    actor: Principal,
    now: datetime,
) -> Shipment:
    shipment = Shipment(
        order_id=order_id,
        carrier=tracking.carrier,
        tracking_number=tracking.number,
        tracking_url=url,
        shipped_at=now,
        created_at=now,
        updated_at=now,
        **actor.attribution(),
    )
    db.session.add(shipment)
    db.session.flush()
    db.session.add_all(
        ShipmentLine(shipment_id=shipment.id, order_line_id=each.line_id, quantity=each.quantity) for each in units
    )
    db.session.flush()
    return shipment


def _tracking_of(shipment: Shipment) -> dict[str, Any]:
    return {
        "carrier": shipment.carrier,
        "tracking_number": shipment.tracking_number,
        "tracking_url": shipment.tracking_url,
    }


def _shown(shipment: Shipment, lines: Sequence[OrderLine], units: Sequence[Units]) -> dict[str, Any]:
    asins = {line.id: line.asin for line in lines}
    shown = [{"line_id": each.line_id, "asin": asins[each.line_id], "quantity": each.quantity} for each in units]
    return {"shipment": shipment.id, "lines": shown} | _tracking_of(shipment)
