"""What staff, customers, workers and time do to orders that were checked out, and that can be interrupted anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from werkzeug.test import TestResponse

from app.auth.visitor import HEADER
from app.cart.models import Cart, CartItem, CartState
from app.core.extensions import db
from app.core.orm import table_of
from app.orders.attention import UNFULFILLABLE
from app.orders.models.fulfilment import OrderReturn, Shipment
from app.orders.models.orders import OrderLine
from app.orders.models.payments import Refund, RefundStatus
from app.orders.services.refunds import SEND
from tests.auth.people import PASSWORD, new_person
from tests.faults.scenarios import ASKING, DECLINED, VISA, Scenario, one_after_another
from tests.faults.stage import API


class Paid(Scenario):
    """An order of two lines that was paid by card."""

    def prepare(self) -> None:
        shop = self.stage.shop
        self.lamp, self.chair = shop.product(on_hand=20), shop.product(on_hand=20, price="30.00")
        self.customer = shop.guest({self.lamp: 3, self.chair: 2})
        answer = self.customer.order("90.00", payment_method="card", source=VISA)
        assert answer.status_code == 201, answer.text
        self.number: str = answer.get_json()["number"]
        self.read()

    def read(self) -> None:
        """Look at the order, as staff do before they do something to it."""
        order = self.stage.as_staff("GET", f"/admin/orders/{self.number}").get_json()
        self.version: int = order["version"]
        self.lines = {line["product_id"]: line["id"] for line in order["lines"]}

    def ask(self, what: str, body: Any, name: str) -> TestResponse:
        """Do something to the order as it was when it was looked at."""
        (key,) = self.asked(name)
        answer = self.stage.as_staff("POST", f"/admin/orders/{self.number}/{what}", body, key=key, version=self.version)
        assert answer.status_code < 400 or answer.status_code >= 500 or answer.status_code == 409, answer.text
        return answer

    def send_refunds(self) -> None:
        """What a background worker does."""
        self.stage.deliver(SEND)

    def rows(self, model: Any) -> list[Any]:
        """The order's rows of a table."""
        order_id = self.order()["id"]
        with self.stage.app.app_context():
            table = table_of(model)
            return list(db.session.execute(sa.select(table).where(table.c.order_id == order_id).order_by(table.c.id)))

    def counts(self) -> dict[int, tuple[int, int, int]]:
        """What of each product was cancelled, shipped and returned."""
        return {row.product_id: (row.cancelled, row.shipped, row.returned) for row in self.rows(OrderLine)}

    def given_back(self) -> list[int]:
        """What the provider gave back; fails where our own books say something else."""
        given = self.stage.double.books.given_back(self.number)
        refunds = self.rows(Refund)
        assert [row.status for row in refunds] == [RefundStatus.SUCCEEDED] * len(given)
        assert sorted(row.amount_minor for row in refunds) == sorted(given)
        return given


class Shipped(Paid):
    """A parcel leaves with a part of it, and then one with the rest."""

    def steps(self) -> list[TestResponse | None]:
        first = [{"line_id": self.lines[self.lamp], "quantity": 2}]
        return one_after_another(lambda: self.ask("shipments", {"carrier": "DHL", "lines": first}, "first"), self._rest)

    def _rest(self) -> TestResponse:
        (key,) = self.asked("rest")
        path = f"/admin/orders/{self.number}/shipments"
        return self.stage.as_staff("POST", path, {"carrier": "DHL"}, key=key, version=self.version + 1)

    def assert_done(self) -> None:
        assert self.states() == ("PLACED", "PAID", "SHIPPED")
        assert self.counts() == {self.lamp: (0, 3, 0), self.chair: (0, 2, 0)}
        assert len(self.rows(Shipment)) == 2


class Cancelled(Paid):
    """Units of it are cancelled by staff; their money goes back."""

    def steps(self) -> list[TestResponse | None]:
        units = [{"line_id": self.lines[self.chair], "quantity": 1}]
        return one_after_another(
            lambda: self.ask("cancel", {"lines": units, "reason": "broken"}, "cancel"), self.send_refunds
        )

    def assert_done(self) -> None:
        self.stage.come_to_rest()
        assert self.states() == ("PLACED", "PARTIALLY_REFUNDED", "UNFULFILLED")
        assert self.counts() == {self.lamp: (0, 0, 0), self.chair: (1, 0, 0)}
        assert self.given_back() == [3000]


