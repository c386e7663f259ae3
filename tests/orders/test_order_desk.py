"""Orders over the API of staff: searched, read, placed, changed and written about; what is refused changes nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from app.auth.models import User
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.orders.models.orders import Order, OrderEvent, OrderLink, OrderState
from app.orders.services.links import make_link
from app.orders.services.shipping import Tracking, ship
from app.products.models.products import Product
from tests.conftest import Admin
from tests.orders.making import ADDRESS, NOW, STAFF, Made, make_order
from tests.orders.shopping import Shop, change, everything
from tests.servers import on_sqlite

URL: Final = "/api/v1/admin/orders"
Send = Callable[..., TestResponse]


@pytest.fixture
def send(client: FlaskClient, auth_headers: dict[str, str]) -> Send:
    """Sends a request as the administrator: ``send("PATCH", number, body, version=1)``."""

    def request(method: str, path: str = "", body: Any = None, *, version: int | None = None, **headers: str) -> Any:
        stated = {} if version is None else {"If-Match": f'"v{version}"'}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.open(f"{URL}{path}", method=method, json=body, headers=auth_headers | stated | named)

    return request


@pytest.fixture
def made(app: Flask) -> Made:
    """A placed order of two of a product, on invoice."""
    with app.app_context():
        return make_order(2, user_id=None)


def order_of(app: Flask, made: Made) -> Order:
    with app.app_context():
        return db.session.get_one(Order, made.id)


def shipped(app: Flask, made: Made) -> None:
    with app.app_context():
        about: dict[str, Any] = {"order_id": made.id, "expected_version": 1, "tracking": Tracking(carrier="DHL")}
        ship(actor=STAFF, now=NOW, **about)


@on_sqlite
def test_an_order_is_shown_with_all_that_belongs_to_it(app: Flask, made: Made, send: Send) -> None:
    shipped(app, made)
    answer = send("GET", f"/{made.number}")
    shown = answer.get_json()
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"v2"')
    assert (shown["number"], shown["state"], shown["fulfilment_state"]) == (made.number, "PLACED", "SHIPPED")
    assert (shown["total"], shown["due"], shown["captured"], shown["refunded"]) == ("20.00", "20.00", "0.00", "0.00")
    assert shown["shipping_address"] == ADDRESS
    (line,) = shown["lines"]
    assert (line["quantity"], line["shipped"], line["open"], line["unit_price"]) == (2, 2, 0, "10.00")
    (shipment,) = shown["shipments"]
    assert (shipment["carrier"], shipment["version"]) == ("DHL", 1)
    assert shipment["lines"] == [{"line_id": line["id"], "asin": line["asin"], "quantity": 2}]
    (payment,) = shown["payments"]
    assert (payment["status"], payment["amount"], payment["provider"]) == ("CREATED", "20.00", "manual")
    assert (shown["refunds"], shown["returns"]) == ([], [])


@on_sqlite
def test_who_knows_an_order_already_is_told_only_that(app: Flask, made: Made, send: Send) -> None:
    known = send("GET", f"/{made.number}", If_None_Match='"v1"')
    assert (known.status_code, known.data) == (304, b"")
    send("POST", f"/{made.number}/notes", {"text": "Called"})
    anew = send("GET", f"/{made.number}", If_None_Match='"v1"')
    assert (anew.status_code, anew.headers["ETag"]) == (200, '"v2"')


@on_sqlite
@pytest.mark.parametrize("number", ["999999", "0", "x", "1" * 40, "-1", "100000", "99999"])
def test_a_number_that_no_order_has_is_not_found(made: Made, send: Send, number: str) -> None:
    calls = [
        ("GET", "", None),
        ("GET", "/events", None),
        ("PATCH", "", {"note": ""}),
        ("POST", "/cancel", {}),
        ("POST", "/notes", {"text": "x"}),
    ]
    for method, path, body in calls:
        answer = send(method, f"/{number}{path}", body, version=1)
        assert (path, answer.status_code, answer.get_json()["code"]) == (path, 404, "ORDER_NOT_FOUND")


@on_sqlite
def test_particulars_change_before_anything_is_shipped_and_only_their_names_are_written_down(
    app: Flask, made: Made, send: Send
) -> None:
    moved = {"name": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "country": "gb"}
    body = {"email": "Ada@Example.org", "shipping_address": moved, "note": "Ring twice"}
    answer = send("PATCH", f"/{made.number}", body, version=1)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"v2"'), answer.text
    shown = answer.get_json()
    assert (shown["email"], shown["note"]) == ("ada@example.org", "Ring twice")
    assert shown["shipping_address"] == dict.fromkeys(ADDRESS) | moved | {"country": "GB"}
    assert shown["billing_address"] == ADDRESS
    changed = ["email", "note"] + [
        f"shipping_address.{part}" for part in ("city", "country", "line1", "name", "postal_code", "region")
    ]
    with app.app_context():
        event = db.session.scalars(select(OrderEvent)).one()
        audited = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "order.update")).one()
        order = db.session.get_one(Order, made.id)
    assert (event.kind, event.is_public, sorted(event.details["changed"])) == ("order.changed", True, sorted(changed))
    assert audited.after is not None
    assert sorted(audited.after["changed"]) == sorted(changed)
    assert "Ada" not in str([audited.after, audited.before, event.details])
    assert (order.recipient_key, order.postal_key) == ("ada lovelace", None)


@on_sqlite
def test_what_is_the_same_already_is_no_change(app: Flask, made: Made, send: Send) -> None:
    before = everything(app)
    answer = send("PATCH", f"/{made.number}", {"email": "grace@example.org", "billing_address": ADDRESS}, version=1)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"v1"')
    assert everything(app) == before


@on_sqlite
def test_with_another_email_the_links_of_former_mails_show_nothing(app: Flask, made: Made, send: Send) -> None:
    with app.app_context():
        make_link(order_id=made.id, now=utc_now())
    send("PATCH", f"/{made.number}", {"note": "x"}, version=1)
    with app.app_context():
        assert db.session.scalars(select(OrderLink)).all()
    send("PATCH", f"/{made.number}", {"email": "ada@example.org"}, version=2)
    with app.app_context():
        assert db.session.scalars(select(OrderLink)).all() == []


@on_sqlite
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"email": "nobody"}, "/email"),
        ({"email": "a@b"}, "/email"),
        ({"email": ""}, "/email"),
        ({"email": None}, "/email"),
        ({"total": "1.00"}, "/total"),
        ({"state": "CANCELLED"}, "/state"),
        ({"note": "x" * 1001}, "/note"),
        ({"note": "a\x00b"}, "/note"),
        ({"shipping_address": None}, "/shipping_address"),
        ({"shipping_address": {}}, "/shipping_address/name"),
        ({"shipping_address": ADDRESS | {"country": "XX"}}, "/shipping_address/country"),
        ({"shipping_address": ADDRESS | {"name": ""}}, "/shipping_address/name"),
        ({"shipping_address": ADDRESS | {"line1": "x" * 201}}, "/shipping_address/line1"),
        ({"shipping_address": ADDRESS | {"planet": "Earth"}}, "/shipping_address/planet"),
        ({"shipping_address": "1 Compiler Road"}, "/shipping_address"),
        ({"billing_address": ADDRESS | {"city": None}}, "/billing_address/city"),
    ],
)
def test_a_change_that_breaks_a_rule_names_the_field_and_changes_nothing(
    app: Flask, made: Made, send: Send, body: dict[str, Any], pointer: str
) -> None:
    before = everything(app)
    answer = send("PATCH", f"/{made.number}", body, version=1)
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.get_json()["errors"]]
    assert everything(app) == before


@on_sqlite
def test_a_change_needs_the_version_that_it_is_based_on(app: Flask, made: Made, send: Send) -> None:
    before = everything(app)
    for method, path, body in (("PATCH", "", {"note": "x"}), ("POST", "/cancel", {})):
        without = send(method, f"/{made.number}{path}", body)
        assert (without.status_code, without.get_json()["code"]) == (428, "VERSION_REQUIRED")
        stale = send(method, f"/{made.number}{path}", body, version=7)
        assert (stale.status_code, stale.get_json()["code"]) == (412, "ORDER_CHANGED")
    assert everything(app) == before


@on_sqlite
def test_what_was_shipped_or_is_over_is_not_changed(app: Flask, made: Made, send: Send) -> None:
    shipped(app, made)
    before = everything(app)
    answer = send("PATCH", f"/{made.number}", {"note": "x"}, version=2)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "ALREADY_SHIPPED")
    assert everything(app) == before
    for state in ("DRAFT", "CANCELLED", "EXPIRED", "COMPLETED"):
        with app.app_context():
            other = make_order(2, state=OrderState(state))
        before = everything(app)
        refused = send("PATCH", f"/{other.number}", {"note": "x"}, version=1)
        assert (state, refused.status_code, refused.get_json()["code"]) == (state, 409, "ORDER_NOT_PLACED")
        assert everything(app) == before


@on_sqlite
def test_notes_stay_with_the_order_and_customers_see_only_those_that_are_for_them(
    app: Flask, made: Made, send: Send, admin: Admin
) -> None:
    for text, is_public in (("Comes on Friday", True), ("Difficult customer", False)):
        answer = send("POST", f"/{made.number}/notes", {"text": text, "is_public": is_public})
        assert answer.status_code == 201
    events = send("GET", f"/{made.number}/events").get_json()["items"]
    assert [(event["details"]["text"], event["is_public"]) for event in events] == [
        ("Difficult customer", False),
        ("Comes on Friday", True),
    ]
    assert {(event["actor_kind"], event["actor_id"], event["actor_name"]) for event in events} == {
        ("user", admin.id, "Ada Admin")
    }
    with app.app_context():
        audited = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "order.note")).all()
    assert "customer" not in str([row.after for row in audited])
    empty = send("POST", f"/{made.number}/notes", {"text": "  "})
    assert (empty.status_code, empty.get_json()["errors"][0]["pointer"]) == (422, "/text")


@on_sqlite
def test_units_are_cancelled_over_the_api(app: Flask, made: Made, send: Send) -> None:
    body = {"lines": [{"line_id": made.lines[0], "quantity": 1}], "reason": "Broken"}
    answer = send("POST", f"/{made.number}/cancel", body, version=1)
    shown = answer.get_json()
    assert (answer.status_code, shown["lines"][0]["cancelled"], shown["due"]) == (200, 1, "10.00"), answer.text
    assert answer.headers["ETag"] == f'"v{shown["version"]}"'
    twice = send("POST", f"/{made.number}/cancel", body, version=1)
    assert (twice.status_code, twice.get_json()["code"]) == (412, "ORDER_CHANGED")
    rest = send("POST", f"/{made.number}/cancel", {}, version=shown["version"]).get_json()
    assert (rest["state"], rest["payment_state"], rest["fulfilment_state"]) == ("CANCELLED", "VOIDED", "VOIDED")
    over = send("POST", f"/{made.number}/cancel", {}, version=rest["version"])
    assert (over.status_code, over.get_json()["code"], over.get_json()["state"]) == (409, "ORDER_OVER", "CANCELLED")


@on_sqlite
@pytest.mark.parametrize(
    ("lines", "pointer"),
    [
        ([], "/lines"),
        ([{"line_id": 1}], "/lines/0/quantity"),
        ([{"line_id": 0, "quantity": 1}], "/lines/0/line_id"),
        ([{"line_id": 10**12, "quantity": 1}], "/lines/0/line_id"),
        ([{"line_id": "1", "quantity": 1}], "/lines/0/line_id"),
        *[([{"line_id": 1, "quantity": quantity}], "/lines/0/quantity") for quantity in (0, -5, 10**9, 1.5, "1", True)],
    ],
)
def test_what_cannot_be_cancelled_is_named_and_nothing_changes(
    app: Flask, made: Made, send: Send, lines: Any, pointer: str
) -> None:
    before = everything(app)
    answer = send("POST", f"/{made.number}/cancel", {"lines": lines}, version=1)
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.get_json()["errors"]]
    assert everything(app) == before


def order_in(shop: Shop, **more: Any) -> dict[str, Any]:
    items = [{"product_id": shop.product(on_hand=5), "quantity": 2}]
    about = {"email": "ada@example.org", "items": items, "shipping_address": ADDRESS, "payment_method": "cash"}
    return about | more


@on_sqlite
def test_staff_place_an_order_for_a_customer(app: Flask, shop: Shop, send: Send) -> None:
    customer = shop.person()
    answer = send("POST", "", order_in(shop, customer_id=customer.user_id, email=None, note="By phone"))
    assert answer.status_code == 201, answer.text
    made = answer.get_json()
    assert (made["state"], made["payment_state"], made["email"], made["total"]) == (
        "PLACED",
        "UNPAID",
        customer.email,
        "20.00",
    )
    assert answer.headers["Location"] == f"{URL}/{made['number']}"
    assert answer.headers["ETag"] == f'"v{made["version"]}"'
    shown = send("GET", f"/{made['number']}").get_json()
    assert shown["customer_id"] == customer.user_id
    assert shown["billing_address"] == ADDRESS
    own = app.test_client().get("/api/v1/orders", headers=customer.headers).get_json()["items"]
    assert [order["number"] for order in own] == [made["number"]]
    with app.app_context():
        audited = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "order.place")).one()
        assert (audited.subject_id, audited.actor_kind) == (int(made["number"]) - 100_000, "user")


@on_sqlite
def test_an_order_by_staff_sent_twice_with_a_key_is_one(shop: Shop, send: Send) -> None:
    body = order_in(shop)
    first, again = (send("POST", "", body, Idempotency_Key="mine") for _ in range(2))
    assert first.status_code == 201
    assert (again.get_json(), again.headers["ETag"]) == (first.get_json(), first.headers["ETag"])
    assert len(send("GET").get_json()["items"]) == 1


@on_sqlite
@pytest.mark.parametrize(
    ("more", "status", "pointer"),
    [
        ({"email": None}, 422, "/email"),
        ({"email": "nobody"}, 422, "/email"),
        ({"email": "a@b"}, 422, "/email"),
        ({"customer_id": 10**9}, 422, "/customer_id"),
        ({"customer_id": "7"}, 422, "/customer_id"),
        ({"items": []}, 422, "/items"),
        ({"items": [{"product_id": 1, "quantity": 0}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1, "quantity": -5}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1, "quantity": 10**9}]}, 422, "/items/0/quantity"),
        ({"items": [{"product_id": 1, "quantity": 1}] * 2}, 422, "/items/1/product_id"),
        ({"items": [{"product_id": 10**9, "quantity": 1}]}, 422, "/items/0/product_id"),
        ({"items": [{"product_id": at, "quantity": 1} for at in (1, 10**9)]}, 422, "/items/1/product_id"),
        ({"items": [{"product_id": 1, "quantity": 6}]}, 409, "/items"),
        ({"payment_method": "card"}, 422, "/payment_method"),
        ({"payment_method": "gold"}, 422, "/payment_method"),
        ({"expected_total": {"amount": "19.99", "currency": "USD"}}, 409, "/expected_total"),
        ({"expected_total": {"amount": "20.00", "currency": "EUR"}}, 422, "/expected_total/currency"),
        ({"coupon": "NOBODY"}, 422, "/coupon"),
        ({"shipping_address": {"name": "Ada"}}, 422, "/shipping_address/line1"),
        ({"note": "x" * 1001}, 422, "/note"),
        ({"state": "PLACED"}, 422, "/state"),
    ],
)
def test_an_order_by_staff_that_breaks_a_rule_is_refused_and_nothing_changes(
    app: Flask, shop: Shop, send: Send, more: dict[str, Any], status: int, pointer: str
) -> None:
    body = order_in(shop) | more
    before = everything(app)
    answer = send("POST", "", body)
    assert answer.status_code == status, answer.text
    assert pointer in [error["pointer"] for error in answer.get_json()["errors"]]
    assert everything(app) == before


@on_sqlite
def test_what_never_was_a_product_is_told_from_what_is_sold_no_longer(app: Flask, shop: Shop, send: Send) -> None:
    gone = shop.product()
    change(app, update(Product).where(Product.id == gone).values(is_active=False))
    unknown, unsold = (
        send("POST", "", order_in(shop, items=[{"product_id": each, "quantity": 1}])).get_json()
        for each in (10**9, gone)
    )
    assert (unknown["status"], unknown["code"]) == (422, "UNKNOWN_PRODUCT")
    assert unknown["detail"] == "There is no product with the id 1000000000."
    assert (unsold["status"], unsold["code"], unsold["errors"][0]["pointer"]) == (409, "PRODUCT_UNAVAILABLE", "/items")
    assert [each["product_id"] for each in unsold["products"]] == [gone]
    assert send("GET").get_json()["items"] == []


@on_sqlite
def test_somebody_who_is_not_active_is_no_customer(app: Flask, shop: Shop, send: Send, admin: Admin) -> None:
    customer = shop.person()
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(update(User).where(User.id == customer.user_id).values(is_active=False))
    answer = send("POST", "", order_in(shop, customer_id=customer.user_id))
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/customer_id")


SEARCHES: Final[tuple[tuple[str, bool], ...]] = (
    ("", True),
    ("number={number}", True),
    ("number=100999", False),
    ("email=GRACE@example.org", True),
    ("email=ada@example.org", False),
    ("asin={asin}", True),
    ("product_id={product}", True),
    ("tracking_number=T 1", True),
    ("tracking_number=T 2", False),
    ("recipient=grace", True),
    ("recipient=Grace Hopper", True),
    ("recipient=hopper", False),
    ("postal_code=222-01", True),
    ("state=PLACED", True),
    ("state=DRAFT&state=PLACED", True),
    ("state=DRAFT", False),
    ("payment_state=UNPAID&fulfilment_state=SHIPPED", True),
    ("payment_state=UNPAID&fulfilment_state=UNFULFILLED", False),
    ("payment_method=invoice", True),
    ("attention=any", False),
    ("attention=STOCK_TAKEN", False),
    ("coupon=ten", False),
    ("placed_from=2026-03-01&placed_to=2026-03-01", True),
    ("placed_from=2026-03-02", False),
    ("placed_to=2026-02-28", False),
    ("total_min=20.00&total_max=20.00", True),
    ("total_min=20.01", False),
    ("customer_id=99", False),
)


@on_sqlite
def test_orders_are_found_by_each_filter(app: Flask, made: Made, send: Send) -> None:
    with app.app_context():
        about: dict[str, Any] = {"order_id": made.id, "expected_version": 1}
        ship(actor=STAFF, now=NOW, tracking=Tracking(carrier="DHL", number="T 1"), **about)
    asin = send("GET", f"/{made.number}").get_json()["lines"][0]["asin"]
    for query, is_found in SEARCHES:
        filled = query.format(number=made.number, asin=asin.lower(), product=made.products[0])
        answer = send("GET", f"?{filled}")
        assert (query, answer.status_code) == (query, 200), answer.text
        found = [order["number"] for order in answer.get_json()["items"]]
        assert (query, found) == (query, [made.number] if is_found else [])
    (order,) = send("GET").get_json()["items"]
    assert (order["unit_count"], order["total"], order["email"]) == (2, "20.00", "grace@example.org")
    assert order["shipping_address"] == ADDRESS


@on_sqlite
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("colour=red", "/colour"),
        ("order_id=7", "/order_id"),
        ("user_id=7", "/user_id"),
        ("number=x", "/number"),
        ("number=", "/number"),
        ("state=LOST", "/state/0"),
        ("state=PLACED&state=LOST", "/state/1"),
        ("payment_state=", "/payment_state/0"),
        ("payment_method=gold", "/payment_method"),
        ("attention=none", "/attention"),
        ("sort=name", "/sort"),
        ("sort=-id", "/sort"),
        ("placed_from=yesterday", "/placed_from"),
        ("placed_from=0001-01-01", "/placed_from"),
        ("placed_to=9999-12-31", "/placed_to"),
        ("placed_from=2026-03-02&placed_to=2026-03-01", "/placed_from"),
        ("total_min=-1", "/total_min"),
        ("total_min=1e3", "/total_min"),
        ("total_min=2.00&total_max=1.00", "/total_min"),
        ("postal_code=-", "/postal_code"),
        ("postal_code=" + "1" * 21, "/postal_code"),
        ("recipient=" + "x" * 101, "/recipient"),
        ("recipient=%00", "/recipient"),
        ("asin=x", "/asin"),
        ("customer_id=0", "/customer_id"),
        ("product_id=x", "/product_id"),
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("cursor=x", "/cursor"),
    ],
)
def test_a_search_that_breaks_a_rule_names_it(made: Made, send: Send, query: str, pointer: str) -> None:
    answer = send("GET", f"?{query}")
    assert answer.status_code == 422, answer.text
    assert [(error["pointer"], error["in"]) for error in answer.get_json()["errors"]] == [(pointer, "query")]


@on_sqlite
def test_pages_follow_each_other_to_the_end(app: Flask, send: Send) -> None:
    with app.app_context():
        numbers = [make_order(1).number for _ in range(5)]
    found: list[str] = []
    cursor = ""
    while True:
        page = send("GET", f"?limit=2&sort=oldest{cursor}").get_json()
        found += [order["number"] for order in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == numbers


@on_sqlite
def test_an_export_has_what_the_same_search_finds_and_nothing_that_a_spreadsheet_runs(app: Flask, send: Send) -> None:
    with app.app_context():
        evil = ADDRESS | {"name": "=HYPERLINK(1)", "line2": 'a "b", c'}
        numbers = [make_order(2, shipping_address=evil, coupon_code="TEN").number for _ in range(3)]
        make_order(1, method="cash")
    answer = send("GET", "/export?payment_method=invoice&sort=oldest")
    assert (answer.status_code, answer.mimetype) == (200, "text/csv"), answer.text
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["number"] for row in rows] == numbers
    listed = send("GET", "?payment_method=invoice&sort=oldest").get_json()["items"]
    shared = ("number", "state", "payment_state", "email", "currency", "total", "coupon", "placed_at", "created_at")
    assert [[row[name] for name in shared] for row in rows] == [[order[name] for name in shared] for order in listed]
    assert (rows[0]["name"], rows[0]["line2"], rows[0]["unit_count"]) == ("'=HYPERLINK(1)", 'a "b", c', "2")
    assert send("GET", "/export?payment_method=card").text.count("\n") == 1


@on_sqlite
def test_an_export_goes_on_behind_the_first_page(app: Flask, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.orders.queries.orders_export.MAX_LIMIT", 2)
    with app.app_context():
        numbers = [make_order(1).number for _ in range(5)]
    rows = list(csv.DictReader(io.StringIO(send("GET", "/export?sort=oldest").text)))
    assert [row["number"] for row in rows] == numbers


@on_sqlite
@pytest.mark.parametrize("query", ["colour=red", "limit=5", "cursor=x", "state=LOST"])
def test_an_export_of_what_cannot_be_searched_for_is_refused(made: Made, send: Send, query: str) -> None:
    answer = send("GET", f"/export?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.get_json()["errors"][0]["pointer"].startswith(f"/{query.partition('=')[0]}")
