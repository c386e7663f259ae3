"""Real processes that are killed with SIGKILL between what a provider does and what we write down of it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import Final

import pytest

from app.config import Settings
from app.orders.models.orders import OrderState, PaymentState
from tests.conftest import Database
from tests.faults.buyers import Answer, Buyer
from tests.faults.servers import background, kill_all, web_server
from tests.faults.sizes import FULL, SEED
from tests.faults.stage import LOCK_S, LONG_S, Stage
from tests.servers import on_sqlite

pytestmark = [] if FULL else [on_sqlite]
WAIT_S: Final = 60.0
CREATE: Final = "POST /v1/payment_intents"
REFUND: Final = "POST /v1/refunds"


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    """Whatever is started in a test and has to end with it."""
    with ExitStack() as running:
        yield running


@pytest.fixture
def settings_of(database: Database, card_settings: Callable[[Settings], Settings]) -> Settings:
    return card_settings(database.app.extensions["settings"])


@pytest.mark.parametrize("moment", ["before", "after"] if FULL else ["after"])
def test_a_checkout_whose_web_server_was_killed_is_finished_by_sending_it_again(
    stage: Stage, processes: ExitStack, settings_of: Settings, tmp_path: Path, moment: str
) -> None:
    first = processes.enter_context(web_server(settings_of, tmp_path))
    buyer = _buyer(stage, first.port)
    stage.double.next(CREATE, **{moment: lambda *_: first.kill()})
    with pytest.raises((ConnectionError, HTTPException)):
        _pay(buyer)
    assert stage.order(buyer.cart_id)["payment_state"] == PaymentState.PENDING
    second = processes.enter_context(web_server(settings_of, tmp_path))
    buyer.port = second.port
    assert _pay(buyer).body["code"] == "IDEMPOTENCY_KEY_IN_USE"
    stage.time_passes(LOCK_S)
    answer = _pay(buyer)
    assert answer.status == 201, answer
    processes.close()
    assert stage.double.books.taken(answer.body["number"]) == [2000]
    _assert_placed(stage, buyer)


def test_a_checkout_whose_web_server_was_killed_is_finished_by_the_sweeper_where_nobody_comes_back(
    stage: Stage, processes: ExitStack, settings_of: Settings, tmp_path: Path
) -> None:
    first = processes.enter_context(web_server(settings_of, tmp_path))
    buyer = _buyer(stage, first.port)
    stage.double.next(CREATE, after=lambda _: first.kill())
    with pytest.raises((ConnectionError, HTTPException)):
        _pay(buyer)
    stage.time_passes(LONG_S)
    processes.enter_context(background(settings_of, tmp_path))
    _wait_until(lambda: stage.order(buyer.cart_id)["state"] == OrderState.PLACED)
    processes.close()
    _assert_placed(stage, buyer)


def test_a_refund_whose_worker_was_killed_is_given_back_once(
    stage: Stage, processes: ExitStack, settings_of: Settings, tmp_path: Path
) -> None:
    customer = stage.shop.guest({stage.shop.product(on_hand=5): 2})
    number = customer.order("20.00", payment_method="card", source="pm_card_visa").get_json()["number"]
    cancelled = stage.app.test_client().post(f"/api/v1/orders/{number}/cancel", json={}, headers=customer.headers)
    assert cancelled.status_code == 200, cancelled.text
    is_killed = threading.Event()
    first = processes.enter_context(background(settings_of, tmp_path))

    def kill(_answer: object) -> None:
        kill_all(first)
        is_killed.set()

    stage.double.next(REFUND, after=kill)
    assert is_killed.wait(WAIT_S), "nobody sent the refund"
    assert stage.order(customer.cart_id)["payment_state"] == PaymentState.PAID
    stage.time_passes(LOCK_S)
    processes.enter_context(background(settings_of, tmp_path))
    _wait_until(lambda: stage.order(customer.cart_id)["payment_state"] == PaymentState.REFUNDED)
    processes.close()
    assert stage.double.books.given_back(number) == [2000]
    stage.come_to_rest()
    assert stage.violations() == []


def _buyer(stage: Stage, port: int) -> Buyer:
    buyer = Buyer(port, name="unlucky")
    buyer.fill([(stage.shop.product(on_hand=5), 2)])
    return buyer


def _pay(buyer: Buyer) -> Answer:
    return buyer.order("20.00", key="my-order", payment_method="card", source="pm_card_visa")


def _assert_placed(stage: Stage, buyer: Buyer) -> None:
    order = stage.order(buyer.cart_id)
    assert (order["state"], order["payment_state"]) == (OrderState.PLACED, PaymentState.PAID)
    assert stage.double.books.taken(str(100_000 + order["id"])) == [2000]
    stage.tell(random.Random(SEED))
    stage.come_to_rest()
    assert stage.violations() == []


def _wait_until(is_so: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < ends_at, "it did not happen"
        time.sleep(0.1)
