"""The lists of orders: every filter and order, page by page, is what a plain comparison of all orders gives."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import event, insert, select, update

from app.auth.models import User
from app.cart.models import Cart
from app.cart.shopper import Shopper
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.permissions import guest
from app.core.transactions import in_transaction
from app.orders.addresses import postal_key, recipient_key
from app.orders.models.fulfilment import Shipment
from app.orders.models.orders import FulfilmentState, Order, OrderLine, OrderState, PaymentState
from app.orders.queries import orders_listing, orders_walks
from app.orders.queries.orders_listing import SORTS, list_orders, list_own_orders
from app.products.models.products import Product
from tests.orders.making import ADDRESS, STAFF

COUNT: Final = 90
BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
NAMES: Final = ("Grace Hopper", "Grace  HOPPER", "Gräce Hopp", "Ada Lovelace", "山田 花子", "Z")
CODES: Final = ("22201", "SW1A 1AA", "sw1a-1aa", None)
FILTERS: Final[dict[str, tuple[Any, ...]]] = {
    "state": ("PLACED", ["PLACED", "COMPLETED"], ["DRAFT", "EXPIRED"], "CANCELLED"),
    "payment_state": ("PAID", ["UNPAID", "PENDING"], "REFUNDED", list(PaymentState)),
    "fulfilment_state": ("UNFULFILLED", ["SHIPPED", "DELIVERED"], "RETURNED"),
    "payment_method": ("card", "invoice"),
    "attention": ("STOCK_TAKEN", ["STOCK_TAKEN", "REFUND_FAILED"]),
    "customer": (1, 2, 99),
    "email": ("ada@example.org", "nobody@example.org"),
    "product": (1, 2, 3, 99),
    "asin": ("B000000001", "B000000003", "B999999999"),
    "tracking_number": ("T1", "T2", "T99"),
    "recipient": ("grace hopper", "grace hop", "ada", "山田", "nobody"),
    "postal_code": ("22201", "SW1A1AA", "1"),
    "coupon": ("TEN", "NOBODY"),
    "placed": ((None, 10), (5, None), (6, 7), (500, None)),
    "total": ((None, 500), (300, None), (250, 260), (99_999, None)),
    "order_id": (7, 90, 999),
}
"""Values of each filter: of many orders, of few and of none."""


@pytest.fixture(params=["few are few", "five are many"])
def looking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many orders may be sorted, and how far a page looks along an index."""
    if request.param == "five are many":
        monkeypatch.setattr(orders_listing, "FEW", 5)
        monkeypatch.setattr(orders_listing, "LOOK_AT", (5, 20))


def _orders() -> list[dict[str, Any]]:
    chance = random.Random(4)
    rows = []
    for number in range(1, COUNT + 1):
        state = chance.choice([*OrderState, *["PLACED"] * 4])
        placed = BEGIN + timedelta(days=chance.randrange(20)) if state not in {"DRAFT", "EXPIRED"} else None
        rows.append(
            {
                "id": number,
                "cart_id": -number if number % 5 == 0 else None,
                "user_id": chance.choice([None, 1, 1, 2]),
                "email": chance.choice(["ada@example.org", "grace@example.org"]),
                "state": state,
                "payment_state": chance.choice([*PaymentState, *["PAID"] * 6]),
                "fulfilment_state": chance.choice([*FulfilmentState, *["UNFULFILLED"] * 8]),
                "payment_method": chance.choice(["invoice", "card"]),
                "attention": chance.choice([*[None] * 8, "STOCK_TAKEN", "REFUND_FAILED"]),
                "currency": "USD",
                "tax_rate_ppm": 0,
                "tax_included": True,
                "subtotal_minor": 0,
                "discount_minor": 0,
                "shipping_minor": 0,
                "tax_minor": 0,
                "total_minor": chance.choice([100, 250, 255, 500, 900, 1000]),
                "cancelled_minor": 0,
                "coupon_code": chance.choice([None, None, "TEN"]),
                "note": "",
                "shipping_address": ADDRESS | {"name": chance.choice(NAMES), "postal_code": chance.choice(CODES)},
                "billing_address": ADDRESS,
                "placed_at": placed,
                "placed_on": placed and placed.date(),
                "version": 1,
                "created_at": BEGIN,
                "updated_at": BEGIN,
            }
        )
    return rows


