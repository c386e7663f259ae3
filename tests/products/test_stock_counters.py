"""What people do to stock, and what the database itself refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import DBAPIError

from app.core import events
from app.core.append_only import AppendOnly
from app.core.errors import Invalid, Refusal
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.products.errors import (
    ProductNotFound,
    StockAllocated,
    StockChanged,
    StockInconsistent,
    StockOutOfRange,
)
from app.products.events import AllocationReleased, StockLow
from app.products.models.products import Product, ProductUpdate, Source
from app.products.models.stock import MAX_QUANTITY, Allocation, MovementKind, Stock, StockMovement
from app.products.services import allocations
from app.products.services.products import delete_product
from app.products.services.stock import Shortfall, change_stock, set_stock, set_threshold, set_thresholds
from tests.products.stocking import (
    ACTOR,
    adjust,
    assert_adds_up,
    buy,
    counters,
    everything,
    heard,
    held,
    is_low,
    ledger,
    make_product,
    order,
    receive,
)
from tests.servers import on_sqlite


def count(product_id: int, quantity: int, based_on: int, **options: Any) -> Any:
    """Set a product's stock to what was counted."""
    return set_stock(
        actor=ACTOR,
        now=utc_now(),
        product_id=product_id,
        quantity=quantity,
        based_on=based_on,
        reason="stocktake",
        **options,
    )


def test_what_comes_and_goes_is_in_the_ledger_and_in_the_counters(context: Flask) -> None:
    product = make_product()
    receive(product, 12)
    change_stock(actor=ACTOR, now=utc_now(), product_id=product, kind=MovementKind.RETURNED, delta=1)
    adjust(product, -3)
    assert ledger(product) == [("received", 12, 0), ("returned", 1, 0), ("adjusted", -3, 0)]
    assert counters(product) == (10, 0)
    row = db.session.scalars(sa.select(StockMovement).where(StockMovement.kind == "adjusted")).one()
    assert (row.reason, row.actor_kind, row.actor_id, row.request_id) == ("broken", "user", 7, "r-1")


def test_a_count_based_on_what_is_there_sets_it(context: Flask) -> None:
    product = make_product(on_hand=12)
    stock = count(product, 9, 12)
    assert (stock.on_hand, stock.available, stock.name) == (9, 9, "Lamp 1")
    assert ledger(product)[-1] == ("adjusted", -3, 0)
    assert counters(product) == (9, 0)


def test_a_count_that_finds_what_was_expected_leaves_no_trace(context: Flask) -> None:
    product = make_product(on_hand=12)
    before = everything()
    assert count(product, 12, 12).on_hand == 12
    assert everything() == before


@pytest.mark.parametrize("quantity", [9, 11])
def test_a_count_based_on_what_is_no_longer_there_changes_nothing_and_shows_what_is(
    context: Flask, quantity: int
) -> None:
    product = make_product(on_hand=12)
    buy(1, {product: 2})
    before = everything()
    with pytest.raises(StockChanged) as refused:
        count(product, quantity, 11)
    assert refused.value.facts == {"stock": {"product_id": product, "on_hand": 12, "allocated": 2, "available": 10}}
    assert everything() == before


@pytest.mark.parametrize("deed", [lambda product: adjust(product, -6), lambda product: count(product, 4, 10)])
def test_a_count_below_what_is_promised_is_refused_and_names_the_newest_orders(
    context: Flask, deed: Callable[[int], Any]
) -> None:
    product = make_product(on_hand=10)
    for number in range(1, 7):
        buy(number, {product: 1})
    before = everything()
    with pytest.raises(StockAllocated) as refused:
        deed(product)
    facts = refused.value.facts
    assert (facts["shortfall"], facts["stock"]["allocated"]) == (2, 6)
    assert facts["allocations"][0] == {
        "reference_kind": "order", "reference_id": 6, "label": "Order 6", "quantity": 1
    }  # fmt: skip
    assert [row["reference_id"] for row in facts["allocations"]] == [6, 5, 4, 3, 2, 1]
    assert everything() == before


@on_sqlite
def test_a_refusal_names_no_more_than_twenty_orders(context: Flask) -> None:
    product = make_product(on_hand=30)
    for number in range(1, 31):
        buy(number, {product: 1})
    with pytest.raises(StockAllocated) as refused:
        adjust(product, -1)
    assert [row["reference_id"] for row in refused.value.facts["allocations"]] == list(range(30, 10, -1))


