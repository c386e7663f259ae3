"""What webhooks are told of products and stock: by real writes, in their transactions, in portions."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from sqlalchemy import select

from app.core import events
from app.core.extensions import db
from app.core.transactions import in_transaction
from app.notifications.models import WebhookEvent
from app.products.changes import Change
from app.products.events import ProductChange, ProductsChanged, StockLow
from tests.notifications.conftest import Office
from tests.receiver import Receiver
from tests.servers import on_sqlite

KETTLE = {"asin": "B000000001", "name": "Kettle", "price": "10.00"}


@in_transaction
def publish(event: object) -> None:
    events.publish(event)


def payloads() -> list[dict[str, Any]]:
    db.session.rollback()
    return [orjson.loads(body) for body in db.session.scalars(select(WebhookEvent.body).order_by(WebhookEvent.id))]


def product(number: int, text: str = "y") -> ProductChange:
    return ProductChange(number, f"B{number:09}", (Change("description", "x", text),))


def test_a_product_that_is_made_and_changed_by_api_is_told_with_what_changed(
    office: Office, receiver: Receiver, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    office.webhook(receiver, ("product.updated",))
    made = client.post("/api/v1/products", json=KETTLE, headers=auth_headers)
    path = f"/api/v1/products/{made.get_json()['id']}"
    changed = client.patch(path, json={"price": "11.00"}, headers=auth_headers | {"If-Match": made.headers["ETag"]})
    assert changed.status_code == 200, changed.text
    office.deliver()
    first, second = (orjson.loads(request.body) for request in receiver.requests)
    assert first["type"] == second["type"] == "product.updated"
    (new,) = first["data"]["products"]
    assert {"attribute": "is_deleted", "previous": None, "current": "false"} in new["changes"]
    assert second["data"]["source"] == "api"
    assert second["data"]["operation_id"] is None
    (one,) = second["data"]["products"]
    assert (one["id"], one["asin"]) == (made.get_json()["id"], "B000000001")
    assert one["changes"] == [{"attribute": "price", "previous": "10.00 USD", "current": "11.00 USD"}]


def test_a_write_that_is_refused_tells_nobody(
    office: Office, receiver: Receiver, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    office.webhook(receiver)
    assert client.post("/api/v1/products", json=KETTLE, headers=auth_headers).status_code == 201
    assert client.post("/api/v1/products", json=KETTLE, headers=auth_headers).status_code == 409
    stale = auth_headers | {"If-Match": '"v9"'}
    assert client.patch("/api/v1/products/1", json={"name": "x"}, headers=stale).status_code in {404, 412}
    assert len(payloads()) == 1


def test_many_products_are_told_in_portions_of_a_hundred(office: Office, receiver: Receiver) -> None:
    office.webhook(receiver)
    publish(ProductsChanged([product(number) for number in range(1, 251)], "import", 12))
    told = payloads()
    assert [len(each["data"]["products"]) for each in told] == [100, 100, 50]
    assert {(each["data"]["source"], each["data"]["operation_id"]) for each in told} == {("import", 12)}
    assert [one["id"] for each in told for one in each["data"]["products"]] == list(range(1, 251))
    assert len({each["id"] for each in told}) == 3


@on_sqlite
def test_long_texts_make_more_and_smaller_portions(office: Office, receiver: Receiver) -> None:
    office.webhook(receiver)
    publish(ProductsChanged([product(number, "ä" * 10_000) for number in range(1, 21)], "import", 12))
    publish(ProductsChanged([product(99, "ä" * 200_000)], "api", None))
    told = payloads()
    assert [one["id"] for each in told for one in each["data"]["products"]] == [*range(1, 21), 99]
    assert max(len(orjson.dumps(each)) for each in told[:-1]) < 70_000
    assert 6 < len(told) < 12


def test_low_stock_is_told_once_for_each_event(office: Office, receiver: Receiver) -> None:
    office.webhook(receiver, ("stock.low",))
    publish(StockLow(product_id=7, asin="B000000007", name="Kettle", available=4, threshold=5))
    (told,) = payloads()
    assert told["type"] == "stock.low"
    assert told["data"] == {
        "product_id": 7, "asin": "B000000007", "name": "Kettle", "available": 4, "threshold": 5,
    }  # fmt: skip


@on_sqlite
def test_what_is_sent_is_as_the_document_says(office: Office, receiver: Receiver, app: Flask) -> None:
    office.webhook(receiver)
    publish(ProductsChanged([product(1), ProductChange(2, "B000000002", (Change("brand", None, "A"),))], "farm", None))
    publish(StockLow(product_id=7, asin="B000000007", name="Kettle", available=4, threshold=5))
    document = app.test_client().get("/openapi.json").get_json()
    for told in payloads():
        operation = document["webhooks"][told["type"]]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        whole = schema | {"components": document["components"]}
        Draft202012Validator(whole).validate(told)
        properties = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]["properties"]
        assert set(properties) == set(told)


def test_without_a_webhook_that_wants_it_nothing_is_written(office: Office, receiver: Receiver) -> None:
    office.webhook(receiver, ("stock.low",))
    publish(ProductsChanged([product(1)], "api", None))
    assert payloads() == []
    assert office.deliveries() == []
