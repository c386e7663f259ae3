"""What is done at the provider without us, and can be interrupted while we write it down."""

from __future__ import annotations

from typing import Final

from werkzeug.test import TestResponse

from tests.faults.desk_scenarios import Paid
from tests.faults.scenarios import one_after_another
from tests.faults.stage import API

GIVEN: Final = 1234


class RefundedOutside(Paid):
    """Somebody gives a part back in the provider's own dashboard: it is booked once, and no money moves again."""

    def prepare(self) -> None:
        super().prepare()
        books = self.stage.double.books
        (intent,) = [one for one in books.intents.values() if one["metadata"]["order"] == self.number]
        books.refund_in_dashboard(intent["id"], GIVEN)
        (self.event,) = books.events_of(intent["id"], "charge.refunded")

    def steps(self) -> list[TestResponse | None]:
        return one_after_another(self._tell, self._handle)

    def _tell(self) -> TestResponse:
        body, headers = self.stage.double.signed(self.event)
        return self.stage.app.test_client().post(f"{API}/payments/stripe/webhook", data=body, headers=headers)

    def _handle(self) -> None:
        self.stage.deliver("handle_notice")

    def assert_done(self) -> None:
        self.stage.come_to_rest()
        assert self.states() == ("PLACED", "PARTIALLY_REFUNDED", "UNFULFILLED")
        assert self.given_back() == [GIVEN]
