"""What goes well, against localstripe as a real server: paying, being told of it, giving back."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from app.config import Payments
from tests.conftest import AppWith
from tests.orders.paying import HOOK, Till
from tests.orders.stripe_server import SECRET, StripeServer
from tests.receiver import Receiver
from tests.servers import on_sqlite

pytestmark = on_sqlite


@pytest.fixture
def local(app_with: AppWith, localstripe: Payments, stripe_double: StripeServer, auth_headers: dict[str, str]) -> Till:
    """A shop that takes cards at localstripe."""
    return Till(app_with(payments=localstripe), stripe_double, auth_headers)


@pytest.fixture
def told(localstripe: Payments) -> Any:
    """What localstripe tells: it sends its webhooks here, signed with our secret."""
    receiver = Receiver()
    about = {"url": receiver.url, "secret": SECRET}
    requests.post(f"{localstripe.stripe_url}/_config/webhooks/ours", json=about, timeout=5).raise_for_status()
    yield receiver
    receiver.close()


def test_a_card_pays_and_staff_give_a_part_back(local: Till, told: Receiver) -> None:
    order = local.sold()
    assert (order.state, order.payment_state) == ("PLACED", "PAID")
    (notice,) = told.wait(1)
    answer = local.app.test_client().post(HOOK, data=notice.body, headers=dict(notice.headers.items()))
    assert answer.status_code == 200, answer.text
    local.work()
    (event,) = local.notices()
    assert (event.kind, event.payment_ref) == ("payment_intent.succeeded", local.payment(order.id).provider_ref)
    assert event.outcome == "The payment was CAPTURED; the provider says CAPTURED."
    assert "_secret_" not in event.body

    assert local.refund(order, "5.00").status_code == 201
    local.work()
    assert [refund.status for refund in local.refunds()] == ["SUCCEEDED"]
    assert local.order(order.number).payment_state == "PARTIALLY_REFUNDED"
    assert local.sales() == [("sale", 2, 2_000), ("refund", 0, -500)]


def test_a_customer_pays_with_a_bank_that_asks(local: Till, localstripe: Payments) -> None:
    card = {"number": "4000002500003155", "exp_month": "12", "exp_year": "2040", "cvc": "123"}
    asked = requests.post(
        f"{localstripe.stripe_url}/v1/payment_methods",
        data={"type": "card"} | {f"card[{name}]": value for name, value in card.items()},
        headers={"Authorization": "Bearer sk_test_local"},
        timeout=5,
    )
    customer, order, ref = local.begun(asked.json()["id"])
    shown = local.app.test_client().get(f"/api/v1/orders/{order.number}/payment", headers=customer.headers).get_json()
    assert (shown["status"], shown["client_secret"][: len(ref)]) == ("WAITING", ref)
    requests.post(
        f"{localstripe.stripe_url}/v1/payment_intents/{ref}/_authenticate",
        data={"client_secret": shown["client_secret"], "success": "true", "key": "pk_test"},
        timeout=5,
    ).raise_for_status()
    refreshed = local.app.test_client().post(f"/api/v1/orders/{order.number}/payment/refresh", headers=customer.headers)
    assert refreshed.get_json()["status"] == "CAPTURED"
    assert local.order(order.number).payment_state == "PAID"


def test_a_declined_card_is_no_order(local: Till, localstripe: Payments) -> None:
    card = {"number": "4000000000000341", "exp_month": "12", "exp_year": "2040", "cvc": "123"}
    asked = requests.post(
        f"{localstripe.stripe_url}/v1/payment_methods",
        data={"type": "card"} | {f"card[{name}]": value for name, value in card.items()},
        headers={"Authorization": "Bearer sk_test_local"},
        timeout=5,
    )
    answer = local.pay(local.guest({local.product(): 2}), "20.00", asked.json()["id"])
    assert (answer.status_code, answer.get_json()["code"], answer.get_json()["reason"]) == (
        402,
        "PAYMENT_DECLINED",
        "card_declined",
    )
    assert local.sales() == []
