"""A shop that takes cards, seen from its payments: orders that were paid, what staff do, what Stripe tells us."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from flask import Flask
from sqlalchemy import inspect, select, update
from werkzeug.test import TestResponse

from app.core import outbox
from app.core.extensions import db
from app.core.orm import database_now
from app.core.outbox import Outbox
from app.core.transactions import in_transaction
from app.orders.models.orders import Order
from app.orders.models.payments import Payment, ProviderEvent, Refund
from app.orders.models.sales import Sale
from app.orders.providers.port import ProviderUnreachable
from tests.orders.shopping import Customer, Shop, together
from tests.orders.stripe_rules import Json
from tests.orders.stripe_server import StripeServer
from workers.jobs.outbox import HANDLERS

API: Final = "/api/v1"
HOOK: Final = f"{API}/payments/stripe/webhook"
OURS: Final = ("send_refund", "handle_notice")


class Till(Shop):
    """The shop with its double of Stripe, and with staff."""

    def __init__(self, app: Flask, double: StripeServer, staff: dict[str, str]) -> None:
        super().__init__(app)
        self.double = double
        self._staff = staff

    # --- Customers ---------------------------------------------------------------------------------------------------

    def pay(self, customer: Customer, total: str, source: str | None = "pm_card_visa", **more: Any) -> TestResponse:
        """Order the customer's cart by card."""
        return customer.order(total, payment_method="card", source=source, **more)

    def sold(self, *, source: str = "pm_card_visa", units: int = 2) -> Order:
        """An order of so many at 10.00, paid by card."""
        answer = self.pay(self.guest({self.product(): units}), f"{10 * units}.00", source)
        assert answer.status_code == 201, answer.text
        return self.order(answer.get_json()["number"])

    def begun(self, source: str | None, **more: Any) -> tuple[Customer, Order, str]:
        """A customer whose payment waits, their order, and the payment's id at Stripe."""
        customer = self.guest({self.product(): 2})
        answer = self.pay(customer, "20.00", source, **more)
        assert answer.status_code == 201, answer.text
        order = self.order(answer.get_json()["number"])
        return customer, order, self.payment(order.id).provider_ref or ""

    # --- Staff -------------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any = None, *, version: int | None = None) -> TestResponse:
        """A request of staff."""
        headers = self._staff | ({"If-Match": f'"v{version}"'} if version is not None else {})
        return self.app.test_client().open(f"{API}{path}", method=method, json=body, headers=headers)

    def refund(self, order: Order, amount: str | None = None, *, version: int | None = None) -> TestResponse:
        """Staff give money back: so much, or all."""
        body: Json = {"reason": "Scratched"}
        if amount is not None:
            body["amount"] = {"amount": amount, "currency": "USD"}
        now = version or self.order(order.number).version
        return self.ask("POST", f"/admin/orders/{order.number}/refunds", body, version=now)

    def retry(self, order: Order, refund_id: int, *, by_hand: bool = False) -> TestResponse:
        """Staff try a refund again."""
        return self.ask("POST", f"/admin/orders/{order.number}/refunds/{refund_id}/retry", {"by_hand": by_hand})

    # --- Stripe, and what happens in the background ------------------------------------------------------------------

    def tell(self, event: Json, *, at: float | None = None) -> TestResponse:
        """Stripe sends the webhook of an event."""
        body, headers = self.double.signed(event, at=at)
        return self.app.test_client().post(HOOK, data=body, headers=headers)

    def tell_all(self, ref: str, *kinds: str) -> None:
        """Stripe sends the webhooks of all that happened to a payment, and they are handled."""
        for event in self.double.books.events_of(ref, *kinds):
            assert self.tell(event).status_code == 200
        self.work()

    def work(self, *kinds: str) -> int:
        """What a background worker does with the outbox once; how many it could not do because Stripe was away."""
        failures = 0
        for outbox_id in self._due(kinds or OURS):
            with self.app.app_context():
                try:
                    outbox.deliver(outbox_id, HANDLERS)
                except ProviderUnreachable:
                    failures += 1
        return failures

    def work_at_once(self, kind: str) -> int:
        """Do everything of a kind, each in a thread of its own, as several workers would; returns how many."""
        with self.app.app_context():
            ids = list(db.session.scalars(select(Outbox.id).where(Outbox.kind == kind)))
        together(*[partial(self._deliver, outbox_id) for outbox_id in ids])
        return len(ids)

    def _deliver(self, outbox_id: int) -> None:
        with self.app.app_context():
            outbox.deliver(outbox_id, HANDLERS)

    def wait(self) -> None:
        """Let the time pass until everything in the outbox is due again."""
        self.change(update(Outbox).values(not_before=Outbox.created_at))

    def _due(self, kinds: tuple[str, ...]) -> list[int]:
        with self.app.app_context():
            due = select(Outbox.id).where(Outbox.done_at.is_(None), Outbox.kind.in_(kinds))
            due = due.where(Outbox.not_before <= database_now(db.session()))
            return list(db.session.scalars(due.order_by(Outbox.id)))

    # --- What there is -----------------------------------------------------------------------------------------------

    def order(self, number: str) -> Order:
        """An order as it is now."""
        found: Order = self._one(select(Order).where(Order.id == int(number) - 100_000))
        return found

    def payment(self, order_id: int) -> Payment:
        """The newest payment of an order as it is now."""
        found: Payment = self._one(
            select(Payment).where(Payment.order_id == order_id).order_by(Payment.id.desc()).limit(1)
        )
        return found

    def refunds(self) -> list[Refund]:
        """All refunds as they are now, the oldest first."""
        return self._all(select(Refund).order_by(Refund.id))

    def notices(self) -> list[ProviderEvent]:
        """All that Stripe told us."""
        return self._all(select(ProviderEvent).order_by(ProviderEvent.id))

    def sales(self) -> list[tuple[str, int, int]]:
        """All sales facts as (kind, quantity, total)."""
        return [(sale.kind, sale.quantity, sale.total_minor) for sale in self._all(select(Sale).order_by(Sale.id))]

    def change(self, statement: Any) -> None:
        """Change something behind the application's back."""
        with self.app.app_context(), db.engine.begin() as connection:
            connection.execute(statement)

    def run(self, work: Callable[..., Any], **arguments: Any) -> Any:
        """Do something in one transaction."""
        with self.app.app_context():
            return in_transaction(work)(**arguments)

    def leaks(self, *secrets: str) -> list[str]:
        """Which tables hold one of these texts anywhere."""
        found = []
        with self.app.app_context(), db.engine.connect() as connection:
            existing = set(inspect(connection).get_table_names())
            for table in (each for each in db.metadata.sorted_tables if each.name in existing):
                rows = str(connection.execute(select(table)).all())
                found += [table.name for secret in secrets if secret in rows]
        return found

    def _one(self, found: Any) -> Any:
        with self.app.app_context():
            return db.session.scalars(found).one()

    def _all(self, found: Any) -> list[Any]:
        with self.app.app_context():
            return list(db.session.scalars(found))
