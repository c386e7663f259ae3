"""Taking bulk actions back from the update history, and doing them again; what others changed since is left alone."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import PermissionMissing, Principal
from app.core.transactions import in_transaction
from app.operations.errors import AlreadyUndone, NothingToUndo, OperationNotReady
from app.operations.models import OperationState
from app.operations.services import operations
from app.operations.services.running import run_operation
from app.products import kinds
from app.products.models.products import Product, ProductUpdate
from app.products.models.stock import Stock
from app.products.queries.bulk import BulkAction
from app.products.services.bulk.actions import cancel_bulk, submit_bulk
from app.products.services.bulk.undoing import submit_undo
from app.products.services.categories import delete_category
from app.products.services.membership_audit import audit_memberships
from app.products.services.products import delete_product, restore_product
from tests.concurrency import at_once
from tests.products.bulks import (
    ACTOR,
    URL,
    add_products,
    counts,
    history,
    operation,
    prices,
    run,
    set_price,
    told,
    versions,
)
from tests.products.categories import add_chain, found_in
from tests.products.conftest import Send
from tests.products.stocking import buy, receive
from tests.servers import on_sqlite

LESS = {"price": {"percent": "-10"}}


def submit(action: dict[str, Any], **which: Any) -> int:
    return submit_bulk(actor=ACTOR, now=utc_now(), action=action, **which).operation.id


def undo(operation_id: int, **how: Any) -> BulkAction:
    return submit_undo(actor=ACTOR, now=utc_now(), operation_id=operation_id, **how)


def results(undone: BulkAction) -> list[tuple[Any, ...]]:
    return [(row.product_id, row.result, row.previous, row.current) for row in undone.rows or ()]


def test_every_product_gets_its_price_back_and_the_history_tells_of_both(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(2)
        set_price(app, ids[1], "33.33")
        operation_id = submit(LESS, product_ids=ids)
        given = list(db.session.scalars(select(ProductUpdate.id).where(ProductUpdate.operation_id == operation_id)))
    dry = send("POST", f"{URL}/{operation_id}/undo", {"dry_run": True}).get_json()
    with app.app_context():
        assert prices() == {ids[0]: 900, ids[1]: 3000}
    answer = send("POST", f"{URL}/{operation_id}/undo", {})
    body = answer.get_json()
    assert (answer.status_code, body["kind"], body["undoes_id"], body["action"]) == (201, "undo", operation_id, None)
    assert body["rows"] == dry["rows"]
    assert told(body) == [("changed", "30.00 USD", "33.33 USD"), ("changed", "9.00 USD", "10.00 USD")]
    assert send("GET", f"{URL}/{operation_id}").get_json()["undone_by_id"] == body["id"]
    with app.app_context():
        assert prices() == {ids[0]: 1000, ids[1]: 3333}
        rows = db.session.scalars(select(ProductUpdate).where(ProductUpdate.operation_id == body["id"])).all()
        assert {(row.source, row.reverts_id) for row in rows} == {("revert", id_) for id_ in given}
        actions = select(AuditEvent.action, AuditEvent.subject_id).where(AuditEvent.action.like("%undo"))
        assert [tuple(row) for row in db.session.execute(actions)] == [("bulk.undo", operation_id)] * 2


def test_what_somebody_changed_since_is_refused_by_name_and_left_alone(context: Flask) -> None:
    ids = add_products(3)
    operation_id = submit(LESS, product_ids=ids)
    set_price(context, ids[1], "7.00")
    last = db.session.scalars(select(ProductUpdate.id).order_by(ProductUpdate.id.desc()).limit(1)).one()
    undone = undo(operation_id)
    assert prices() == {ids[0]: 1000, ids[1]: 700, ids[2]: 1000}
    assert counts(operation(undone.operation.id)) == (2, 0, 1)
    refused = [row for row in undone.rows or () if row.result == "refused"]
    assert [(row.product_id, row.reason) for row in refused] == [
        (
            ids[1],
            f"price is 7.00 USD now and no longer 9.00 USD: changed since by user 7 (product update {last}).",
        )
    ]


def test_an_undo_with_refusals_can_be_repeated_and_does_only_what_is_left(context: Flask) -> None:
    ids = add_products(2)
    operation_id = submit(LESS, product_ids=ids)
    set_price(context, ids[0], "7.00")
    undo(operation_id)
    set_price(context, ids[0], "9.00")
    again = undo(operation_id)
    assert prices() == dict.fromkeys(ids, 1000)
    assert counts(operation(again.operation.id)) == (1, 1, 0)


def test_undoing_an_undo_does_it_again(context: Flask) -> None:
    ids = add_products(2)
    operation_id = submit(LESS, product_ids=ids)
    first = undo(operation_id).operation.id
    second = undo(first).operation.id
    assert prices() == dict.fromkeys(ids, 900)
    undo(second)
    assert prices() == dict.fromkeys(ids, 1000)
    assert versions() == {5}
    assert len(history(second)) == 2


def test_what_was_undone_is_not_undone_twice(context: Flask) -> None:
    ids = add_products(2)
    operation_id = submit(LESS, product_ids=ids)
    by = undo(operation_id).operation.id
    with pytest.raises(AlreadyUndone) as refused:
        undo(operation_id)
    assert refused.value.facts == {"undone_by_id": by}
    assert prices() == dict.fromkeys(ids, 1000)
    assert versions() == {3}


def test_of_two_undos_at_once_one_is_refused(app: Flask) -> None:
    with app.app_context():
        ids = add_products(2)
        operation_id = submit(LESS, product_ids=ids)
    has_begun = threading.Event()

    @in_transaction
    def first() -> None:
        submit_undo.joined(actor=ACTOR, now=utc_now(), operation_id=operation_id)
        has_begun.set()
        time.sleep(0.5)  # for the other one to look at what is not committed yet

    def second() -> None:
        has_begun.wait(10)
        undo(operation_id)

    ended = at_once(app, first, second)
    assert [type(each) for each in ended] == [type(None), AlreadyUndone]
    with app.app_context():
        assert prices() == dict.fromkeys(ids, 1000)
        assert versions() == {3}


@pytest.mark.parametrize("how", ["waiting", "dry", "unchanged"])
def test_there_is_nothing_to_undo_of_what_changed_nothing(context: Flask, how: str) -> None:
    ids = add_products(2)
    before = (prices(), versions())
    if how == "waiting":
        with_state = {"kind": kinds.BULK, "state": OperationState.QUEUED, "ring": False}
        operation_id = _add(arguments={"action": LESS, "filter": {}, "dry_run": False}, **with_state)
    else:
        operation_id = submit({"price": {"set": "10.00" if how == "unchanged" else "1.00"}}, product_ids=ids,
                              dry_run=how == "dry")  # fmt: skip
    with pytest.raises(OperationNotReady if how == "waiting" else NothingToUndo):
        undo(operation_id)
    assert (prices(), versions()) == before


@in_transaction
def _add(**values: Any) -> int:
    return operations.add_operation(actor=ACTOR, now=utc_now(), **values).id


def test_products_are_put_back_into_their_categories(context: Flask) -> None:
    top, below = add_chain("Kitchen", "Kettles")
    (other,) = add_chain("Garden")
    ids = add_products(3)
    submit({"categories": {"set": [below]}}, product_ids=ids[:2])
    operation_id = submit({"categories": {"set": [other]}}, product_ids=ids)
    assert (found_in(top), found_in(other)) == ([], ids)
    undone = undo(operation_id)
    assert results(undone)[-1] == (ids[0], "changed", f"[{other}]", f"[{below}]")
    assert (found_in(top), found_in(below), found_in(other)) == (ids[:2], ids[:2], [])
    wrong = [found for _, found in audit_memberships(actor=ACTOR, now=utc_now(), repair=False) if found]
    assert wrong == []


def test_a_category_that_is_gone_is_named_and_the_product_stays_where_it_is(context: Flask) -> None:
    (gone,) = add_chain("Gone")
    (other,) = add_chain("Garden")
    ids = add_products(1)
    submit({"categories": {"set": [gone]}}, product_ids=ids)
    operation_id = submit({"categories": {"set": [other]}}, product_ids=ids)
    delete_category(actor=ACTOR, now=utc_now(), category_id=gone, expected_version=1)
    undone = undo(operation_id)
    assert [row.reason for row in undone.rows or ()] == [f"There is no category {gone}."]
    assert found_in(other) == ids


def test_thresholds_and_flags_go_back(context: Flask) -> None:
    ids = add_products(2)
    receive(ids[0], 4)
    submit({"threshold": 3}, product_ids=ids[:1])
    second = submit({"threshold": 9}, product_ids=ids)
    undo(second)
    rows = db.session.execute(select(Stock.low_stock_threshold, Stock.is_low).order_by(Stock.product_id))
    assert [tuple(row) for row in rows] == [(3, False), (None, False)]
    undo(submit({"is_active": False}, product_ids=ids))
    assert set(db.session.scalars(select(Product.is_active))) == {True}


def test_deleted_products_come_back_and_restored_ones_go_unless_somebody_was_promised_some(context: Flask) -> None:
    ids = add_products(2)
    deleted = submit({"is_deleted": True}, product_ids=ids)
    back = undo(deleted).operation.id
    assert set(db.session.scalars(select(Product.deleted_at))) == {None}
    receive(ids[0], 5)
    buy(1, {ids[0]: 2})
    again = undo(back)
    assert counts(operation(again.operation.id)) == (1, 0, 1)
    assert list(db.session.scalars(select(Product.id).where(Product.deleted_at.is_(None)))) == ids[:1]


def test_a_product_that_was_deleted_since_stays_as_it_is(context: Flask) -> None:
    ids = add_products(2)
    operation_id = submit(LESS, product_ids=ids)
    delete_product(actor=ACTOR, now=utc_now(), product_id=ids[0], expected_version=2)
    undone = undo(operation_id)
    assert [row.reason for row in undone.rows or () if row.result == "refused"] == [
        "The product is deleted; restore it first."
    ]
    assert prices() == {ids[0]: 900, ids[1]: 1000}
    restore_product(actor=ACTOR, now=utc_now(), product_id=ids[0])
    undo(operation_id)
    assert prices() == dict.fromkeys(ids, 1000)


@on_sqlite
def test_who_may_not_set_thresholds_may_not_take_them_back(context: Flask) -> None:
    ids = add_products(1)
    operation_id = submit({"threshold": 9}, product_ids=ids)
    actor = Principal(kind="user", id=8, name="Bo", permissions=frozenset({"products:write"}), user_id=8)
    with pytest.raises(PermissionMissing):
        submit_undo(actor=actor, now=utc_now(), operation_id=operation_id)
    assert db.session.scalars(select(Stock.low_stock_threshold)).all() == [9]
    back = undo(operation_id).operation.id
    with pytest.raises(PermissionMissing):
        submit_undo(actor=actor, now=utc_now(), operation_id=back)
    assert db.session.scalars(select(Stock.low_stock_threshold)).all() == [None]


def test_many_are_taken_back_by_a_worker_and_what_was_cancelled_goes_on_in_another_undo(app: Flask, send: Send) -> None:
    many = 1_201
    with app.app_context():
        ids = add_products(many)
        operation_id = submit(LESS, which={"is_active": True})
        run(operation_id)
        set_price(app, ids[5], "1.00")
    answer = send("POST", f"{URL}/{operation_id}/undo", {})
    assert answer.get_json()["state"] == "QUEUED"
    with app.app_context():
        first = answer.get_json()["id"]
        run_operation(operation_id=first, slice_no=1, slice_s=0)
        cancel_bulk(actor=ACTOR, now=utc_now(), operation_id=first)
        assert prices() == dict.fromkeys(ids[:-500], 900) | {ids[5]: 100} | dict.fromkeys(ids[-500:], 1000)
        second = undo(operation_id).operation.id
        ended = run(second, slice_s=0)
        assert (counts(ended), ended.total_count) == ((many - 501, 500, 1), many)
        assert prices() == dict.fromkeys(ids, 1000) | {ids[5]: 100}
        assert len(history(first)) + len(history(second)) == many - 1


def test_a_dry_run_of_many_takes_nothing_back(context: Flask) -> None:
    ids = add_products(701)
    operation_id = submit(LESS, which={"is_active": True})
    run(operation_id)
    dry = undo(operation_id, dry_run=True).operation.id
    assert counts(run(dry, slice_s=0)) == (701, 0, 0)
    assert prices() == dict.fromkeys(ids, 900)
    assert len(operation(dry).report["sample"]) == 25
    undo(operation_id)
