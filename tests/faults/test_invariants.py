"""The rules that all tests of faults rely on see every kind of wrong: each is planted once, in tables without keys."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from flask import Flask

from app import create_base
from app.cart.models import Cart
from app.core.extensions import db
from app.core.orm import Base, table_of
from app.core.outbox import Outbox
from app.orders.models.coupons import Coupon, CouponCustomer, CouponUse
from app.orders.models.fulfilment import OrderReturn, OrderReturnLine, Shipment, ShipmentLine
from app.orders.models.orders import Hold, Order, OrderEvent, OrderLine
from app.orders.models.payments import Payment, ProviderEvent, Refund, RefundLine
from app.orders.models.sales import Sale
from app.products.models.stock import Allocation, Stock, StockMovement
from tests.faults import invariants
from tests.faults.invariants import violations
from tests.faults.world import TABLES, Books, Charged, PaidBack
from tests.servers import make_settings

NOW: Final = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
LAMP, CHAIR = 1, 2
INVOICED, SHIPPED, IN_CHECKOUT, EXPIRED, TOO_LATE, BY_STAFF = range(1, 7)

BOOKS: Final = Books(
    charges=[
        Charged("pi_2", "key-2", "100002", 1800),
        Charged("pi_4", "key-4", "100004", 0),
        Charged("pi_5", "key-5", "100005", 1000),
    ],
    refunds=[PaidBack("re_1", "pi_2", 900), PaidBack("re_2", "pi_5", 1000)],
)


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Flask]:
    """A database of the same tables without keys, checks and NOT NULL, in which everything can be wrong."""
    app = create_base(make_settings(f"sqlite:///{tmp_path}/bare.db", "unix:///nowhere"))
    with app.app_context():
        _tables_without_constraints().create_all(db.engine)
        _fill()
        yield app
        db.session.remove()
        db.engine.dispose()


def _tables_without_constraints() -> sa.MetaData:
    copies = sa.MetaData()
    for model in TABLES:
        table = table_of(model)
        columns = [
            sa.Column(column.name, column.type, sa.Computed(str(column.computed.sqltext)))
            if column.computed is not None
            else sa.Column(column.name, column.type, primary_key=column.primary_key)
            for column in table.columns
        ]
        sa.Table(table.name, copies, *columns)
    return copies


def put(model: type[Base], *rows: dict[str, Any]) -> None:
    """Insert rows as they are, with the columns' own defaults."""
    with db.engine.begin() as connection:
        for row in rows:
            connection.execute(sa.insert(table_of(model)).values(row))


def change(model: type[Base], where: dict[str, Any], **values: Any) -> None:
    """Change rows past everything that would refuse it; fails where there is none."""
    table = table_of(model)
    with db.engine.begin() as connection:
        statement = sa.update(table).where(*(table.c[name] == value for name, value in where.items())).values(values)
        assert connection.execute(statement).rowcount


def remove(model: type[Base], **where: Any) -> None:
    table = table_of(model)
    with db.engine.begin() as connection:
        gone = sa.delete(table).where(*(table.c[name] == value for name, value in where.items()))
        assert connection.execute(gone).rowcount


def _order(id_: int, state: str, payment: str, fulfilment: str = "UNFULFILLED", **others: Any) -> dict[str, Any]:
    values = {
        "id": id_, "cart_id": id_, "state": state, "payment_state": payment, "fulfilment_state": fulfilment,
        "tax_included": True, "subtotal_minor": 1000, "discount_minor": 0, "shipping_minor": 0, "tax_minor": 0,
        "total_minor": 1000, "placed_at": NOW, "email": "a@example.org", "shipping_address": {}, "billing_address": {},
    }  # fmt: skip
    return values | others


def _line(id_: int, order_id: int, product_id: int, quantity: int, **others: Any) -> dict[str, Any]:
    values = {
        "id": id_, "order_id": order_id, "product_id": product_id, "quantity": quantity, "subtotal_minor": 1000,
        "discount_minor": 0, "shipping_minor": 0, "tax_minor": 0, "total_minor": 1000,
    }  # fmt: skip
    return values | others


