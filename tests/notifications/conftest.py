"""What tests of webhooks may ask for: a receiver, webhooks that lead to it, events, and couriers."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.config import Settings
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.notifications.models import Webhook, WebhookDelivery
from app.notifications.queries.webhooks import who_wants
from app.notifications.services import events, webhooks
from app.notifications.services.sending import DEADLINE_S
from app.notifications.services.webhooks import Secret
from tests.receiver import Receiver
from workers.courier import Courier

WAIT_S = 30.0


@pytest.fixture
def receivers() -> Iterator[Callable[[], Receiver]]:
    """Starts servers that receive."""
    made: list[Receiver] = []

    def start() -> Receiver:
        made.append(Receiver())
        return made[-1]

    yield start
    for receiver in made:
        receiver.close()


@pytest.fixture
def receiver(receivers: Callable[[], Receiver]) -> Receiver:
    """A server that receives."""
    return receivers()


@dataclass
class Office:
    """Makes webhooks and events, sends them, and looks at what became of them; needs a context."""

    app: Flask
    settings: Settings

    def webhook(self, receiver: Receiver, kinds: tuple[str, ...] = ("*",), **changes: Any) -> Secret:
        """A webhook that leads to the receiver, which our servers may reach from now on."""
        self.settings = dataclasses.replace(
            self.settings, private_targets=self.settings.private_targets | {receiver.target}
        )
        about: dict[str, Any] = {"name": "hook", "url": f"{receiver.url}/hook", "kinds": kinds} | changes
        return webhooks.create_webhook(actor=system(), now=utc_now(), private=self.settings.private_targets, **about)

    def publish(self, count: int = 1, *, kind: str = "stock.low", now: datetime | None = None) -> list[str]:
        """Events of a kind, in a transaction; their ids."""
        parts = [{"number": number} for number in range(count)]

        @in_transaction
        def happen() -> list[str]:
            made = events.record(kind, parts, to=who_wants(kind), now=now or utc_now())
            return [event.event_id for event in made]

        return happen()

    def courier(self, *, deadline_s: float = DEADLINE_S) -> Courier:
        """Somebody who sends, in turns."""
        return Courier(self.app, self.settings, deadline_s=deadline_s)

    @contextmanager
    def running(self, *, deadline_s: float = DEADLINE_S) -> Iterator[Courier]:
        """Somebody who sends, in a thread as in a worker."""
        courier = self.courier(deadline_s=deadline_s)
        courier.start()
        try:
            yield courier
        finally:
            courier.end()

    def deliver(self, *, now: datetime | None = None, deadline_s: float = DEADLINE_S) -> None:
        """Send what is due (at ``now``), until nothing is."""
        courier = self.courier(deadline_s=deadline_s)
        ends_at = time.monotonic() + WAIT_S
        courier.turn(now=now or utc_now())  # the clock of SQLite has milliseconds only
        while courier.is_busy:
            assert time.monotonic() < ends_at
            courier.turn(now=now or utc_now())
        courier.end()

    def hook(self, webhook_id: int) -> Webhook:
        """A webhook as it is now."""
        db.session.rollback()
        db.session.expire_all()
        return db.session.scalars(select(Webhook).where(Webhook.id == webhook_id)).one()

    def deliveries(self) -> list[WebhookDelivery]:
        """All deliveries as they are now, oldest first."""
        db.session.rollback()
        db.session.expire_all()
        return list(db.session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))

    def delivery(self) -> WebhookDelivery:
        """The only one."""
        (found,) = self.deliveries()
        return found

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until something is so."""
        ends_at = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < ends_at
            time.sleep(0.05)


@pytest.fixture
def office(context: Flask, settings: Settings) -> Office:
    """Webhooks and what they are told."""
    return Office(context, settings)