@pytest.mark.parametrize(
    "deed",
    [
        lambda product: adjust(product, -7, shortfall=Shortfall.RELEASE),
        lambda product: count(product, 3, 10, shortfall=Shortfall.RELEASE),
    ],
)
def test_what_is_missing_is_taken_away_from_the_newest_orders_the_last_of_them_partly(
    context: Flask, deed: Callable[[int], Any]
) -> None:
    product = make_product(on_hand=10)
    for number, quantity in ((1, 2), (2, 2), (3, 3), (4, 1)):
        buy(number, {product: quantity})
    with heard(AllocationReleased) as released:
        deed(product)
    assert released == [
        AllocationReleased(product, "order", 4, 1),
        AllocationReleased(product, "order", 3, 3),
        AllocationReleased(product, "order", 2, 1),
    ]
    assert held(product) == {1: 2, 2: 1}
    assert counters(product) == (3, 3)
    assert ledger(product)[-4:] == [("released", 0, -1), ("released", 0, -3), ("released", 0, -1), ("adjusted", -7, 0)]
    assert_adds_up(product)


def test_a_subscriber_that_refuses_undoes_the_count_and_what_it_released(context: Flask) -> None:
    product = make_product(on_hand=3)
    buy(1, {product: 3})
    before = everything()

    def refuse(event: AllocationReleased) -> None:
        raise Refusal(f"order {event.reference_id} has left")

    with heard(AllocationReleased):
        events.subscribe(AllocationReleased, refuse)
        with pytest.raises(Refusal, match="order 1 has left"):
            adjust(product, -1, shortfall=Shortfall.RELEASE)
    assert everything() == before


@on_sqlite
def test_more_allocations_than_one_transaction_takes_away_are_refused(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allocations, "MAX_RELEASED", 3)
    product = make_product(on_hand=5)
    for number in range(1, 6):
        buy(number, {product: 1})
    before = everything()
    with pytest.raises(StockAllocated, match="smaller steps"):
        adjust(product, -4, shortfall=Shortfall.RELEASE)
    assert everything() == before
    adjust(product, -3, shortfall=Shortfall.RELEASE)
    assert held(product) == {1: 1, 2: 1}


def test_stock_is_never_less_than_nothing_nor_more_than_can_be_counted(context: Flask) -> None:
    product = make_product(on_hand=5)
    before = everything()
    with pytest.raises(StockOutOfRange):
        adjust(product, -6)
    with pytest.raises(StockOutOfRange):
        adjust(product, -6, shortfall=Shortfall.RELEASE)
    with pytest.raises(StockOutOfRange):
        receive(product, MAX_QUANTITY)
    assert everything() == before


BAD: dict[str, Callable[[int], Any]] = {
    "a delta of 0": lambda product: adjust(product, 0),
    "a delta that is too large": lambda product: receive(product, MAX_QUANTITY + 1),
    "receiving less than nothing": lambda product: receive(product, -1),
    "adjusting without a reason": lambda product: change_stock(
        actor=ACTOR, now=utc_now(), product_id=product, kind=MovementKind.ADJUSTED, delta=1
    ),
    "shipping by hand": lambda product: change_stock(
        actor=ACTOR, now=utc_now(), product_id=product, kind=MovementKind.SHIPPED, delta=1
    ),
    "a count of less than nothing": lambda product: count(product, -1, 5),
    "a count that is too large": lambda product: count(product, MAX_QUANTITY + 1, 5),
    "a threshold below nothing": lambda product: set_threshold(
        actor=ACTOR, now=utc_now(), product_id=product, threshold=-1
    ),
}


@on_sqlite
@pytest.mark.parametrize("name", BAD)
def test_what_is_no_change_of_stock_is_refused(context: Flask, name: str) -> None:
    product = make_product(on_hand=5)
    before = everything()
    with pytest.raises(Invalid):
        BAD[name](product)
    assert everything() == before


@pytest.mark.parametrize(
    "deed",
    [
        lambda product: receive(product, 1),
        lambda product: count(product, 1, 0),
        lambda product: count(product, 0, 0),
        lambda product: buy(1, {product: 1}),
        lambda product: set_threshold(actor=ACTOR, now=utc_now(), product_id=product, threshold=1),
    ],
)
def test_unknown_and_deleted_products_have_no_stock_to_change(context: Flask, deed: Callable[[int], Any]) -> None:
    deleted = make_product()
    delete_product(actor=ACTOR, now=utc_now(), product_id=deleted, expected_version=1)
    before = everything()
    for product in (deleted, deleted + 1000):
        with pytest.raises(ProductNotFound):
            deed(product)
    assert everything() == before


def test_a_product_that_is_promised_to_somebody_cannot_be_deleted(context: Flask) -> None:
    product = make_product(on_hand=5)
    buy(3, {product: 2})
    before = everything()
    with pytest.raises(StockAllocated, match="B000000001") as refused:
        delete_product(actor=ACTOR, now=utc_now(), product_id=product, expected_version=1)
    assert [row["label"] for row in refused.value.facts["allocations"]] == ["Order 3"]
    assert everything() == before
    assert db.session.scalar(sa.select(Product.deleted_at).where(Product.id == product)) is None
    allocations.release(actor=ACTOR, now=utc_now(), reference=order(3))
    delete_product(actor=ACTOR, now=utc_now(), product_id=product, expected_version=1)
    assert counters(product) == (5, 0)  # what lies on the shelf still does