def _moved(product_id: int, kind: str, on_hand: int, allocated: int, order_id: int | None = None) -> dict[str, Any]:
    reference = {} if order_id is None else {"reference_kind": "order", "reference_id": order_id}
    return {
        "product_id": product_id, "kind": kind, "on_hand_delta": on_hand, "allocated_delta": allocated
    } | reference  # fmt: skip


def _events(order_id: int, axis: str, *states: str) -> list[dict[str, Any]]:
    """From nothing over all of these states."""
    pairs = itertools.pairwise((None, *states))
    return [
        {"order_id": order_id, "kind": f"{axis}.state", "before": before, "after": after, "is_public": True}
        for before, after in pairs
    ]


def _payment(order_id: int, status: str, captured: int = 0, refunded: int = 0, **others: Any) -> dict[str, Any]:
    values = {
        "id": order_id, "order_id": order_id, "attempt": 1, "active_order_id": order_id, "provider": "stripe",
        "status": status, "amount_minor": captured or 1000, "captured_minor": captured, "refunded_minor": refunded,
        "idempotency_key": f"key-{order_id}", "provider_ref": f"pi_{order_id}",
    }  # fmt: skip
    return values | others


def _fill() -> None:
    """Orders of every kind, with which all is well."""
    put(
        Stock, {"product_id": LAMP, "on_hand": 98, "allocated": 4}, {"product_id": CHAIR, "on_hand": 50, "allocated": 2}
    )
    put(
        StockMovement,
        _moved(LAMP, "received", 100, 0),
        _moved(CHAIR, "received", 50, 0),
        _moved(LAMP, "allocated", 0, 3, INVOICED),
        _moved(LAMP, "shipped", -1, -1, INVOICED),
        _moved(CHAIR, "allocated", 0, 1, INVOICED),
        _moved(LAMP, "allocated", 0, 2, SHIPPED),
        _moved(LAMP, "shipped", -2, -2, SHIPPED),
        _moved(LAMP, "returned", 1, 0, SHIPPED),
        _moved(LAMP, "allocated", 0, 2, IN_CHECKOUT),
        _moved(LAMP, "allocated", 0, 5, EXPIRED),
        _moved(LAMP, "released", 0, -5, EXPIRED),
        _moved(CHAIR, "allocated", 0, 1, BY_STAFF),
    )
    held = [(LAMP, 2, INVOICED), (CHAIR, 1, INVOICED), (LAMP, 2, IN_CHECKOUT), (CHAIR, 1, BY_STAFF)]
    by = {"reference_kind": "order"}
    put(Allocation, *(by | {"product_id": id_, "quantity": count, "reference_id": of} for id_, count, of in held))
    put(
        Cart,
        *({"id": id_, "state": "ORDERED", "expires_at": NOW} for id_ in (INVOICED, SHIPPED, TOO_LATE)),
        *({"id": id_, "state": "OPEN", "expires_at": NOW} for id_ in (IN_CHECKOUT, EXPIRED)),
    )
    put(
        Order,
        _order(INVOICED, "PLACED", "UNPAID", "PARTIALLY_SHIPPED", subtotal_minor=2000, total_minor=2000),
        _order(
            SHIPPED, "COMPLETED", "PARTIALLY_REFUNDED", "PARTIALLY_RETURNED", subtotal_minor=2000, discount_minor=200,
            total_minor=1800, coupon_code="TEN",
        ),
        _order(IN_CHECKOUT, "DRAFT", "PENDING", placed_at=None, coupon_code="TEN"),
        _order(EXPIRED, "EXPIRED", "VOIDED", placed_at=None),
        _order(TOO_LATE, "CANCELLED", "REFUNDED", "VOIDED", placed_at=None, cancelled_minor=1000),
        _order(BY_STAFF, "PLACED", "PAID", cart_id=None),
    )  # fmt: skip
    put(
        OrderLine,
        _line(1, INVOICED, LAMP, 3, shipped=1),
        _line(2, INVOICED, CHAIR, 1),
        _line(3, SHIPPED, LAMP, 2, shipped=2, returned=1, subtotal_minor=2000, discount_minor=200, total_minor=1800),
        _line(4, IN_CHECKOUT, LAMP, 2),
        _line(5, EXPIRED, LAMP, 5),
        _line(6, TOO_LATE, LAMP, 1, cancelled=1),
        _line(7, BY_STAFF, CHAIR, 1),
    )
    later = datetime.now(UTC) + timedelta(minutes=5)
    states = {
        INVOICED: "CONSUMED",
        SHIPPED: "CONSUMED",
        IN_CHECKOUT: "PAYING",
        EXPIRED: "RELEASED",
        TOO_LATE: "RELEASED",
    }
    put(Hold, *({"order_id": of, "state": state, "expires_at": later} for of, state in states.items()))
    _fill_history()
    _fill_money()


