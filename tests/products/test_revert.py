"""Taking changes back from their rows in the update history."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.extensions import db
from app.core.money import Money
from app.core.permissions import CATALOGUE, system
from app.products.changes import ATTRIBUTES, as_text, from_text
from app.products.errors import AsinTaken, ValueMovedOn
from app.products.models.categories import ProductCategory
from app.products.queries import products as queries
from app.products.queries.updates import list_updates
from app.products.services.categories import create_category
from app.products.services.observations import record_observed_change
from app.products.services.products import create_product, delete_product, update_product
from app.products.services.reverting import revert_update
from tests.calls import add_person, token_of
from tests.concurrency import at_once
from tests.products.conftest import LAMP, URL, Send, changes, row_values, stored
from tests.products.test_product_fields import FULL
from tests.products.test_update_history import NOW, create, observe
from tests.servers import on_sqlite

UPDATES: Final = "/api/v1/product-updates"
OTHER: Final[dict[str, Any]] = {
    "asin": "B0CW1A0777",
    "name": "Another name",
    "brand": None,
    "price": "0.00",
    "description": "",
    "is_active": False,
    "gtin": None,
    "attributes": {"a": True, "b": ["x"]},
    "images": [],
}
_MOVES: Final = {"version", "updated_at", "created_at"}


def last_id(app: Flask) -> int:
    found: int = stored(app)["updates"][-1]["id"]
    return found


def looks(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in _MOVES}


@pytest.mark.parametrize("attribute", OTHER)
def test_every_attribute_gets_its_value_back(app: Flask, send: Send, attribute: str) -> None:
    address = send("POST", URL, FULL).headers["Location"]
    before = send("GET", address).get_json()
    assert send("PUT", address, FULL | {attribute: OTHER[attribute]}, version=1).status_code == 200
    changed = stored(app)["updates"][-1]
    answer = send("POST", f"{UPDATES}/{changed['id']}/revert", X_Request_Id="request-0009")
    assert answer.status_code == 201, answer.text
    assert looks(send("GET", address).get_json()) == looks(before)
    row = stored(app)["updates"][-1]
    assert (row["attribute"], row["previous_attribute"], row["current_attribute"]) == (
        attribute, changed["current_attribute"], changed["previous_attribute"],
    )  # fmt: skip
    assert (row["source"], row["reverts_id"], row["request_id"]) == ("revert", changed["id"], "request-0009")
    assert answer.get_json()["id"] == row["id"]
    assert send("GET", answer.headers["Location"]).get_json() == answer.get_json()
    assert (send("GET", address).headers["ETag"], stored(app)["audit"][-1]["action"]) == ('"v3"', "product.revert")
    again = send("POST", f"{UPDATES}/{row['id']}/revert")  # a revert is a change like any other
    assert again.status_code == 201
    assert send("GET", address).get_json()[attribute] == OTHER[attribute]


def test_every_attribute_of_the_history_can_be_taken_back_or_says_why_not() -> None:
    assert set(OTHER) | {"categories"} == set(ATTRIBUTES)


_TEXT: Final = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
_NUMBER: Final = st.integers(-(2**53), 2**53) | st.integers(-(10**14), 10**14).map(lambda number: number / 1000)
_VALUES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "name": _TEXT,
    "brand": st.none() | _TEXT,
    "description": _TEXT | st.just(""),
    "price": st.integers(0, 10**16).map(lambda minor: Money(minor, "USD")),
    "is_active": st.booleans(),
    "gtin": st.none() | st.sampled_from(["40170725", "00000000"]),
    "images": st.lists(_TEXT.map(lambda path: f"https://images.example/{path}"), max_size=4),
    "attributes": st.dictionaries(_TEXT, st.booleans() | _NUMBER | _TEXT | st.lists(_TEXT, max_size=3), max_size=4),
}
_numbers: Final = count()
_CHANGES: Final = st.fixed_dictionaries({}, optional=_VALUES)


@on_sqlite
@pytest.mark.usefixtures("context")
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.fixed_dictionaries(_VALUES), then=_CHANGES)
def test_whatever_is_changed_and_taken_back_is_as_before(first: dict[str, Any], then: dict[str, Any]) -> None:
    product_id = create_product(actor=system(), now=NOW, asin=f"B{next(_numbers):09}", **first).id
    before = row_values(queries.get_product(product_id))
    update_product(actor=system(), now=NOW, product_id=product_id, expected_version=1, **then)
    made = [row.id for row in list_updates(limit=50, product_id=product_id).items if row.attribute != "is_deleted"]
    db.session.rollback()
    for id_ in made:
        revert_update(actor=system(), now=NOW, update_id=id_)
    after = row_values(queries.get_product(product_id))
    assert repr(looks(after)) == repr(looks(before))
    db.session.rollback()


@given(st.fixed_dictionaries(_VALUES))
def test_a_value_is_read_back_from_the_text_that_the_history_keeps(values: dict[str, Any]) -> None:
    for name, value in values.items():
        text = as_text(value)
        read = from_text(name, text)
        assert (read, type(read), as_text(read)) == (value, type(value), text)


def test_a_value_that_moved_on_is_not_lost(app: Flask, send: Send) -> None:
    address = send("POST", URL, LAMP).headers["Location"]
    send("PATCH", address, {"price": "13"}, version=1)
    row = last_id(app)
    send("PATCH", address, {"price": "14"}, version=2)
    before = stored(app)
    answer = send("POST", f"{UPDATES}/{row}/revert")
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (409, "VALUE_MOVED_ON")
    assert (problem["attribute"], problem["current"], problem["given"]) == ("price", "14.00 USD", "13.00 USD")
    assert "14.00 USD" in problem["detail"]
    assert stored(app) == before
    assert send("POST", f"{UPDATES}/{row + 1}/revert").status_code == 201
    assert send("POST", f"{UPDATES}/{row}/revert").status_code == 201
    assert send("GET", address).get_json()["price"] == "12.50"
    assert (send("POST", f"{UPDATES}/{row}/revert")).get_json()["code"] == "VALUE_MOVED_ON"


def test_a_deletion_is_taken_back_and_so_is_that(app: Flask, send: Send) -> None:
    address = send("POST", URL, FULL).headers["Location"]
    before = send("GET", address).get_json()
    send("DELETE", address, version=1)
    deletion = last_id(app)
    assert send("POST", f"{UPDATES}/{deletion}/revert").status_code == 201
    assert looks(send("GET", address).get_json()) == looks(before)
    assert send("POST", f"{UPDATES}/{deletion}/revert").get_json()["code"] == "VALUE_MOVED_ON"
    assert send("POST", f"{UPDATES}/{last_id(app)}/revert").status_code == 201
    assert send("GET", address).status_code == 404
    rows = stored(app)["updates"][-2:]
    assert [(row["attribute"], row["current_attribute"], row["source"]) for row in rows] == [
        ("is_deleted", "false", "revert"),
        ("is_deleted", "true", "revert"),
    ]


def test_what_cannot_be_taken_back_says_why_and_changes_nothing(app: Flask, send: Send) -> None:
    with app.app_context():
        product = create()
        observe(product, task_id=1)
        record_observed_change(
            actor=system(), now=NOW, product_id=product.id, asin=product.asin, attribute="availability", previous=None,
            current="OUT_OF_STOCK", storefront_id=1, job_id=1, task_id=2,
        )  # fmt: skip
    before = stored(app)
    for row, word in zip(before["updates"], ("creation", "farm", "farm"), strict=True):
        answer = send("POST", f"{UPDATES}/{row['id']}/revert")
        assert (answer.status_code, answer.get_json()["code"]) == (409, "NOT_REVERTIBLE")
        assert word in answer.get_json()["detail"]
    unknown = send("POST", f"{UPDATES}/999999/revert")
    assert (unknown.status_code, unknown.get_json()["code"]) == (404, "PRODUCT_UPDATE_NOT_FOUND")
    assert send("GET", f"{UPDATES}/999999").status_code == 404
    assert stored(app) == before


@on_sqlite
def test_of_a_deleted_product_only_the_deletion_is_taken_back(app: Flask, send: Send) -> None:
    send("POST", URL, LAMP)
    send("PATCH", f"{URL}/1", {"name": "Pot"}, version=1)
    send("DELETE", f"{URL}/1", version=2)
    before = stored(app)
    answer = send("POST", f"{UPDATES}/{before['updates'][1]['id']}/revert")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "PRODUCT_DELETED")
    assert stored(app) == before


def test_an_asin_that_somebody_has_by_now_is_not_given_back(app: Flask, send: Send) -> None:
    address = send("POST", URL, LAMP).headers["Location"]
    send("PATCH", address, {"asin": "B0CW1A0002"}, version=1)
    row = last_id(app)
    send("POST", URL, LAMP)
    before = stored(app)
    answer = send("POST", f"{UPDATES}/{row}/revert")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "ASIN_TAKEN")
    assert stored(app) == before


def test_categories_come_back_with_their_rows_unless_they_are_gone(app: Flask, send: Send) -> None:
    with app.app_context():
        above = create_category(actor=system(), now=NOW, name="Kitchen").id
        below = create_category(actor=system(), now=NOW, name="Kettles", parent_id=above).id
    made = send("POST", URL, LAMP | {"categories": [below]})
    address, id_ = made.headers["Location"], made.get_json()["id"]
    send("PATCH", address, {"categories": []}, version=1)
    row = last_id(app)
    assert send("POST", f"{UPDATES}/{row}/revert").status_code == 201
    with app.app_context():
        held = db.session.query(ProductCategory).filter_by(product_id=id_)
        assert {(one.category_id, one.is_direct) for one in held} == {(above, False), (below, True)}
    send("PATCH", address, {"categories": []}, version=3)
    row = last_id(app)
    category = send("GET", f"/api/v1/categories/{below}")
    assert send("DELETE", f"/api/v1/categories/{below}", If_Match=category.headers["ETag"]).status_code == 204
    before = stored(app)
    answer = send("POST", f"{UPDATES}/{row}/revert")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "CATEGORIES_GONE")
    assert str(below) in answer.get_json()["detail"]
    assert stored(app) == before


def test_a_threshold_comes_back_by_who_may_write_stock(app: Flask, send: Send) -> None:
    id_ = send("POST", URL, LAMP).get_json()["id"]
    for threshold in (5, None):
        assert send("PATCH", f"/api/v1/inventory/{id_}", {"low_stock_threshold": threshold}).status_code == 200
    rows = [row["id"] for row in stored(app)["updates"][-2:]]
    with app.app_context():
        without = add_person(email="w@example.org", permissions=frozenset(CATALOGUE) - {"stock:write"})
    token = {"Authorization": f"Bearer {token_of(app, without)}"}
    before = stored(app)
    refused = app.test_client().post(f"{UPDATES}/{rows[1]}/revert", headers=token)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "PERMISSION_MISSING")
    assert send("POST", f"{UPDATES}/{rows[0]}/revert").get_json()["code"] == "VALUE_MOVED_ON"
    assert stored(app) == before
    for row, threshold in ((rows[1], 5), (rows[0], None)):
        assert send("POST", f"{UPDATES}/{row}/revert").status_code == 201
        assert send("GET", f"/api/v1/inventory/{id_}").get_json()["low_stock_threshold"] == threshold


def test_of_two_that_take_one_change_back_at_once_one_is_refused(context: Flask) -> None:
    product_id = create().id
    update_product(actor=system(), now=NOW, product_id=product_id, expected_version=1, name="Pot")
    row = last_id(context)

    def revert() -> Any:
        return revert_update(actor=system(), now=NOW, update_id=row)

    outcomes = at_once(context, revert, revert)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ProductUpdate", ValueMovedOn.__name__]
    assert [change[0] for change in changes(context)] == ["name", "name"]


def test_a_revert_and_who_takes_the_asin_at_once_never_both_have_it(context: Flask) -> None:
    product_id = create().id
    update_product(actor=system(), now=NOW, product_id=product_id, expected_version=1, asin="B0CW1A0002")
    row = last_id(context)
    outcomes = at_once(context, lambda: revert_update(actor=system(), now=NOW, update_id=row), create)
    assert AsinTaken in {type(outcome) for outcome in outcomes}
    assert [product["asin"] for product in stored(context)["products"]].count("B0CW1A0001") == 1


@on_sqlite
def test_a_deleted_product_whose_deletion_is_reverted_keeps_its_history(context: Flask) -> None:
    product_id = create().id
    delete_product(actor=system(), now=NOW, product_id=product_id, expected_version=1)
    revert_update(actor=system(), now=NOW, update_id=last_id(context))
    assert [row.attribute for row in list_updates(limit=10, product_id=product_id).items] == ["is_deleted"] * 3
    db.session.rollback()
