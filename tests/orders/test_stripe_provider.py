"""Stripe through our port: what is asked of it, what its answers mean, and that nothing is charged twice."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from app.config import Payments
from app.core.money import Money
from app.orders.providers.port import Charge, ProviderRefused, ProviderState, ProviderUnreachable
from app.orders.providers.stripe import Stripe
from app.orders.providers.stripe_transport import Transport
from tests.orders.stripe_rules import REFUND_PENDING, SLOW, Refused
from tests.orders.stripe_server import KEY, StripeServer
from tests.receiver import Receiver, answer, trickle, trickle_headers

TEN = Money(1_000, "USD")
CREATE = "POST /v1/payment_intents"


@pytest.fixture
def shop(stripe_double: StripeServer) -> Stripe:
    return Stripe(stripe_double.payments())


def charge(source: str | None = "pm_card_visa", *, key: str = "order-1-1", **values: Any) -> Charge:
    about: dict[str, Any] = {"amount": TEN, "order_number": "100001", "method": "card", "return_url": None}
    return Charge(key=key, source_ref=source, **(about | values))


def test_localstripe_takes_a_payment_and_gives_a_part_of_it_back(localstripe: Any) -> None:
    shop = Stripe(localstripe)
    paid = shop.charge(charge(key="localstripe-1"))
    assert (paid.state, paid.captured_minor, paid.currency) == (ProviderState.CAPTURED, 1_000, "USD")
    assert paid.ref
    assert shop.look_up(paid.ref) == paid
    back = shop.refund(ref=paid.ref, amount=Money(400, "USD"), key="refund-1")
    assert (back.state, back.captured_minor) == (ProviderState.CAPTURED, 400)
    assert shop.refund(ref=paid.ref, amount=Money(400, "USD"), key="refund-1") == back
    assert shop.cancel(paid.ref).state == ProviderState.CAPTURED
    assert back.ref
    assert shop.look_up_refund(back.ref) == back


def test_localstripe_asks_the_customer_and_cancels(localstripe: Any) -> None:
    shop = Stripe(localstripe)
    asked = shop.charge(charge(None, key="localstripe-2"))
    assert asked.state == ProviderState.WAITING
    assert asked.client_secret
    assert asked.ref
    ended = shop.cancel(asked.ref)
    assert (ended.state, ended.client_secret) == (ProviderState.CANCELLED, None)
    assert shop.cancel(asked.ref).state == ProviderState.CANCELLED


def test_a_payment_is_asked_for_with_our_key_and_nothing_about_the_person(
    shop: Stripe, stripe_double: StripeServer
) -> None:
    paid = shop.charge(charge(return_url="https://shop.example/back"))
    assert (paid.state, paid.captured_minor, paid.currency, paid.key) == (
        ProviderState.CAPTURED,
        1_000,
        "USD",
        "order-1-1",
    )
    assert stripe_double.requests == [("POST", "/v1/payment_intents", "order-1-1")]
    (intent,) = stripe_double.books.intents.values()
    assert intent["metadata"] == {"order": "100001", "payment": "order-1-1"}
    assert stripe_double.books.taken("100001") == [1_000]


def test_what_is_asked_again_is_charged_once_and_answered_as_it_is_by_now(
    shop: Stripe, stripe_double: StripeServer
) -> None:
    asked = shop.charge(charge("pm_card_authenticationRequired"))
    assert asked.state == ProviderState.WAITING
    assert asked.ref
    stripe_double.books.authenticate(asked.ref)
    assert shop.charge(charge("pm_card_authenticationRequired")).state == ProviderState.CAPTURED
    assert stripe_double.books.taken("100001") == [1_000]


def test_an_answer_that_is_lost_after_the_charge_is_asked_for_again_and_charges_once(
    shop: Stripe, stripe_double: StripeServer
) -> None:
    stripe_double.next(CREATE, drop=True)
    with pytest.raises(ProviderUnreachable):
        shop.charge(charge())
    assert stripe_double.books.taken("100001") == [1_000]
    assert shop.charge(charge()).state == ProviderState.CAPTURED
    assert stripe_double.books.taken("100001") == [1_000]


def test_two_who_ask_at_once_with_one_key_charge_once(shop: Stripe, stripe_double: StripeServer) -> None:
    stripe_double.next(CREATE, wait_s=0.5, times=2)
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(shop.charge(charge()).state)
        except ProviderUnreachable:
            answers.append(None)

    both = [threading.Thread(target=ask) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert ProviderState.CAPTURED in answers
    assert stripe_double.books.taken("100001") == [1_000]


def test_a_key_that_came_with_another_amount_finds_what_it_made_and_charges_nothing(
    shop: Stripe, stripe_double: StripeServer
) -> None:
    first = shop.charge(charge())
    assert shop.charge(charge(amount=Money(2_000, "USD"))) == first
    stripe_double.books.is_search_behind = True
    with pytest.raises(ProviderUnreachable):
        shop.charge(charge(amount=Money(2_000, "USD")))
    assert stripe_double.books.taken("100001") == [1_000]


def test_what_was_begun_with_a_key_is_found_when_stripe_has_forgotten_the_key(
    shop: Stripe, stripe_double: StripeServer
) -> None:
    paid = shop.charge(charge())
    stripe_double.forget_keys()
    assert shop.find("order-1-1") == paid
    assert shop.find("order-1-2") is None


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("pm_card_visa_chargeDeclined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "generic_decline"),  # Stripe wants no thief to be told more
        ("pm_card_visa_chargeDeclinedLostCard", "generic_decline"),
    ],
)
def test_a_declined_card_is_a_failure_that_nobody_can_pay_any_more(
    shop: Stripe, stripe_double: StripeServer, card: str, code: str
) -> None:
    failed = shop.charge(charge(card))
    assert (failed.state, failed.error_code, failed.captured_minor) == (ProviderState.FAILED, code, 0)
    assert failed.ref
    assert failed.client_secret is None
    with pytest.raises(Refused, match="status of canceled"):
        stripe_double.books.confirm(failed.ref)
    assert shop.charge(charge(card)) == failed
    assert stripe_double.books.taken("100001") == []


def test_a_decline_whose_end_is_not_sure_is_not_told_yet(shop: Stripe, stripe_double: StripeServer) -> None:
    stripe_double.next("POST /v1/payment_intents/", refuse=True)
    with pytest.raises(ProviderUnreachable):
        shop.charge(charge("pm_card_visa_chargeDeclined"))
    assert shop.charge(charge("pm_card_visa_chargeDeclined")).state == ProviderState.FAILED


def test_a_customer_whose_card_was_declined_in_their_browser_may_try_another(
    shop: Stripe, stripe_double: StripeServer
) -> None:
    asked = shop.charge(charge(None))
    assert asked.ref
    with pytest.raises(Refused):
        stripe_double.books.confirm(asked.ref, "pm_card_visa_chargeDeclinedStolenCard")
    declined = shop.look_up(asked.ref)
    assert (declined.state, declined.error_code) == (ProviderState.WAITING, "generic_decline")
    assert declined.client_secret == asked.client_secret
    stripe_double.books.confirm(asked.ref)
    assert shop.look_up(asked.ref).state == ProviderState.CAPTURED


def test_a_bank_that_asks_is_answered_in_the_page_or_at_its_own(shop: Stripe) -> None:
    in_page = shop.charge(charge("pm_card_authenticationRequired"))
    assert (in_page.state, in_page.redirect_url) == (ProviderState.WAITING, None)
    to_page = shop.charge(
        charge("pm_card_authenticationRequired", key="order-1-2", return_url="https://shop.example/back")
    )
    assert to_page.redirect_url
    assert to_page.redirect_url.startswith("https://hooks.stripe.example/")


def test_what_cannot_be_cancelled_says_how_far_it_is(shop: Stripe, stripe_double: StripeServer) -> None:
    paid = shop.charge(charge())
    assert paid.ref
    assert shop.cancel(paid.ref) == paid
    slow = shop.charge(charge(SLOW, key="order-1-2"))
    assert slow.ref
    assert shop.cancel(slow.ref).state == ProviderState.WAITING
    stripe_double.books.finish(slow.ref)
    assert shop.cancel(slow.ref).state == ProviderState.CAPTURED


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"source": "pm_nobody_has"}, "resource_missing"),
        ({"amount": Money(49, "USD")}, "amount_too_small"),
        ({"amount": Money(1_001, "KWD")}, "amount_not_chargeable"),
    ],
)
def test_what_stripe_will_never_do_is_refused_and_charges_nothing(
    shop: Stripe, stripe_double: StripeServer, values: dict[str, Any], code: str
) -> None:
    with pytest.raises(ProviderRefused) as refused:
        shop.charge(charge(**values))
    assert refused.value.code == code
    assert stripe_double.books.intents == {}


@pytest.mark.parametrize("status", [401, 403, 409, 429, 500, 503])
def test_an_error_that_says_nothing_of_what_happened_is_no_refusal(
    shop: Stripe, stripe_double: StripeServer, status: int
) -> None:
    stripe_double.next(CREATE, status=status)
    with pytest.raises(ProviderUnreachable):
        shop.charge(charge())
    assert shop.charge(charge()).state == ProviderState.CAPTURED


def test_an_error_that_stripe_keeps_under_the_key_never_becomes_a_second_charge(
    shop: Stripe, stripe_double: StripeServer
) -> None:
    stripe_double.next(CREATE, status=500, is_saved=True)
    for _ in range(2):
        with pytest.raises(ProviderUnreachable):
            shop.charge(charge())
    assert shop.find("order-1-1") is None
    assert stripe_double.books.intents == {}


def test_a_refund_that_is_sent_again_is_one_however_much_later(shop: Stripe, stripe_double: StripeServer) -> None:
    paid = shop.charge(charge())
    assert paid.ref
    stripe_double.next("POST /v1/refunds", drop=True)
    with pytest.raises(ProviderUnreachable):
        shop.refund(ref=paid.ref, amount=Money(300, "USD"), key="refund-1")
    stripe_double.forget_keys()
    back = shop.refund(ref=paid.ref, amount=Money(300, "USD"), key="refund-1")
    assert (back.state, back.captured_minor, back.currency, back.key) == (
        ProviderState.CAPTURED,
        300,
        "USD",
        "refund-1",
    )
    assert stripe_double.books.given_back("100001") == [300]


def test_a_refund_waits_and_may_fail_after_it_had_succeeded(shop: Stripe, stripe_double: StripeServer) -> None:
    paid = shop.charge(charge(REFUND_PENDING))
    assert paid.ref
    back = shop.refund(ref=paid.ref, amount=TEN, key="refund-1")
    assert (back.state, back.captured_minor) == (ProviderState.WAITING, 1_000)
    assert back.ref
    stripe_double.books.end_refund(back.ref, "succeeded")
    assert shop.look_up_refund(back.ref).state == ProviderState.CAPTURED
    stripe_double.books.end_refund(back.ref, "failed", "expired_or_canceled_card")
    failed = shop.look_up_refund(back.ref)
    assert (failed.state, failed.error_code, failed.captured_minor) == (
        ProviderState.FAILED,
        "expired_or_canceled_card",
        0,
    )


def test_more_than_was_taken_is_not_given_back(shop: Stripe, stripe_double: StripeServer) -> None:
    paid = shop.charge(charge())
    assert paid.ref
    with pytest.raises(ProviderRefused):
        shop.refund(ref=paid.ref, amount=Money(1_001, "USD"), key="refund-1")
    shop.refund(ref=paid.ref, amount=TEN, key="refund-2")
    with pytest.raises(ProviderRefused) as refused:
        shop.refund(ref=paid.ref, amount=Money(1, "USD"), key="refund-3")
    assert refused.value.code == "charge_already_refunded"
    assert stripe_double.books.given_back("100001") == [1_000]


def test_a_call_ends_in_time_however_slow_the_answer_is(stripe_double: StripeServer) -> None:
    shop = Stripe(stripe_double.payments(timeout_s=0.5))
    stripe_double.next(CREATE, wait_s=3)
    begun = time.monotonic()
    with pytest.raises(ProviderUnreachable):
        shop.charge(charge())
    assert time.monotonic() - begun < 1.5


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    listening = Receiver()
    yield listening
    listening.close()


def at(receiver: Receiver, *, timeout_s: float = 2.0) -> Stripe:
    """A shop whose Stripe is that server."""
    return Stripe(
        Payments(timeout_s=timeout_s, stripe_secret_key=KEY, stripe_webhook_secret="x", stripe_url=receiver.url)
    )


@pytest.mark.parametrize("reply", [trickle, trickle_headers])
def test_an_answer_that_trickles_is_cut_off_in_time(receiver: Receiver, reply: Any) -> None:
    receiver.reply = reply
    begun = time.monotonic()
    with pytest.raises(ProviderUnreachable):
        at(receiver, timeout_s=0.5).look_up("pi_1")
    assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"[]", b"null", b'{"id": "pi_1"}', b"\xff", b"<html></html>"])
def test_an_answer_that_is_not_stripes_is_none(receiver: Receiver, body: bytes) -> None:
    receiver.reply = lambda handler: answer(handler, 200, body)
    with pytest.raises(ProviderUnreachable):
        at(receiver).look_up("pi_1")
    with pytest.raises(ProviderUnreachable):
        at(receiver).charge(charge())


def test_the_key_goes_to_stripes_address_and_nowhere_else(
    receiver: Receiver, stripe_double: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Receiver()
    receiver.reply = lambda handler: answer(handler, 307, Location=f"{elsewhere.url}/v1/payment_intents")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere.url)
    with pytest.raises(ProviderUnreachable):
        at(receiver).charge(charge())
    assert [one.headers["Authorization"] for one in receiver.requests] == [f"Bearer {KEY}"]
    assert elsewhere.requests == []
    elsewhere.close()


def test_the_librarys_requests_to_any_other_address_are_not_sent(receiver: Receiver) -> None:
    transport = Transport("http://127.0.0.1:1", 2.0)
    for url in (f"{receiver.url}/v1/charges", "http://127.0.0.1:11/v1/charges", "http://127.0.0.1:1@example.org/"):
        with pytest.raises(stripe.APIConnectionError, match="not Stripe's address"):
            transport.request("get", url, {"Authorization": f"Bearer {KEY}"})
    assert receiver.requests == []


def test_neither_the_key_nor_a_client_secret_is_ever_logged(
    stripe_double: StripeServer,
) -> None:
    code = """
import logging, os, sys
logging.basicConfig(level=logging.DEBUG)
from app.config import Payments
from app.core.money import Money
from app.orders.providers.port import Charge, ProviderUnreachable
from app.orders.providers.stripe import Stripe
logging.getLogger().setLevel(logging.DEBUG)
shop = Stripe(Payments(timeout_s=5, stripe_secret_key=sys.argv[2], stripe_webhook_secret="x", stripe_url=sys.argv[1]))
for source in ("pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired", "pm_none"):
    about = dict(amount=Money(1000, "USD"), order_number="1", method="card", return_url=None)
    try:
        shop.charge(Charge(key=source, source_ref=source, **about))
    except Exception:
        logging.exception("refused")
logging.debug("end of it")
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, stripe_double.url, KEY],
        env=os.environ | {"STRIPE_LOG": "debug"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = ran.stdout + ran.stderr
    assert "end of it" in said
    assert len(stripe_double.books.intents) == 3
    secrets = [intent["client_secret"] for intent in stripe_double.books.intents.values()]
    assert [one for one in (KEY, "_secret_", *secrets) if one in said] == []


def test_workers_do_not_load_stripes_library() -> None:
    code = "import sys, workers.jobs.outbox, app.orders.providers.registry; print('stripe' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "False"