@pytest.fixture
def orders(context: Flask) -> list[dict[str, Any]]:
    """Orders with lines and shipments; each has ``products``, ``tracking`` and ``units`` besides its columns."""
    rows, chance = _orders(), random.Random(5)
    contents = {
        row["id"]: {p: chance.randrange(1, 4) for p in (1, 2, 3) if chance.random() < (0.9, 0.3, 0.02)[p - 1]}
        for row in rows
    }
    parcels = {row["id"]: [f"T{chance.randrange(1, 60)}" for _ in range(chance.randrange(3))] for row in rows}

    @in_transaction
    def fill() -> None:
        people = [{"id": id_, "email": f"p{id_}@example.org", "name": f"P{id_}"} for id_ in (1, 2)]
        products = [
            {"id": id_, "asin": f"B{id_:09d}", "name": f"P{id_}", "price_minor": 1, "currency": "USD"}
            for id_ in (1, 2, 3)
        ]
        lines = [
            {"order_id": order_id, "product_id": product_id, "position": product_id, "quantity": quantity}
            | {"asin": f"B{product_id:09d}", "name": "P", "brand": None, "unit_price_minor": 1}
            | dict.fromkeys(("subtotal_minor", "discount_minor", "shipping_minor"), 0)
            | dict.fromkeys(("shipping_tax_minor", "tax_minor", "total_minor"), 0)
            for order_id, bought in contents.items()
            for product_id, quantity in bought.items()
        ]
        shipments = [
            {"order_id": order_id, "carrier": "DHL", "tracking_number": number, "shipped_at": BEGIN}
            | STAFF.attribution()
            for order_id, numbers in parcels.items()
            for number in numbers
        ]
        for table, values in (
            (User, people),
            (Product, products),
            (Order, rows),
            (OrderLine, lines),
            (Shipment, shipments),
        ):
            db.session.execute(insert(table), values)

    fill()
    return [
        row
        | {"products": contents[row["id"]], "tracking": parcels[row["id"]], "units": sum(contents[row["id"]].values())}
        for row in rows
    ]


def _is_placed_within(row: dict[str, Any], days: Any) -> bool:
    low, high = (None if day is None else BEGIN + timedelta(days=day) for day in days)
    at = row["placed_at"]
    return at is not None and (low is None or at >= low) and (high is None or at < high)


def _is_total_within(row: dict[str, Any], bounds: Any) -> bool:
    low, high = bounds
    return (low is None or row["total_minor"] >= low) and (high is None or row["total_minor"] <= high)


_FITS: Final[dict[str, Callable[[dict[str, Any], Any], bool]]] = {
    "customer": lambda row, value: row["user_id"] == value,
    "product": lambda row, value: value in row["products"],
    "asin": lambda row, value: int(value[1:]) in row["products"],
    "tracking_number": lambda row, value: value in row["tracking"],
    "recipient": lambda row, value: recipient_key(row["shipping_address"]["name"]).startswith(value),
    "postal_code": lambda row, value: postal_key(row["shipping_address"]["postal_code"]) == value,
    "coupon": lambda row, value: row["coupon_code"] == value,
    "order_id": lambda row, value: row["id"] == value,
    "placed": _is_placed_within,
    "total": _is_total_within,
}


def _fits(row: dict[str, Any], name: str, value: Any) -> bool:
    if name in _FITS:
        return _FITS[name](row, value)
    return row[name] in (value if isinstance(value, list) else [value])


def _expected(rows: list[dict[str, Any]], wanted: dict[str, Any], sort: str) -> list[int]:
    fitting = [row for row in rows if all(_fits(row, name, value) for name, value in wanted.items())]
    if sort.endswith("total"):
        by = lambda row: (row["total_minor"], row["id"])  # noqa: E731
    elif "placed" in wanted:
        by = lambda row: (row["placed_at"], row["id"])  # noqa: E731
    else:
        by = lambda row: row["id"]  # noqa: E731
    return [row["id"] for row in sorted(fitting, key=by, reverse=sort in {"newest", "-total"})]


def _arguments(wanted: dict[str, Any]) -> dict[str, Any]:
    """Filters as ``list_orders`` takes them."""
    given = dict(wanted)
    if "placed" in given:
        low, high = (None if day is None else BEGIN + timedelta(days=day) for day in given.pop("placed"))
        given |= {"placed_from": low, "placed_to": high}
    if "total" in given:
        given["total_min"], given["total_max"] = given.pop("total")
    return given


