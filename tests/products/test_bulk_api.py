"""Small bulk actions by the API: done at once, told product by product, refused as a whole where they are none."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.operations.models import Operation
from app.products.models.categories import ProductCategory
from app.products.models.products import Product, ProductUpdate
from app.products.models.stock import Stock
from app.products.services.membership_audit import audit_memberships
from tests.calls import add_person, token_of
from tests.products.bulks import ACTOR, URL, add_products, counts, history, operation, prices, queued, told, versions
from tests.products.categories import add_chain
from tests.products.conftest import Send
from tests.products.stocking import buy, receive
from tests.servers import on_sqlite

PRICE = {"price": {"percent": "-10"}}


def test_a_percentage_is_taken_off_every_product_of_a_list_with_history(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(3)
    answer = send("POST", URL, {"action": PRICE, "product_ids": ids[:2], "asins": ["b000000003", "B000000002"]})
    body = answer.get_json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{URL}/{body['id']}"
    assert (body["state"], body["counts"]) == ("COMPLETED", {"changed": 3, "unchanged": 0, "refused": 0})
    assert told(body) == [("changed", "10.00 USD", "9.00 USD")] * 3
    with app.app_context():
        assert prices() == dict.fromkeys(ids, 900)
        assert versions() == {2}
        assert history(body["id"]) == [(id_, "price", "10.00 USD", "9.00 USD") for id_ in ids]
        row = db.session.scalars(select(ProductUpdate).limit(1)).one()
        assert (row.source, row.operation_id, row.actor_kind) == ("bulk", body["id"], "user")
    rows = send("GET", f"{URL}/{body['id']}/rows").get_json()["items"]
    assert rows == body["rows"]


def test_a_dry_run_tells_the_same_and_changes_nothing(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(2)
    asked = {"action": PRICE, "product_ids": [*ids, 999_999]}
    dry = send("POST", URL, asked | {"dry_run": True}).get_json()
    with app.app_context():
        assert prices() == dict.fromkeys(ids, 1000)
        assert (versions(), history(dry["id"]), queued()) == ({1}, [], [])
    assert (dry["dry_run"], dry["state"], dry["counts"]["refused"]) == (True, "COMPLETED_WITH_ERRORS", 1)
    wet = send("POST", URL, asked).get_json()
    assert wet["rows"] == dry["rows"]
    again = send("GET", f"{URL}/{dry['id']}").get_json()
    assert [row["result"] for row in again["sample"]] == ["changed", "changed", "refused"]
    assert send("GET", f"{URL}/{dry['id']}/rows?result=refused").get_json()["items"] == []


def test_what_has_the_value_already_is_unchanged_and_leaves_no_trace(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(2)
    body = send("POST", URL, {"action": {"price": {"set": "10.00"}}, "product_ids": ids}).get_json()
    assert body["counts"] == {"changed": 0, "unchanged": 2, "refused": 0}
    with app.app_context():
        assert (versions(), history(body["id"])) == ({1}, [])


def test_unknown_and_deleted_products_are_refused_one_by_one(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(3)
    send("DELETE", f"/api/v1/products/{ids[1]}", version=1)
    asked = {"action": PRICE, "product_ids": [*ids, 999_999], "asins": ["B999999999"]}
    body = send("POST", URL, asked).get_json()
    assert (body["state"], body["counts"]) == ("COMPLETED_WITH_ERRORS", {"changed": 2, "unchanged": 0, "refused": 3})
    refused = send("GET", f"{URL}/{body['id']}/rows?result=refused").get_json()["items"]
    assert [(row["product_id"], row["asin"], row["reason"]) for row in refused] == [
        (999_999, None, "There is no product 999999."),
        (None, "B999999999", "There is no product B999999999."),
        (ids[1], "B000000002", "The product is deleted; restore it first."),
    ]
    with app.app_context():
        assert prices() == {ids[0]: 900, ids[1]: 1000, ids[2]: 900}


def test_a_filter_takes_what_the_list_would_show(app: Flask, send: Send) -> None:
    with app.app_context():
        top, below = add_chain("Kitchen", "Kettles")
        cheap = add_products(2, brand="Lumo")
        dear = add_products(2, first=3, price="50.00", brand="Lumo")
        other = add_products(1, first=5, brand="Other")
        receive(dear[0], 3)
    send("POST", URL, {"action": {"categories": {"add": [below]}}, "product_ids": [*cheap, *dear]})
    send("POST", URL, {"action": {"is_active": False}, "product_ids": [dear[1]]})
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({"brand": "Lumo"}, [*cheap, *dear]),
        ({"brand": "Lumo", "price_min": "50"}, dear),
        ({"price_max": "49.99"}, [*cheap, *other]),
        ({"category": top}, [*cheap, *dear]),
        ({"category": top, "is_active": False}, [dear[1]]),
        ({"in_stock": True}, [dear[0]]),
        ({"asin": "B000000005"}, other),
    ]
    for which, fits in cases:
        asked = {"action": {"threshold": 4}, "filter": which, "dry_run": True, "expected_count": len(fits)}
        body = send("POST", URL, asked).get_json()
        assert [row["product_id"] for row in body["rows"]] == fits, which
        assert body["filter"].keys() == which.keys()


def test_another_number_of_products_than_expected_is_refused_and_nothing_changes(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(3)
    asked = {"action": PRICE, "filter": {}}
    answer = send("POST", URL, asked | {"expected_count": 2})
    assert (answer.status_code, answer.get_json()["code"], answer.get_json()["count"]) == (409, "OTHER_COUNT", 3)
    with app.app_context():
        assert prices() == dict.fromkeys(ids, 1000)
        assert db.session.scalars(select(Operation.id)).all() == []
    assert send("POST", URL, asked | {"expected_count": 3}).status_code == 201


@on_sqlite
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"filter": {}}, "/expected_count"),
        ({"filter": {"brand": "Nobody"}}, "/filter"),
        ({"filter": {"q": "lamp"}}, "/filter/q"),
        ({"filter": {"price_min": 10}}, "/filter/price_min"),
        ({"filter": {"price_min": "1e3"}}, "/filter/price_min"),
        ({"filter": {"is_active": "yes"}}, "/filter/is_active"),
        ({"filter": {"brand": "Lumo"}, "product_ids": [1]}, "/filter"),
        ({}, "/filter"),
        ({"product_ids": []}, "/product_ids"),
        ({"product_ids": ["1"]}, "/product_ids/0"),
        ({"asins": ["x"]}, "/asins/0"),
        ({"product_ids": [1], "expected_count": 1}, "/expected_count"),
        ({"product_ids": list(range(1, 10_002))}, "/product_ids"),
        ({"product_ids": [1], "action": {}}, "/action"),
        ({"product_ids": [1], "action": {"price": {"percent": -10}}}, "/action/price/percent"),
        ({"product_ids": [1], "action": {"price": {"percent": "NaN"}}}, "/action/price/percent"),
        ({"product_ids": [1], "action": {"price": {"set": 9.99}}}, "/action/price/set"),
        ({"product_ids": [1], "action": {"price": {"set": "3.505"}}}, "/action/price/set"),
        ({"product_ids": [1], "action": {"is_active": 1}}, "/action/is_active"),
        ({"product_ids": [1], "action": {"threshold": -1}}, "/action/threshold"),
        ({"product_ids": [1], "action": {"categories": {"add": [404]}}}, "/action/categories"),
        ({"filter": {"brand": "Lumo"}, "action": {"is_deleted": False}}, "/filter"),
        ({"product_ids": [1], "dry_run": "no"}, "/dry_run"),
    ],
)
def test_what_is_no_bulk_action_is_refused_by_its_field(
    app: Flask, send: Send, change: dict[str, Any], pointer: str
) -> None:
    with app.app_context():
        ids = add_products(1, brand="Lumo")
    answer = send("POST", URL, {"action": PRICE} | change)
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.get_json()["errors"]]
    with app.app_context():
        assert prices() == dict.fromkeys(ids, 1000)
        assert db.session.scalars(select(Operation.id)).all() == []


def test_categories_are_put_and_found_with_all_above_them(app: Flask, send: Send) -> None:
    with app.app_context():
        top, below = add_chain("Kitchen", "Kettles")
        ids = add_products(3)
    send("POST", URL, {"action": {"categories": {"set": [below]}}, "product_ids": ids})
    body = send("POST", URL, {"action": {"categories": {"add": [top], "remove": [below]}}, "product_ids": ids[:1]})
    assert told(body.get_json()) == [("changed", f"[{below}]", f"[{top}]")]
    with app.app_context():
        rows = select(ProductCategory.category_id, ProductCategory.product_id, ProductCategory.is_direct)
        assert sorted(map(tuple, db.session.execute(rows))) == sorted(
            [(top, ids[0], True), *((top, id_, False) for id_ in ids[1:]), *((below, id_, True) for id_ in ids[1:])]
        )
        wrong = [found for _, found in audit_memberships(actor=ACTOR, now=utc_now(), repair=False) if found]
        assert wrong == []


def test_thresholds_are_set_and_cleared_with_who_is_low_by_them(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(2)
        receive(ids[0], 10)
    body = send("POST", URL, {"action": {"threshold": 5}, "product_ids": ids}).get_json()
    assert told(body) == [("changed", None, "5")] * 2
    with app.app_context():
        rows = db.session.execute(select(Stock.low_stock_threshold, Stock.is_low).order_by(Stock.product_id))
        assert [tuple(row) for row in rows] == [(5, False), (5, True)]
        assert versions() == {1}
    assert told(send("POST", URL, {"action": {"threshold": None}, "product_ids": ids[:1]}).get_json()) == [
        ("changed", "5", None)
    ]


@on_sqlite
def test_thresholds_belong_to_stock_and_need_its_permission(app: Flask) -> None:
    with app.app_context():
        ids = add_products(1)
        held = frozenset({"products:write", "products:read"})
        user_id = add_person(email="p@example.org", permissions=held)
    headers = {"Authorization": f"Bearer {token_of(app, user_id)}"}
    client = app.test_client()
    refused = client.post(URL, json={"action": {"threshold": 5}, "product_ids": ids}, headers=headers)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "PERMISSION_MISSING")
    with app.app_context():
        assert db.session.scalars(select(Stock.low_stock_threshold)).all() == [None]
    assert client.post(URL, json={"action": PRICE, "product_ids": ids}, headers=headers).status_code == 201


def test_products_are_deleted_and_restored_but_not_what_somebody_was_promised(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(3)
        receive(ids[1], 5)
        buy(1, {ids[1]: 2})
    body = send("POST", URL, {"action": {"is_deleted": True}, "filter": {}, "expected_count": 3}).get_json()
    assert body["counts"] == {"changed": 2, "unchanged": 0, "refused": 1}
    assert body["rows"][1]["reason"] == "2 of it are promised; ship them or cancel that first."
    with app.app_context():
        assert list(db.session.scalars(select(Product.id).where(Product.deleted_at.is_(None)))) == [ids[1]]
        assert queued() == [ids[0], ids[2]]
    body = send("POST", URL, {"action": {"is_deleted": False}, "product_ids": ids}).get_json()
    assert told(body) == [("changed", "true", "false"), ("unchanged", "false", "false"), ("changed", "true", "false")]
    with app.app_context():
        assert len(list(db.session.scalars(select(Product.id).where(Product.deleted_at.is_(None))))) == 3


def test_each_changed_product_is_queued_for_search_once(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(4)
    send("POST", URL, {"action": {"is_deleted": True}, "product_ids": [ids[2], ids[0], ids[2]], "asins": []})
    with app.app_context():
        assert queued() == [ids[0], ids[2]]


@on_sqlite
def test_a_repeated_request_with_the_same_key_is_done_once(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(1)
    asked = {"action": PRICE, "product_ids": ids}
    first = send("POST", URL, asked, Idempotency_Key="same")
    second = send("POST", URL, asked, Idempotency_Key="same")
    assert (first.get_json(), second.headers["Idempotent-Replayed"]) == (second.get_json(), "true")
    with app.app_context():
        assert prices() == {ids[0]: 900}


@on_sqlite
def test_the_audit_log_tells_what_was_asked_for_and_what_came_of_it(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(1)
    body = send("POST", URL, {"action": PRICE, "product_ids": ids}).get_json()
    with app.app_context():
        assert counts(operation(body["id"])) == (1, 0, 0)
        rows = db.session.scalars(select(AuditEvent).where(AuditEvent.topic == "bulk").order_by(AuditEvent.id)).all()
        assert [row.action for row in rows] == ["bulk.submit", "bulk.end"]
        assert [row.subject_id for row in rows] == [body["id"]] * 2
        assert [(row.after or {}).get("action") for row in rows] == [PRICE, None]
        assert [(row.after or {}).get("changed") for row in rows] == [None, 1]


@on_sqlite
def test_bulk_actions_are_listed_newest_first_and_what_is_none_is_not_found(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = add_products(1)
    asked = [{"action": {"is_active": on}, "product_ids": ids} for on in (False, True)]
    made = [send("POST", URL, each).get_json()["id"] for each in asked]
    page = send("GET", f"{URL}?limit=1").get_json()
    assert [item["id"] for item in page["items"]] == [made[1]]
    page = send("GET", f"{URL}?limit=1&cursor={page['next_cursor']}").get_json()
    assert ([item["id"] for item in page["items"]], page["next_cursor"]) == ([made[0]], None)
    for method, path in [("GET", ""), ("GET", "/rows"), ("POST", "/cancel"), ("POST", "/undo")]:
        body: dict[str, Any] | None = {} if method == "POST" else None
        assert send(method, f"{URL}/4711{path}", body).status_code == 404
    ended = send("POST", f"{URL}/{made[0]}/cancel")
    assert (ended.status_code, ended.get_json()["code"]) == (409, "OPERATION_ENDED")
