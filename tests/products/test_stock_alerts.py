"""One alert per crossing of the threshold, whoever crosses it, and mails that do not pile up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.extensions import db
from app.core.orm import utc_now
from app.products.events import StockLow
from app.products.models.stock import LowStockNotice
from app.products.services.allocations import release, ship
from app.products.services.low_stock import request_mails
from tests.auth.conftest import Mails, mails, smtp, worker
from tests.auth.staff import hire
from tests.concurrency import at_once
from tests.products.stocking import (
    ACTOR,
    adjust,
    assert_adds_up,
    buy,
    heard,
    is_low,
    make_product,
    order,
    receive,
)
from tests.servers import on_sqlite

__all__ = ["mails", "smtp", "worker"]  # fixtures


def test_a_product_that_falls_to_its_threshold_is_told_of_once_until_it_has_risen_above(context: Flask) -> None:
    product = make_product(on_hand=10, threshold=7)
    with heard(StockLow) as alerts:
        buy(1, {product: 2})
        assert (alerts, is_low(product)) == ([], False)
        buy(2, {product: 1})
        assert alerts == [StockLow(product, "B000000001", "Lamp 1", 7, 7)]
        assert is_low(product)
        buy(3, {product: 1})
        ship(actor=ACTOR, now=utc_now(), reference=order(3))  # less on the shelf, no less available
        adjust(product, -1)
        assert len(alerts) == 1
        receive(product, 2)
        assert is_low(product)
        release(actor=ACTOR, now=utc_now(), reference=order(2))
        assert not is_low(product)
        adjust(product, -1)
        assert alerts[1:] == [StockLow(product, "B000000001", "Lamp 1", 7, 7)]
    assert_adds_up(product)


def test_twenty_sales_at_once_are_one_alert(app: Flask) -> None:
    with app.app_context():
        product = make_product(on_hand=40, threshold=30)
    with heard(StockLow) as alerts:
        done = at_once(app, *[lambda number=number: buy(number, {product: 1}) for number in range(1, 21)])
    assert done == [None] * 20
    with app.app_context():
        assert [(alert.available, alert.threshold) for alert in alerts if alert.available == 30] == [(30, 30)]
        assert db.session.scalar(sa.select(sa.func.count()).select_from(LowStockNotice)) == 1
        assert is_low(product)
        assert_adds_up(product)


def test_a_sale_that_is_refused_alerts_nobody(context: Flask) -> None:
    product, other = make_product(1, on_hand=10, threshold=9), make_product(2, on_hand=1)
    with pytest.raises(Exception, match="asked for"):
        buy(1, {product: 1, other: 2})
    assert not is_low(product)
    assert db.session.scalars(sa.select(LowStockNotice)).all() == []


def tell(app: Flask) -> int:
    with app.app_context():
        return request_mails(now=utc_now())


@on_sqlite
def test_one_mail_a_minute_tells_of_all_products_who_looks_after_stock_and_wants_to_know(
    app: Flask, mails: Mails
) -> None:
    hire(app, "keeper", ["stock:write"])
    hire(app, "reader", ["stock:read"])
    hire(app, "unproven", ["stock:write"], is_verified=False)
    quiet, closed = hire(app, "quiet", ["stock:write"]), hire(app, "closed", ["stock:write"])
    root = hire(app, "root", role="admin")
    wish: dict[str, Any] = {"notifications": {"stock": False}}
    assert quiet.patch("/me", wish, 1).status_code == 200
    assert root.patch("/me", wish, 1).status_code == 200
    assert root.patch(f"/users/{closed.id}", {"is_active": False}, 1).status_code == 200
    assert tell(app) == 0
    with app.app_context():
        for number in (1, 2):
            adjust(make_product(number, on_hand=10, threshold=7), -3 - number)
    mails()
    assert tell(app) == 1
    (mail,) = mails()
    assert mail.recipients == ["keeper@example.org"]
    assert mail.message["Subject"] == "Low stock: 2 products"
    assert "B000000001  6 left (watched at 7)  Lamp 1" in mail.part("plain")
    assert "<strong>B000000002</strong> Lamp 2: 5 left" in mail.part("html")
    assert tell(app) == 0
    assert mails() == []


@on_sqlite
def test_however_many_products_become_low_it_is_one_mail_that_names_fifty(app: Flask, mails: Mails) -> None:
    hire(app, "keeper", ["stock:write"])
    with app.app_context():
        first = make_product(1, on_hand=10, threshold=9)
        adjust(first, -1)
        rows = [{"product_id": first, "available": 9, "threshold": 9, "created_at": utc_now()} for _ in range(2_999)]
        with db.engine.begin() as connection:
            connection.execute(sa.insert(LowStockNotice), rows)
    mails()
    assert tell(app) == 1
    (mail,) = mails()
    assert mail.message["Subject"] == "Low stock: 3000 products"
    assert mail.part("plain").count("B000000001") == 50
    assert "and 2950 more" in mail.part("plain")
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(LowStockNotice)) == 50
        request_mails(now=utc_now() + timedelta(days=1, hours=1))
        assert db.session.scalar(sa.select(sa.func.count()).select_from(LowStockNotice)) == 0


def test_two_that_ask_for_mails_at_once_tell_of_each_product_once(app: Flask) -> None:
    hire(app, "keeper", ["stock:write"])
    with app.app_context():
        adjust(make_product(1, on_hand=10, threshold=9), -1)
    assert sorted(at_once(app, *[lambda: request_mails(now=utc_now())] * 4)) == [0, 0, 0, 1]
