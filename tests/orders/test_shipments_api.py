"""Shipments and returns over HTTP: answers, refusals by their fields, and that a second click changes nothing."""

from __future__ import annotations

from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.core.extensions import db
from app.orders.models.fulfilment import OrderReturn, Shipment
from tests.calls import add_person, token_of
from tests.orders.making import Made, held_by, lines_of, make_order, order_of, stock_of
from tests.orders.shopping import together
from tests.servers import on_sqlite

ORDERS: Final = "/api/v1/admin/orders"
DHL: Final = {"carrier": "DHL", "tracking_number": "JD014600003828387401"}


class Desk:
    """Somebody of the staff with a client."""

    def __init__(self, app: Flask, headers: dict[str, str]) -> None:
        self.app = app
        self.headers = headers

    def send(self, method: str, path: str, body: Any = None, *, version: int | None = None, key: str = "") -> Any:
        headers = dict(self.headers)
        headers |= {} if version is None else {"If-Match": f'"v{version}"'}
        headers |= {"Idempotency-Key": key} if key else {}
        return self.app.test_client().open(f"{ORDERS}/{path}", method=method, json=body, headers=headers)

    def ship(self, made: Made, body: Any = None, *, version: int | None = 1, key: str = "") -> Any:
        return self.send("POST", f"{made.number}/shipments", DHL if body is None else body, version=version, key=key)

    def take_back(self, made: Made, body: Any, *, version: int | None = 2, key: str = "") -> Any:
        return self.send("POST", f"{made.number}/returns", body, version=version, key=key)


@pytest.fixture
def desk(app: Flask, auth_headers: dict[str, str]) -> Desk:
    return Desk(app, auth_headers)


def make(app: Flask, *quantities: int, **options: Any) -> Made:
    with app.app_context():
        return make_order(*quantities, **options)


def units(made: Made, *counts: int) -> list[dict[str, int]]:
    return [{"line_id": line, "quantity": count} for line, count in zip(made.lines, counts, strict=False)]


def came_back(made: Made, *counts: tuple[int, int], **more: Any) -> dict[str, Any]:
    lines = [
        {"line_id": line, "quantity": count, "resaleable": good}
        for line, (count, good) in zip(made.lines, counts, strict=False)
    ]
    return {"lines": lines, "reason": "The lid does not close."} | more


def state_of(app: Flask, made: Made) -> list[Any]:
    with app.app_context():
        order = order_of(made.id)
        rows = [db.session.scalar(select(func.count()).select_from(model)) for model in (Shipment, OrderReturn)]
        return [order.version, order.fulfilment_state, lines_of(made.id), held_by(made.id), rows]


def test_a_parcel_is_sent_followed_and_arrives(app: Flask, desk: Desk) -> None:
    made = make(app, 2, 1, paid=True)
    answer = desk.ship(made, DHL | {"lines": units(made, 1, 1)})
    assert answer.status_code == 201, answer.text
    parcel = answer.get_json()
    assert answer.headers["Location"] == f"{ORDERS}/{made.number}/shipments/{parcel['id']}"
    assert answer.headers["ETag"] == '"v1"'
    assert (parcel["carrier"], parcel["tracking_number"], parcel["state"]) == (*DHL.values(), "SHIPPED")
    assert parcel["tracking_url"].startswith("https://www.dhl.com/")
    assert [(line["line_id"], line["quantity"]) for line in parcel["lines"]] == [(made.lines[0], 1), (made.lines[1], 1)]
    order = parcel["order"]
    assert (order["number"], order["version"], order["fulfilment_state"]) == (made.number, 2, "PARTIALLY_SHIPPED")
    rest = desk.ship(made, {"carrier": "Bike courier"}, version=order["version"]).get_json()
    assert [line["quantity"] for line in rest["lines"]] == [1]
    path = f"{made.number}/shipments/{parcel['id']}"
    changed = desk.send("PATCH", path, {"tracking_number": "JD2"}, version=1)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"v2"')
    assert changed.get_json()["tracking_url"].endswith("tracking-id=JD2")
    arrived = desk.send("POST", f"{path}/deliver")
    assert (arrived.status_code, arrived.get_json()["state"]) == (200, "DELIVERED")
    listed = desk.send("GET", f"{made.number}/shipments").get_json()["items"]
    assert [(each["id"], each["state"]) for each in listed] == [(rest["id"], "SHIPPED"), (parcel["id"], "DELIVERED")]
    done = desk.send("POST", f"{made.number}/deliver").get_json()
    assert (done["state"], done["fulfilment_state"]) == ("COMPLETED", "DELIVERED")
    assert desk.send("GET", path).get_json()["delivered_at"] is not None


