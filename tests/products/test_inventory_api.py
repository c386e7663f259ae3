"""Stock over HTTP: what is listed, what a change must say, and that a refusal changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from app.core.extensions import db
from app.core.orm import utc_now
from app.products.models.categories import Category, ProductCategory
from app.products.models.products import Product
from app.products.queries import inventory
from app.products.services.products import delete_product
from tests.auth.staff import hire, logged
from tests.products.conftest import Send
from tests.products.stocking import ACTOR, adjust, assert_adds_up, buy, everything, make_product, receive
from tests.servers import on_sqlite

URL = "/api/v1/inventory"

DELIVERY = {"kind": "received", "delta": 5}
COUNT = {"set_to": 9, "based_on": 12, "reason": "stocktake"}


@pytest.fixture
def lamp(app: Flask) -> int:
    """A product with 12 on hand, of which 3 are promised."""
    with app.app_context():
        product = make_product(on_hand=12, threshold=4)
        buy(1, {product: 3})
    return product


def state(app: Flask) -> list[Any]:
    with app.app_context():
        return everything()


def test_the_stock_of_a_product_has_its_name_and_what_is_available(send: Send, lamp: int) -> None:
    body = send("GET", f"{URL}/{lamp}").get_json()
    assert body.pop("updated_at").endswith("Z")
    assert body == {
        "product_id": lamp,
        "asin": "B000000001",
        "name": "Lamp 1",
        "on_hand": 12,
        "allocated": 3,
        "available": 9,
        "low_stock_threshold": 4,
        "is_low": False,
    }


def test_a_delivery_is_booked_and_noted(app: Flask, send: Send, lamp: int) -> None:
    answer = send("PUT", f"{URL}/{lamp}", DELIVERY)
    assert answer.status_code == 200
    assert (answer.get_json()["on_hand"], answer.get_json()["available"]) == (17, 14)
    assert logged(app, "stock.change")[-1] == (
        lamp,
        {"on_hand": 12, "allocated": 3},
        {"on_hand": 17, "allocated": 3, "kind": "received", "reason": None},
    )


def test_a_delivery_that_is_sent_twice_with_its_key_is_booked_once(app: Flask, send: Send, lamp: int) -> None:
    first = send("PUT", f"{URL}/{lamp}", DELIVERY, Idempotency_Key="delivery-7")
    again = send("PUT", f"{URL}/{lamp}", DELIVERY, Idempotency_Key="delivery-7")
    assert (first.status_code, again.status_code, again.get_json()) == (200, 200, first.get_json())
    assert again.headers["Idempotent-Replayed"] == "true"
    other = send("PUT", f"{URL}/{lamp}", DELIVERY | {"delta": 6}, Idempotency_Key="delivery-7")
    assert (other.status_code, other.get_json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert send("GET", f"{URL}/{lamp}").get_json()["on_hand"] == 17
    refused = send("PUT", f"{URL}/{lamp}", COUNT, Idempotency_Key="count-1")  # a refusal leaves the key free
    assert refused.get_json()["code"] == "STOCK_CHANGED"
    assert send("PUT", f"{URL}/{lamp}", COUNT | {"based_on": 17}, Idempotency_Key="count-1").status_code == 200


def test_a_count_is_booked_once_however_often_it_is_sent(app: Flask, send: Send, lamp: int) -> None:
    assert send("PUT", f"{URL}/{lamp}", COUNT).get_json()["on_hand"] == 9
    before = state(app)
    again = send("PUT", f"{URL}/{lamp}", COUNT)
    assert (again.status_code, again.mimetype) == (409, "application/problem+json")
    problem = again.get_json()
    assert problem["code"] == "STOCK_CHANGED"
    assert problem["stock"] == {"product_id": lamp, "on_hand": 9, "allocated": 3, "available": 6}
    assert state(app) == before


def test_a_count_below_what_is_promised_lists_the_orders_and_may_release_them(
    app: Flask, send: Send, lamp: int
) -> None:
    before = state(app)
    answer = send("PUT", f"{URL}/{lamp}", COUNT | {"set_to": 1})
    assert answer.status_code == 409
    problem = answer.get_json()
    assert (problem["code"], problem["shortfall"]) == ("STOCK_ALLOCATED", 2)
    assert problem["allocations"] == [{"reference_kind": "order", "reference_id": 1, "label": "Order 1", "quantity": 3}]
    assert state(app) == before
    done = send("PUT", f"{URL}/{lamp}", COUNT | {"set_to": 1, "shortfall": "release"}).get_json()
    assert (done["on_hand"], done["allocated"], done["is_low"]) == (1, 1, True)
    with app.app_context():
        assert_adds_up(lamp)
    assert logged(app, "stock.change")[-1][1] == {"on_hand": 12, "allocated": 3}


BAD: list[tuple[Any, list[str]]] = [
    ({}, ["/based_on", "/set_to"]),
    ({"kind": "received"}, ["/based_on", "/kind", "/set_to"]),
    ({"delta": 5}, ["/kind"]),
    ({"delta": 0, "kind": "received"}, ["/delta"]),
    ({"delta": -1, "kind": "received"}, ["/delta"]),
    ({"delta": -1, "kind": "returned"}, ["/delta"]),
    ({"delta": 2.0, "kind": "received"}, ["/delta"]),
    ({"delta": "2", "kind": "received"}, ["/delta"]),
    ({"delta": True, "kind": "received"}, ["/delta"]),
    ({"delta": None, "kind": "received"}, ["/delta"]),
    ({"delta": 1_000_000_001, "kind": "received"}, ["/delta"]),
    ({"delta": 10**30, "kind": "received"}, ["/delta"]),
    ({"delta": 2, "kind": "shipped"}, ["/kind"]),
    ({"delta": 2, "kind": "adjusted"}, ["/reason"]),
    ({"delta": 2, "kind": "adjusted", "reason": " "}, ["/reason"]),
    ({"delta": 2, "kind": "adjusted", "reason": "x" * 501}, ["/reason"]),
    ({"delta": 2, "kind": "received", "shortfall": "ignore"}, ["/shortfall"]),
    ({"delta": 2, "set_to": 3, "based_on": 12, "reason": "x"}, ["/delta"]),
    ({"set_to": 3, "reason": "x"}, ["/based_on"]),
    ({"based_on": 3, "reason": "x"}, ["/set_to"]),
    ({"set_to": 3, "based_on": 12}, ["/reason"]),
    ({"set_to": -1, "based_on": 12, "reason": "x"}, ["/set_to"]),
    ({"set_to": 3, "based_on": -1, "reason": "x"}, ["/based_on"]),
    ({"set_to": 1.5, "based_on": 12, "reason": "x"}, ["/set_to"]),
    ({"set_to": 1_000_000_001, "based_on": 12, "reason": "x"}, ["/set_to"]),
    ({"set_to": 3, "based_on": 12, "reason": "x", "kind": "received"}, ["/kind"]),
    (DELIVERY | {"on_hand": 3}, ["/on_hand"]),
]


@on_sqlite
@pytest.mark.parametrize(("body", "pointers"), BAD)
def test_a_change_that_breaks_a_rule_is_refused_by_field(
    app: Flask, send: Send, lamp: int, body: Any, pointers: list[str]
) -> None:
    before = state(app)
    answer = send("PUT", f"{URL}/{lamp}", body)
    assert answer.status_code == 422, answer.text
    assert sorted({error["pointer"] for error in answer.get_json()["errors"]}) == pointers
    assert state(app) == before


@on_sqlite
@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e3", "3.505", "0x10"])
def test_numbers_that_are_none_are_refused(app: Flask, auth_headers: dict[str, str], lamp: int, number: str) -> None:
    before = state(app)
    body = f'{{"kind": "received", "delta": {number}}}'
    answer = app.test_client().put(f"{URL}/{lamp}", data=body, headers=auth_headers, content_type="application/json")
    assert answer.status_code in {400, 422}
    assert answer.mimetype == "application/problem+json"
    assert state(app) == before


@on_sqlite
@pytest.mark.parametrize("threshold", [-1, 1.5, "3", True, 1_000_000_001])
def test_a_threshold_that_is_none_is_refused(app: Flask, send: Send, lamp: int, threshold: Any) -> None:
    before = state(app)
    answer = send("PATCH", f"{URL}/{lamp}", {"low_stock_threshold": threshold})
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/low_stock_threshold")
    assert send("PATCH", f"{URL}/{lamp}", {}).status_code == 422
    assert state(app) == before


def test_a_threshold_is_set_and_taken_away_and_noted_once(app: Flask, send: Send, lamp: int) -> None:
    for threshold in (9, 9, None):
        body = send("PATCH", f"{URL}/{lamp}", {"low_stock_threshold": threshold}).get_json()
        assert (body["low_stock_threshold"], body["is_low"]) == (threshold, threshold == 9)
    assert logged(app, "stock.threshold")[1:] == [
        (lamp, {"threshold": "4"}, {"threshold": "9"}),
        (lamp, {"threshold": "9"}, {"threshold": None}),
    ]


@on_sqlite
def test_unknown_and_deleted_products_have_no_stock_but_the_deleted_a_ledger(app: Flask, send: Send, lamp: int) -> None:
    with app.app_context():
        deleted = make_product(2, on_hand=4)
        delete_product(actor=ACTOR, now=utc_now(), product_id=deleted, expected_version=1)
    before = state(app)
    for product in (deleted, 999):
        for answer in (
            send("GET", f"{URL}/{product}"),
            send("PUT", f"{URL}/{product}", DELIVERY),
            send("PUT", f"{URL}/{product}", COUNT),
            send("PATCH", f"{URL}/{product}", {"low_stock_threshold": 1}),
        ):
            assert (answer.status_code, answer.get_json()["code"]) == (404, "PRODUCT_NOT_FOUND")
    assert send("GET", f"{URL}/changes/999").status_code == 404
    assert [row["on_hand"] for row in send("GET", f"{URL}/changes/{deleted}").get_json()["items"]] == [4]
    assert state(app) == before


@pytest.fixture
def shelves(app: Flask) -> list[int]:
    """Six products: the odd ones low, the last two sold out; brands and categories."""
    with app.app_context():
        made = [make_product(n, on_hand=10, threshold=8 if n % 2 else None) for n in range(1, 7)]
        for product in made[::2]:
            adjust(product, -2)
        for number, product in enumerate(made[4:], start=1):
            buy(number, {product: 8 if number == 1 else 10})
        now = utc_now()
        category = Category(name="Lamps", slug="lamps", position=0, created_at=now, updated_at=now)
        db.session.add(category)
        db.session.flush()
        db.session.add_all(
            ProductCategory(category_id=category.id, product_id=product, is_direct=True) for product in made[1:4]
        )
        db.session.execute(sa.update(Product).where(Product.id.in_(made[:2])).values(brand="Lumo"))
        db.session.commit()
    return made


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", [0, 1, 2, 3, 4, 5]),
        ("is_low=true", [0, 2, 4]),
        ("is_low=false", [1, 3, 5]),
        ("is_available=true", [0, 1, 2, 3]),
        ("is_available=false", [4, 5]),
        ("is_available=false&is_low=true", [4]),
        ("brand=Lumo", [0, 1]),
        ("asin=b000000003", [2]),
        ("category={category}", [1, 2, 3]),
        ("category={category}&is_low=true", [2]),
        ("product_id={ids}", [0, 3]),
        ("category=999999", []),
    ],
)
def test_stock_is_found_by_what_it_is(
    app: Flask, send: Send, shelves: list[int], query: str, wanted: list[int]
) -> None:
    with app.app_context():
        category = db.session.scalar(sa.select(Category.id))
    asked = query.format(category=category, ids=f"{shelves[3]},{shelves[0]}")
    pages, cursor = [], ""
    while True:
        page = send("GET", f"{URL}?{asked}&limit=2{cursor}".replace("?&", "?")).get_json()
        pages += [row["product_id"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert pages == [shelves[place] for place in wanted]


@pytest.mark.parametrize("look_at", [(1, 2), (2, 3)])
@pytest.mark.parametrize("query", ["is_low=true&is_available=false", "is_low=false", "category={category}&is_low=true"])
def test_a_list_that_stops_looking_goes_on_at_the_next_page(
    app: Flask, send: Send, shelves: list[int], monkeypatch: pytest.MonkeyPatch, look_at: tuple[int, int], query: str
) -> None:
    with app.app_context():
        asked = query.format(category=db.session.scalar(sa.select(Category.id)))
    whole = send("GET", f"{URL}?{asked}").get_json()
    assert whole["next_cursor"] is None
    monkeypatch.setattr(inventory, "LOOK_AT", look_at)
    assert send("GET", f"{URL}?{asked}").get_json()["next_cursor"] is not None
    assert pages(lambda more: send("GET", f"{URL}?{asked}&{more}"), 2) == whole["items"]


@on_sqlite
@pytest.mark.parametrize("path", ["?", "?is_low=true&", "/low-stock?", "/changes/{first}?"])
def test_a_page_of_fifty_needs_as_many_statements_as_a_page_of_one(app: Flask, send: Send, path: str) -> None:
    with app.app_context():
        first, *_ = [make_product(number, on_hand=2, threshold=5) for number in range(1, 61)]
        for _ in range(60):
            receive(first, 1)
            adjust(first, -1)
        engine = db.engine
    url, asked, counts = URL + path.format(first=first), [], []
    note = lambda *about: asked.append(about[2])  # noqa: E731
    for limit in (1, 50):
        send("GET", f"{url}limit={limit}")  # whoever asks is known by now
        asked.clear()
        sa.event.listen(engine, "before_cursor_execute", note)
        answer = send("GET", f"{url}limit={limit}").get_json()
        sa.event.remove(engine, "before_cursor_execute", note)
        assert len(answer["items"]) == limit
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 4


def test_what_is_low_is_listed(app: Flask, send: Send, shelves: list[int]) -> None:
    with app.app_context():
        delete_product(actor=ACTOR, now=utc_now(), product_id=shelves[0], expected_version=1)
    page = send("GET", f"{URL}/low-stock?limit=1").get_json()
    assert [row["product_id"] for row in page["items"]] == [shelves[2]]
    rest = send("GET", f"{URL}/low-stock?cursor={page['next_cursor']}").get_json()
    assert [(row["product_id"], row["available"]) for row in rest["items"]] == [(shelves[4], 0)]


@on_sqlite
@pytest.mark.parametrize(
    "query",
    [
        "colour=red",
        "limit=0",
        "is_low=maybe",
        "asin=x",
        "product_id=",
        "product_id=1,x",
        "product_id=0",
        "category=-1",
        "cursor=x",
        "product_id=" + ",".join(map(str, range(1, 102))),
    ],
)
def test_a_list_of_stock_refuses_parameters_it_does_not_know(send: Send, query: str) -> None:
    answer = send("GET", f"{URL}?{query}")
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"].split("/")[1] == query.partition("=")[0]


def pages(get: Callable[[str], TestResponse], limit: int) -> list[dict[str, Any]]:
    """All rows of a list, page by page."""
    rows, cursor = [], ""
    while True:
        page = get(f"limit={limit}{cursor}").get_json()
        rows += page["items"]
        if page["next_cursor"] is None:
            return rows
        cursor = f"&cursor={page['next_cursor']}"


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_the_ledger_says_what_there_was_after_each_movement(app: Flask, send: Send, lamp: int, limit: int) -> None:
    with app.app_context():
        receive(lamp, 5)
        adjust(lamp, -2)
    rows = pages(lambda query: send("GET", f"{URL}/changes/{lamp}?{query}"), limit)
    told = [
        (row["kind"], row["on_hand_delta"], row["allocated_delta"], row["on_hand"], row["allocated"]) for row in rows
    ]
    assert told == [
        ("adjusted", -2, 0, 15, 3),
        ("received", 5, 0, 17, 3),
        ("allocated", 0, 3, 12, 3),
        ("received", 12, 0, 12, 0),
    ]
    assert (rows[2]["reference_kind"], rows[2]["reference_id"], rows[0]["reason"]) == ("order", 1, "broken")


@on_sqlite
def test_pages_of_the_ledger_that_began_before_a_movement_go_on_as_they_began(
    app: Flask, send: Send, lamp: int
) -> None:
    page = send("GET", f"{URL}/changes/{lamp}?limit=1").get_json()
    with app.app_context():
        receive(lamp, 100)
    (rest,) = send("GET", f"{URL}/changes/{lamp}?cursor={page['next_cursor']}").get_json()["items"]
    assert (rest["on_hand"], rest["allocated"]) == (12, 0)


@on_sqlite
@pytest.mark.parametrize("list_of", [f"{URL}/changes/{{}}", "/api/v1/product-updates", None])
def test_a_cursor_that_is_none_of_this_ledger_is_refused(
    app: Flask, send: Send, lamp: int, list_of: str | None
) -> None:
    with app.app_context():
        other = make_product(2, on_hand=5)
        receive(other, 3)
    made = send("GET", f"{list_of.format(other)}?limit=1").get_json()["next_cursor"] if list_of else "x"
    answer = send("GET", f"{URL}/changes/{lamp}?cursor={made}")
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/cursor")


@on_sqlite
def test_who_only_reads_stock_changes_none(app: Flask, lamp: int) -> None:
    reader = hire(app, "reader", ["stock:read", "products:write"])
    before = state(app)
    assert reader.call("PUT", f"/inventory/{lamp}", DELIVERY).status_code == 403
    assert reader.call("PATCH", f"/inventory/{lamp}", {"low_stock_threshold": 1}).status_code == 403
    assert state(app) == before
    assert reader.call("GET", f"/inventory/{lamp}").status_code == 200
