"""What happens to webhooks by itself: mails about those that were switched off, giving up, forgetting."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import func, select, update

from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.notifications.models import Webhook, WebhookDelivery, WebhookEvent
from app.notifications.services import purging, webhooks
from tests.auth.conftest import Mails, mails, smtp, worker
from tests.auth.staff import hire
from tests.notifications.conftest import Office
from tests.receiver import Receiver, answer
from tests.servers import on_sqlite
from workers.jobs.outbox import HANDLERS
from workers.schedule import TIMETABLE

__all__ = ["mails", "smtp", "worker"]  # fixtures


def switch_off(office: Office, receiver: Receiver) -> int:
    """Let a webhook fail for the fifteenth time; its id."""
    hook = office.webhook(receiver).webhook
    receiver.reply = lambda handler: answer(handler, 500)
    in_transaction(lambda: db.session.execute(update(Webhook).values(failures=14)))()
    office.publish()
    office.deliver()
    assert not office.hook(hook.id).is_active
    return hook.id


def test_who_may_change_webhooks_is_told_that_one_was_switched_off(
    office: Office, receiver: Receiver, app: Flask, mails: Mails
) -> None:
    wants, does_not, closed = (hire(app, name, ["webhooks:write"]) for name in ("wants", "not", "closed"))
    hire(app, "reader", ["webhooks:read"])
    hire(app, "unproven", ["webhooks:write"], is_verified=False)
    root = hire(app, "root", role="admin")
    wish: dict[str, Any] = {"notifications": {"webhooks": False}}
    assert does_not.patch("/me", wish, 1).status_code == 200
    assert root.patch(f"/users/{closed.id}", {"is_active": False}, 1).status_code == 200
    switch_off(office, receiver)
    db.session.rollback()
    told = mails()
    assert sorted(mail.recipients[0] for mail in told) == [root.email, wants.email]
    for mail in told:
        assert "15 attempts in a row failed" in mail.part("plain").replace("\n", " ")
        assert "was switched off" in mail.part("html")
    assert mails() == []


@on_sqlite
def test_who_was_faster_than_the_mail_is_not_told(office: Office, receiver: Receiver, app: Flask, mails: Mails) -> None:
    hire(app, "wants", ["webhooks:write"])
    number = switch_off(office, receiver)
    webhooks.update_webhook(
        actor=system(), now=utc_now(), webhook_id=number, expected_version=2, is_active=True, private=frozenset()
    )
    assert mails() == []


def test_what_waits_for_three_days_is_given_up_and_what_is_fresh_is_not(office: Office, receiver: Receiver) -> None:
    hook = office.webhook(receiver).webhook
    now = utc_now()
    office.publish(2, now=now - timedelta(days=3, minutes=1))
    office.publish(1, now=now - timedelta(days=2))
    purging.purge(now=now)
    assert [found.state for found in office.deliveries()] == ["ABANDONED", "ABANDONED", "PENDING"]
    office.deliver()
    assert len(receiver.requests) == 1
    assert office.hook(hook.id).is_active


def test_events_are_forgotten_after_thirty_days_with_their_deliveries(office: Office, receiver: Receiver) -> None:
    gone = office.webhook(receiver).webhook
    office.webhook(receiver)
    now = utc_now()
    office.publish(1200, now=now - timedelta(days=30, minutes=1))
    kept = office.publish(2, now=now - timedelta(days=29))
    webhooks.delete_webhook(actor=system(), webhook_id=gone.id, expected_version=1)
    assert purging.purge(now=now) == 1200
    assert list(db.session.scalars(select(WebhookEvent.event_id).order_by(WebhookEvent.id))) == kept
    assert db.session.scalar(select(func.count()).select_from(WebhookDelivery)) == 4
    db.session.rollback()
    assert purging.purge(now=now) == 0


@on_sqlite
def test_the_timetable_knows_of_it(context: Flask) -> None:
    assert TIMETABLE["purge_webhooks"] <= timedelta(hours=1)
    HANDLERS["purge_webhooks"]()
