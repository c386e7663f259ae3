"""Changing a part of a product, and bringing deleted ones back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.core import events
from app.core.permissions import system
from app.products.errors import ProductNotDeleted
from app.products.events import ProductsChanged
from app.products.services.products import delete_product, patch_product, restore_product, update_product
from app.products.services.reverting import revert_update
from tests.concurrency import at_once
from tests.products.conftest import LAMP, URL, Send, changes, stored
from tests.products.test_product_fields import FULL
from tests.products.test_update_history import NOW, create
from tests.servers import on_servers, on_sqlite


@pytest.mark.parametrize(
    ("patch", "after"),
    [
        ({}, {}),
        ({"name": "Pot"}, {"name": "Pot"}),
        ({"price": "13"}, {"price": "13.00"}),
        ({"price": "13", "currency": "USD"}, {"price": "13.00"}),
        ({"is_active": False}, {"is_active": False}),
        ({"is_active": None}, {"is_active": True}),
        ({"brand": None, "gtin": None, "description": None}, {"brand": None, "gtin": None, "description": ""}),
        ({"brand": "", "gtin": ""}, {"brand": None, "gtin": None}),
        ({"images": []}, {"images": []}),
        ({"images": None}, {"images": []}),
        ({"images": ["https://images.example/b"]}, {"images": ["https://images.example/b"]}),
        ({"attributes": {}}, {}),
        ({"attributes": None}, {"attributes": {}}),
        (
            {"attributes": {"watts": None, "Farbe": "rot", "new": [], "unknown": None}},
            {
                "attributes": {name: value for name, value in FULL["attributes"].items() if name != "watts"}
                | {"Farbe": "rot", "new": []}
            },
        ),
    ],
)
@on_sqlite
def test_a_patch_changes_what_it_names(app: Flask, send: Send, patch: dict[str, Any], after: dict[str, Any]) -> None:
    send("POST", URL, FULL)
    answer = send("PATCH", f"{URL}/1", patch, version=1)
    assert answer.status_code == 200, answer.text
    assert {name: answer.get_json()[name] for name in FULL} == FULL | after
    assert {change[0] for change in changes(app)} == {name for name in after if (FULL | after)[name] != FULL[name]}
    assert answer.headers["ETag"] == ('"v2"' if changes(app) else '"v1"')


@on_sqlite
def test_a_patch_by_its_own_media_type_is_taken(send: Send, auth_headers: dict[str, str], app: Flask) -> None:
    send("POST", URL, LAMP)
    stated = auth_headers | {"If-Match": '"v1"', "Content-Type": "application/merge-patch+json"}
    answer = app.test_client().patch(f"{URL}/1", data=b'{"name":"Pot"}', headers=stated)
    assert answer.get_json()["name"] == "Pot"


@pytest.mark.parametrize("patch", [{"name": None}, {"price": None}, {"asin": None}, {"currency": None}, {"id": 5}])
@on_sqlite
def test_what_every_product_has_cannot_be_taken_away(app: Flask, send: Send, patch: dict[str, Any]) -> None:
    send("POST", URL, FULL)
    before = stored(app)
    answer = send("PATCH", f"{URL}/1", patch | {"brand": "x"}, version=1)
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [f"/{next(iter(patch))}"]
    assert stored(app) == before


@on_sqlite
def test_a_patch_names_the_version_it_is_based_on(app: Flask, send: Send) -> None:
    send("POST", URL, FULL)
    before = stored(app)
    assert send("PATCH", f"{URL}/1", {"name": "Pot"}).status_code == 428
    assert send("PATCH", f"{URL}/1", {"name": "Pot"}, version=2).status_code == 412
    assert send("PATCH", f"{URL}/999", {"name": "Pot"}, version=1).status_code == 404
    assert stored(app) == before


@on_sqlite
@pytest.mark.parametrize(
    ("attributes", "more", "rule"),
    [
        ({f"k{at}": 1 for at in range(50)}, {"one": 1}, "50"),
        ({f"k{at}": "x" * 400 for at in range(40)}, {"one": "x" * 400}, "16384"),
    ],
)
def test_attributes_are_not_too_many_by_being_added_to(
    app: Flask, send: Send, attributes: dict[str, Any], more: dict[str, Any], rule: str
) -> None:
    assert send("POST", URL, LAMP | {"attributes": attributes}).status_code == 201
    before = stored(app)
    answer = send("PATCH", f"{URL}/1", {"attributes": more}, version=1)
    assert [error["pointer"] for error in answer.get_json()["errors"]] == ["/attributes"]
    assert rule in answer.get_json()["errors"][0]["detail"]
    assert stored(app) == before
    assert send("PATCH", f"{URL}/1", {"attributes": more | {"k0": None}}, version=1).status_code == 200


def test_of_two_patches_at_once_one_is_told_that_it_came_late(context: Flask) -> None:
    product_id = create().id

    def patch(name: str) -> Any:
        return lambda: patch_product(
            actor=system(), now=NOW, product_id=product_id, expected_version=1, attributes={name: 1}
        )

    outcomes = at_once(context, patch("a"), patch("b"))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Product", "ProductChanged"]
    assert len(changes(context)) == 1


def _late(deed: str, product_id: int, row: int) -> Any:
    """A change that is based on what somebody else is changing."""
    about: dict[str, Any] = {"actor": system(), "now": NOW, "product_id": product_id, "expected_version": 2}
    deeds: dict[str, Callable[[], Any]] = {
        "patch": lambda: patch_product(**about, attributes={"late": 1}),
        "put": lambda: update_product(**about, brand="late"),
        "delete": lambda: delete_product(**about),
        "revert": lambda: revert_update(actor=system(), now=NOW, update_id=row),
    }
    return deeds[deed]()


@on_servers
@pytest.mark.parametrize("deed", ["patch", "put", "delete", "revert"])
def test_who_changes_a_product_waits_for_who_is_changing_it(context: Flask, deed: str) -> None:
    product_id = create().id
    update_product(actor=system(), now=NOW, product_id=product_id, expected_version=1, name="Pot")
    row = stored(context)["updates"][-1]["id"]
    is_written = threading.Event()

    def pause(event: ProductsChanged) -> None:
        if event.products[0].changes[0].current == "first":
            is_written.set()
            time.sleep(1)  # the other one is asking meanwhile

    def first() -> Any:
        return update_product(actor=system(), now=NOW, product_id=product_id, expected_version=2, name="first")

    def second() -> Any:
        assert is_written.wait(30)
        return _late(deed, product_id, row)

    events.subscribe(ProductsChanged, pause)
    try:
        outcomes = at_once(context, first, second)
    finally:
        events._subscribers[ProductsChanged].remove(pause)
    refused = "ValueMovedOn" if deed == "revert" else "ProductChanged"
    assert [type(outcome).__name__ for outcome in outcomes] == ["Product", refused]
    assert changes(context)[1:] == [("name", "Pot", "first")]


def test_a_deleted_product_is_listed_and_comes_back_as_it_was(app: Flask, send: Send) -> None:
    for at in range(3):
        send("POST", URL, FULL | {"asin": f"B0CW1A000{at}"})
    ids = [product["id"] for product in stored(app)["products"]]
    before = send("GET", f"{URL}/{ids[0]}").get_json()
    for id_ in (ids[0], ids[2]):
        assert send("DELETE", f"{URL}/{id_}", version=1).status_code == 204
    first = send("GET", f"{URL}/deleted?limit=1").get_json()
    second = send("GET", f"{URL}/deleted?limit=1&cursor={first['next_cursor']}").get_json()
    assert [item["id"] for item in first["items"] + second["items"]] == [ids[2], ids[0]]
    assert second["next_cursor"] is None
    assert second["items"][0]["deleted_at"] == second["items"][0]["updated_at"]

    answer = send("POST", f"{URL}/{ids[0]}/restore")
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"v3"')
    moved = {"version", "updated_at"}
    assert {k: v for k, v in answer.get_json().items() if k not in moved} == {
        k: v for k, v in before.items() if k not in moved
    }
    assert send("GET", f"{URL}/{ids[0]}").status_code == 200
    assert [item["id"] for item in send("GET", f"{URL}/deleted").get_json()["items"]] == [ids[2]]
    assert changes(app) == [("is_deleted", "false", "true")] * 2 + [("is_deleted", "true", "false")]
    assert stored(app)["audit"][-1]["action"] == "product.restore"


@on_sqlite
def test_what_is_not_deleted_is_not_restored(app: Flask, send: Send) -> None:
    send("POST", URL, FULL)
    before = stored(app)
    answer = send("POST", f"{URL}/1/restore")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "PRODUCT_NOT_DELETED")
    assert send("POST", f"{URL}/2/restore").status_code == 404
    assert stored(app) == before


def test_of_two_that_restore_a_product_at_once_one_is_refused(context: Flask) -> None:
    product_id = create().id
    delete_product(actor=system(), now=NOW, product_id=product_id, expected_version=1)

    def restore() -> Any:
        return restore_product(actor=system(), now=NOW, product_id=product_id)

    outcomes = at_once(context, restore, restore)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Product", ProductNotDeleted.__name__]
    assert [change[0] for change in changes(context)] == ["is_deleted"] * 2