def _fill_history() -> None:
    put(Shipment, *({"id": of, "order_id": of, "shipped_at": NOW, "carrier": "DHL"} for of in (INVOICED, SHIPPED)))
    put(
        ShipmentLine,
        {"shipment_id": 1, "order_line_id": 1, "quantity": 1},
        {"shipment_id": 2, "order_line_id": 3, "quantity": 2},
    )
    put(OrderReturn, {"id": 1, "order_id": SHIPPED, "reason": "too bright", "refund_id": 1})
    put(OrderReturnLine, {"order_return_id": 1, "order_line_id": 3, "quantity": 1, "resaleable": 1})
    put(
        OrderEvent,
        *_events(INVOICED, "order", "DRAFT", "PLACED"),
        *_events(INVOICED, "payment", "UNPAID"),
        *_events(INVOICED, "fulfilment", "UNFULFILLED", "PARTIALLY_SHIPPED"),
        *_events(SHIPPED, "order", "DRAFT", "PLACED", "COMPLETED"),
        *_events(SHIPPED, "payment", "UNPAID", "PENDING", "PAID", "PARTIALLY_REFUNDED"),
        *_events(SHIPPED, "fulfilment", "UNFULFILLED", "SHIPPED", "DELIVERED", "PARTIALLY_RETURNED"),
        *_events(IN_CHECKOUT, "order", "DRAFT"),
        *_events(IN_CHECKOUT, "payment", "UNPAID", "PENDING"),
        *_events(IN_CHECKOUT, "fulfilment", "UNFULFILLED"),
        *_events(EXPIRED, "order", "DRAFT", "EXPIRED"),
        *_events(EXPIRED, "payment", "UNPAID", "PENDING", "VOIDED"),
        *_events(EXPIRED, "fulfilment", "UNFULFILLED"),
        *_events(TOO_LATE, "order", "DRAFT", "EXPIRED", "CANCELLED"),
        *_events(TOO_LATE, "payment", "UNPAID", "PENDING", "PAID", "REFUNDED"),
        *_events(TOO_LATE, "fulfilment", "UNFULFILLED", "VOIDED"),
        *_events(BY_STAFF, "order", "PLACED"),
        *_events(BY_STAFF, "payment", "UNPAID", "PAID"),
        *_events(BY_STAFF, "fulfilment", "UNFULFILLED"),
    )