def test_a_second_click_ships_nothing_with_a_key_and_without(app: Flask, desk: Desk) -> None:
    made = make(app, 2)
    body = DHL | {"lines": units(made, 1)}
    first = desk.ship(made, body, key="one")
    again = desk.ship(made, body, key="one")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.get_json() == first.get_json()
    assert (again.headers["Location"], again.headers["ETag"]) == (first.headers["Location"], first.headers["ETag"])
    before = state_of(app, made)
    without = desk.ship(made, body)
    assert (without.status_code, without.get_json()["code"]) == (412, "ORDER_CHANGED")
    other = desk.ship(made, body, key="two")
    assert other.status_code == 412
    assert state_of(app, made) == before


def test_clicks_at_the_same_moment_ship_once(app: Flask, desk: Desk) -> None:
    made = make(app, 2)
    answers = together(*[lambda: desk.ship(made, DHL | {"lines": units(made, 1)})] * 5)
    assert sorted(answer.status_code for answer in answers) == [201, 412, 412, 412, 412]
    with app.app_context():
        assert stock_of(made.products[0]) == (9, 1)


@on_sqlite
def test_what_is_shipped_and_taken_back_must_be_based_on_a_version(app: Flask, desk: Desk) -> None:
    made = make(app, 2)
    before = state_of(app, made)
    assert desk.ship(made, version=None).get_json()["code"] == "VERSION_REQUIRED"
    assert desk.take_back(made, came_back(made, (1, 1)), version=None).status_code == 428
    assert state_of(app, made) == before


BAD_SHIPMENTS: Final[list[tuple[Any, str]]] = [
    ({}, "/carrier"),
    ({"carrier": ""}, "/carrier"),
    ({"carrier": "D\nHL"}, "/carrier"),
    ({"carrier": "D" * 61}, "/carrier"),
    ({"carrier": 7}, "/carrier"),
    (DHL | {"tracking_number": "<b>"}, "/tracking_number"),
    (DHL | {"tracking_number": "9" * 61}, "/tracking_number"),
    (DHL | {"tracking_number": "é"}, "/tracking_number"),
    (DHL | {"tracking_url": "http://x.example.org/"}, "/tracking_url"),
    (DHL | {"tracking_url": "javascript:alert(1)"}, "/tracking_url"),
    (DHL | {"tracking_url": "https://u:p@x.example.org/"}, "/tracking_url"),
    (DHL | {"tracking_url": "https://127.0.0.1/"}, "/tracking_url"),
    (DHL | {"tracking_url": "https://x.example.org/\r\nBcc: a"}, "/tracking_url"),
    (DHL | {"tracking_url": "https://x.example.org/" + "x" * 500}, "/tracking_url"),
    (DHL | {"lines": []}, "/lines"),
    (DHL | {"lines": [{"line_id": 1}]}, "/lines/0/quantity"),
    (DHL | {"lines": [{"line_id": 1, "quantity": 0}]}, "/lines/0/quantity"),
    (DHL | {"lines": [{"line_id": 1, "quantity": -5}]}, "/lines/0/quantity"),
    (DHL | {"lines": [{"line_id": 1, "quantity": 10**9}]}, "/lines/0/quantity"),
    (DHL | {"lines": [{"line_id": 1, "quantity": 1.5}]}, "/lines/0/quantity"),
    (DHL | {"lines": [{"line_id": 1, "quantity": "1"}]}, "/lines/0/quantity"),
    (DHL | {"lines": [{"line_id": 2**70, "quantity": 1}]}, "/lines/0/line_id"),
    (DHL | {"lines": [{"line_id": 1, "quantity": 1}] * 51}, "/lines"),
    (DHL | {"price": "1.00"}, "/price"),
]


