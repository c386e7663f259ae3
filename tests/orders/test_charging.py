"""What the provider of a payment is asked: the same whenever it is asked, and never a second payment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.orders.errors import PaymentNotFound
from app.orders.models.payments import Payment, Refund
from app.orders.providers.port import Answer, ProviderState, ProviderUnreachable
from app.orders.services import charging, sending_refunds
from tests.orders.paying import Till
from tests.orders.shopping import everything_of
from tests.servers import on_sqlite

pytestmark = on_sqlite
CREATE, SEARCH = "POST /v1/payment_intents", "GET /v1/payment_intents/search"
ASKING = "pm_card_authenticationRequired"


def ask(till: Till, deed: Any, *arguments: Any) -> Answer:
    with till.app.app_context():
        answer: Answer = deed(*arguments)
        return answer


def lost(till: Till, *, hours: float = 0, source: str | None = "pm_card_visa") -> Payment:
    """A payment whose answer was lost so long ago, and that Stripe has."""
    till.double.next(CREATE, drop=True)
    assert till.pay(till.guest({till.product(): 2}), "20.00", source).status_code == 503
    (intent,) = till.double.books.intents.values()
    till.change(update(Payment).values(created_at=utc_now() - timedelta(hours=hours)))
    return till.payment(int(intent["metadata"]["order"]) - 100_000)


def test_a_payment_is_asked_for_in_the_same_words_whenever_it_is(till: Till) -> None:
    payment = lost(till)
    with till.app.app_context():
        first = charging.charge_for(till.payment(payment.order_id))
    till.change(update(Payment).values(updated_at=utc_now(), status="WAITING"))
    with till.app.app_context():
        assert charging.charge_for(till.payment(payment.order_id)) == first
    assert (first.key, first.amount, first.source_ref) == (payment.idempotency_key, Money(2_000, "USD"), "pm_card_visa")


def test_what_was_interrupted_goes_on_and_is_charged_once(till: Till) -> None:
    payment = lost(till)
    before = everything_of(till.app, Payment)
    answer = ask(till, charging.charge, payment.id)
    assert (answer.state, answer.captured_minor, answer.key) == (
        ProviderState.CAPTURED,
        2_000,
        payment.idempotency_key,
    )
    assert till.double.count(f"{CREATE}") == 2
    assert len(till.double.books.intents) == 1
    assert everything_of(till.app, Payment) == before  # asking writes nothing down


def test_a_payment_that_the_provider_has_an_id_for_is_only_looked_up(till: Till) -> None:
    _, order, _ = till.begun(ASKING)
    assert ask(till, charging.charge, till.payment(order.id).id).state == ProviderState.WAITING
    assert till.double.count(CREATE) == 1


def test_when_stripe_may_have_forgotten_the_key_what_was_begun_is_searched_for(till: Till) -> None:
    payment = lost(till, hours=23)
    till.double.forget_keys()
    assert ask(till, charging.charge, payment.id).state == ProviderState.CAPTURED
    assert len(till.double.books.intents) == 1


def test_what_was_never_begun_is_not_begun_a_day_later(till: Till) -> None:
    payment = lost(till, hours=23)
    till.double.books.intents.clear()
    answer = ask(till, charging.charge, payment.id)
    assert (answer.state, answer.ref) == (ProviderState.CANCELLED, None)
    assert till.double.books.intents == {}


@pytest.mark.parametrize("fault", [{"status": 400, "code": "search_unavailable"}, {"status": 500}, {"refuse": True}])
def test_a_search_that_finds_nothing_out_is_no_answer(till: Till, fault: dict[str, Any]) -> None:
    payment = lost(till, hours=23)
    till.double.next(SEARCH, **fault)
    with pytest.raises(ProviderUnreachable):
        ask(till, charging.charge, payment.id)


def test_what_the_provider_never_does_has_failed(till: Till) -> None:
    payment = lost(till)
    till.double.forget_keys()
    till.double.books.intents.clear()
    till.change(update(Payment).values(source_ref="pm_nobody_has"))
    answer = ask(till, charging.charge, payment.id)
    assert (answer.state, answer.error_code, answer.ref) == (ProviderState.FAILED, "resource_missing", None)


def test_a_payment_is_ended_also_where_its_first_answer_was_lost(till: Till) -> None:
    payment = lost(till, source=ASKING)
    answer = ask(till, charging.cancel, payment.id)
    assert answer.state == ProviderState.CANCELLED
    (intent,) = till.double.books.intents.values()
    assert intent["status"] == "canceled"


def test_what_was_captured_cannot_be_ended(till: Till) -> None:
    payment = lost(till)
    assert ask(till, charging.cancel, payment.id).state == ProviderState.CAPTURED
    order = till.sold()
    assert ask(till, charging.cancel, till.payment(order.id).id).state == ProviderState.CAPTURED


@pytest.mark.parametrize("deed", [charging.charge, charging.look_up, charging.cancel, charging.peek])
def test_a_payment_that_there_is_not_is_named(till: Till, deed: Any) -> None:
    with pytest.raises(PaymentNotFound):
        ask(till, deed, 999)


def test_nothing_is_known_of_a_payment_without_the_providers_id(till: Till) -> None:
    payment = lost(till)
    assert ask(till, charging.peek, payment.id) is None
    with pytest.raises(ProviderUnreachable):
        ask(till, charging.look_up, payment.id)


def test_no_connection_is_held_while_a_provider_takes_its_time(till: Till) -> None:
    payment = lost(till)
    held: list[int] = []
    with till.app.app_context():
        pool: Any = db.engine.pool
        till.double.next(CREATE, before=lambda: held.append(pool.checkedout()))
        charging.charge(payment.id)
    assert held == [0]


def test_while_a_provider_is_not_configured_any_more_what_was_begun_at_it_waits(till: Till, app: Flask) -> None:
    payment, order = lost(till), till.sold()
    assert till.refund(order).status_code == 201
    before = everything_of(app, Payment, Refund)
    with app.app_context():
        for deed in (charging.charge, charging.cancel):
            with pytest.raises(ProviderUnreachable):
                deed(payment.id)
        with pytest.raises(ProviderUnreachable):
            sending_refunds.send_refund(refund_id=till.refunds()[0].id, now=utc_now())
        sending_refunds.check_refunds(now=utc_now() + timedelta(hours=1))
    assert everything_of(app, Payment, Refund) == before