def _fill_money() -> None:
    put(
        Payment,
        _payment(INVOICED, "CREATED", amount_minor=2000, provider="manual", provider_ref=None),
        _payment(SHIPPED, "CAPTURED", 1800, 900),
        _payment(IN_CHECKOUT, "CREATED", provider_ref=None),
        _payment(EXPIRED, "CANCELLED", active_order_id=None),
        _payment(TOO_LATE, "CAPTURED", 1000, 1000),
        _payment(BY_STAFF, "CAPTURED", 1000, provider="manual", provider_ref=None),
    )
    put(
        Refund,
        *(
            {
                "id": id_, "order_id": of, "payment_id": of, "provider": "stripe", "status": "SUCCEEDED",
                "amount_minor": amount, "idempotency_key": f"refund-{id_}", "provider_ref": f"re_{id_}", "reason": "",
            }
            for id_, of, amount in ((1, SHIPPED, 900), (2, TOO_LATE, 1000))
        ),
    )  # fmt: skip
    put(
        RefundLine,
        {"refund_id": 1, "order_line_id": 3, "quantity": 1, "amount_minor": 900},
        {"refund_id": 2, "order_line_id": 6, "quantity": 1, "amount_minor": 1000},
    )
    sold = [(SHIPPED, 1800), (SHIPPED, -900), (TOO_LATE, 1000), (TOO_LATE, -1000), (BY_STAFF, 1000)]
    put(
        Sale,
        *(
            {"unique_key": f"fact:{n}", "order_id": of, "total_minor": amount, "sold_at": NOW, "sold_on": NOW.date()}
            for n, (of, amount) in enumerate(sold)
        ),
    )
    put(Coupon, {"id": 1, "code": "TEN", "kind": "percent", "percent_ppm": 100_000, "used": 2, "max_uses": 2})
    put(
        CouponUse,
        {"coupon_id": 1, "order_id": SHIPPED, "customer_hash": "a", "created_at": NOW},
        {"coupon_id": 1, "order_id": IN_CHECKOUT, "customer_hash": "b", "created_at": NOW},
    )
    put(CouponCustomer, *({"coupon_id": 1, "customer_hash": customer, "used": 1} for customer in "ab"))
    put(ProviderEvent, {"provider": "stripe", "event_id": "evt_1", "received_at": NOW, "handled_at": NOW, "body": "{}"})
    put(Outbox, {"kind": "send_refund", "unique_key": "refund:1", "arguments": {}, "not_before": NOW, "done_at": NOW})


def test_nothing_is_said_of_a_world_in_which_all_is_well(bare: Flask) -> None:
    assert violations(BOOKS) == []


Plant = Callable[[], Books | None]


def _changed(model: type[Base], where: dict[str, Any], **values: Any) -> Plant:
    return lambda: change(model, where, **values)


def _added(model: type[Base], **row: Any) -> Plant:
    return lambda: put(model, row)


def _removed(model: type[Base], **where: Any) -> Plant:
    return lambda: remove(model, **where)


def _books(*charges: Charged, refunds: tuple[PaidBack, ...] = (), without: str = "") -> Plant:
    kept = [row for row in BOOKS.charges if row.ref != without]
    back = [row for row in BOOKS.refunds if row.ref != without]
    return lambda: Books([*kept, *charges], [*back, *refunds])