class CancelledByCustomer(Paid):
    """The customer takes all of it back."""

    def steps(self) -> list[TestResponse | None]:
        (key,) = self.asked("cancel")
        headers = self.customer.headers | {"Idempotency-Key": key}
        client = self.stage.app.test_client()
        return one_after_another(
            lambda: client.post(f"{API}/orders/{self.number}/cancel", json={}, headers=headers), self.send_refunds
        )

    def assert_done(self) -> None:
        self.stage.come_to_rest()
        assert self.states() == ("CANCELLED", "REFUNDED", "VOIDED")
        assert self.given_back() == [9000]


class Refunded(Paid):
    """Money goes back while the goods stay."""

    def steps(self) -> list[TestResponse | None]:
        wish = {"amount": {"amount": "12.34", "currency": "USD"}, "reason": "late"}
        return one_after_another(lambda: self.ask("refunds", wish, "refund"), self.send_refunds)

    def assert_done(self) -> None:
        self.stage.come_to_rest()
        assert self.states() == ("PLACED", "PARTIALLY_REFUNDED", "UNFULFILLED")
        assert self.given_back() == [1234]


class Returned(Paid):
    """Goods come back, one of them broken, and their money goes back."""

    def prepare(self) -> None:
        super().prepare()
        assert self.ask("shipments", {"carrier": "DHL"}, "ship").status_code == 201
        self.read()

    def steps(self) -> list[TestResponse | None]:
        lines = [{"line_id": self.lines[self.lamp], "quantity": 2, "resaleable": 1}]
        return one_after_another(
            lambda: self.ask("returns", {"lines": lines, "reason": "too dark", "refund": {}}, "return"),
            self.send_refunds,
        )

    def assert_done(self) -> None:
        self.stage.come_to_rest()
        assert self.states() == ("PLACED", "PARTIALLY_REFUNDED", "PARTIALLY_RETURNED")
        assert self.counts() == {self.lamp: (0, 3, 2), self.chair: (0, 2, 0)}
        assert len(self.rows(OrderReturn)) == 1
        assert self.given_back() == [2000]


class Recorded(Paid):
    """Staff record that an invoice was paid."""

    def prepare(self) -> None:
        product = self.stage.shop.product(on_hand=20)
        self.customer = self.stage.shop.guest({product: 2})
        self.number = self.customer.order("20.00").get_json()["number"]
        self.read()

    def steps(self) -> list[TestResponse | None]:
        paid = {"amount": {"amount": "20.00", "currency": "USD"}, "reference": "statement 7"}
        return one_after_another(lambda: self.ask("payments", paid, "record"))

    def assert_done(self) -> None:
        assert self.states() == ("PLACED", "PAID", "UNFULFILLED")


class PaidTooLate(Paid):
    """A checkout whose stock was given free is paid after all, and there still is enough: it becomes an order."""

    on_hand = 20

    def prepare(self) -> None:
        self.lamp = self.stage.shop.product(on_hand=self.on_hand)
        self.customer = self.stage.shop.guest({self.lamp: 2})
        answer = self.customer.order("20.00", payment_method="card", source=DECLINED)
        assert answer.status_code == 402, answer.text
        self.stage.come_to_rest()
        order = self.order()
        assert order["state"] == "EXPIRED"
        self.number = str(100_000 + order["id"])
        self._take_money()

    def _take_money(self) -> None:
        """Have the provider take the money, although it had said that it never would."""
        books = self.stage.double.books
        (intent,) = [one for one in books.intents.values() if one["metadata"]["order"] == self.number]
        books.change(intent["id"], status="succeeded", amount_received=intent["amount"])
        self.event = books.add_event("payment_intent.succeeded", intent)

    def steps(self) -> list[TestResponse | None]:
        return one_after_another(self._tell, lambda: self.work("handle_notice"), self.send_refunds)

    def work(self, kind: str) -> None:
        """What a background worker does."""
        self.stage.deliver(kind)

    def _tell(self) -> TestResponse:
        body, headers = self.stage.double.signed(self.event)
        return self.stage.app.test_client().post(f"{API}/payments/stripe/webhook", data=body, headers=headers)

    def assert_done(self) -> None:
        assert self.states() == ("PLACED", "PAID", "UNFULFILLED")
        assert self.taken() == [2000]


