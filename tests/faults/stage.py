"""Where scenarios are played: the application in this process, the provider's double, time, and what workers do.

The process under test is this one while a ``Process`` (tests.faults.dying) is running; what comes after its end is done
by the same functions that the workers of a shop call.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.test import TestResponse

from app.core import outbox
from app.core.extensions import db
from app.core.idempotency import IdempotencyKey
from app.core.orm import WRITE, clock, table_of, utc_now
from app.core.outbox import Outbox
from app.core.outgoing import fetch
from app.orders.models.orders import Hold, HoldState, Order
from app.orders.models.payments import Refund, RefundStatus
from app.orders.services.checkout.sweeping import sweep_holds
from tests.auth.people import Person, new_person
from tests.faults.dying import Killed, Process
from tests.faults.invariants import Violation, violations
from tests.faults.sizes import FULL
from tests.faults.world import books_of
from tests.orders.shopping import Shop
from tests.orders.stripe_server import StripeServer
from workers.jobs.outbox import HANDLERS

API: Final = "/api/v1"
SENDS: Final = "app.orders.providers.stripe_transport.fetch"
"""What sends requests to the provider."""
LOCK_S: Final = 90
"""After which a request that died no longer keeps its Idempotency-Key, nor a worker its effect."""
LONG_S: Final = 4 * 3600
"""After which every hold has expired, and every pause of the outbox is over."""
ROUNDS: Final = 6
TOLD_OTHERWISE: Final = {"payment_intent.created", "charge.succeeded", "charge.refund.updated", "refund.created"}
"""Events that say nothing that another one does not say; only sent at full size."""


class Stage:
    """A shop that takes cards, with staff."""

    def __init__(self, app: Flask, double: StripeServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.app, self.double, self.shop = app, double, Shop(app)
        self._monkeypatch = monkeypatch
        self._told = 0
        self._staff: Person | None = None

    # --- The process that is tried ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def dying(self, process: Process) -> Iterator[None]:
        """What is done in this block is done by the process; it ends quietly where the process dies."""
        with self.app.app_context():
            engine = db.engine
        self._monkeypatch.setattr(SENDS, process.calling(fetch))
        try:
            with process.running(engine), contextlib.suppress(Killed):
                yield
        finally:
            self._monkeypatch.setattr(SENDS, fetch)

    def staff(self) -> Person:
        """Somebody who may do everything."""
        if self._staff is None:
            self._staff = new_person(self.app, "staff@example.org", role="admin")
        return self._staff

    def as_staff(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, version: int | None = None
    ) -> TestResponse:
        """A request of staff."""
        headers = {"Authorization": f"Bearer {self.staff().token}"}
        headers |= {} if key is None else {"Idempotency-Key": key}
        headers |= {} if version is None else {"If-Match": f'"v{version}"'}
        return self.app.test_client().open(API + path, method=method, json=body, headers=headers)

    # --- What goes on around it ---------------------------------------------------------------------------------------

    def time_passes(self, seconds: float) -> None:
        """Have everything that waits for the database's clock be so much nearer."""
        waiting: list[tuple[Any, tuple[str, ...], Any]] = [
            (Hold, ("expires_at",), Hold.state.in_([HoldState.HELD, HoldState.PAYING])),
            (Outbox, ("not_before", "leased_until", "rung_until"), Outbox.done_at.is_(None)),
            (IdempotencyKey, ("locked_until",), IdempotencyKey.completed_at.is_(None)),
            (Refund, ("updated_at",), Refund.status == RefundStatus.CLAIMED),
        ]
        with self.app.app_context(), db.engine.connect().execution_options(**{WRITE: True}) as connection:
            for model, columns, where in waiting:
                table = table_of(model)
                for row in connection.execute(sa.select(table).where(where)).all():
                    moved = {
                        name: getattr(row, name) - timedelta(seconds=seconds)
                        for name in columns
                        if getattr(row, name) is not None
                    }
                    connection.execute(sa.update(table).where(table.c.id == row.id).values(moved))
            connection.commit()

    def sweep(self) -> None:
        """What runs every half minute; what fails in it is done by the next run."""
        with self.app.app_context(), contextlib.suppress(Exception):
            sweep_holds(clock=utc_now)

    def deliver(self, *kinds: str) -> bool:
        """What background workers do with the outbox (some kinds, or all); whether everything that is due was done."""
        is_done = True
        for outbox_id in self._due(kinds):
            with self.app.app_context():
                try:
                    outbox.deliver(outbox_id, HANDLERS)
                except Exception:  # noqa: BLE001  # it is noted in the row, which is looked at again
                    is_done = False
        return is_done

    def _due(self, kinds: Collection[str]) -> Sequence[int]:
        due = sa.select(Outbox.id).where(Outbox.done_at.is_(None))
        due = due.where(Outbox.kind.in_(kinds)) if kinds else due
        with self.app.app_context(), contextlib.suppress(SQLAlchemyError):
            return db.session.scalars(due.where(Outbox.not_before <= clock()).order_by(Outbox.id)).all()
        return []

    def tell(self, chance: random.Random) -> None:
        """Every webhook that the provider has not sent yet, in any order, some of them twice."""
        events = self.double.books.events[self._told :]
        self._told = len(self.double.books.events)
        if not FULL:
            events = [event for event in events if event["type"] not in TOLD_OTHERWISE]
        again = [event for event in events if chance.random() < 0.3]
        for event in chance.sample([*events, *again], len(events) + len(again)):
            body, headers = self.double.signed(event)
            answer = self.app.test_client().post(f"{API}/payments/stripe/webhook", data=body, headers=headers)
            assert answer.status_code == 200, answer.text

    def come_to_rest(self) -> None:
        """Let so much time pass that everything ends which anybody has to end."""
        for _ in range(ROUNDS):
            self.time_passes(LONG_S)
            self.sweep()
            if self.deliver() and not self._is_waiting():
                return

    def _is_waiting(self) -> bool:
        with self.app.app_context():
            left = sa.select(sa.func.count()).select_from(Outbox).where(Outbox.done_at.is_(None))
            return bool(db.session.scalar(left))

    # --- What came of it ----------------------------------------------------------------------------------------------

    def violations(self) -> list[Violation]:
        """What is wrong now that everything has come to rest."""
        with self.app.app_context():
            return violations(books_of(self.double))

    def order(self, cart_id: int) -> Mapping[str, Any]:
        """The order of a cart as (state, payment_state, fulfilment_state, ...); empty where there is none."""
        with self.app.app_context():
            table = table_of(Order)
            row = db.session.execute(sa.select(table).where(table.c.cart_id == cart_id)).one_or_none()
            return {} if row is None else dict(row._mapping)