def _walk(wanted: dict[str, Any], sort: str, limit: int) -> list[int]:
    """The numbers of all orders on all pages."""
    found: list[int] = []
    cursor: str | None = None
    for _ in range(400):
        page = list_orders(limit=limit, cursor=cursor, sort=sort, **_arguments(wanted))
        assert len(page.items) <= limit
        found += [row.id for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise AssertionError("the pages do not end")


def _chosen(count: int) -> Iterator[tuple[dict[str, Any], str, int]]:
    chance = random.Random(6)
    for _ in range(count):
        names = chance.sample(sorted(FILTERS), chance.choice([0, 1, 1, 2, 2, 3]))
        wanted = {name: chance.choice(FILTERS[name]) for name in names}
        yield wanted, chance.choice(sorted(SORTS)), chance.choice([7, 50])


@pytest.mark.usefixtures("looking")
def test_every_filter_alone_gives_what_fits_in_the_order_asked_for(orders: list[dict[str, Any]]) -> None:
    sorts = itertools.cycle([*SORTS, "newest"])
    for name, values in FILTERS.items():
        for value in values:
            wanted, sort = {name: value}, next(sorts)
            assert (wanted, sort, _walk(wanted, sort, 20)) == (wanted, sort, _expected(orders, wanted, sort))


@pytest.mark.usefixtures("looking")
def test_any_filters_together_give_what_fits_all_of_them(orders: list[dict[str, Any]]) -> None:
    for wanted, sort, limit in _chosen(80):
        assert (wanted, sort, _walk(wanted, sort, limit)) == (wanted, sort, _expected(orders, wanted, sort))


@pytest.mark.usefixtures("looking")
def test_payment_and_fulfilment_together_find_what_is_to_be_sent(orders: list[dict[str, Any]]) -> None:
    wanted = {"state": "PLACED", "payment_state": "PAID", "fulfilment_state": ["UNFULFILLED", "PARTIALLY_SHIPPED"]}
    expected = _expected(orders, wanted, "oldest")
    assert len(expected) > 3
    assert _walk(wanted, "oldest", 4) == expected


def test_an_order_in_the_list_says_how_many_units_it_has(orders: list[dict[str, Any]]) -> None:
    units = {row["id"]: row["units"] for row in orders}
    for row in list_orders(limit=100).items:
        assert (row.number, row.unit_count) == (str(100_000 + row.id), units[row.id])


def test_a_cursor_of_another_order_is_refused(orders: list[dict[str, Any]]) -> None:
    cursor = list_orders(limit=2, sort="newest").next_cursor
    for other in ({"sort": "total"}, {"sort": "oldest"}, {"sort": "newest", "placed_from": BEGIN}):
        with pytest.raises(Invalid):
            list_orders(limit=2, cursor=cursor, **other)


def test_a_page_takes_as_many_statements_for_many_orders_as_for_one(orders: list[dict[str, Any]]) -> None:
    asked: list[str] = []
    listener = lambda *about: asked.append(about[2])  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", listener)
    try:
        counts = []
        for limit in (1, 100):
            asked.clear()
            assert len(list_orders(limit=limit, state="PLACED").items) >= min(limit, 20)
            counts.append(len(asked))
    finally:
        event.remove(db.engine, "before_cursor_execute", listener)
    assert counts[0] == counts[1] <= 3  # with SQLite's BEGIN


@in_transaction
def _add_cart() -> int:
    cart = Cart(token_hash="a" * 64, expires_at=BEGIN)
    db.session.add(cart)
    db.session.flush()
    db.session.execute(update(Order).where(Order.id == 5).values(cart_id=cart.id, state="PLACED"))
    return cart.id


def test_customers_find_their_own_orders_and_guests_the_one_of_their_cart(orders: list[dict[str, Any]]) -> None:
    db.session.rollback()
    of_one = Shopper(guest(), 1, None)
    shown = [row["id"] for row in reversed(orders) if row["user_id"] == 1 and row["state"] != "EXPIRED"]
    page = list_own_orders(of_one, limit=100)
    assert [row.id for row in page.items] == shown
    expired = list_own_orders(of_one, limit=100, state="EXPIRED").items
    assert [row.id for row in expired] == [
        row["id"] for row in reversed(orders) if row["user_id"] == 1 and row["state"] == "EXPIRED"
    ]
    cart_id = _add_cart()
    assert [row.id for row in list_own_orders(Shopper(guest(), None, "a" * 64, cart_id), limit=9).items] == [5]
    assert list_own_orders(Shopper(guest(), None, "b" * 64, None), limit=9).items == []


def test_what_orders_are_searched_by_follows_the_address_however_it_is_written(orders: list[dict[str, Any]]) -> None:
    db.session.rollback()
    for row in db.session.execute(select(Order.shipping_address, Order.recipient_key, Order.postal_key)):
        address = row.shipping_address
        assert (row.recipient_key, row.postal_key) == (
            recipient_key(address["name"]),
            postal_key(address["postal_code"]),
        )
    order = db.session.get_one(Order, 1)
    order.shipping_address = ADDRESS | {"name": "Ædan  Ø", "postal_code": "e1 6an"}
    assert (order.recipient_key, order.postal_key) == ("aedan o", "E16AN")


def test_every_walk_has_its_index() -> None:
    """MariaDB is told the names of indexes, and refuses those that are not there."""
    for walk in orders_walks.WALKS.values():
        names = {index.name for index in walk.table.indexes} | {"PRIMARY"}
        assert walk.index in names
