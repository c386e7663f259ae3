"""Coupons that count once, in checkouts and orders that can be interrupted anywhere."""

from __future__ import annotations

import itertools
from typing import Any, Final

import sqlalchemy as sa
from werkzeug.test import TestResponse

from app.core.extensions import db
from app.core.orm import table_of, utc_now
from app.orders.models.coupons import Coupon
from app.orders.models.orders import Order
from app.orders.services.coupons.editing import create_coupon
from tests.faults.scenarios import DECLINED, VISA, Scenario, one_after_another
from tests.faults.stage import API
from tests.orders.making import ADDRESS, STAFF

_CODES: Final = (f"STORY{number}" for number in itertools.count(1))


class WithCoupon(Scenario):
    """A card that is declined with one coupon, and then another card with another one; each can be used once."""

    def prepare(self) -> None:
        super().prepare()
        self.codes = [next(_CODES), next(_CODES)]
        with self.stage.app.app_context():
            for code, off in zip(self.codes, (100, 300), strict=True):
                create_coupon(actor=STAFF, now=utc_now(), code=code, amount_minor=off, max_uses=1, max_per_customer=1)

    def steps(self) -> list[TestResponse | None]:
        bad, good = self.asked("bad", "good")
        first, second = self.codes
        by_card: dict[str, Any] = {"payment_method": "card"}
        return one_after_another(
            lambda: self.customer.order("19.00", key=bad, coupon=first, source=DECLINED, **by_card),
            lambda: self.customer.order("17.00", key=good, coupon=second, source=VISA, **by_card),
        )

    def assert_done(self) -> None:
        assert self.states() == ("PLACED", "PAID", "UNFULFILLED")
        assert self.taken() == [1700]
        assert self.used() == [0, 1]

    def used(self) -> list[int]:
        """How often each coupon counts as used."""
        with self.stage.app.app_context():
            used = dict(
                db.session.execute(sa.select(Coupon.code, Coupon.used).where(Coupon.code.in_(self.codes))).all()
            )
        return [used[code] for code in self.codes]


class GivenUpWithCoupon(WithCoupon):
    """A checkout whose card was declined and to which nobody comes back: the sweeper gives stock and coupon free."""

    def prepare(self) -> None:
        super().prepare()
        more = {"payment_method": "card", "source": DECLINED, "coupon": self.codes[0]}
        answer = self.customer.order("19.00", **more)
        assert answer.status_code == 402, answer.text
        assert self.used() == [1, 0]
        self.stage.time_passes(3600)

    def steps(self) -> list[TestResponse | None]:
        self.stage.sweep()
        return []

    def assert_done(self) -> None:
        self.stage.come_to_rest()
        assert self.states() == ("EXPIRED", "VOIDED", "UNFULFILLED")
        assert (self.taken(), self.used()) == ([], [0, 0])


class CancelledWithCoupon(WithCoupon):
    """An invoice that is taken back before it is paid: nothing is due, and stock and coupon are free."""

    def prepare(self) -> None:
        super().prepare()
        answer = self.customer.order("19.00", coupon=self.codes[0])
        assert answer.status_code == 201, answer.text
        self.number: str = answer.get_json()["number"]

    def steps(self) -> list[TestResponse | None]:
        (key,) = self.asked("cancel")
        headers = self.customer.headers | {"Idempotency-Key": key}
        client = self.stage.app.test_client()
        return one_after_another(lambda: client.post(f"{API}/orders/{self.number}/cancel", json={}, headers=headers))

    def assert_done(self) -> None:
        assert self.states() == ("CANCELLED", "VOIDED", "VOIDED")
        assert self.order()["cancelled_minor"] == 1900
        assert self.used() == [0, 0]


class PlacedByStaff(WithCoupon):
    """An order that staff place for somebody, with a coupon: one order however often it is sent with its key."""

    def prepare(self) -> None:
        super().prepare()
        self.lamp = self.stage.shop.product(on_hand=2)
        assert self.stage.as_staff("GET", "/admin/orders").status_code == 200  # who that is need not be looked up then

    def steps(self) -> list[TestResponse | None]:
        (key,) = self.asked("order")
        body = {
            "email": f"{self.name.lower()}@example.org",
            "items": [{"product_id": self.lamp, "quantity": 2}],
            "shipping_address": ADDRESS,
            "payment_method": "invoice",
            "coupon": self.codes[0],
        }
        return one_after_another(lambda: self.stage.as_staff("POST", "/admin/orders", body, key=key))

    def order(self) -> dict[str, Any]:
        with self.stage.app.app_context():
            table = table_of(Order)
            mine = sa.select(table).where(table.c.email == f"{self.name.lower()}@example.org")
            row = db.session.execute(mine).one_or_none()  # fails where there are two
        return {} if row is None else dict(row._mapping)

    def assert_done(self) -> None:
        assert self.states() == ("PLACED", "UNPAID", "UNFULFILLED")
        assert self.used() == [1, 0]