class PaidWhenSoldOut(PaidTooLate):
    """The same, but somebody else has bought the rest meanwhile: all of the money goes back."""

    on_hand = 2
    attention = UNFULFILLABLE

    def prepare(self) -> None:
        super().prepare()
        other = self.stage.shop.guest({self.lamp: 1})
        assert other.order("10.00").status_code == 201

    def assert_done(self) -> None:
        self.stage.come_to_rest()
        assert self.states() == ("CANCELLED", "REFUNDED", "VOIDED")
        assert self.order()["attention"] == self.attention
        assert self.given_back() == [2000]


class Swept(Paid):
    """A checkout that was charged and whose answer was lost is found by the sweeper."""

    def prepare(self) -> None:
        self.lamp = self.stage.shop.product(on_hand=20)
        self.customer = self.stage.shop.guest({self.lamp: 2})
        self.stage.double.next("POST /v1/payment_intents", drop=True)
        answer = self.customer.order("20.00", payment_method="card", source=VISA)
        assert answer.status_code == 503, answer.text
        self.stage.time_passes(3600)

    def steps(self) -> list[TestResponse | None]:
        self.stage.sweep()
        return []

    def assert_done(self) -> None:
        self.stage.come_to_rest()
        assert self.states() == ("PLACED", "PAID", "UNFULFILLED")
        assert self.taken() == [2000]


class SweptUnpaid(Swept):
    """A checkout whose bank was never answered is ended by the sweeper, at the provider first."""

    def prepare(self) -> None:
        self.lamp = self.stage.shop.product(on_hand=20)
        self.customer = self.stage.shop.guest({self.lamp: 2})
        answer = self.customer.order("20.00", payment_method="card", source=ASKING)
        assert answer.status_code == 201, answer.text
        self.stage.time_passes(3600)

    def assert_done(self) -> None:
        self.stage.come_to_rest()
        assert self.states() == ("EXPIRED", "VOIDED", "UNFULFILLED")
        assert self.taken() == []


class CheckoutCancelled(SweptUnpaid):
    """The customer takes a checkout back while a bank asks them something."""

    def prepare(self) -> None:
        self.lamp = self.stage.shop.product(on_hand=20)
        self.customer = self.stage.shop.guest({self.lamp: 2})
        answer = self.customer.order("20.00", payment_method="card", source=ASKING)
        assert answer.status_code == 201, answer.text
        self.number = answer.get_json()["number"]

    def steps(self) -> list[TestResponse | None]:
        (key,) = self.asked("cancel")
        headers = self.customer.headers | {"Idempotency-Key": key}
        client = self.stage.app.test_client()
        return one_after_another(lambda: client.post(f"{API}/orders/{self.number}/cancel", json={}, headers=headers))


class Merged(Scenario):
    """A guest logs in: what is in the guest's cart goes into the person's, once."""

    def prepare(self) -> None:
        shop = self.stage.shop
        self.lamp, self.chair = shop.product(), shop.product()
        self.customer = self.guest = shop.guest({self.lamp: 2})
        person = new_person(self.stage.app, f"{self.name.lower()}@example.org")
        self.email, bearer = person.email, {"Authorization": f"Bearer {person.token}"}
        added: Mapping[str, Any] = {"product_id": self.lamp, "quantity": 1}
        assert self.stage.app.test_client().post(f"{API}/cart/items", json=added, headers=bearer).status_code == 200
        self.person_id = person.id

    def steps(self) -> list[TestResponse | None]:
        login = {"email": self.email, "password": PASSWORD}
        headers = {HEADER: self.guest.headers[HEADER]}
        client = self.stage.app.test_client()
        return one_after_another(lambda: client.post(f"{API}/auth/login", json=login, headers=headers))

    def assert_done(self) -> None:
        with self.stage.app.app_context():
            merged = db.session.get_one(Cart, self.guest.cart_id)
            assert merged.state == CartState.MERGED
            own = sa.select(CartItem.product_id, CartItem.quantity).join(Cart, Cart.id == CartItem.cart_id)
            rows = db.session.execute(own.where(Cart.open_user_id == self.person_id)).all()
            assert [tuple(row) for row in rows] == [(self.lamp, 3)]
