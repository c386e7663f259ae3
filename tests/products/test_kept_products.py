"""What is kept of products: given again only to who may read it, and never once somebody has written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from app.core import kept
from app.core.extensions import db
from tests.calls import add_person, token_of
from tests.conftest import AppWith
from tests.servers import on_sqlite, private_folder, redis_server

PRODUCTS = "/api/v1/products"
KETTLE = {"asin": "B0CW1A0001", "name": "Kettle", "price": "10.00", "brand": "Lumo"}

Ask = Callable[..., Any]


@pytest.fixture
def ask(client: FlaskClient, auth_headers: dict[str, str]) -> Ask:
    """Sends a request by somebody who may do everything."""

    def send(method: str, path: str, body: Any = None, **headers: str) -> Any:
        sent = auth_headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return client.open(path, method=method, json=body, headers=sent)

    return send


@pytest.fixture
def product(ask: Ask) -> str:
    """The address of a product; it and the list are kept."""
    address: str = ask("POST", PRODUCTS, KETTLE).headers["Location"]
    for _ in range(3):
        assert ask("GET", address).status_code == ask("GET", PRODUCTS).status_code == 200
    return address


def _statements(app: Flask, deed: Callable[[], Any]) -> int:
    asked: list[str] = []

    def note(*about: Any) -> None:
        asked.append(about[2])

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        deed()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(asked)


@on_sqlite
def test_what_is_kept_asks_the_database_nothing_and_is_the_same(app: Flask, ask: Ask, product: str) -> None:
    for path in (product, PRODUCTS, f"{PRODUCTS}?brand=Lumo&sort=-price"):
        kept._asked.clear()
        fresh = ask("GET", path)
        ask("GET", path)
        assert _statements(app, lambda path=path: ask("GET", path)) == 0  # type: ignore[misc]
        again = ask("GET", path)
        assert (again.get_data(), again.headers["ETag"]) == (fresh.get_data(), fresh.headers["ETag"])
        assert again.mimetype == "application/json"
        assert again.headers["Cache-Control"] == "private, no-cache"


@on_sqlite
def test_who_may_not_read_products_does_not_get_what_is_kept(app: Flask, client: FlaskClient, product: str) -> None:
    with app.app_context():
        other = add_person(email="other@example.org", permissions=frozenset({"jobs:read"}))
    held = {"Authorization": f"Bearer {token_of(app, other)}"}
    for path in (product, PRODUCTS):
        assert client.get(path).status_code == 401
        assert client.get(path, headers=held).status_code == 403
        assert "Kettle" not in client.get(path, headers=held).text


@on_sqlite
def test_a_bad_argument_is_refused_however_often_it_is_sent(ask: Ask) -> None:
    for _ in range(4):
        assert ask("GET", f"{PRODUCTS}?colour=red").status_code == 422


def test_every_write_is_seen_at_once(ask: Ask, product: str) -> None:
    def names() -> tuple[Any, list[str]]:
        one = ask("GET", product)
        return one.get_json().get("name"), [row["name"] for row in ask("GET", PRODUCTS).get_json()["items"]]

    assert names() == ("Kettle", ["Kettle"])
    for name in ("Pot", "Pan"):
        version = ask("GET", product).headers["ETag"]
        assert ask("PATCH", product, {"name": name}, If_Match=version).status_code == 200
        for _ in range(3):
            assert names() == (name, [name])
    assert ask("POST", PRODUCTS, KETTLE | {"asin": "B0CW1A0002", "name": "Lamp"}).status_code == 201
    assert names() == ("Pan", ["Pan", "Lamp"])
    assert ask("DELETE", product, If_Match=ask("GET", product).headers["ETag"]).status_code == 204
    for _ in range(2):
        assert ask("GET", product).status_code == 404
        assert names()[1] == ["Lamp"]
    assert ask("POST", f"{product}/restore").status_code == 200
    assert names() == ("Pan", ["Pan", "Lamp"])


@on_sqlite
def test_a_list_of_a_category_is_right_once_the_category_has_moved(app: Flask, ask: Ask) -> None:
    made = [ask("POST", "/api/v1/categories", {"name": name}).get_json() for name in ("Kitchen", "Kettles")]
    above, below = (row["id"] for row in made)
    ask("POST", PRODUCTS, KETTLE | {"categories": [below]})
    within = f"{PRODUCTS}?category={above}"
    for _ in range(3):
        assert ask("GET", within).get_json()["items"] == []
    moved = ask("PATCH", f"/api/v1/categories/{below}", {"parent_id": above}, If_Match='"v1"')
    assert moved.status_code == 200, moved.text
    assert [row["name"] for row in ask("GET", within).get_json()["items"]] == ["Kettle"]


@on_sqlite
def test_stock_decides_at_once_about_what_is_in_stock(ask: Ask, product: str) -> None:
    there = f"{PRODUCTS}?in_stock=true"
    for _ in range(3):
        assert ask("GET", there).get_json()["items"] == []
    number = product.rpartition("/")[2]
    assert ask("PUT", f"/api/v1/inventory/{number}", {"kind": "received", "delta": 5}).status_code == 200
    assert len(ask("GET", there).get_json()["items"]) == 1


@on_sqlite
@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "read anew"])
def test_what_the_client_has_is_not_sent_again(ask: Ask, product: str, is_kept: bool) -> None:
    etag = ""
    for path in (product, PRODUCTS):
        etag = ask("GET", path).headers["ETag"]
        assert etag.startswith('"')
        for sent in (etag, f"W/{etag}", f'"other", {etag}'):
            if not is_kept:
                kept._asked.clear()
            known = ask("GET", path, If_None_Match=sent)
            assert (known.status_code, known.get_data(), known.headers["ETag"]) == (304, b"", etag)
        assert ask("GET", path, If_None_Match='"other"').status_code == 200
    assert ask("PATCH", product, {"name": "Pot"}, If_Match=ask("GET", product).headers["ETag"]).status_code == 200
    for path in (product, PRODUCTS):
        assert ask("GET", path, If_None_Match=etag).status_code == 200


@on_sqlite
def test_without_redis_products_are_read_and_written(app_with: AppWith, auth_headers: dict[str, str]) -> None:
    with private_folder() as folder:
        with redis_server(folder) as url:
            client = app_with(redis_cache_url=f"{url}?db=1").test_client()
            address = client.post(PRODUCTS, json=KETTLE, headers=auth_headers).headers["Location"]
            for path in (address, PRODUCTS) * 3:
                assert "Kettle" in client.get(path, headers=auth_headers).text
        # now it is gone
        changed = client.patch(address, json={"name": "Pot"}, headers=auth_headers | {"If-Match": '"v1"'})
        assert changed.status_code == 200
        for path in (address, PRODUCTS) * 2:
            assert "Pot" in client.get(path, headers=auth_headers).text
        with redis_server(folder):  # and comes back, empty
            for path in (address, PRODUCTS) * 3:
                assert "Pot" in client.get(path, headers=auth_headers).text


@pytest.mark.parametrize("query", ["q=\xff", "q=\xc5\xbc"])
def test_an_address_with_bytes_that_are_not_escaped_is_no_fault_of_ours(
    client: FlaskClient, auth_headers: dict[str, str], product: str, query: str
) -> None:
    for address in (product, PRODUCTS):
        odd = client.get(address, headers=auth_headers, environ_overrides={"QUERY_STRING": query})
        assert odd.status_code in {200, 422}