@on_sqlite
@pytest.mark.parametrize(("body", "pointer"), BAD_SHIPMENTS, ids=range(len(BAD_SHIPMENTS)))
def test_a_shipment_that_cannot_be_is_refused_by_its_field(app: Flask, desk: Desk, body: Any, pointer: str) -> None:
    made = make(app, 2)
    before = state_of(app, made)
    answer = desk.ship(made, body)
    assert answer.status_code == 422, answer.text
    assert pointer in {error["pointer"] for error in answer.get_json()["errors"]}
    assert state_of(app, made) == before


BAD_RETURNS: Final[list[tuple[dict[str, Any], str]]] = [
    ({"lines": []}, "/lines"),
    ({"reason": ""}, "/reason"),
    ({"reason": "x" * 501}, "/reason"),
    ({"lines": [{"line_id": 1, "quantity": 1}]}, "/lines/0/resaleable"),
    ({"lines": [{"line_id": 1, "quantity": 0, "resaleable": 0}]}, "/lines/0/quantity"),
    ({"lines": [{"line_id": 1, "quantity": 1, "resaleable": -1}]}, "/lines/0/resaleable"),
    ({"refund": {"amount": {"amount": "0", "currency": "USD"}}}, "/refund/amount/amount"),
    ({"refund": {"amount": {"amount": "-1.00", "currency": "USD"}}}, "/refund/amount/amount"),
    ({"refund": {"amount": {"amount": "1.001", "currency": "USD"}}}, "/refund/amount/amount"),
    ({"refund": {"amount": {"amount": 1, "currency": "USD"}}}, "/refund/amount/amount"),
    ({"refund": {"amount": {"amount": "1.00", "currency": "EUR"}}}, "/refund/amount/currency"),
    ({"refund": {"amount": {"amount": "1.00"}}}, "/refund/amount/currency"),
    ({"refund": {"amount": "1.00"}}, "/refund/amount"),
    ({"refund": {"shipping": "yes"}}, "/refund/shipping"),
    ({"refund": {"currency": "EUR"}}, "/refund/currency"),
]


@on_sqlite
@pytest.mark.parametrize(("change", "pointer"), BAD_RETURNS, ids=range(len(BAD_RETURNS)))
def test_a_return_that_cannot_be_is_refused_by_its_field(
    app: Flask, desk: Desk, change: dict[str, Any], pointer: str
) -> None:
    made = make(app, 2, paid=True)
    assert desk.ship(made).status_code == 201
    before = state_of(app, made)
    answer = desk.take_back(made, came_back(made, (1, 1)) | change)
    assert answer.status_code == 422, answer.text
    assert pointer in {error["pointer"] for error in answer.get_json()["errors"]}
    assert state_of(app, made) == before


REFUSED: Final[list[tuple[dict[str, Any], str, dict[str, Any]]]] = [
    ({"state": "CANCELLED"}, "ORDER_NOT_PLACED", {}),
    ({"method": "card", "payment_state": "PENDING"}, "ORDER_NOT_PAID", {}),
    ({}, "MORE_THAN_LEFT", {"lines": True}),
]


@on_sqlite
@pytest.mark.parametrize(("options", "code", "body"), REFUSED)
def test_a_refusal_has_a_code_of_its_own(
    app: Flask, desk: Desk, options: dict[str, Any], code: str, body: dict[str, Any]
) -> None:
    made = make(app, 2, **options)
    before = state_of(app, made)
    asked = DHL | ({"lines": units(made, 3)} if body else {})
    answer = desk.ship(made, asked)
    assert (answer.status_code, answer.get_json()["code"]) == (409, code)
    if code == "MORE_THAN_LEFT":
        (line,) = answer.get_json()["lines"]
        assert (line["line_id"], line["wanted"], line["left"]) == (made.lines[0], 3, 2)
    assert state_of(app, made) == before


