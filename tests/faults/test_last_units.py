"""The last units of a product under many buyers, over real HTTP: nobody gets what another one has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import CheckConstraint, select, text

from app.core.extensions import db
from app.core.orm import table_of
from app.orders.models.orders import Order, OrderState
from app.products.models.stock import Stock
from tests.conftest import Database
from tests.faults.buyers import Answer, all_at_once, buyers, outcomes
from tests.faults.invariants import violations
from tests.faults.servers import WebServer
from tests.faults.sizes import BUYERS, UNITS
from tests.orders.shopping import Shop

CHECK = "ck_stock_allocated_within_on_hand"


def race(web: WebServer, product: int) -> list[Answer]:
    """Everybody orders one of the product at the same moment."""
    people = buyers(web.port, BUYERS)
    for buyer in people:
        buyer.fill([(product, 1)])
    return all_at_once([partial(buyer.order, "10.00") for buyer in people])


def require_all_sold_once(app: Flask, product: int, answers: list[Answer]) -> None:
    """Fail unless exactly as many orders were placed as there were units, and everybody else was told that."""
    assert outcomes(answers) == {"201": UNITS, "OUT_OF_STOCK": BUYERS - UNITS}
    refused = [answer.body for answer in answers if answer.status == 409]
    assert {line["available"] for body in refused for line in body["products"]} == {0}
    with app.app_context():
        stock = db.session.execute(select(Stock.on_hand, Stock.allocated).where(Stock.product_id == product)).one()
        assert tuple(stock) == (UNITS, UNITS)
        states = db.session.scalars(select(Order.state)).all()
        assert states == [OrderState.PLACED] * UNITS


def test_of_many_buyers_of_the_last_units_exactly_as_many_get_one(app: Flask, shop: Shop, web: WebServer) -> None:
    product = shop.product(on_hand=UNITS)
    answers = race(web, product)
    require_all_sold_once(app, product, answers)
    with app.app_context():
        assert violations(at_rest=False) == []


@pytest.fixture
def unchecked(app: Flask, database: Database) -> Iterator[None]:
    """The table of the counters without its CHECK."""
    if database.kind == "sqlite":  # the application itself ignores it there
        yield
        return
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE stock DROP CONSTRAINT {CHECK}"))
    yield
    checks = (rule for rule in table_of(Stock).constraints if isinstance(rule, CheckConstraint))
    check = next(rule for rule in checks if rule.name == CHECK)
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("UPDATE stock SET allocated = 0"))
        connection.execute(text(f"ALTER TABLE stock ADD CONSTRAINT {CHECK} CHECK ({check.sqltext})"))


def test_without_the_guard_the_same_buyers_get_more_than_there_is(
    app: Flask, shop: Shop, unchecked: None, unguarded_web: WebServer
) -> None:
    product = shop.product(on_hand=UNITS)
    answers = race(unguarded_web, product)
    assert outcomes(answers) == {"201": BUYERS}
    with pytest.raises(AssertionError):
        require_all_sold_once(app, product, answers)
    with app.app_context():
        assert {found.rule for found in violations(at_rest=False)} == {"nothing_is_oversold"}
