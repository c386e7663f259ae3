"""Mails about orders: asked for inside the transaction that changes one, written and sent by background workers.

They say nothing that a customer typed in, no name, no address, no note: whoever orders as a guest may give somebody
else's address, and would write to strangers through us. A sender may run again after it has sent: somebody then gets
a mail twice, with a link that works as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import exists, func, select

from app.core import mail, outbox
from app.core.extensions import db
from app.core.money import readable
from app.core.running import settings
from app.orders.events import OrderMoved
from app.orders.models.fulfilment import Shipment
from app.orders.models.orders import Order, OrderState
from app.orders.models.payments import Payment, Refund, RefundStatus
from app.orders.queries.shipments import get_shipment
from app.orders.queries.tracking import follow_order
from app.orders.services.links import make_link
from app.orders.services.privacy import ERASED_EMAIL

PLACED: Final = "mail_order_placed"
SHIPPED: Final = "mail_order_shipped"
REFUNDED: Final = "mail_order_refunded"
CANCELLED: Final = "mail_order_cancelled"

# --- Asking: inside an open transaction ------------------------------------------------------------------------------


def tell_customer(event: OrderMoved) -> None:
    """Ask for the mail about an order that was placed, or of which something was cancelled: one for a transaction."""
    if event.what == "placed":
        _request(PLACED, f"{event.order_id}", order_id=event.order_id)
    elif event.what == "cancelled":
        version = db.session.get_one(Order, event.order_id).version  # another one in every transaction
        about = f"{event.order_id}:{version}"
        if not db.session.scalar(select(exists().where(outbox.Outbox.unique_key == f"{CANCELLED}:{about}"))):
            _request(CANCELLED, about, order_id=event.order_id)


def request_shipped(shipment_id: int) -> None:
    """Ask for the mail about a parcel that has left."""
    _request(SHIPPED, f"{shipment_id}", shipment_id=shipment_id)


def request_refunded(refund_id: int) -> None:
    """Ask for the mail about money that has been given back."""
    _request(REFUNDED, f"{refund_id}", refund_id=refund_id)


def _request(kind: str, about: str, **ids: int) -> None:
    outbox.add(kind, key=f"{kind}:{about}", **ids)


# --- Sending: in a background worker ---------------------------------------------------------------------------------


def send_placed(*, order_id: int, now: datetime) -> None:
    """Say what was ordered, what it costs and how it is paid."""
    found = follow_order(order_id)
    values = {"lines": found.lines, "totals": _totals(found.order), "method": found.order.payment_method}
    _send(found.order, f"Your order {found.order.number}", "order_placed", now=now, **values)


def send_shipped(*, shipment_id: int, now: datetime) -> None:
    """Say what is on its way, with whom, and where it can be followed."""
    order_id = db.session.scalars(select(Shipment.order_id).where(Shipment.id == shipment_id)).one()
    record = get_shipment(order_id, shipment_id)
    order, shipment = record.order, record.shipment
    lines = follow_order(order_id).lines
    is_left = any(line.quantity > line.shipped + line.cancelled for line in lines)
    is_all = not is_left and sum(each.quantity for each in record.lines) == sum(line.shipped for line in lines)
    values = {"lines": record.lines, "is_all": is_all, "is_left": is_left, "carrier": shipment.carrier}
    values |= {"tracking_number": shipment.tracking_number, "tracking_url": shipment.tracking_url}
    _send(order, f"Your order {order.number} is on its way", "order_shipped", now=now, **values)


def send_refunded(*, refund_id: int, now: datetime) -> None:
    """Say how much money was given back; nothing of a refund that did not succeed."""
    refund = db.session.get_one(Refund, refund_id)
    if refund.status != RefundStatus.SUCCEEDED:
        return
    order = db.session.get_one(Order, refund.order_id)
    values = {"amount": readable(refund.amount_minor, refund.currency), "method": order.payment_method}
    _send(order, f"Your refund for order {order.number}", "order_refunded", now=now, **values)


def send_cancelled(*, order_id: int, now: datetime) -> None:
    """Say what was cancelled, and what becomes of the money; nothing of a checkout that had never become an order."""
    found = follow_order(order_id)
    order = found.order
    captured = db.session.scalar(select(func.sum(Payment.captured_minor)).where(Payment.order_id == order_id)) or 0
    if order.placed_at is None and not captured:
        return
    is_whole = order.state == OrderState.CANCELLED
    values = {
        "lines": [line for line in found.lines if line.cancelled],
        "is_whole": is_whole,
        "was_placed": order.placed_at is not None,
        "is_paid": captured > 0,
        "rest": readable(order.total_minor - order.cancelled_minor, order.currency),
    }
    said = "was cancelled" if is_whole else "has changed"
    _send(order, f"Your order {order.number} {said}", "order_cancelled", now=now, **values)


SENDERS: Final[dict[str, Callable[..., None]]] = {
    PLACED: send_placed,
    SHIPPED: send_shipped,
    REFUNDED: send_refunded,
    CANCELLED: send_cancelled,
}
"""What each kind of outbox row sends; a sender takes the row's arguments and ``now``."""


def _totals(order: Order) -> Sequence[tuple[str, str]]:
    """What the order costs, as (what, amount)."""
    rows = [("Goods", order.subtotal_minor), ("Discount", -order.discount_minor), ("Shipping", order.shipping_minor)]
    rows += [("Total", order.total_minor)] if order.tax_included else []
    rows += [("Contained tax" if order.tax_included else "Tax", order.tax_minor)]
    rows += [] if order.tax_included else [("Total", order.total_minor)]
    shown = {"Goods", "Total"}
    return [(what, readable(amount, order.currency)) for what, amount in rows if amount or what in shown]


def _send(order: Order, subject: str, template: str, *, now: datetime, **values: Any) -> None:
    """Send a mail about an order to who made it, with a new link; to nobody where they were erased."""
    to, about = order.email, {"number": order.number, "currency": order.currency}
    if to == ERASED_EMAIL:
        return
    values["lines"] = [_line(line, order.currency) for line in values.get("lines", ())]
    token = make_link(order_id=order.id, now=now)
    db.session.rollback()  # a mail server may take its time: nothing is held meanwhile
    mail.send_mail(to, subject, template, date=now, link=f"{settings().public_url}/track/{token}", **about, **values)


def _line(line: Any, currency: str) -> dict[str, Any]:
    shown = {"name": line.name, "quantity": line.quantity, "cancelled": getattr(line, "cancelled", 0)}
    price = getattr(line, "subtotal_minor", None)
    return shown | {"amount": None if price is None else readable(price, currency)}
