"""Reads of one order with all that belongs to it, in a number of statements that is the same for every order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, select

from app.core.orm import table_of
from app.core.reading import instant, reading
from app.orders.models.fulfilment import OrderReturn, OrderReturnLine, Shipment, ShipmentLine
from app.orders.models.orders import Hold, HoldState, Order, OrderLine, OrderState, PaymentState, number_of
from app.orders.models.payments import Payment, Refund, RefundLine, RefundStatus
from app.orders.queries.orders_rows import COLUMNS, ORDER
from app.orders.queries.owning import no_order
from app.orders.shares import parts_of

MAX_PARTS: Final = 100
"""Payments, refunds, shipments and returns that are shown with an order, of each the newest; lists have all."""

_UNPAID: Final = frozenset({PaymentState.UNPAID, PaymentState.PENDING})
_OPEN: Final = frozenset({OrderState.DRAFT, OrderState.PLACED})
_PERSONAL: Final = ("email", "note", "shipping_address", "billing_address", "user_id")
_ORDER: Final = table_of(Order)
_HOLD, _LINE = table_of(Hold).c, table_of(OrderLine).c
_PAYMENT, _REFUND, _REFUNDED = table_of(Payment).c, table_of(Refund).c, table_of(RefundLine).c
_SHIPMENT, _SHIPPED = table_of(Shipment).c, table_of(ShipmentLine).c
_RETURN, _RETURNED = table_of(OrderReturn).c, table_of(OrderReturnLine).c

_ONE: Final = (
    select(*COLUMNS, instant(_HOLD.expires_at).label("held_until"))
    .select_from(_ORDER.outerjoin(table_of(Hold), (_HOLD.order_id == ORDER.id) & (_HOLD.state == HoldState.HELD)))
    .where(ORDER.id == bindparam("id"))
)
_LINES: Final = (
    select(
        _LINE.id,
        _LINE.product_id,
        _LINE.asin,
        _LINE.name,
        _LINE.brand,
        ORDER.currency,
        _LINE.unit_price_minor,
        _LINE.subtotal_minor,
        _LINE.discount_minor,
        _LINE.shipping_minor,
        _LINE.shipping_tax_minor,
        _LINE.tax_minor,
        _LINE.total_minor,
        _LINE.quantity,
        _LINE.cancelled,
        _LINE.shipped,
        _LINE.returned,
        (_LINE.quantity - _LINE.cancelled - _LINE.shipped).label("open"),
    )
    .join(_ORDER, ORDER.id == _LINE.order_id)
    .where(_LINE.order_id == bindparam("id"))
    .order_by(_LINE.position)
)


def _newest(of: Any, *columns: Any) -> Select[Any]:
    """The newest rows of a table that belong to an order."""
    mine = select(of.id, *columns, instant(of.created_at)).where(of.order_id == bindparam("id"))
    return mine.order_by(of.id.desc()).limit(MAX_PARTS)


_PAYMENTS: Final = _newest(
    _PAYMENT,
    _PAYMENT.attempt,
    _PAYMENT.provider,
    _PAYMENT.method,
    _PAYMENT.status,
    _PAYMENT.currency,
    _PAYMENT.amount_minor,
    _PAYMENT.captured_minor,
    _PAYMENT.refunded_minor,
    _PAYMENT.provider_ref,
    _PAYMENT.reference,
    _PAYMENT.error_code,
    instant(_PAYMENT.captured_at),
)
_REFUNDS: Final = _newest(
    _REFUND,
    _REFUND.payment_id,
    _REFUND.provider,
    _REFUND.status,
    _REFUND.currency,
    _REFUND.amount_minor,
    _REFUND.reason,
    _REFUND.provider_ref,
    _REFUND.made_at,
    _REFUND.error_code,
    instant(_REFUND.ended_at),
)
_SHIPMENTS: Final = _newest(
    _SHIPMENT,
    _SHIPMENT.state,
    _SHIPMENT.carrier,
    _SHIPMENT.tracking_number,
    _SHIPMENT.tracking_url,
    _SHIPMENT.version,
    instant(_SHIPMENT.shipped_at),
    instant(_SHIPMENT.delivered_at),
)
_RETURNS: Final = _newest(_RETURN, _RETURN.reason, _RETURN.refund_id)


def _contents(of: Any, parent: Any, *columns: Any) -> Select[Any]:
    """What is in some shipments, returns or refunds, by the id of each."""
    listed = select(parent.label("parent"), of.order_line_id.label("line_id"), _LINE.asin, of.quantity, *columns)
    return listed.join(table_of(OrderLine), _LINE.id == of.order_line_id).where(
        parent.in_(bindparam("ids", expanding=True))
    )


_OF_REFUNDS: Final = _contents(_REFUNDED, _REFUNDED.refund_id, _REFUNDED.amount_minor)
_OF_SHIPMENTS: Final = _contents(_SHIPPED, _SHIPPED.shipment_id)
_OF_RETURNS: Final = _contents(_RETURNED, _RETURNED.order_return_id, _RETURNED.resaleable)


class OrderRecord(SimpleNamespace):
    """An order with its ``lines``, ``payments``, ``refunds``, ``shipments`` and ``returns``, as schemas show it."""


def read_order(order_id: int) -> OrderRecord:
    """An order with all that belongs to it; raises OrderNotFound. In a write service, once its changes are flushed."""
    return with_parts(read_head(order_id))


def read_head(order_id: int) -> Row[Any]:
    """The order alone: enough to say whether somebody knows it as it is (``version``); raises OrderNotFound."""
    with reading() as connection:
        found = connection.execute(_ONE, {"id": order_id}).first()
    if found is None:
        raise no_order(number_of(order_id))
    return found  # type: ignore[return-value]  # a Row is typed as the tuple it is like


def with_parts(head: Row[Any]) -> OrderRecord:
    """What was read of an order, with what belongs to it. That is read after its version, so it is never older."""
    about = {"id": head.id}
    with reading() as connection:
        lines = connection.execute(_LINES, about).all()
        payments = connection.execute(_PAYMENTS, about).all()
        refunds = _filled(connection, connection.execute(_REFUNDS, about), _OF_REFUNDS, {"currency": head.currency})
        shipments = _filled(connection, connection.execute(_SHIPMENTS, about), _OF_SHIPMENTS)
        returns = _filled(connection, connection.execute(_RETURNS, about), _OF_RETURNS)
    return OrderRecord(
        **head._mapping,  # noqa: SLF001  # a Row's public way to be a mapping
        due_minor=_due(head, lines),
        captured_minor=sum(each.captured_minor for each in payments),
        refunded_minor=sum(each.amount_minor for each in refunds if each.status == RefundStatus.SUCCEEDED),
        lines=lines,
        payments=payments,
        refunds=refunds,
        shipments=shipments,
        returns=returns,
    )


def _due(head: Row[Any], lines: Sequence[Any]) -> int:
    """What is still to be paid for the units that were neither cancelled nor have come back."""
    if head.payment_state not in _UNPAID or head.state not in _OPEN:
        return 0
    return sum(parts_of(line, line.cancelled + line.returned, line.quantity).total for line in lines)


def without_person(order: OrderRecord) -> OrderRecord:
    """The order without whose it is, for whoever holds a link: a mail may be forwarded."""
    return OrderRecord(**(vars(order) | dict.fromkeys(_PERSONAL)))


def _filled(
    connection: Connection, rows: Iterable[Row[Any]], contents: Select[Any], also: Mapping[str, Any] | None = None
) -> Sequence[SimpleNamespace]:
    """Rows with their ``lines``, each of which has ``also``."""
    parents = list(rows)
    lines: dict[int, list[SimpleNamespace]] = defaultdict(list)
    for row in connection.execute(contents, {"ids": [parent.id for parent in parents]}) if parents else ():
        lines[row.parent].append(SimpleNamespace(**row._mapping, **(also or {})))  # noqa: SLF001  # likewise
    return [SimpleNamespace(**parent._mapping, lines=lines[parent.id]) for parent in parents]  # noqa: SLF001  # likewise