PLANTED: Final[list[tuple[str, Plant]]] = [
    ("the_ledger_explains_the_counters", _added(StockMovement, **_moved(LAMP, "adjusted", -1, 0))),
    ("the_ledger_explains_the_counters", _added(StockMovement, **_moved(CHAIR, "released", 0, -1, BY_STAFF))),
    ("allocated_is_what_allocations_come_to", _changed(Stock, {"product_id": LAMP}, allocated=5)),
    ("nothing_is_oversold", _changed(Stock, {"product_id": LAMP}, on_hand=3)),
    ("nothing_is_oversold", _changed(Stock, {"product_id": LAMP}, allocated=-1)),
    ("allocations_belong_to_live_orders", _changed(Hold, {"order_id": IN_CHECKOUT}, state="RELEASED")),
    ("allocations_belong_to_live_orders", _removed(Hold, order_id=IN_CHECKOUT)),
    ("allocations_belong_to_live_orders", _changed(Order, {"id": BY_STAFF}, state="CANCELLED")),
    ("allocations_belong_to_live_orders", _changed(Allocation, {"reference_id": BY_STAFF}, reference_id=99)),
    ("orders_hold_what_they_have_to_ship", _changed(OrderLine, {"id": 2}, cancelled=1)),
    ("orders_hold_what_they_have_to_ship", _removed(Allocation, reference_id=IN_CHECKOUT)),
    ("orders_hold_what_they_have_to_ship", _changed(Allocation, {"reference_id": BY_STAFF}, product_id=LAMP)),
    ("what_left_the_shelf_is_on_a_line", _changed(OrderLine, {"id": 1}, shipped=2)),
    ("what_left_the_shelf_is_on_a_line", _added(StockMovement, **_moved(LAMP, "returned", 1, 0, SHIPPED))),
    ("a_cart_is_one_order", _added(Order, **_order(9, "EXPIRED", "VOIDED", cart_id=EXPIRED, placed_at=None))),
    ("carts_are_closed_by_placing", _changed(Cart, {"id": INVOICED}, state="OPEN")),
    ("carts_are_closed_by_placing", _changed(Cart, {"id": EXPIRED}, state="ORDERED")),
    ("holds_are_consumed_by_placing", _changed(Hold, {"order_id": INVOICED}, state="PAYING")),
    ("holds_are_consumed_by_placing", _changed(Hold, {"order_id": IN_CHECKOUT}, state="CONSUMED")),
    ("holds_are_consumed_by_placing", _changed(Hold, {"order_id": EXPIRED}, state="HELD")),
    ("holds_are_consumed_by_placing", _changed(Hold, {"order_id": IN_CHECKOUT}, state="RELEASED")),
    ("holds_are_consumed_by_placing", _removed(Hold, order_id=INVOICED)),
    ("amounts_are_sums_of_lines", _changed(OrderLine, {"id": 1}, tax_minor=5)),
    ("amounts_are_sums_of_lines", _changed(OrderLine, {"id": 1}, total_minor=999)),
    ("amounts_are_sums_of_lines", _changed(Order, {"id": BY_STAFF}, tax_included=False, tax_minor=5)),
    ("lines_are_within_bounds", _changed(OrderLine, {"id": 1}, cancelled=3)),
    ("lines_are_within_bounds", _changed(OrderLine, {"id": 3}, returned=3)),
    ("lines_are_within_bounds", _removed(ShipmentLine, order_line_id=1)),
    ("lines_are_within_bounds", _removed(OrderReturnLine, order_line_id=3)),
    ("nothing_of_a_cancelled_order_is_due", _changed(Order, {"id": BY_STAFF}, state="COMPLETED")),
    ("every_move_was_written_down", _removed(OrderEvent, order_id=SHIPPED, after="PAID")),
    ("every_move_was_written_down", _removed(OrderEvent, order_id=INVOICED, after="UNPAID")),
    ("every_move_was_written_down", _removed(OrderEvent, order_id=INVOICED, after="UNFULFILLED")),
    ("every_move_was_written_down", _changed(Order, {"id": INVOICED}, payment_state="PENDING")),
    ("coupons_count_their_uses", _changed(Coupon, {"id": 1}, used=1)),
    ("coupons_count_their_uses", _changed(Coupon, {"id": 1}, max_uses=1)),
    ("coupons_count_their_uses", _changed(CouponCustomer, {"customer_hash": "a"}, used=2)),
    ("coupons_are_used_by_who_has_the_discount", _removed(CouponUse, order_id=IN_CHECKOUT)),
    ("coupons_are_used_by_who_has_the_discount", _changed(CouponUse, {"order_id": SHIPPED}, order_id=EXPIRED)),
    ("no_hold_outlives_its_time", _changed(Hold, {"order_id": IN_CHECKOUT}, expires_at=NOW)),
    ("every_effect_is_done", _changed(Outbox, {"kind": "send_refund"}, done_at=None)),
    ("placed_orders_have_a_payment", _removed(Payment, order_id=INVOICED)),
    ("placed_orders_have_a_payment", _changed(Payment, {"order_id": INVOICED}, active_order_id=None)),
    ("orders_are_charged_once", _added(Payment, **_payment(SHIPPED, "CREATED", id=9, active_order_id=None))),
    ("active_is_what_is_open_or_captured", _changed(Payment, {"order_id": EXPIRED}, active_order_id=EXPIRED)),
    ("active_is_what_is_open_or_captured", _changed(Payment, {"order_id": IN_CHECKOUT}, active_order_id=None)),
    ("captured_is_marked_as_captured", _changed(Payment, {"order_id": SHIPPED}, status="WAITING")),
    ("captured_is_marked_as_captured", _changed(Payment, {"order_id": SHIPPED}, amount_minor=1900)),
    ("the_payment_axis_says_what_the_payment_says", _changed(Order, {"id": SHIPPED}, payment_state="PAID")),
    ("the_payment_axis_says_what_the_payment_says", _changed(Order, {"id": BY_STAFF}, payment_state="UNPAID")),
    ("the_payment_axis_says_what_the_payment_says", _changed(Order, {"id": INVOICED}, payment_state="PAID")),
    ("claims_are_refunds", _changed(Payment, {"order_id": SHIPPED}, refunded_minor=0)),
    ("claims_are_refunds", _changed(Refund, {"id": 1}, amount_minor=1900)),
    ("refunds_are_sums_of_lines", _changed(RefundLine, {"refund_id": 1}, amount_minor=899)),
    ("sales_are_what_was_kept", _removed(Sale, order_id=BY_STAFF)),
    ("sales_are_what_was_kept", _added(Sale, order_id=INVOICED, total_minor=1, sold_at=NOW, sold_on=NOW.date())),
    ("cancelled_is_what_is_not_to_be_paid", _changed(Order, {"id": INVOICED}, cancelled_minor=1)),
    ("open_payments_are_of_what_is_due", _changed(Payment, {"order_id": IN_CHECKOUT}, amount_minor=999)),
    ("the_provider_took_what_we_recorded", _changed(Payment, {"order_id": SHIPPED}, provider_ref="pi_9")),
    ("the_provider_took_what_we_recorded", _books(Charged("pi_9", "key-9", "100009", 5))),
    ("the_provider_took_what_we_recorded", _books(without="pi_2")),
    ("the_provider_charged_once", _books(Charged("pi_9", "key-9", "100002", 1800))),
    ("who_paid_has_an_order_or_the_money", _books(Charged("pi_9", "key-9", "100004", 1000))),
    ("who_paid_has_an_order_or_the_money", _books(without="re_2")),
    ("the_provider_paid_back_what_we_recorded", _books(without="re_1")),
    ("the_provider_paid_back_what_we_recorded", _books(refunds=(PaidBack("re_9", "pi_2", 1),))),
    ("no_money_is_left_on_its_way", _changed(Refund, {"id": 1}, status="CLAIMED")),
    ("no_money_is_left_on_its_way", _changed(ProviderEvent, {"event_id": "evt_1"}, handled_at=None)),
    ("ended_orders_wait_for_no_money", _changed(Payment, {"order_id": EXPIRED}, status="WAITING")),
]


@pytest.mark.parametrize(("rule", "plant"), PLANTED, ids=[f"{n}-{rule}" for n, (rule, _) in enumerate(PLANTED)])
def test_what_breaks_a_rule_is_found_by_it(bare: Flask, rule: str, plant: Plant) -> None:
    books = plant() or BOOKS
    assert rule in {found.rule for found in violations(books)}


def test_every_rule_is_known_to_see_something() -> None:
    rules = {rule.__name__ for rule in (*invariants.ALWAYS, *invariants.AT_REST)}
    assert {rule for rule, _ in PLANTED} == rules


def test_what_is_true_only_at_rest_is_not_asked_before(bare: Flask) -> None:
    change(Hold, {"order_id": IN_CHECKOUT}, expires_at=NOW)
    assert violations(BOOKS, at_rest=False) == []
