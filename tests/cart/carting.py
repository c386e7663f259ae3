"""Customers with carts for the tests of carts, over HTTP, and what is in the tables then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from app.auth.visitor import hash_of_visitor
from app.cart.models import Cart, CartItem
from app.cart.shopper import Shopper
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import Principal, guest
from app.core.transactions import in_transaction
from app.products.models.products import Product
from app.products.models.stock import Stock
from app.products.services.products import create_product, delete_product
from tests.auth.people import new_person
from tests.products.stocking import ACTOR, receive

CART: Final = "/api/v1/cart"
ITEMS: Final = "/api/v1/cart/items"
SEEN: Final = "/api/v1/cart/seen"


@dataclass
class Buyer:
    """Somebody with a cart: a guest with a token, or a person who is logged in."""

    app: Flask
    headers: dict[str, str]
    user_id: int | None = None
    email: str = ""
    token: str | None = None

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Send a request as this customer."""
        return self.app.test_client().open(
            path, method=method, json=body, headers=self.headers | {k.replace("_", "-"): v for k, v in headers.items()}
        )

    def add(self, product_id: int, quantity: int = 1) -> dict[str, Any]:
        return self.done("POST", ITEMS, {"product_id": product_id, "quantity": quantity})

    def done(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The cart that an accepted request answers."""
        answer = self.send(method, path, body)
        assert answer.status_code == 200, answer.text
        cart: dict[str, Any] = answer.get_json()
        return cart

    def cart(self) -> dict[str, Any]:
        return self.done("GET", CART)

    def quantities(self) -> dict[int, int]:
        """What is in the cart, by product id."""
        return {line["product_id"]: line["quantity"] for line in self.cart()["lines"]}

    def shopper(self) -> Shopper:
        """The same for a service."""
        principal = guest()
        if self.user_id is not None:
            named: dict[str, Any] = {"id": self.user_id, "name": self.email, "user_id": self.user_id}
            principal = Principal(kind="user", permissions=frozenset(), **named)
        token_hash = None if self.token is None else hash_of_visitor(self.token)
        return Shopper(principal, self.user_id, token_hash)


def new_guest(app: Flask) -> Buyer:
    """A guest with a cart in which nothing is."""
    answer = app.test_client().post(CART, json={})
    assert answer.status_code == 201, answer.text
    token = answer.get_json()["token"]
    return Buyer(app, {"Cart-Token": token}, token=token)


def new_customer(app: Flask, email: str = "cora@example.org") -> Buyer:
    """Somebody with an account, logged in, who has put nothing into a cart yet."""
    person = new_person(app, email)
    return Buyer(app, {"Authorization": f"Bearer {person.token}"}, user_id=person.id, email=email)


def sell(app: Flask, number: int = 1, *, on_hand: int = 10, price: str = "10.00") -> int:
    """A product that is sold, with stock; its id."""
    with app.app_context():
        made = create_product(
            actor=ACTOR,
            now=utc_now(),
            asin=f"B{number:09d}",
            name=f"Lamp {number}",
            price=Money.parse(price, "USD"),
            brand="Lumo",
        )
        product_id = made.id
        if on_hand:
            receive(product_id, on_hand)
        return product_id


def change_product(app: Flask, product_id: int, **values: Any) -> None:
    """Change a product's row."""
    _change(app, sa.update(Product).where(Product.id == product_id).values(**values))


def set_stock(app: Flask, product_id: int, *, on_hand: int, allocated: int = 0) -> None:
    """Set the counters of a product."""
    counters = {"on_hand": on_hand, "allocated": allocated}
    _change(app, sa.update(Stock).where(Stock.product_id == product_id).values(**counters))


def delete(app: Flask, product_id: int) -> None:
    """Delete a product, as staff do."""
    with app.app_context():
        version = db.session.scalars(sa.select(Product.version).where(Product.id == product_id)).one()
        delete_product(actor=ACTOR, now=utc_now(), product_id=product_id, expected_version=version)


def rows(app: Flask) -> tuple[list[Any], list[Any]]:
    """Every row of every cart, to see that nothing was changed."""
    with app.app_context(), db.engine.connect() as connection:
        tables: tuple[Any, ...] = (Cart.__table__, CartItem.__table__)
        carts, items = ([tuple(row) for row in connection.execute(sa.select(table))] for table in tables)
        return sorted(carts), sorted(items)


def states(app: Flask) -> list[tuple[str, int | None]]:
    """State and owner of every cart, oldest first."""
    with app.app_context():
        read = sa.select(Cart.state, Cart.user_id).order_by(Cart.id)
        return [(row.state, row.user_id) for row in db.session.execute(read)]


def change_carts(app: Flask, **values: Any) -> None:
    """Change every cart behind the application's back."""
    _change(app, sa.update(Cart).values(**values))


def _change(app: Flask, statement: Any) -> None:
    @in_transaction
    def run() -> None:
        db.session.execute(statement)

    with app.app_context():
        run()
