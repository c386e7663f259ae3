"""Orders that staff should look at, until they have."""

from __future__ import annotations

from sqlalchemy import update

from app.core.audit import AuditEvent
from app.orders.models.orders import Order, OrderEvent
from tests.orders.making import events_of
from tests.orders.paying import Till
from tests.orders.shopping import everything_of
from tests.servers import on_sqlite

pytestmark = on_sqlite


def test_what_staff_have_dealt_with_is_shown_no_more(till: Till) -> None:
    order = till.sold()
    till.change(update(Order).values(attention="PAYMENT_MISMATCH"))
    path = f"/admin/orders/{order.number}/attention"
    answer = till.ask("DELETE", path, version=order.version)
    assert (answer.status_code, answer.get_json()["attention"]) == (200, None)
    now = till.order(order.number)
    assert (now.attention, now.version) == (None, order.version + 1)
    with till.app.app_context():
        assert events_of(order.id)[-1] == ("attention", "PAYMENT_MISMATCH", None, False)
    before = everything_of(till.app, Order, OrderEvent, AuditEvent)
    assert till.ask("DELETE", path, version=now.version).status_code == 200
    assert everything_of(till.app, Order, OrderEvent, AuditEvent) == before


def test_a_reason_that_came_up_meanwhile_is_not_put_away_unseen(till: Till) -> None:
    order = till.sold()
    till.change(update(Order).values(attention="PAYMENT_MISMATCH", version=order.version + 1))
    answer = till.ask("DELETE", f"/admin/orders/{order.number}/attention", version=order.version)
    assert (answer.status_code, answer.get_json()["code"]) == (412, "ORDER_CHANGED")
    assert till.order(order.number).attention == "PAYMENT_MISMATCH"
    assert till.ask("DELETE", f"/admin/orders/{order.number}/attention").status_code == 428
    assert till.ask("DELETE", "/admin/orders/999999/attention", version=1).status_code == 404
