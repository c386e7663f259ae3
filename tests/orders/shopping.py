"""Customers with carts for the tests: what they put in, and how they order it over HTTP."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app.auth.visitor import HEADER, hash_of_visitor
from app.cart.models import Cart
from app.cart.services import items as cart_items
from app.cart.services.carts import start_cart
from app.cart.shopper import Shopper
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import Principal
from app.orders.models.coupons import CouponUse
from app.orders.models.orders import Hold, Order, OrderEvent, OrderLine
from app.orders.models.payments import Payment
from app.orders.models.sales import Sale
from app.products.models.products import Product
from app.products.models.stock import Allocation, StockMovement
from app.products.services.products import create_product
from tests.auth.people import new_person
from tests.orders.making import ADDRESS
from tests.products.stocking import ACTOR, receive

ORDERS: Final = "/api/v1/orders"
PRICE: Final = 1_000
"""What one of everything costs that ``Shop.product`` makes, in minor units."""
_NUMBERS: Final = itertools.count(1)


class Shop:
    """The shop as the tests see it: products with stock, and people who come to buy."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def product(self, *, on_hand: int = 10, price: str = "10.00", name: str = "Lamp", **values: Any) -> int:
        """A product with so many of it on the shelf; its id."""
        with self.app.app_context():
            number = (db.session.scalar(select(func.max(Product.id))) or 0) + 1
            product = create_product(
                actor=ACTOR,
                now=utc_now(),
                asin=f"B{number:09d}",
                name=f"{name} {number}",
                price=Money.parse(price, "USD"),
                **values,
            )
            if on_hand:
                receive(product.id, on_hand)
            return product.id

    def guest(self, items: dict[int, int] | None = None) -> Customer:
        """Somebody without an account, with these quantities by product id in the cart."""
        with self.app.app_context():
            opened = start_cart(shopper=None, now=utc_now())
        assert opened.token is not None
        assert opened.cart.id is not None
        customer = Customer(self.app, cart_id=opened.cart.id, headers={HEADER: opened.token})
        customer.put(items or {})
        return customer

    def person(self, items: dict[int, int] | None = None, *, email: str | None = None) -> Customer:
        """Somebody who is logged in, with these quantities by product id in the cart."""
        person = new_person(self.app, email or f"customer{next(_NUMBERS)}@example.org")
        bearer = {"Authorization": f"Bearer {person.token}"}
        customer = Customer(self.app, cart_id=0, headers=bearer, user_id=person.id, email=person.email)
        with self.app.app_context():
            cart_id = start_cart(shopper=customer.shopper(), now=utc_now()).cart.id
        assert cart_id is not None
        customer.cart_id = cart_id
        customer.put(items or {})
        return customer


class Customer:
    """Somebody with a cart."""

    def __init__(
        self, app: Flask, *, cart_id: int, headers: dict[str, str], user_id: int | None = None, email: str = ""
    ) -> None:
        self.app = app
        self.cart_id = cart_id
        self.headers = headers
        self.user_id = user_id
        self.email = email

    def shopper(self) -> Shopper:
        """The same for services."""
        if self.user_id is not None:
            actor = Principal(
                kind="user", id=self.user_id, name="customer", permissions=frozenset(), user_id=self.user_id
            )
            return Shopper(actor, self.user_id, None)
        actor = Principal(kind="guest", id=self.cart_id, name="guest", permissions=frozenset())
        return Shopper(actor, None, hash_of_visitor(self.headers[HEADER]), self.cart_id)

    def put(self, items: dict[int, int]) -> None:
        """Put more of these products into the cart."""
        with self.app.app_context():
            for product_id, quantity in items.items():
                cart_items.add_item(shopper=self.shopper(), now=utc_now(), product_id=product_id, quantity=quantity)

    def change(self, product_id: int, quantity: int) -> None:
        """Say how many of a product there are to be in the cart; 0: none."""
        with self.app.app_context():
            which: dict[str, Any] = {"shopper": self.shopper(), "now": utc_now(), "product_id": product_id}
            if quantity:
                cart_items.set_quantity(**which, quantity=quantity)
            else:
                cart_items.remove_item(**which)

    def body(self, total: str, **more: Any) -> dict[str, Any]:
        """What is sent to order the cart for this total on invoice; ``more`` are members of it."""
        own = {} if self.user_id is not None else {"email": f"guest{self.cart_id}@example.org"}
        return {
            "cart_id": self.cart_id,
            "expected_total": {"amount": total, "currency": "USD"},
            "shipping_address": ADDRESS,
            "payment_method": "invoice",
            **own,
            **more,
        }

    def order(self, total: str, *, key: str | None = None, **more: Any) -> TestResponse:
        """Order the cart, with an Idempotency-Key if there is one."""
        return self.send(self.body(total, **more), key=key)

    def send(self, body: Any, *, key: str | None = None) -> TestResponse:
        """Send a checkout as it is."""
        headers = self.headers | ({} if key is None else {"Idempotency-Key": key})
        return self.app.test_client().post(ORDERS, json=body, headers=headers)


def together(*deeds: Callable[[], Any]) -> list[Any]:
    """Start all deeds together, each in a thread without an application context, as requests come; what they return."""
    barrier = threading.Barrier(len(deeds))

    def run(deed: Callable[[], Any]) -> Any:
        barrier.wait(30)
        return deed()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return [future.result(60) for future in [pool.submit(run, deed) for deed in deeds]]


def change(app: Flask, statement: Any) -> None:
    """Change something behind the application's back."""
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(statement)


CHECKED: Final = (Order, OrderLine, Hold, OrderEvent, Payment, Sale, Cart, Allocation, StockMovement, CouponUse)


def everything(app: Flask) -> list[list[tuple[Any, ...]]]:
    """All rows of all that a checkout may change."""
    return everything_of(app, *CHECKED)


def everything_of(app: Flask, *models: Any) -> list[list[tuple[Any, ...]]]:
    """All rows of these tables, to compare before and after."""
    with app.app_context():
        return [
            [tuple(row) for row in db.session.execute(select(*model.__table__.columns).order_by(model.id))]
            for model in models
        ]


def counts(app: Flask) -> dict[str, int]:
    """How many orders, holds and payments there are."""
    with app.app_context():
        return {
            model.__tablename__: int(db.session.scalar(select(func.count()).select_from(model)) or 0)
            for model in (Order, Hold, Payment)
        }