def test_a_threshold_stands_in_the_history_and_alerts_nobody(context: Flask) -> None:
    product = make_product(on_hand=5)
    with heard(StockLow) as alerts:
        for threshold in (5, 5, 4, None):
            stock = set_threshold(actor=ACTOR, now=utc_now(), product_id=product, threshold=threshold)
            assert (stock.threshold, stock.is_low) == (threshold, threshold == 5)
    assert alerts == []
    rows = db.session.scalars(
        sa.select(ProductUpdate).where(ProductUpdate.attribute == "threshold").order_by(ProductUpdate.id)
    )
    told = [(row.previous_attribute, row.current_attribute, row.source) for row in rows]
    assert told == [(None, "5", "api"), ("5", "4", "api"), ("4", None, "api")]


def test_many_thresholds_are_set_at_once(context: Flask) -> None:
    first, second, third = (make_product(number, on_hand=5) for number in (1, 2, 3))

    @in_transaction
    def bulk() -> Any:
        return set_thresholds.joined(
            actor=ACTOR,
            now=utc_now(),
            thresholds={third: 9, first: 9, second: None},
            source=Source.BULK,
            operation_id=4,
        )

    assert [change.product_id for change in bulk()] == [first, third]
    assert [is_low(product) for product in (first, second, third)] == [True, False, True]
    rows = db.session.execute(sa.select(ProductUpdate.source, ProductUpdate.operation_id).where(
        ProductUpdate.attribute == "threshold"
    )).all()  # fmt: skip
    assert [tuple(row) for row in rows] == [("bulk", 4), ("bulk", 4)]


def test_counters_that_contradict_the_allocations_are_named_as_what_they_are(context: Flask) -> None:
    product = make_product(on_hand=5)
    buy(1, {product: 2})
    with db.engine.begin() as connection:
        connection.execute(sa.update(STOCK).values(allocated=1))
    before = everything()
    with pytest.raises(StockInconsistent):
        allocations.release(actor=ACTOR, now=utc_now(), reference=order(1))
    assert everything() == before


STOCK: Any = Stock.__table__
ALLOCATION: Any = Allocation.__table__
IMPOSSIBLE: dict[str, Any] = {
    "less than nothing on hand": sa.update(STOCK).values(on_hand=-1, allocated=-1),
    "less than nothing allocated": sa.update(STOCK).values(allocated=-1),
    "more allocated than on hand": sa.update(STOCK).values(allocated=6),
    "less on hand than allocated": sa.update(STOCK).values(on_hand=1),
    "more than can be counted": sa.update(STOCK).values(on_hand=MAX_QUANTITY + 1),
    "a threshold below nothing": sa.update(STOCK).values(low_stock_threshold=-1),
    "an allocation of nothing": sa.update(ALLOCATION).values(quantity=0),
    "two allocations of one order": sa.insert(ALLOCATION).from_select(
        ["created_at", "product_id", "quantity", "reference_kind", "reference_id", "label"],
        sa.select(
            *(
                ALLOCATION.c[name]
                for name in ("created_at", "product_id", "quantity", "reference_kind", "reference_id", "label")
            )
        ),
    ),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_the_database_itself_refuses_what_cannot_be(context: Flask, what: str) -> None:
    product = make_product(on_hand=5)
    buy(1, {product: 2})
    before = everything()
    with pytest.raises(DBAPIError), db.engine.begin() as connection:
        connection.execute(IMPOSSIBLE[what])
    assert everything() == before


LEDGER: Any = StockMovement.__table__
WAYS: dict[str, Callable[[], Any]] = {
    "changing a row": lambda: setattr(db.session.scalars(sa.select(StockMovement)).one(), "on_hand_delta", 6),
    "deleting a row": lambda: db.session.delete(db.session.scalars(sa.select(StockMovement)).one()),
    "an UPDATE": lambda: db.session.execute(sa.update(StockMovement).values(on_hand_delta=6)),
    "a DELETE": lambda: db.session.execute(sa.delete(StockMovement)),
    "an UPDATE of the table": lambda: db.session.execute(sa.update(LEDGER).values(on_hand_delta=6)),
    "a DELETE from the table": lambda: db.session.execute(sa.delete(LEDGER)),
}


@on_sqlite
@pytest.mark.parametrize("way", WAYS)
def test_no_way_through_a_session_changes_the_ledger(context: Flask, way: str) -> None:
    product = make_product(on_hand=5)
    attempt: Any = in_transaction(WAYS[way])
    with pytest.raises(AppendOnly):
        attempt()
    assert ledger(product) == [("received", 5, 0)]
