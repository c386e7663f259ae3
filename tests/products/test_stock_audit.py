"""The proof that stock adds up: it finds what does not, and its repair leaves what lies on the shelf."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.extensions import db
from app.core.orm import utc_now
from app.products.models.stock import Allocation, Stock, StockMovement
from app.products.services import stock_audit
from app.products.services.allocations import ship
from tests.concurrency import at_once
from tests.products.stocking import (
    ACTOR,
    assert_adds_up,
    buy,
    counters,
    everything,
    is_low,
    ledger,
    make_product,
    order,
    receive,
)
from tests.servers import on_sqlite


def run(app: Flask, *options: str) -> tuple[int, str]:
    """``flask stock audit``: its exit code, and what it prints."""
    done = app.test_cli_runner().invoke(args=["stock", "audit", *options])
    return done.exit_code, done.stdout


def force(product: int, **values: Any) -> None:
    """Change counters past the ledger, as nothing in the product does."""
    table: Any = Stock.__table__
    with db.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.product_id == product).values(**values))


@pytest.fixture
def shop(app: Flask) -> list[int]:
    """Four products, with movements of all kinds."""
    with app.app_context():
        made = [make_product(number, on_hand=10) for number in range(1, 5)]
        buy(1, dict.fromkeys(made, 2))
        ship(actor=ACTOR, now=utc_now(), reference=order(1), items={made[0]: 1})
    return made


def test_stock_that_adds_up_is_said_to(app: Flask, shop: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock_audit, "CHUNK", 3)
    assert run(app) == (0, "4 products, 0 of them do not add up\n")
    assert run(app, "--repair") == (0, "4 products, 0 of them do not add up\n")


def test_what_does_not_add_up_is_shown_and_nothing_changed(
    app: Flask, shop: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_audit, "CHUNK", 1)
    with app.app_context():
        force(shop[1], on_hand=13)
        force(shop[3], allocated=5)
        before = everything()
    code, printed = run(app)
    assert (code, printed.splitlines()) == (
        1,
        [
            f"B000000002 (product {shop[1]}): on hand 13, by the ledger 10; allocated 2, by the ledger 2, held 2",
            f"B000000004 (product {shop[3]}): on hand 10, by the ledger 10; allocated 5, by the ledger 2, held 2",
            "4 products, 2 of them do not add up",
        ],
    )
    with app.app_context():
        assert everything() == before


def test_a_repair_leaves_the_shelf_as_it_is_and_lets_the_ledger_explain_it(app: Flask, shop: list[int]) -> None:
    with app.app_context():
        force(shop[1], on_hand=13)
        force(shop[2], on_hand=7, low_stock_threshold=5)
        force(shop[3], allocated=5)
    code, printed = run(app, "--repair")
    assert code == 1
    assert printed.count("; repaired") == 3
    with app.app_context():
        assert [counters(product) for product in shop] == [(9, 1), (13, 2), (7, 2), (10, 2)]
        assert [ledger(product)[-1] for product in shop[1:3]] == [("adjusted", 3, 0), ("adjusted", -3, 0)]
        row = db.session.scalars(sa.select(StockMovement).where(StockMovement.reason == "audit")).first()
        assert row is not None
        assert row.actor_kind == "system"
        assert is_low(shop[2])
        assert_adds_up(*shop)
    assert run(app) == (0, "4 products, 0 of them do not add up\n")


def test_stock_that_is_promised_to_nobody_can_be_sold_again(app: Flask, shop: list[int]) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(sa.delete(Allocation).where(Allocation.product_id == shop[3]))
    code, printed = run(app, "--repair")
    assert (code, "allocated 2, by the ledger 2, held 0; repaired" in printed) == (1, True)
    with app.app_context():
        assert counters(shop[3]) == (10, 0)
        assert ledger(shop[3])[-1] == ("adjusted", 0, -2)
        assert_adds_up(*shop)


def test_more_promised_than_there_is_is_left_to_people(app: Flask, shop: list[int]) -> None:
    table: Any = Allocation.__table__
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.product_id == shop[3]).values(quantity=11))
    with app.app_context():
        before = everything()
    code, printed = run(app, "--repair")
    assert (code, "not repaired: more is promised than on hand" in printed) == (1, True)
    with app.app_context():
        assert everything() == before


def test_stock_that_moves_meanwhile_makes_no_difference(app: Flask, shop: list[int]) -> None:
    def trade(first: int) -> None:
        for number in range(first, first + 15):
            receive(shop[0], 2)
            buy(number, {shop[0]: 1})

    def look() -> int:
        return sum(len(found) for _ in range(30) for _, found in stock_audit.audit_stock())

    def repair() -> list[Any]:
        return [stock_audit.repair_stock(actor=ACTOR, now=utc_now(), product_id=shop[0]) for _ in range(10)]

    done = at_once(app, lambda: trade(100), lambda: trade(200), look, repair)
    assert done == [None, None, 0, [None] * 10]
    with app.app_context():
        assert_adds_up(*shop)


@on_sqlite
def test_a_product_that_does_not_exist_needs_no_repair(context: Flask) -> None:
    assert stock_audit.repair_stock(actor=ACTOR, now=utc_now(), product_id=99) is None
