"""Large bulk actions: done by a worker chunk by chunk, each product once, whatever happens in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.operations.models import Operation
from app.operations.services.leases import OperationBusy
from app.operations.services.running import run_operation
from app.products.errors import OtherCount
from app.products.models.products import Product
from app.products.services.bulk.actions import cancel_bulk, submit_bulk
from app.products.services.products import delete_product
from tests.concurrency import at_once
from tests.conftest import Database
from tests.products.bulks import (
    ACTOR,
    URL,
    add_products,
    counts,
    history,
    operation,
    prices,
    queued,
    run,
    set_price,
    versions,
)
from tests.products.conftest import Send
from tests.servers import on_servers

MANY = 1_201
LESS = {"price": {"percent": "-10"}}
MORE = {"price": {"percent": "50"}}


def submit(action: dict[str, Any], **which: Any) -> int:
    found: int = submit_bulk(actor=ACTOR, now=utc_now(), action=action, **which).operation.id
    return found


def delete(product_id: int) -> None:
    delete_product(actor=ACTOR, now=utc_now(), product_id=product_id, expected_version=1)


def test_each_product_of_a_filter_is_changed_once_in_slices(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(MANY)
    asked = {"action": LESS, "filter": {"price_min": "9.00"}, "expected_count": MANY}
    body = send("POST", URL, asked).get_json()
    assert (body["state"], body["rows"], body["counts"]["changed"]) == ("QUEUED", None, 0)
    with app.app_context():
        ended = run(body["id"], slice_s=0)
        assert (ended.state, counts(ended), ended.total_count) == ("COMPLETED", (MANY, 0, 0), MANY)
        assert prices() == dict.fromkeys(ids, 900)
        assert versions() == {2}
        assert history(ended.id) == [(id_, "price", "10.00 USD", "9.00 USD") for id_ in ids]
    told, cursor = [], ""
    while cursor is not None:
        page = send("GET", f"{URL}/{body['id']}/rows?limit=100{cursor and f'&cursor={cursor}'}").get_json()
        told += [row["product_id"] for row in page["items"]]
        cursor = page["next_cursor"]
    assert told == ids


def test_a_product_that_fits_again_because_of_the_action_is_not_hit_twice(context: Flask) -> None:
    ids = add_products(MANY)
    operation_id = submit(MORE, which={"price_min": "10.00", "price_max": "15.00"})
    assert counts(run(operation_id, slice_s=0)) == (MANY, 0, 0)
    assert prices() == dict.fromkeys(ids, 1500)


def test_products_that_are_added_later_are_not_met(context: Flask) -> None:
    ids = add_products(MANY)
    operation_id = submit(LESS, which={"is_active": True})
    late = add_products(3, first=MANY + 1)
    assert counts(run(operation_id)) == (MANY, 0, 0)
    assert prices() == dict.fromkeys(ids, 900) | dict.fromkeys(late, 1000)


def test_what_an_administrator_changes_between_two_chunks_is_what_is_changed(app: Flask) -> None:
    with app.app_context():
        ids = add_products(MANY)
        operation_id = submit(LESS, which={"is_active": True})
        run_operation(operation_id=operation_id, slice_no=1, slice_s=0)
        set_price(app, ids[0], "77.00")
        set_price(app, ids[-1], "100.00")
        assert counts(run(operation_id)) == (MANY, 0, 0)
        assert prices() == dict.fromkeys(ids, 900) | {ids[0]: 7700, ids[-1]: 9000}


@pytest.mark.parametrize("by", ["list", "filter"])
def test_a_product_that_is_deleted_meanwhile_is_refused_in_a_list_and_passed_over_by_a_filter(
    context: Flask, by: str
) -> None:
    ids = add_products(MANY)
    which: dict[str, Any] = {"product_ids": ids} if by == "list" else {"which": {"is_active": True}}
    operation_id = submit(LESS, **which)
    run_operation(operation_id=operation_id, slice_no=1, slice_s=0)
    delete(ids[-1])
    ended = run(operation_id)
    refused = 1 if by == "list" else 0
    assert counts(ended) == (MANY - 1, 0, refused)
    assert ended.state == ("COMPLETED_WITH_ERRORS" if refused else "COMPLETED")
    assert ended.total_count == ended.done_count == MANY - 1 + refused
    assert prices() == dict.fromkeys(ids[:-1], 900) | {ids[-1]: 1000}


def test_what_is_done_stays_when_it_is_cancelled_and_nothing_more_is_done(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(MANY)
        operation_id = submit(LESS, which={"is_active": True})
        run_operation(operation_id=operation_id, slice_no=1, slice_s=0)
    answer = send("POST", f"{URL}/{operation_id}/cancel")
    assert (answer.status_code, answer.get_json()["state"]) == (202, "CANCELLED")
    assert answer.get_json()["counts"] == {"changed": 500, "unchanged": 0, "refused": 0}
    with app.app_context():
        for slice_no in (1, 2, 3):
            run_operation(operation_id=operation_id, slice_no=slice_no)
        assert prices() == dict.fromkeys(ids[:500], 900) | dict.fromkeys(ids[500:], 1000)
        assert len(history(operation_id)) == 500


def test_cancelled_while_a_worker_is_at_it_all_that_it_counts_is_done_and_no_more(app: Flask) -> None:
    many = 15_000
    with app.app_context():
        add_products(many)
        operation_id = submit(LESS, which={"is_active": True})

    def cancel() -> None:
        while operation(operation_id).done_count == 0:
            time.sleep(0.002)
        cancel_bulk(actor=ACTOR, now=utc_now(), operation_id=operation_id)

    def work() -> None:
        run(operation_id, slice_s=0.0, between=lambda: time.sleep(0.05))  # for the other one to come in between

    assert at_once(app, work, cancel) == [None, None]
    with app.app_context():
        present = operation(operation_id)
        assert present.state == "CANCELLED"
        assert 0 < present.changed_count < many
        assert list(prices().values()).count(900) == len(history(operation_id)) == present.changed_count


@on_servers
@pytest.mark.parametrize("expected", [None, 3])
def test_whether_a_product_fits_is_looked_at_when_it_is_locked(app: Flask, expected: int | None) -> None:
    with app.app_context():
        ids = add_products(3)
    is_locked, is_asked = threading.Event(), threading.Event()

    @in_transaction
    def deactivate() -> None:
        off = update(Product).where(Product.id == ids[1]).values(is_active=False)
        db.session.execute(off.execution_options(synchronize_session=False))
        is_locked.set()
        is_asked.wait(10)
        time.sleep(0.5)  # for the other one to have found the product, and to wait for it

    def ask() -> Any:
        is_locked.wait(10)
        is_asked.set()
        return submit(LESS, which={"is_active": True}, expected_count=expected)

    asked = at_once(app, deactivate, ask)[1]
    with app.app_context():
        if expected is None:
            assert prices() == {ids[0]: 900, ids[1]: 1000, ids[2]: 900}
        else:
            assert isinstance(asked, OtherCount)
            assert prices() == dict.fromkeys(ids, 1000)


def test_two_bulk_actions_take_turns_and_both_are_done_to_every_product(app: Flask) -> None:
    with app.app_context():
        ids = add_products(MANY)
        first = submit(LESS, which={"is_active": True})
        second = submit(MORE, which={"is_active": True})
        run_operation(operation_id=first, slice_no=1, slice_s=0)
        run_operation(operation_id=second, slice_no=1, slice_s=0)
        assert (operation(first).state, operation(second).state) == ("RUNNING", "QUEUED")
        assert counts(operation(second)) == (0, 0, 0)
        assert counts(run(first)) == (MANY, 0, 0)
        assert counts(run(second)) == (MANY, 0, 0)
        assert prices() == dict.fromkeys(ids, 1350)


def test_a_doubled_message_does_nothing_twice(app: Flask) -> None:
    with app.app_context():
        ids = add_products(MANY)
        operation_id = submit(LESS, which={"is_active": True})
    deed = lambda: run_operation(operation_id=operation_id, slice_no=1)  # noqa: E731
    ended = at_once(app, deed, deed, deed)
    assert all(each is None or isinstance(each, OperationBusy) for each in ended), ended
    assert None in ended
    with app.app_context():
        assert counts(run(operation_id)) == (MANY, 0, 0)
        assert prices() == dict.fromkeys(ids, 900)
        assert len(history(operation_id)) == MANY


def test_small_ones_and_a_large_one_at_once_lose_no_change(app: Flask) -> None:
    with app.app_context():
        ids = add_products(MANY)
        operation_id = submit(LESS, which={"is_active": True})
    small = lambda: submit(MORE, product_ids=ids[::4])  # noqa: E731
    ended = at_once(app, lambda: run_operation(operation_id=operation_id, slice_no=1), small, small)
    assert not [each for each in ended if isinstance(each, Exception)], ended
    with app.app_context():
        assert counts(operation(operation_id)) == (MANY, 0, 0)
        # -10 %, +50 %, +50 % in any order: 20.25
        assert prices() == dict.fromkeys(ids, 900) | dict.fromkeys(ids[::4], 2025)


def test_a_dry_run_of_many_counts_and_shows_some_and_changes_nothing(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(MANY)
    asked = {"action": {"price": {"set": "10.00"}}, "filter": {"price_max": "10.00"}, "dry_run": True}
    with app.app_context():
        for product_id in ids[:30]:
            set_price(app, product_id, "5.00")
        before = (prices(), versions(), queued())
    body = send("POST", URL, asked).get_json()
    assert body["state"] == "CHECKING"
    with app.app_context():
        ended = run(body["id"], slice_s=0)
        assert (ended.state, counts(ended)) == ("COMPLETED", (30, MANY - 30, 0))
        assert ((prices(), versions(), queued()), history(ended.id)) == (before, [])
    sample = send("GET", f"{URL}/{body['id']}").get_json()["sample"]
    assert [(row["product_id"], row["previous"], row["current"]) for row in sample] == [
        (id_, "5.00 USD", "10.00 USD") for id_ in ids[:25]
    ]


def test_another_number_than_expected_is_noticed_for_many_too(context: Flask) -> None:
    add_products(MANY)
    with pytest.raises(OtherCount) as refused:
        submit(LESS, which={"is_active": True}, expected_count=MANY + 1)
    assert refused.value.facts == {"count": MANY}


def test_a_worker_that_is_killed_again_and_again_has_done_nothing_twice(
    app: Flask, database: Database, redis_url: str
) -> None:
    many = 6_000
    with app.app_context():
        ids = add_products(many)
        operation_id = submit(LESS, which={"is_active": True})
        for _ in range(2):
            _kill_midway(database.url, redis_url, operation_id)
            _let_the_lease_run_out(operation_id=operation_id)
        done = operation(operation_id).done_count
        assert 0 < done < many
        assert len(history(operation_id)) == done
        assert counts(run(operation_id)) == (many, 0, 0)
        assert prices() == dict.fromkeys(ids, 900)
        assert versions() == {2}
        assert [row[0] for row in history(operation_id)] == ids


def _kill_midway(database_url: str, redis_url: str, operation_id: int) -> None:
    """Start a worker and kill it when it has done something more."""
    present = operation(operation_id)
    before, slice_no = present.done_count, present.slice_no
    words = [database_url, redis_url, str(operation_id), str(slice_no)]
    with subprocess.Popen([sys.executable, "-m", "tests.products.bulk_worker", *words]) as process:
        deadline = time.monotonic() + 120
        while operation(operation_id).done_count <= before:
            assert process.poll() is None, "the worker ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


@in_transaction
def _let_the_lease_run_out(*, operation_id: int) -> None:
    db.session.execute(
        update(Operation)
        .where(Operation.id == operation_id)
        .values(leased_until=utc_now().replace(year=2020))
        .execution_options(synchronize_session=False)
    )
