"""The API of webhooks and their deliveries: what it takes, what it refuses, and that secrets are shown once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook as Verifier

from app.auth.models import Session
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.core.vault import count_secrets
from app.notifications.errors import TooManyWebhooks
from app.notifications.models import DeliveryState, Webhook, WebhookDelivery
from app.notifications.queries.webhooks import MAX_WEBHOOKS, who_wants
from app.notifications.services import webhooks as services
from tests.auth.staff import Member, hire, logged, pointers, refusal
from tests.concurrency import at_once
from tests.notifications.conftest import Office
from tests.receiver import Receiver
from tests.servers import on_sqlite

HOOK: dict[str, Any] = {"name": "hook", "url": "https://hooks.example.org/a?b=c", "kinds": ["stock.low"]}


@pytest.fixture
def writer(app: Flask) -> Member:
    return hire(app, "writer", ["webhooks:read", "webhooks:write"])


def webhooks(app: Flask) -> list[Webhook]:
    with app.app_context():
        return list(db.session.scalars(select(Webhook).order_by(Webhook.id)))


def test_a_webhook_is_made_read_changed_and_deleted(app: Flask, writer: Member) -> None:
    made = writer.post("/webhooks", HOOK)
    assert made.status_code == 201
    body = made.get_json()
    shown = body["webhook"]
    assert made.headers["Location"].endswith(f"/webhooks/{shown['id']}")
    assert made.headers["ETag"] == '"v1"'
    assert {name: shown[name] for name in HOOK} == HOOK
    assert (shown["is_active"], shown["failures"], shown["disabled_reason"]) == (True, 0, None)
    assert writer.get(f"/webhooks/{shown['id']}") == shown
    assert writer.get("/webhooks")["items"] == [shown]
    changed = writer.patch(f"/webhooks/{shown['id']}", {"kinds": ["*"], "name": "all"}, 1).get_json()
    assert (changed["kinds"], changed["name"], changed["url"], changed["version"]) == (["*"], "all", HOOK["url"], 2)
    assert refusal(writer.patch(f"/webhooks/{shown['id']}", {"name": "late"}, 1)) == (412, "STALE_VERSION")
    assert refusal(writer.call("PATCH", f"/webhooks/{shown['id']}", {"name": "x"})) == (428, "VERSION_REQUIRED")
    assert refusal(writer.delete(f"/webhooks/{shown['id']}", 1)) == (412, "STALE_VERSION")
    assert writer.get(f"/webhooks/{shown['id']}") == changed
    assert writer.delete(f"/webhooks/{shown['id']}", 2).status_code == 204
    assert refusal(writer.call("GET", f"/webhooks/{shown['id']}")) == (404, "WEBHOOK_NOT_FOUND")


@on_sqlite
def test_secrets_are_shown_once_and_stored_encrypted(app: Flask, writer: Member) -> None:
    made = writer.post("/webhooks", HOOK).get_json()
    secret = made["secret"]
    Verifier(secret)
    number = made["webhook"]["id"]
    rotated = writer.post(f"/webhooks/{number}/rotate-secret")
    other = rotated.get_json()["secret"]
    assert rotated.status_code == 200
    assert other != secret
    assert rotated.get_json()["webhook"]["old_secret_until"] is not None
    answers = [writer.call("GET", path).text for path in ("/webhooks", f"/webhooks/{number}")]
    answers.append(writer.patch(f"/webhooks/{number}", {"name": "n"}, 2).text)
    with app.app_context():
        stored = db.session.connection().exec_driver_sql("SELECT secret, old_secret FROM webhook").one()
        noted = [(row.before, row.after) for row in db.session.scalars(select(AuditEvent))]
        assert count_secrets().readable == 2
    for text in (*answers, *stored, str(noted)):
        assert secret.removeprefix("whsec_") not in text
        assert other.removeprefix("whsec_") not in text


@on_sqlite
def test_what_is_noted_tells_a_change_of_the_address_but_not_its_path(app: Flask, writer: Member) -> None:
    number = writer.post("/webhooks", HOOK).get_json()["webhook"]["id"]
    writer.patch(f"/webhooks/{number}", {"url": "https://hooks.example.org/services/T0/B0/secret"}, 1)
    ((_, before, after),) = logged(app, "webhook.update")
    assert before is not None
    assert after is not None
    assert before["target"] != after["target"]
    assert after["target"].startswith("https://hooks.example.org #")
    assert "services" not in str((before, after))


@on_sqlite
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"url": "http://127.0.0.1:8000/"}, "/url"),
        ({"url": "http://2130706433/"}, "/url"),
        ({"url": "http://[::ffff:127.0.0.1]/"}, "/url"),
        ({"url": "http://169.254.169.254/latest"}, "/url"),
        ({"url": "http://localhost/"}, "/url"),
        ({"url": "ftp://hooks.example.org/"}, "/url"),
        ({"url": "https://me:secret@hooks.example.org/"}, "/url"),
        ({"url": "https://hooks.example.org/" + "x" * 2000}, "/url"),
        ({"url": ""}, "/url"),
        ({"url": None}, "/url"),
        ({"kinds": []}, "/kinds"),
        ({"kinds": ["product.melted"]}, "/kinds/0"),
        ({"kinds": ["webhook.test"]}, "/kinds/0"),
        ({"kinds": ["stock.low", "stock.low"]}, "/kinds"),
        ({"kinds": "stock.low"}, "/kinds"),
        ({"name": ""}, "/name"),
        ({"name": "x" * 121}, "/name"),
        ({"is_active": "yes"}, "/is_active"),
        ({"secret": "whsec_mine"}, "/secret"),
    ],
)
def test_bad_input_is_refused_by_name_and_changes_nothing(
    app: Flask, writer: Member, change: dict[str, Any], pointer: str
) -> None:
    refused = writer.post("/webhooks", HOOK | change)
    assert refused.status_code == 422
    assert pointers(refused) == [pointer]
    assert webhooks(app) == []
    made = writer.post("/webhooks", HOOK).get_json()["webhook"]
    refused = writer.patch(f"/webhooks/{made['id']}", change, 1)
    assert (refused.status_code, pointers(refused)) == (422, [pointer])
    assert writer.get(f"/webhooks/{made['id']}") == made


@on_sqlite
def test_a_private_target_may_be_named_where_the_installation_allows_it(
    app: Flask, writer: Member, app_with: Callable[..., Flask]
) -> None:
    body = HOOK | {"url": "http://127.0.0.1:8123/in"}
    assert refusal(writer.post("/webhooks", body)) == (422, "ADDRESS_REFUSED")
    writer.app = app_with(private_targets=frozenset({("127.0.0.1", 8123)}))
    assert writer.post("/webhooks", body).status_code == 201
    assert refusal(writer.post("/webhooks", HOOK | {"url": "http://127.0.0.1:8124/in"})) == (422, "ADDRESS_REFUSED")


@on_sqlite
def test_changing_where_events_go_needs_a_fresh_login(app: Flask, writer: Member) -> None:
    number = writer.post("/webhooks", HOOK).get_json()["webhook"]["id"]
    with app.app_context():
        old = update(Session).values(authenticated_at=utc_now() - timedelta(hours=1))
        in_transaction(lambda: db.session.execute(old))()
    app.extensions["cache"].redis.flushall()
    later = hire(app, "later", ["webhooks:read", "webhooks:write"])
    with app.app_context():
        in_transaction(lambda: db.session.execute(old))()
    for method, path, body, version in (
        ("POST", "/webhooks", HOOK, None),
        ("PATCH", f"/webhooks/{number}", {"url": "https://other.example.org"}, 1),
        ("POST", f"/webhooks/{number}/rotate-secret", None, None),
        ("DELETE", f"/webhooks/{number}", None, 1),
    ):
        assert refusal(later.call(method, path, body, version=version)) == (401, "FRESH_LOGIN_REQUIRED")
    assert [(row.url, row.version) for row in webhooks(app)] == [(HOOK["url"], 1)]


def test_there_are_fifty_at_most_also_when_several_are_made_at_once(app: Flask, writer: Member) -> None:
    def make() -> bool:
        try:
            services.create_webhook(actor=system(), now=utc_now(), private=frozenset(), **HOOK)
        except TooManyWebhooks:
            return False
        return True

    with app.app_context():
        assert all(make() for _ in range(MAX_WEBHOOKS - 1))
    assert sorted(at_once(app, *([make] * 8))) == [False] * 7 + [True]
    assert len(webhooks(app)) == MAX_WEBHOOKS
    assert refusal(writer.post("/webhooks", HOOK)) == (409, "TOO_MANY_WEBHOOKS")


def test_a_webhook_that_was_just_made_is_told_of_the_next_event(app: Flask, writer: Member) -> None:
    with app.app_context():
        assert who_wants("stock.low") == []
    number = writer.post("/webhooks", HOOK).get_json()["webhook"]["id"]
    with app.app_context():
        assert who_wants("stock.low") == [number]
        assert who_wants("product.updated") == []
    writer.patch(f"/webhooks/{number}", {"is_active": False}, 1)
    with app.app_context():
        assert who_wants("stock.low") == []


# --- Deliveries ------------------------------------------------------------------------------------------------------


def test_the_log_of_deliveries_is_read_page_by_page_and_by_state(
    office: Office, receiver: Receiver, writer: Member
) -> None:
    hook = office.webhook(receiver).webhook
    other = office.webhook(receiver).webhook
    ids = office.publish(7)
    done = update(WebhookDelivery).where(WebhookDelivery.id % 2 == 0).values(state=DeliveryState.FAILED)
    in_transaction(lambda: db.session.execute(done))()
    found, cursor = [], ""
    while cursor is not None:
        page = writer.get(f"/webhooks/{hook.id}/deliveries?limit=3{cursor and '&cursor=' + cursor}")
        assert len(page["items"]) <= 3
        found += page["items"]
        cursor = page["next_cursor"]
    assert [each["event_id"] for each in found] == ids[::-1]
    assert {each["webhook_id"] for each in found} == {hook.id}
    failed = writer.get(f"/webhooks/{hook.id}/deliveries?state=FAILED")["items"]
    assert failed == [each for each in found if each["state"] == "FAILED"]
    assert all(each["next_attempt_at"] is None for each in failed)
    one = writer.get(f"/webhooks/{hook.id}/deliveries/{found[0]['id']}")
    assert one["payload"]["data"] == {"number": 6}
    assert {name: value for name, value in one.items() if name != "payload"} == found[0]
    assert refusal(writer.call("GET", f"/webhooks/{other.id}/deliveries/{found[0]['id']}")) == (
        404, "DELIVERY_NOT_FOUND",
    )  # fmt: skip
    assert refusal(writer.call("GET", "/webhooks/999/deliveries")) == (404, "WEBHOOK_NOT_FOUND")
    assert writer.call("GET", f"/webhooks/{hook.id}/deliveries?state=LOST").status_code == 422


def test_test_events_and_redeliveries_are_asked_for_by_api(office: Office, receiver: Receiver, writer: Member) -> None:
    hook = office.webhook(receiver).webhook
    asked = writer.post(f"/webhooks/{hook.id}/test")
    assert asked.status_code == 202
    sent = asked.get_json()
    assert (sent["kind"], sent["state"], sent["payload"]["type"]) == ("webhook.test", "PENDING", "webhook.test")
    path = asked.headers["Location"].partition("/api/v1")[2]
    assert refusal(writer.post(f"{path}/redeliver")) == (409, "DELIVERY_PENDING")
    office.deliver()
    assert writer.get(path)["state"] == "DELIVERED"
    again = writer.post(f"{path}/redeliver")
    assert (again.status_code, again.get_json()["state"], again.get_json()["attempts"]) == (202, "PENDING", 0)
    office.deliver()
    assert [request.headers["webhook-id"] for request in receiver.requests] == [sent["event_id"]] * 2
    assert refusal(writer.post(f"/webhooks/{hook.id}/deliveries/999/redeliver")) == (404, "DELIVERY_NOT_FOUND")
    assert refusal(writer.post("/webhooks/999/test")) == (404, "WEBHOOK_NOT_FOUND")
    assert [subject for subject, *_ in logged(office.app, "webhook.redeliver")] == [hook.id]


# --- The OpenAPI document and the command line -----------------------------------------------------------------------


@on_sqlite
def test_the_document_says_what_receivers_get(office: Office, receiver: Receiver, app: Flask) -> None:
    document = app.test_client().get("/openapi.json").get_json()
    of_orders = ("placed", "paid", "shipped", "delivered", "cancelled", "returned", "refunded", "attention")
    others = {"product.updated", "stock.low", "alert.fired", "webhook.test"}
    assert set(document["webhooks"]) == others | {f"order.{what}" for what in of_orders}
    operation = document["webhooks"]["stock.low"]["post"]
    schema = document["components"]["schemas"]["StockLowEvent"]
    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/StockLowEvent")
    assert set(schema["properties"]) == {"id", "type", "timestamp", "data"}
    office.webhook(receiver)
    office.publish()
    office.deliver()
    sent = receiver.requests[0].headers
    assert {parameter["name"] for parameter in operation["parameters"]} == {
        name for name in sent if name.startswith("webhook-")
    }


@on_sqlite
def test_the_command_line_lists_webhooks_and_sends_a_test(office: Office, receiver: Receiver, app: Flask) -> None:
    hook = office.webhook(receiver).webhook
    runner = app.test_cli_runner()
    assert "hook" in runner.invoke(args=["webhook", "list"]).output
    sent = runner.invoke(args=["webhook", "test", str(hook.id)])
    assert (sent.exit_code, "evt_" in sent.output) == (0, True)
    office.deliver()
    assert len(receiver.requests) == 1
    missing = runner.invoke(args=["webhook", "test", "999"])
    assert (missing.exit_code, "There is no webhook 999." in missing.output) == (1, True)
