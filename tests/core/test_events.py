"""What one domain sets off in another happens at once, in the same transaction, or not at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask

from app.core import audit, events
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.permissions import system
from app.core.transactions import in_transaction


@dataclass(frozen=True)
class Sold:
    """Something was sold."""

    product_id: int


@dataclass(frozen=True)
class SoldOut(Sold):
    """The last one was sold."""


@pytest.fixture(autouse=True)
def own_subscribers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subscriptions of these tests only."""
    monkeypatch.setattr(events, "_subscribers", defaultdict(list))


def note(event: Sold) -> None:
    audit.record(actor=system(), action="sold", subject=("product", event.product_id))


@in_transaction
def sell(*, product_id: int, then: Callable[[], object] = bool) -> None:
    events.publish(Sold(product_id))
    then()


def noted() -> list[int | None]:
    db.session.rollback()
    return list(db.session.scalars(db.select(AuditEvent.subject_id).order_by(AuditEvent.id)))


def test_subscribers_hear_of_an_event_at_once_and_in_their_order() -> None:
    heard: list[str] = []
    events.subscribe(Sold, lambda event: heard.append(f"first {event.product_id}"))
    events.subscribe(Sold, lambda event: heard.append(f"second {event.product_id}"))
    events.publish(Sold(5))
    assert heard == ["first 5", "second 5"]


def test_an_event_nobody_waits_for_is_fine() -> None:
    events.publish(Sold(5))


def test_subscribing_twice_is_once() -> None:
    heard: list[Sold] = []

    def hear(event: Sold) -> None:
        heard.append(event)

    events.subscribe(Sold, hear)
    events.subscribe(Sold, hear)
    events.publish(Sold(5))
    assert heard == [Sold(5)]


def test_only_exactly_this_kind_of_event_is_heard() -> None:
    heard: list[Sold] = []
    events.subscribe(Sold, heard.append)
    events.publish(SoldOut(5))
    events.publish("Sold")
    assert heard == []


def test_what_a_subscriber_writes_is_committed_with_the_event(context: Flask) -> None:
    events.subscribe(Sold, note)
    sell(product_id=5)
    assert noted() == [5]


def test_what_a_subscriber_writes_is_undone_with_the_event(context: Flask) -> None:
    events.subscribe(Sold, note)

    def fail() -> None:
        raise RuntimeError("after the event")

    with pytest.raises(RuntimeError, match="after the event"):
        sell(product_id=5, then=fail)
    assert noted() == []


def test_a_subscriber_that_fails_undoes_it_all(context: Flask) -> None:
    def refuse(event: Sold) -> None:
        raise RuntimeError(f"not {event.product_id}")

    events.subscribe(Sold, note)
    events.subscribe(Sold, refuse)
    with pytest.raises(RuntimeError, match="not 5"):
        sell(product_id=5)
    assert noted() == []
