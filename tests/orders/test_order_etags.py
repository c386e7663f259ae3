"""An order's ETag: whatever is shown of it and has changed has another one, for its customer and for staff."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.core.errors import Refusal
from app.core.extensions import db
from app.core.money import Money
from app.core.transactions import in_transaction
from app.orders.attention import STOCK_TAKEN
from app.orders.models.orders import Order, OrderLine
from app.orders.models.payments import Payment, Refund
from app.orders.services import moving
from app.orders.services.cancelling import cancel_order
from app.orders.services.counting import Units
from app.orders.services.delivering import deliver
from app.orders.services.notes import add_note
from app.orders.services.recording import record_payment
from app.orders.services.refunds import refund, retry
from app.orders.services.returns import Returned, Wish, take_back
from app.orders.services.sending_refunds import send_refund
from app.orders.services.shipping import Tracking, change_tracking, ship
from tests.conftest import AppWith
from tests.orders.making import ADDRESS, NOW, STAFF
from tests.orders.shopping import ORDERS, Customer, Shop
from tests.orders.stripe_server import StripeServer
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

DONE: dict[str, Any] = {"actor": STAFF, "now": NOW}
DHL = Tracking(carrier="DHL", number="T 1")


class Watched:
    """An order that is looked at before and after each deed."""

    def __init__(self, customer: Customer, number: str, staff: dict[str, str]) -> None:
        self.app = customer.app
        self.id = int(number) - 100_000
        self.views = [(f"{ORDERS}/{number}", customer.headers), (f"/api/v1/admin/orders/{number}", staff)]
        self.seen = self._look()

    def _look(self) -> list[tuple[Any, str]]:
        answers = [self.app.test_client().get(path, headers=headers) for path, headers in self.views]
        assert {answer.status_code for answer in answers} == {200}
        return [(answer.get_json(), answer.headers["ETag"]) for answer in answers]

    def does(self, deed: Callable[[], Any], *, changes: bool = True) -> Any:
        """Do something: what is shown has changed, and wherever it has, its ETag and version have as well."""
        with self.app.app_context():
            done = deed()
        seen = self._look()
        for (path, headers), (before, old), (after, new) in zip(self.views, self.seen, seen, strict=True):
            known = self.app.test_client().get(path, headers=headers | {"If-None-Match": old})
            assert known.status_code == (304 if new == old else 200)
            assert after == before or new != old
            assert new == f'"v{after["version"]}"'
        assert (seen != self.seen) == changes
        self.seen = seen
        return done

    @property
    def about(self) -> dict[str, Any]:
        """Who does what to which version of it."""
        with self.app.app_context():
            version = db.session.get_one(Order, self.id).version
        return DONE | {"order_id": self.id, "expected_version": version}

    @property
    def line(self) -> int:
        with self.app.app_context():
            return db.session.scalars(select(OrderLine.id).where(OrderLine.order_id == self.id)).one()


def test_whatever_happens_to_an_order_is_another_version_of_it(
    app: Flask, shop: Shop, auth_headers: dict[str, str]
) -> None:
    guest = shop.guest({shop.product(): 6})
    order = Watched(guest, guest.order("60.00").get_json()["number"], auth_headers)
    line = order.line
    order.does(lambda: None, changes=False)
    order.does(lambda: add_note(**DONE, order_id=order.id, text="Called", is_public=False))
    order.does(lambda: cancel_order(actor=STAFF, clock=lambda: NOW, order_id=order.id, units=[Units(line, 1)]))
    first = order.does(lambda: ship(**order.about, tracking=DHL, units=[Units(line, 2)]))
    order.does(lambda: ship(**order.about, tracking=DHL, units=[Units(line, 1)]))  # no other state
    which = {"order_id": order.id, "shipment_id": first.shipment.id}
    order.does(lambda: change_tracking(**DONE, **which, expected_version=1, carrier="UPS"))
    order.does(lambda: deliver(**DONE, **which))
    order.does(lambda: deliver(**DONE, **which), changes=False)
    order.does(lambda: take_back(**order.about, units=[Returned(line, 1, 1)], reason="Too small"))
    order.does(lambda: record_payment(**order.about, amount=Money(4_000, "USD"), reference="Slip 1"))
    order.does(lambda: take_back(**order.about, units=[Returned(line, 1, 0)], reason="Broken", refund=Wish()))
    order.does(lambda: refund(**order.about, amount=Money(100, "USD"), reason="Sorry"))
    for number in (1, 2):
        order.does(lambda number=number: send_refund(refund_id=_refund(number), now=NOW))  # type: ignore[misc]
    order.does(lambda: _flag(order.id))
    order.does(lambda: cancel_order(actor=STAFF, clock=lambda: NOW, order_id=order.id))


def _refund(number: int) -> int:
    return db.session.scalars(select(Refund.id).order_by(Refund.id)).all()[number - 1]


@in_transaction
def _flag(order_id: int) -> None:
    moving.flag(moving.lock_order(order_id), STOCK_TAKEN, actor=STAFF, now=NOW)


def test_who_goes_on_with_an_order_is_told_its_version_by_each_answer(
    client: FlaskClient, shop: Shop, auth_headers: dict[str, str]
) -> None:
    url = "/api/v1/admin/orders"
    ordered = {"items": [{"product_id": shop.product(), "quantity": 3}], "email": "ada@example.org"}
    about = {"shipping_address": ADDRESS, "payment_method": "invoice"}
    made = client.post(url, json=ordered | about, headers=auth_headers)
    number, line = made.get_json()["number"], made.get_json()["lines"][0]["id"]
    etag = made.headers["ETag"]
    seen = []
    for method, path, body in (
        ("PATCH", "", {"note": "Ring twice"}),
        ("POST", "/cancel", {"lines": [{"line_id": line, "quantity": 1}]}),
        ("POST", "/shipments", {"carrier": "DHL"}),
        ("POST", "/payments", {"amount": {"amount": "20.00", "currency": "USD"}}),
        ("POST", "/refunds", {"amount": {"amount": "1.00", "currency": "USD"}, "reason": "Late"}),
        ("POST", "/notes", {"text": "Called"}),
        ("POST", "/deliver", None),
        ("POST", "/returns", {"lines": [{"line_id": line, "quantity": 1, "resaleable": 1}], "reason": "Too small"}),
    ):
        based = auth_headers | {"If-Match": etag}
        answer = client.open(f"{url}/{number}{path}", method=method, json=body, headers=based)
        assert answer.status_code in {200, 201}, answer.text
        of_order = answer.get_json().get("order")
        etag = f'"v{of_order["version"]}"' if of_order else answer.headers["ETag"]
        shown = client.get(f"{url}/{number}", headers=auth_headers)
        assert shown.headers["ETag"] == etag
        for name, value in (of_order or {}).items():
            assert shown.get_json()[name] == value
        seen.append(etag)
    assert len(set(seen)) == len(seen)
    for path in ("/payments", "/refunds", "/shipments", "/returns"):
        (listed,) = client.get(f"{url}/{number}{path}", headers=auth_headers).get_json()["items"]
        assert f'"v{listed["order"]["version"]}"' == etag


def test_whatever_a_provider_says_of_an_order_is_another_version_of_it(
    app_with: AppWith, stripe_double: StripeServer, auth_headers: dict[str, str]
) -> None:
    shop = Shop(app_with(payments=stripe_double.payments(timeout_s=2.0)))
    guest = shop.guest({shop.product(): 2})

    def pay(source: str | None) -> Any:
        return guest.order("20.00", payment_method="card", source=source)

    declined = pay("pm_card_visa_chargeDeclined").get_json()
    order = Watched(guest, declined["order"], auth_headers)
    order.does(lambda: pay("pm_card_visa_chargeDeclined"))
    order.does(lambda: pay("pm_card_authenticationRequired"))
    order.does(lambda: pay("pm_card_authenticationRequired"), changes=False)
    order.does(lambda: pay("pm_card_visa"))
    stripe_double.next("POST /v1/refunds", status=400, code="charge_already_refunded")
    order.does(lambda: cancel_order(actor=STAFF, clock=lambda: NOW, order_id=order.id, units=[Units(order.line, 1)]))
    order.does(lambda: send_refund(refund_id=_refund(1), now=NOW))
    with shop.app.app_context():
        assert db.session.scalars(select(Refund.status)).one() == "FAILED"
    order.does(lambda: retry(**DONE, order_id=order.id, refund_id=_refund(1), by_hand=True))
    order.does(lambda: send_refund(refund_id=_refund(2), now=NOW))
    with shop.app.app_context():
        assert "SUCCEEDED" in db.session.scalars(select(Refund.status)).all()


def test_a_checkout_that_waits_is_another_version_when_its_payment_is_found_out(
    app_with: AppWith, stripe_double: StripeServer, auth_headers: dict[str, str]
) -> None:
    shop = Shop(app_with(payments=stripe_double.payments(timeout_s=2.0)))
    guest = shop.guest({shop.product(): 2})
    stripe_double.next("POST /v1/payment_intents", drop=True)
    assert guest.order("20.00", payment_method="card", source=None).status_code == 503
    with shop.app.app_context():
        number = db.session.scalars(select(Order)).one().number
        assert db.session.scalars(select(Payment.status)).one() == "CREATED"
    order = Watched(guest, number, auth_headers)
    order.does(lambda: guest.order("20.00", payment_method="card", source=None))
    with shop.app.app_context():
        assert db.session.scalars(select(Payment.status)).one() == "WAITING"


def test_a_deed_that_is_refused_leaves_the_version_as_it_is(
    app: Flask, client: FlaskClient, shop: Shop, auth_headers: dict[str, str]
) -> None:
    guest = shop.guest({shop.product(): 2})
    order = Watched(guest, guest.order("20.00").get_json()["number"], auth_headers)

    def refused() -> None:
        with pytest.raises(Refusal):
            cancel_order(actor=STAFF, clock=lambda: NOW, order_id=order.id, units=[Units(order.line, 3)])

    order.does(refused, changes=False)