@on_sqlite
def test_what_there_is_not_is_404_whatever_the_number_looks_like(app: Flask, desk: Desk) -> None:
    made = make(app, 1)
    for number in ("1", "0", "100000", "999999999", "x", "1e5", "9" * 30, "-100001", "0100001", "１００００１"):
        for path in (f"{number}/shipments", f"{number}/returns", f"{number}/shipments/1", f"{number}/returns/1"):
            assert (number, desk.send("GET", path).status_code) == (number, 404)
        assert desk.send("POST", f"{number}/shipments", DHL, version=1).status_code == 404
        assert desk.send("POST", f"{number}/deliver").status_code == 404
        assert desk.send("POST", f"{number}/allocate").status_code == 404
    assert desk.send("GET", f"{made.number}/shipments/1").get_json()["code"] == "SHIPMENT_NOT_FOUND"
    assert desk.send("GET", f"{made.number}/returns/1").get_json()["code"] == "RETURN_NOT_FOUND"


def test_goods_come_back_once_with_their_money(app: Flask, desk: Desk) -> None:
    made = make(app, 3, paid=True)
    desk.ship(made)
    body = came_back(made, (2, 1), refund={})
    first = desk.take_back(made, body, key="back")
    assert first.status_code == 201, first.text
    back = first.get_json()
    assert first.headers["Location"] == f"{ORDERS}/{made.number}/returns/{back['id']}"
    assert (back["refund"]["amount"], back["refund"]["status"]) == ("20.00", "CLAIMED")
    assert [(line["quantity"], line["resaleable"]) for line in back["lines"]] == [(2, 1)]
    assert back["order"]["fulfilment_state"] == "PARTIALLY_RETURNED"
    again = desk.take_back(made, body, key="back")
    assert (again.headers["Idempotent-Replayed"], again.get_json()) == ("true", back)
    assert desk.take_back(made, body).get_json()["code"] == "ORDER_CHANGED"
    more = desk.take_back(made, body, version=back["order"]["version"])
    assert (more.status_code, more.get_json()["code"]) == (409, "MORE_THAN_LEFT")
    with app.app_context():
        assert stock_of(made.products[0]) == (8, 0)
    listed = desk.send("GET", f"{made.number}/returns").get_json()["items"]
    assert [each["id"] for each in listed] == [back["id"]]
    assert desk.send("GET", f"{made.number}/returns/{back['id']}").get_json()["refund"]["amount"] == "20.00"


@on_sqlite
def test_who_may_not_give_money_back_takes_goods_back_without_it(app: Flask) -> None:
    with app.app_context():
        held = frozenset({"orders:read", "orders:write"})
        user_id = add_person(email="packer@example.org", permissions=held)
    packer = Desk(app, {"Authorization": f"Bearer {token_of(app, user_id)}"})
    made = make(app, 2, paid=True)
    packer.ship(made)
    before = state_of(app, made)
    refused = packer.take_back(made, came_back(made, (1, 1), refund={}))
    assert (refused.status_code, refused.get_json()["code"]) == (403, "PERMISSION_MISSING")
    assert "refunds:write" in refused.get_json()["detail"]
    assert state_of(app, made) == before
    assert packer.take_back(made, came_back(made, (1, 1))).status_code == 201


@on_sqlite
def test_lists_go_on_by_cursors(app: Flask, desk: Desk) -> None:
    made = make(app, 9)
    versions = iter(range(1, 20))
    for _ in range(7):
        assert desk.ship(made, DHL | {"lines": units(made, 1)}, version=next(versions)).status_code == 201
    first = desk.send("GET", f"{made.number}/shipments?limit=5").get_json()
    second = desk.send("GET", f"{made.number}/shipments?limit=5&cursor={first['next_cursor']}").get_json()
    ids = [each["id"] for each in [*first["items"], *second["items"]]]
    assert (len(ids), ids, second["next_cursor"]) == (7, sorted(ids, reverse=True), None)
