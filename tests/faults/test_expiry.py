"""The last unit lies in a checkout that is being paid while its hold expires: it ends in an order or a refund.

Everybody who can have a say in it comes in every order, and each also while another one stands between two transactions
or waits for the provider. Money that was taken is an order or is given back, the unit is sold once, and it is free when
nobody has it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import pytest

from app.orders.models.orders import OrderState
from tests.faults.dying import Place, Process
from tests.faults.scenarios import ASKING
from tests.faults.sizes import FULL, SEED
from tests.faults.stage import API, Stage
from tests.orders.shopping import Customer
from tests.orders.stripe_rules import Refused
from tests.servers import on_sqlite

pytestmark = [] if FULL else [on_sqlite]
EXPIRY_S: Final = 3600
SOME: Final = 30
"""How many cases of each kind ``make test`` tries."""


class LastUnit:
    """Somebody pays for the last unit by a card whose bank asks them something; others want it, too."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.product = stage.shop.product(on_hand=1)
        self.customer, self.other = (stage.shop.guest({self.product: 1}) for _ in range(2))
        answer = self.customer.order("10.00", payment_method="card", source=ASKING)
        assert answer.status_code == 201, answer.text
        self.number: str = answer.get_json()["number"]
        books = stage.double.books
        (self.ref,) = [one["id"] for one in books.intents.values() if one["metadata"]["order"] == self.number]

    def expire(self) -> None:
        """The time of the hold is over."""
        self.stage.time_passes(EXPIRY_S)

    def bank(self) -> None:
        """The customer answers their bank: money is taken, unless the payment was ended before."""
        with suppress(Refused):
            self.stage.double.books.authenticate(self.ref)

    def notice(self) -> None:
        """The same, and the provider tells of it."""
        self.bank()
        for event in self.stage.double.books.events_of(self.ref, "payment_intent.succeeded"):
            body, headers = self.stage.double.signed(event)
            self._post("/payments/stripe/webhook", data=body, headers=headers)
        self.stage.deliver("handle_notice")

    def sweeper(self) -> None:
        """What runs every half minute."""
        self.stage.sweep()

    def cancel(self) -> None:
        """The customer takes the checkout back."""
        self._post(f"/orders/{self.number}/cancel", json={}, headers=self.customer.headers)

    def refresh(self) -> None:
        """The customer's browser asks how far the payment is."""
        self._post(f"/orders/{self.number}/payment/refresh", headers=self.customer.headers)

    def again(self) -> None:
        """The customer sends the checkout once more."""
        self._order(self.customer, payment_method="card", source=ASKING)

    def invoice(self) -> None:
        """The customer would rather have an invoice."""
        self._order(self.customer)

    def rival(self) -> None:
        """Somebody else orders the last unit."""
        self._order(self.other)

    def _order(self, customer: Customer, **more: str) -> None:
        answer = customer.order("10.00", **more)
        assert answer.status_code in {201, 402, 409, 503}, answer.text

    def _post(self, path: str, **sent: Any) -> None:
        answer = self.stage.app.test_client().post(f"{API}{path}", **sent)
        assert answer.status_code in {200, 409, 503}, answer.text

    def assert_settled(self, said: str) -> None:
        """Fail unless all rules hold, the unit is sold at most once, and it is not kept for nobody."""
        self.stage.tell(random.Random(SEED))
        self.stage.come_to_rest()
        assert self.stage.violations() == [], said
        own, other = self.stage.order(self.customer.cart_id), self.stage.order(self.other.cart_id)
        placed = [order for order in (own, other) if order and order["state"] == OrderState.PLACED]
        assert len(placed) <= 1, said
        taken = sum(self.stage.double.books.taken(self.number))
        given_back = sum(self.stage.double.books.given_back(self.number))
        is_paid = own["state"] == OrderState.PLACED and own["payment_state"] == "PAID"
        assert taken - given_back == (1000 if is_paid else 0), said


PEOPLE: Final = (
    LastUnit.bank,
    LastUnit.notice,
    LastUnit.sweeper,
    LastUnit.cancel,
    LastUnit.refresh,
    LastUnit.again,
    LastUnit.invoice,
    LastUnit.rival,
)
Deed = Callable[[LastUnit], None]


def _some(cases: Sequence[tuple[Deed, ...]]) -> Sequence[tuple[Deed, ...]]:
    return cases if FULL else random.Random(SEED).sample(cases, SOME)


def _named(deeds: Sequence[Deed]) -> str:
    return f"{', '.join(deed.__name__ for deed in deeds)} (FAULTS_SEED={SEED})"


def test_whatever_comes_first_around_the_expiry_ends_in_an_order_or_a_refund(stage: Stage) -> None:
    deeds = (LastUnit.expire, LastUnit.notice, LastUnit.sweeper, LastUnit.cancel, LastUnit.rival)
    for order in _some(list(itertools.permutations(deeds))):
        story = LastUnit(stage)
        for deed in order:
            deed(story)
        story.assert_settled(_named(order))


@pytest.mark.parametrize("expires", ["before", "meanwhile", "never"])
def test_whoever_comes_between_two_steps_of_another_one_makes_no_difference(stage: Stage, expires: str) -> None:
    for first, second in _some(list(itertools.permutations(PEOPLE, 2)))[: None if FULL else SOME // 3]:
        places = _places(stage, first, expires)
        for at in places if FULL else random.Random(SEED).sample(places, min(len(places), 3)):
            story = LastUnit(stage)
            if expires == "before":
                story.expire()
            deeds = [*([LastUnit.expire] if expires == "meanwhile" else []), second]
            process = Process(at, meanwhile=partial(_do, story, deeds))
            with stage.dying(process):
                first(story)
            said = f"{_named(deeds)} while {first.__name__} stands {process.where}; the hold expires {expires}"
            story.assert_settled(said)


def _do(story: LastUnit, deeds: Sequence[Deed]) -> None:
    for deed in deeds:
        deed(story)


def _places(stage: Stage, first: Deed, expires: str) -> list[int]:
    """The places of somebody at which no transaction is open."""
    story, process = LastUnit(stage), Process()
    if expires == "before":
        story.expire()
    with stage.dying(process):
        first(story)
    story.assert_settled(f"{first.__name__} alone")
    between = {Place.COMMITTED, Place.CALL, Place.CALLED}
    return [at for at, (place, _) in enumerate(process.came_by) if place in between]
