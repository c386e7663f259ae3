"""What receivers get: requests that are signed, once each in the good case, again when it fails."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest
from flask import Flask
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from app import create_base
from app.config import Settings
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.metrics import add_counts
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.tallies import Reporter, read_total, report
from app.core.transactions import in_transaction
from app.notifications.metrics import outcome_of
from app.notifications.models import DeliveryState, Webhook, WebhookDelivery, WebhookEvent
from app.notifications.queries.webhooks import who_wants
from app.notifications.services import delivering, events, redelivery, schedule, sending, webhooks
from tests.concurrency import at_once
from tests.notifications.conftest import Office
from tests.receiver import Receiver, answer, trickle
from tests.servers import on_sqlite
from workers.courier import Courier
from workers.worker import run_background_worker

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)

Receivers = Callable[[], Receiver]


def fails(handler: Any) -> None:
    answer(handler, 500, b"out of order")


def slow(handler: Any) -> None:
    time.sleep(1.5)
    answer(handler, 200)


def very_slow(handler: Any) -> None:
    time.sleep(3)
    answer(handler, 200)


# --- What is sent ----------------------------------------------------------------------------------------------------


def test_an_event_arrives_with_its_id_its_time_and_a_signature_of_the_specification(
    office: Office, receiver: Receiver
) -> None:
    made = office.webhook(receiver)
    (event_id,) = office.publish()
    receiver.reply = lambda handler: answer(handler, 200, b"thanks")
    office.deliver()
    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["webhook-id"] == event_id
    verified = Verifier(made.secret).verify(request.body, dict(request.headers.items()))
    assert verified["data"] == {"number": 0}
    assert (verified["id"], verified["type"]) == (event_id, "stock.low")
    assert datetime.fromisoformat(verified["timestamp"]).tzinfo == UTC
    found = office.delivery()
    assert (found.state, found.attempts, found.last_status, found.response) == ("DELIVERED", 1, 200, "thanks")
    assert found.duration_ms is not None
    assert found.last_attempt_at is not None


@on_sqlite
def test_a_signature_fits_neither_another_body_nor_another_secret_nor_another_time(
    office: Office, receiver: Receiver
) -> None:
    made = office.webhook(receiver)
    office.publish()
    office.deliver()
    (request,) = receiver.requests
    headers = dict(request.headers.items())
    verifier = Verifier(made.secret)
    verifier.verify(request.body, headers)
    later = str(int(headers["webhook-timestamp"]) + 1)
    for body, changed in (
        (request.body.replace(b"0", b"1"), headers),
        (request.body, headers | {"webhook-timestamp": later}),
        (request.body, headers | {"webhook-id": "evt_other"}),
    ):
        with pytest.raises(WebhookVerificationError):
            verifier.verify(body, changed)
    with pytest.raises(WebhookVerificationError):
        Verifier("whsec_" + "A" * 43 + "=").verify(request.body, headers)


@on_sqlite
def test_after_a_rotation_both_secrets_verify_for_a_day_and_then_only_the_new_one(
    office: Office, receiver: Receiver
) -> None:
    made = office.webhook(receiver)
    now = utc_now()
    rotated = webhooks.rotate_secret(actor=system(), now=now, webhook_id=made.webhook.id)
    assert rotated.secret != made.secret
    office.publish()
    office.deliver()
    office.publish(now=now + timedelta(hours=25))
    office.deliver(now=now + timedelta(hours=25))
    first, second = receiver.requests
    for secret in (made.secret, rotated.secret):
        Verifier(secret).verify(first.body, dict(first.headers.items()))
    Verifier(rotated.secret).verify(second.body, dict(second.headers.items()))
    with pytest.raises(WebhookVerificationError):
        Verifier(made.secret).verify(second.body, dict(second.headers.items()))


def test_only_active_webhooks_that_want_the_kind_are_told(office: Office, receivers: Receivers) -> None:
    all_kinds, stock, products, inactive = receivers(), receivers(), receivers(), receivers()
    office.webhook(all_kinds)
    office.webhook(stock, ("stock.low",))
    office.webhook(products, ("product.updated",))
    office.webhook(inactive, is_active=False)
    office.publish()
    office.deliver()
    counts = [len(each.requests) for each in (all_kinds, stock, products, inactive)]
    assert counts == [1, 1, 0, 0]
    assert who_wants("webhook.unknown") == who_wants("job.finished")  # only * wants what the catalogue learns later


def test_what_is_undone_is_not_told(office: Office, receiver: Receiver) -> None:
    office.webhook(receiver)

    @in_transaction
    def fail() -> None:
        events.record("stock.low", [{}], to=who_wants("stock.low"), now=utc_now())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    office.deliver()
    assert receiver.requests == []
    assert office.deliveries() == []
    assert db.session.scalars(select(WebhookEvent)).all() == []


@on_sqlite
def test_the_same_bytes_are_sent_in_every_attempt_with_a_new_time(office: Office, receiver: Receiver) -> None:
    made = office.webhook(receiver)
    office.publish()
    receiver.reply = fails
    office.deliver()
    time.sleep(1.1)
    receiver.reply = lambda handler: answer(handler, 204)
    office.deliver(now=utc_now() + timedelta(seconds=10))
    first, second = receiver.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
    Verifier(made.secret).verify(second.body, dict(second.headers.items()))


# --- When it fails ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 400, 404, 429, 500, 503])
@on_sqlite
def test_any_answer_but_2xx_is_a_failure_and_is_told_as_it_was(office: Office, receiver: Receiver, status: int) -> None:
    office.webhook(receiver)
    office.publish()
    receiver.reply = lambda handler: answer(handler, status, b"\x00no\xff" * 1000, Location=receiver.url)
    office.deliver()
    found = office.delivery()
    assert (found.state, found.attempts, found.last_status) == ("PENDING", 1, status)
    assert found.last_error == f"The receiver answers {status}."
    assert found.response == ("�no�" * 1000)[:1000]
    assert len(receiver.requests) == 1


def test_attempts_follow_the_schedule_for_a_day_and_then_end(office: Office, receiver: Receiver) -> None:
    hook = office.webhook(receiver).webhook
    receiver.reply = fails
    office.publish(now=AT)
    times: list[datetime] = []
    while (found := office.delivery()).state == DeliveryState.PENDING:
        due = max(found.next_attempt_at, office.hook(hook.id).paused_until or AT)
        office.deliver(now=due - timedelta(seconds=1))
        assert len(receiver.requests) == len(times), "it was sent before its time"
        office.deliver(now=due)
        times.append(due)
        assert len(receiver.requests) == len(times)
    assert (found.state, found.attempts, len(times)) == ("FAILED", 11, 11)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    for pause, planned, least in zip(pauses, schedule.RETRIES, schedule.PAUSES, strict=False):
        assert max(0.9 * planned, least) <= pause <= max(1.1 * planned, least)
    assert timedelta(hours=21) < times[-1] - AT < timedelta(hours=27)
    assert office.hook(hook.id).is_active


def test_pauses_differ_a_little_so_that_what_failed_together_does_not_come_back_together() -> None:
    pauses = {schedule.next_pause(10) for _ in range(50)}
    assert len(pauses) > 40
    assert all(timedelta(hours=9) <= pause <= timedelta(hours=11) for pause in pauses if pause is not None)
    assert schedule.next_pause(11) is None
    assert [schedule.endpoint_pause(count).seconds for count in (1, 2, 3, 8, 9, 40)] == [5, 10, 20, 640, 900, 900]


def test_a_webhook_is_switched_off_after_fifteen_failures_in_a_row_and_says_why(
    office: Office, receiver: Receiver
) -> None:
    hook = office.webhook(receiver).webhook
    receiver.reply = fails
    office.publish(40, now=AT)
    now = AT
    for count in range(1, 16):
        assert office.hook(hook.id).is_active
        office.deliver(now=now)
        assert len(receiver.requests) == count, "while it fails, one request is sent at a time"
        now = max(now, office.hook(hook.id).paused_until or now) + timedelta(seconds=1)
    assert now - AT > timedelta(hours=1.5), "a short outage does not switch it off"
    off = office.hook(hook.id)
    assert not off.is_active
    assert off.disabled_reason == "15 attempts in a row failed; the last: The receiver answers 500."
    assert off.version == 2
    office.deliver(now=now + timedelta(days=1))
    assert len(receiver.requests) == 15
    assert who_wants("stock.low") == []
    (noted,) = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "webhook.disable"))
    assert (noted.actor_kind, noted.subject_id) == ("system", hook.id)


def test_switched_on_again_it_gets_what_waited_and_fourteen_failures_more_are_forgiven(
    office: Office, receiver: Receiver
) -> None:
    hook = office.webhook(receiver).webhook
    receiver.reply = fails
    office.publish(3)
    off = update(Webhook).values(failures=14)
    in_transaction(lambda: db.session.execute(off))()
    office.deliver()
    assert not office.hook(hook.id).is_active
    on = webhooks.update_webhook(
        actor=system(), now=utc_now(), webhook_id=hook.id, expected_version=2, is_active=True,
        private=office.settings.private_targets,
    )  # fmt: skip
    assert (on.failures, on.disabled_reason, on.paused_until) == (0, None, None)
    receiver.reply = lambda handler: answer(handler, 200)
    office.deliver(now=utc_now() + timedelta(seconds=10))
    assert [found.state for found in office.deliveries()] == ["DELIVERED"] * 3


@on_sqlite
def test_one_success_forgets_the_failures_before_it(office: Office, receiver: Receiver) -> None:
    hook = office.webhook(receiver).webhook
    in_transaction(lambda: db.session.execute(update(Webhook).values(failures=14)))()
    office.publish(2)
    office.deliver()
    assert (office.hook(hook.id).failures, office.hook(hook.id).is_active) == (0, True)


def test_a_receiver_that_is_gone_is_told_no_more(office: Office, receiver: Receiver) -> None:
    hook = office.webhook(receiver).webhook
    receiver.reply = lambda handler: answer(handler, 410)
    office.publish(2)
    office.deliver()
    off = office.hook(hook.id)
    assert (off.is_active, off.disabled_reason) == (False, "The receiver answered 410 Gone: it wants no more events.")
    assert [found.state for found in office.deliveries()] == ["FAILED", "PENDING"]
    assert len(receiver.requests) == 1


@on_sqlite
@pytest.mark.parametrize(("header", "seconds"), [("120", 120), ("999999", 3600), ("1", 5), ("soon", 5), ("-5", 5)])
def test_a_receiver_may_ask_for_time(office: Office, receiver: Receiver, header: str, seconds: int) -> None:
    hook = office.webhook(receiver).webhook
    receiver.reply = lambda handler: answer(handler, 429, Retry_After=header)
    office.publish(now=AT)
    office.deliver(now=AT)
    assert office.hook(hook.id).paused_until == AT + timedelta(seconds=seconds)


@on_sqlite
@pytest.mark.parametrize(("asked_s", "least_s", "most_s"), [(1800, 1700, 1800), (-86_400, 5, 5)])
def test_a_receiver_may_name_the_time_to_come_back(
    office: Office, receiver: Receiver, asked_s: int, least_s: int, most_s: int
) -> None:
    hook = office.webhook(receiver).webhook
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=asked_s), usegmt=True)
    receiver.reply = lambda handler: answer(handler, 503, Retry_After=at)
    office.publish(now=AT)
    office.deliver(now=AT)
    paused_until = office.hook(hook.id).paused_until
    assert paused_until is not None
    assert timedelta(seconds=least_s) <= paused_until - AT <= timedelta(seconds=most_s)


# --- Receivers that behave badly -------------------------------------------------------------------------------------


@on_sqlite
@pytest.mark.parametrize("reply", [trickle, lambda _: time.sleep(3)])
def test_a_receiver_that_is_too_slow_has_failed(office: Office, receiver: Receiver, reply: Any) -> None:
    office.webhook(receiver)
    office.publish()
    receiver.reply = reply
    began = time.monotonic()
    office.deliver(deadline_s=0.5)
    assert time.monotonic() - began < 3
    found = office.delivery()
    assert (found.state, found.last_status) == ("PENDING", None) or found.last_status == 200
    assert found.attempts == 1


@on_sqlite
def test_of_a_huge_answer_only_the_beginning_is_read(office: Office, receiver: Receiver) -> None:
    office.webhook(receiver)
    office.publish()
    receiver.reply = lambda handler: answer(handler, 200, b"y" * 50_000_000)
    office.deliver()
    found = office.delivery()
    assert (found.state, found.response) == ("DELIVERED", "y" * 1000)


@on_sqlite
def test_a_name_that_comes_to_mean_a_private_address_is_not_asked(office: Office, receiver: Receiver) -> None:
    office.webhook(receiver)
    office.publish()
    hook = office.hook(1)
    token = "t" * 32
    assert delivering.take(webhook_id=hook.id, token=token, now=utc_now())
    (parcel,) = delivering.due_parcels(hook.id, token=token, besides=[], now=utc_now())
    turned = dataclasses.replace(parcel, url=f"http://hooks.example.org:{receiver.port}/hook")
    for addresses in (["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"]):
        outcome = sending.attempt(
            turned, private=office.settings.private_targets, now=utc_now(), lookup=lambda *_, a=addresses: a
        )
        assert outcome.status is None
        assert "not on the internet" in str(outcome.error)
    assert receiver.requests == []


def test_a_slow_receiver_does_not_hold_up_the_others(office: Office, receivers: Receivers) -> None:
    bad, good = receivers(), receivers()
    bad.reply = slow
    office.webhook(bad)
    office.webhook(good)
    office.publish(40)
    with office.running():
        good.wait(40)
        assert len(bad.requests) <= 8
    assert bad.most_at_once <= 4
    assert good.most_at_once <= 4
    assert len(good.requests) == 40


@on_sqlite
def test_fifty_dead_receivers_do_not_hold_up_the_one_that_lives(
    office: Office, receivers: Receivers, app: Flask
) -> None:
    dead, good = receivers(), receivers()
    dead.reply = lambda _: time.sleep(20)
    for _ in range(49):
        office.webhook(dead)
    office.webhook(good)
    office.publish(20)
    began = time.monotonic()
    with office.running(deadline_s=6):
        good.wait(20)
        assert time.monotonic() - began < 5
        assert dead.at_once <= 49


@on_sqlite
def test_receivers_that_work_but_take_their_time_leave_places_for_others(office: Office, receivers: Receivers) -> None:
    leisurely, good = receivers(), receivers()
    leisurely.reply = very_slow
    for _ in range(45):
        office.webhook(leisurely, ("product.updated",))
    office.webhook(good, ("stock.low",))
    office.publish(12, kind="product.updated")
    with office.running():
        leisurely.wait(60)  # those of whom the first went well
        began = time.monotonic()
        office.publish()
        good.wait(1)
        assert time.monotonic() - began < 2.5


# --- Several senders, and those that die -----------------------------------------------------------------------------


def test_two_couriers_send_each_event_once(office: Office, receiver: Receiver) -> None:
    office.webhook(receiver)
    ids = office.publish(60)
    with office.running(), office.running(), office.running():
        office.wait(lambda: all(found.state == "DELIVERED" for found in office.deliveries()))
    assert sorted(request.headers["webhook-id"] for request in receiver.requests) == sorted(ids)
    assert [found.attempts for found in office.deliveries()] == [1] * 60


def test_of_two_that_reach_for_a_lease_one_gets_it(office: Office, receiver: Receiver, app: Flask) -> None:
    hook = office.webhook(receiver).webhook
    now = utc_now()
    took = at_once(
        app,
        *(lambda token=token: delivering.take(webhook_id=hook.id, token=token, now=now) for token in ("a", "b", "c")),
    )
    assert sorted(took) == [False, False, True]
    assert not delivering.take(webhook_id=hook.id, token="d", now=now + timedelta(seconds=59))
    assert delivering.take(webhook_id=hook.id, token="d", now=now + timedelta(seconds=61))


def test_an_outcome_is_noted_once_however_many_sent_it(office: Office, receiver: Receiver) -> None:
    hook = office.webhook(receiver).webhook
    office.publish()
    outcomes = []
    for token, seconds in (("a", 0), ("b", 61)):
        now = utc_now() + timedelta(seconds=seconds)
        assert delivering.take(webhook_id=hook.id, token=token, now=now)
        (parcel,) = delivering.due_parcels(hook.id, token=token, besides=[], now=now)
        outcomes.append(sending.attempt(parcel, private=office.settings.private_targets, now=now))
    ids = {request.headers["webhook-id"] for request in receiver.requests}
    assert (len(receiver.requests), len(ids)) == (2, 1)
    failed = dataclasses.replace(outcomes[0], status=500)
    assert delivering.settle(webhook_id=hook.id, token="b", outcomes=[outcomes[1]], now=utc_now())
    assert not delivering.settle(webhook_id=hook.id, token="a", outcomes=[failed], now=utc_now())
    found = office.delivery()
    assert (found.state, found.attempts, found.last_status) == ("DELIVERED", 1, 200)
    assert office.hook(hook.id).failures == 0


def _die_between_sending_and_noting(settings: Settings) -> None:
    app = create_base(settings)
    courier = Courier(app, settings)
    delivering.settle = lambda **_: os._exit(9)  # type: ignore[assignment]  # in a process of its own
    with app.app_context():
        for _ in range(100):
            courier.turn()


def test_what_was_sent_by_a_courier_that_died_is_sent_again_with_the_same_id(
    office: Office, receiver: Receiver
) -> None:
    hook = office.webhook(receiver).webhook
    (event_id,) = office.publish()
    dying = multiprocessing.get_context("spawn").Process(
        target=_die_between_sending_and_noting, args=(office.settings,)
    )
    dying.start()
    dying.join(60)
    assert dying.exitcode == 9
    found = office.delivery()
    assert (found.state, found.attempts, len(receiver.requests)) == ("PENDING", 0, 1)
    office.deliver()
    assert len(receiver.requests) == 1, "its lease still runs"
    office.deliver(now=utc_now() + timedelta(seconds=61))
    assert [request.headers["webhook-id"] for request in receiver.requests] == [event_id, event_id]
    assert office.delivery().state == "DELIVERED"
    assert office.hook(hook.id).lease_token is None


def test_nothing_more_goes_to_an_address_that_was_changed(office: Office, receivers: Receivers) -> None:
    old, new = receivers(), receivers()
    old.reply = slow
    hook = office.webhook(old).webhook
    office.publish(30)
    with office.running():
        old.wait(1)
        webhooks.update_webhook(
            actor=system(), now=utc_now(), webhook_id=hook.id, expected_version=1, url=new.url,
            private=frozenset({new.target}),
        )  # fmt: skip
        began = len(old.requests)
        office.wait(lambda: office.hook(hook.id).lease_token is None)
    office.settings = dataclasses.replace(office.settings, private_targets=frozenset({new.target}))
    office.deliver()
    assert len(old.requests) <= began + 4
    assert {found.state for found in office.deliveries()} == {"DELIVERED"}
    assert len({request.headers["webhook-id"] for request in (*old.requests, *new.requests)}) == 30


def _work(settings: Settings) -> None:
    run_background_worker(create_base(settings), settings)


def test_a_background_worker_sends_beside_its_other_work_and_ends_when_asked(
    office: Office, receiver: Receiver
) -> None:
    office.webhook(receiver)
    working = multiprocessing.get_context("spawn").Process(target=_work, args=(office.settings,))
    working.start()
    try:
        office.publish(3)
        receiver.wait(3)
        office.wait(lambda: all(found.state == "DELIVERED" for found in office.deliveries()))
    finally:
        working.terminate()
        working.join(30)
    assert working.exitcode == 0
    db.session.rollback()
    assert db.session.scalars(select(Webhook.lease_token)).one() is None
    assert read_total()["cartwright_webhook_attempts"] == [[["2xx"], [3.0]]]
    assert read_total()["cartwright_webhook_deliveries"] == [[["delivered"], [3.0]]]


@on_sqlite
def test_attempts_are_counted_by_what_was_answered_and_deliveries_by_how_they_end(
    office: Office, receivers: Receivers
) -> None:
    reporter = Reporter("test")
    report(reporter=reporter)
    before = read_total()
    good, bad = receivers(), receivers()
    bad.reply = fails
    office.webhook(good)
    hook = office.webhook(bad).webhook
    office.publish()
    now = utc_now()
    office.deliver(now=now)
    bad.close()
    office.deliver(now=now + timedelta(minutes=10))
    report(reporter=reporter)
    grown = add_counts(read_total(), before, sign=-1)
    attempts = {row[0][0]: row[1][0] for row in grown["cartwright_webhook_attempts"] if any(row[1])}
    assert attempts == {"2xx": 1, "5xx": 1, "no_answer": 1}
    ended = {row[0][0]: row[1][0] for row in grown["cartwright_webhook_deliveries"] if any(row[1])}
    assert ended == {"delivered": 1}
    assert office.hook(hook.id).failures == 2


@pytest.mark.parametrize(
    ("status", "word"), [(None, "no_answer"), (204, "2xx"), (302, "3xx"), (599, "5xx"), (600, "other"), (100, "other")]
)
def test_a_status_is_counted_by_a_word_of_a_closed_list(status: int | None, word: str) -> None:
    assert outcome_of(status) == word


@on_sqlite
def test_a_courier_that_ends_notes_what_is_under_way(office: Office, receiver: Receiver) -> None:
    hook = office.webhook(receiver).webhook
    receiver.reply = slow
    office.publish()
    with office.running():
        receiver.wait(1)
    assert office.delivery().state == "DELIVERED"
    assert office.hook(hook.id).lease_token is None


@on_sqlite
def test_a_secret_that_cannot_be_read_holds_up_its_own_webhook_only(office: Office, receivers: Receivers) -> None:
    broken, good = receivers(), receivers()
    hook = office.webhook(broken).webhook
    office.webhook(good)
    in_transaction(lambda: db.session.connection().exec_driver_sql("UPDATE webhook SET secret = 'x' WHERE id = 1"))()
    office.publish(3)
    with office.running():
        good.wait(3)
    assert broken.requests == []
    assert office.hook(hook.id).lease_token is None
    webhooks.rotate_secret(actor=system(), now=utc_now(), webhook_id=hook.id)
    office.deliver()
    assert len(broken.requests) == 3


# --- Sending because somebody asks -----------------------------------------------------------------------------------


def test_a_test_event_is_sent_once_also_to_an_inactive_webhook(office: Office, receiver: Receiver) -> None:
    hook = office.webhook(receiver, is_active=False).webhook
    receiver.reply = fails
    sent = redelivery.send_test(actor=system(), now=utc_now(), webhook_id=hook.id)
    office.deliver()
    office.deliver(now=utc_now() + timedelta(days=1))
    (request,) = receiver.requests
    assert orjson.loads(request.body)["data"] == {"webhook_id": hook.id, "name": "hook"}
    assert request.headers["webhook-id"] == sent.event_id
    found = office.delivery()
    assert (found.state, found.attempts) == ("FAILED", 1)
    assert office.hook(hook.id).failures == 0


@on_sqlite
def test_a_test_event_takes_nothing_along_that_waits_for_an_inactive_webhook(
    office: Office, receiver: Receiver
) -> None:
    hook = office.webhook(receiver).webhook
    office.publish(2)
    in_transaction(lambda: db.session.execute(update(Webhook).values(is_active=False)))()
    redelivery.send_test(actor=system(), now=utc_now(), webhook_id=hook.id)
    office.deliver()
    assert [orjson.loads(request.body)["type"] for request in receiver.requests] == ["webhook.test"]
    assert [found.state for found in office.deliveries()] == ["PENDING", "PENDING", "DELIVERED"]


def test_what_failed_is_sent_once_more_with_its_id_and_bytes(office: Office, receiver: Receiver) -> None:
    hook = office.webhook(receiver).webhook
    office.publish()
    office.deliver()
    again = redelivery.redeliver(actor=system(), now=utc_now(), webhook_id=hook.id, delivery_id=office.delivery().id)
    assert (again.state, again.attempts) == ("PENDING", 0)
    office.deliver()
    first, second = receiver.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert office.delivery().state == "DELIVERED"


def test_what_is_asked_for_is_sent_in_spite_of_a_pause_and_ends_it(office: Office, receiver: Receiver) -> None:
    hook = office.webhook(receiver).webhook
    receiver.reply = fails
    office.publish(3)
    office.deliver()
    assert office.hook(hook.id).paused_until is not None
    receiver.reply = lambda handler: answer(handler, 200)
    redelivery.send_test(actor=system(), now=utc_now(), webhook_id=hook.id)
    office.deliver()
    assert (office.hook(hook.id).failures, office.hook(hook.id).paused_until) == (0, None)
    assert sorted(found.state for found in office.deliveries()) == ["DELIVERED", "DELIVERED", "DELIVERED", "PENDING"]
    assert db.session.scalars(select(WebhookDelivery.id).where(WebhookDelivery.is_requested.is_(True))).all() == []
