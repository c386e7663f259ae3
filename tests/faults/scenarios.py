"""Checkouts that can be interrupted anywhere: what was there before, what is done, and what must come of it.

Each step can be sent again: what a customer, staff or a provider sends keeps its Idempotency-Key.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

from werkzeug.test import TestResponse

from tests.faults.stage import API, Stage
from tests.orders.shopping import Customer

VISA: Final = "pm_card_visa"
DECLINED: Final = "pm_card_visa_chargeDeclined"
ASKING: Final = "pm_card_authenticationRequired"
_NUMBERS: Final = itertools.count(1)


class Scenario:
    """A story about a customer with a cart; ``prepare`` is not interrupted, ``steps`` are."""

    attention: str | None = None
    """Why staff may have to look at the order in the end."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.name = f"{type(self).__name__}-{next(_NUMBERS)}"
        self.customer: Customer

    def prepare(self) -> None:
        """Make what is there before."""
        product = self.stage.shop.product(on_hand=20)
        self.customer = self.stage.shop.guest({product: 2})

    def steps(self) -> list[TestResponse | None]:
        """Do it, up to the first answer that says to try again; the answers."""
        raise NotImplementedError

    def assert_done(self) -> None:
        """Fail unless all that was wanted has come true, once."""
        raise NotImplementedError

    def asked(self, *keys: str) -> list[str]:
        """Idempotency-Keys of this story."""
        return [f"{self.name}-{key}" for key in keys]

    def order(self) -> dict[str, Any]:
        """The cart's order."""
        return dict(self.stage.order(self.customer.cart_id))

    def states(self) -> tuple[str, str, str]:
        """The states of the cart's order."""
        order = self.order()
        return order["state"], order["payment_state"], order["fulfilment_state"]

    def taken(self) -> list[int]:
        """What the provider took for the cart's order."""
        return self.stage.double.books.taken(str(100_000 + self.order()["id"]))


def one_after_another(*deeds: Any) -> list[TestResponse | None]:
    """Do deeds in turn, up to the first that has to be tried again."""
    answers = []
    for deed in deeds:
        answers.append(deed())
        if must_be_tried_again(answers[-1]):
            break
    return answers


def must_be_tried_again(answer: TestResponse | None) -> bool:
    """Whether whoever sent this sends it again: nothing is known, or it is still being worked on."""
    if answer is None:
        return False
    return answer.status_code >= 500 or (answer.get_json(silent=True) or {}).get("code") == "IDEMPOTENCY_KEY_IN_USE"


class Invoice(Scenario):
    """A checkout by invoice: one transaction."""

    def steps(self) -> list[TestResponse | None]:
        (key,) = self.asked("order")
        return one_after_another(lambda: self.customer.order("20.00", key=key))

    def assert_done(self) -> None:
        assert self.states() == ("PLACED", "UNPAID", "UNFULFILLED")


class Card(Scenario):
    """A checkout by card: three phases."""

    def steps(self) -> list[TestResponse | None]:
        (key,) = self.asked("order")
        return one_after_another(
            lambda: self.customer.order("20.00", key=key, payment_method="card", source=VISA),
        )

    def assert_done(self) -> None:
        assert self.states() == ("PLACED", "PAID", "UNFULFILLED")
        assert self.taken() == [2000]


class Declined(Scenario):
    """A card that is declined, and then another one."""

    def steps(self) -> list[TestResponse | None]:
        bad, good = self.asked("bad", "good")
        return one_after_another(
            lambda: self.customer.order("20.00", key=bad, payment_method="card", source=DECLINED),
            lambda: self.customer.order("20.00", key=good, payment_method="card", source=VISA),
        )

    def assert_done(self) -> None:
        assert self.states() == ("PLACED", "PAID", "UNFULFILLED")
        assert self.taken() == [2000]


class Edited(Scenario):
    """A checkout whose payment a bank asks about, then another cart: the first payment is ended, then paid anew."""

    def prepare(self) -> None:
        self.lamp, self.chair = self.stage.shop.product(on_hand=20), self.stage.shop.product(on_hand=20)
        self.customer = self.stage.shop.guest({self.lamp: 2})
        answer = self.customer.order("20.00", payment_method="card", source=ASKING)
        assert answer.status_code == 201, answer.text
        self.customer.change(self.lamp, 1)
        self.customer.put({self.chair: 3})

    def steps(self) -> list[TestResponse | None]:
        (key,) = self.asked("order")
        return one_after_another(
            lambda: self.customer.order("40.00", key=key, payment_method="card", source=VISA),
        )

    def assert_done(self) -> None:
        assert self.states() == ("PLACED", "PAID", "UNFULFILLED")
        assert self.taken() == [4000]


class EditedToInvoice(Edited):
    """The same, but what is wanted in the end is an invoice."""

    def steps(self) -> list[TestResponse | None]:
        (key,) = self.asked("order")
        return one_after_another(lambda: self.customer.order("40.00", key=key))

    def assert_done(self) -> None:
        assert self.states() == ("PLACED", "UNPAID", "UNFULFILLED")
        assert self.taken() == []


class PaidByNotice(Scenario):
    """A bank's question is answered while nobody is there: the provider's notice places the order."""

    def prepare(self) -> None:
        super().prepare()
        answer = self.customer.order("20.00", payment_method="card", source=ASKING)
        assert answer.status_code == 201, answer.text
        (self.ref,) = self._intents()
        self.stage.double.books.authenticate(self.ref)
        (self.event,) = self.stage.double.books.events_of(self.ref, "payment_intent.succeeded")

    def steps(self) -> list[TestResponse | None]:
        return one_after_another(self._send, self._handle)

    def assert_done(self) -> None:
        assert self.states() == ("PLACED", "PAID", "UNFULFILLED")
        assert self.taken() == [2000]

    def _handle(self) -> None:
        self.stage.deliver("handle_notice")

    def _send(self) -> TestResponse:
        body, headers = self.stage.double.signed(self.event)
        return self.stage.app.test_client().post(f"{API}/payments/stripe/webhook", data=body, headers=headers)

    def _intents(self) -> list[str]:
        number = str(100_000 + self.order()["id"])
        intents = self.stage.double.books.intents.values()
        return [one["id"] for one in intents if one["metadata"]["order"] == number]


class PaidByRefresh(PaidByNotice):
    """The same, and the customer's browser asks before the notice comes."""

    def prepare(self) -> None:
        super().prepare()
        self.path = f"{API}/orders/{100_000 + self.order()['id']}/payment/refresh"

    def steps(self) -> list[TestResponse | None]:
        client = self.stage.app.test_client()
        return one_after_another(lambda: client.post(self.path, headers=self.customer.headers))
