"""The page of a link in a real browser: whole at every width and in both themes, with what is long and odd."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from flask import Flask
from selenium import webdriver
from sqlalchemy import update

from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.orders.models.orders import Order, OrderLine
from app.orders.services.counting import Units
from app.orders.services.delivering import deliver
from app.orders.services.links import make_link
from app.orders.services.returns import Returned, take_back
from app.orders.services.shipping import Tracking, ship
from tests.auth.test_pages_browser import WIDTHS, faults, show
from tests.browsing import served, started_chrome
from tests.orders.making import STAFF, make_order, order_of
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

NAMES: Final = (
    "Copper kettle with a whistle, a wooden handle and a lid that closes, 1.7 litres, for all hobs but induction",
    "Kugelschreiberersatzminenverpackungsmaschinensteuerungseinheitsgehaeuse" * 3,
    "غلاية نحاسية بمقبض خشبي",
    "銅のやかん",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with started_chrome(tmp_path_factory.mktemp("chrome")) as driver:
        yield driver


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with served(app) as at:
        yield at


def busy_order() -> str:
    """The token of an order with parcels, returns and sums of every kind."""
    sums: dict[str, Any] = {"subtotal_minor": 1_234_567, "discount_minor": 34_567, "shipping_minor": 1_490}
    made = make_order(
        3,
        12,
        2,
        1,
        on_hand=20,
        **sums,
        tax_minor=191_849,
        total_minor=1_201_490,
        placed_at=utc_now() - timedelta(days=3),
    )
    now = utc_now()

    @in_transaction
    def rename() -> None:
        for line, name in zip(made.lines, NAMES, strict=True):
            db.session.execute(update(OrderLine).where(OrderLine.id == line).values(name=name))

    def send(tracking: Tracking, *units: Units) -> int:
        version = order_of(made.id).version
        about: dict[str, Any] = {"order_id": made.id, "expected_version": version, "units": units, "now": now}
        return ship(actor=STAFF, tracking=tracking, **about).shipment.id

    rename()
    one, two, three, _ = made.lines
    first = send(Tracking(carrier="DHL", number="JD014600003828387401"), Units(one, 2), Units(two, 3))
    deliver(actor=STAFF, now=now, order_id=made.id, shipment_id=first)
    send(Tracking(carrier="C" * 60, number="9" * 60, url="https://parcels.example.org/" + "x" * 400), Units(two, 4))
    send(Tracking(carrier="Bike courier"), Units(three, 2))
    version = order_of(made.id).version
    units = [Returned(one, 1, 0)]
    take_back(actor=STAFF, now=now, order_id=made.id, expected_version=version, units=units, reason="x")
    return make_link(order_id=made.id, now=now)


def quiet_order() -> str:
    """The token of an order of which nothing has happened yet."""
    return make_link(order_id=make_order(1).id, now=utc_now())


def cancelled_order() -> str:
    made = make_order(1)

    @in_transaction
    def cancel() -> None:
        states = {"state": "CANCELLED", "fulfilment_state": "VOIDED", "payment_state": "VOIDED"}
        db.session.execute(update(Order).where(Order.id == made.id).values(**states, cancelled_minor=1_000))

    cancel()
    return make_link(order_id=made.id, now=utc_now())


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_whole(app: Flask, browser: webdriver.Chrome, address: str, width: int, theme: str) -> None:
    with app.app_context():
        tokens = [busy_order(), quiet_order(), cancelled_order(), "A" * 22]
    show(browser, width=width, theme=theme)
    found = [fault for token in tokens for fault in faults(browser, address, f"/track/{token}")]
    assert not found, "\n".join(found)
