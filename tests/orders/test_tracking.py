"""Links of mails: whom they show what, for how long, and what they never show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.config import Rates, Settings
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.orders.errors import LinkNotValid
from app.orders.models.orders import OrderLink
from app.orders.queries.links import linked_order
from app.orders.services.counting import Units
from app.orders.services.links import LIFETIME, make_link, purge_links, void_links
from app.orders.services.shipping import Tracking, ship
from tests.conftest import AppWith
from tests.orders.making import NOW, STAFF, Made, make_order
from tests.orders.posting import PostOffice, post_office, token_of
from tests.servers import on_sqlite

API = "/api/v1/tracking"
PRIVATE = ("Grace", "Hopper", "grace@example.org", "Compiler", "Arlington", "22201", "Ring twice")


def made_of(app: Flask, *quantities: int, **options: Any) -> Made:
    with app.app_context():
        return make_order(*(quantities or (2, 1)), note="Ring twice", **options)


def link_of(app: Flask, made: Made, *, now: Any = None) -> str:
    with app.app_context():
        return make_link(order_id=made.id, now=now or utc_now())


def send(app: Flask, made: Made, count: int, **tracking: Any) -> None:
    with app.app_context():
        about: dict[str, Any] = {"order_id": made.id, "expected_version": 1}
        units = [Units(made.lines[0], count)]
        ship(actor=STAFF, now=NOW, units=units, tracking=Tracking(**({"carrier": "DHL"} | tracking)), **about)


def ask(client: FlaskClient, token: str) -> Any:
    return client.get(API, headers={"Order-Token": token})


def page(client: FlaskClient, token: str) -> Any:
    return client.get(f"/track/{token}", headers={"Accept": "text/html"})


def test_a_link_shows_the_order_and_its_parcels_and_nobodys_name_or_address(app: Flask, client: FlaskClient) -> None:
    made = made_of(app)
    send(app, made, 1, number="JD014")
    token = link_of(app, made)
    answer = ask(client, token)
    assert answer.status_code == 200
    seen = answer.get_json()
    assert (seen["number"], seen["total"], seen["fulfilment_state"]) == (made.number, "30.00", "PARTIALLY_SHIPPED")
    assert [(line["name"], line["quantity"], line["shipped"]) for line in seen["lines"]] == [
        ("Lamp 1", 2, 1),
        ("Lamp 2", 1, 0),
    ]
    (parcel,) = seen["shipments"]
    assert (parcel["carrier"], parcel["tracking_number"], parcel["state"]) == ("DHL", "JD014", "SHIPPED")
    assert parcel["tracking_url"].endswith("tracking-id=JD014")
    shown = page(client, token)
    assert shown.status_code == 200
    assert f"Order {made.number}" in shown.text
    assert "Partly on its way" in shown.text
    assert 'href="https://www.dhl.com/global-en/home/tracking.html?tracking-id=JD014"' in shown.text
    for text in (answer.text, shown.text):
        assert not any(word in text for word in PRIVATE)


@on_sqlite
def test_the_address_that_is_the_secret_is_told_to_nobody_and_kept_by_nobody(app: Flask, client: FlaskClient) -> None:
    token = link_of(app, made_of(app))
    shown = page(client, token)
    assert shown.headers.getlist("Referrer-Policy") == ["no-referrer"]
    assert shown.headers["Cache-Control"] == "no-store"
    assert "noindex" in shown.headers["X-Robots-Tag"]
    assert token not in shown.text
    assert ask(client, token).headers["Cache-Control"] == "no-store"
    with app.app_context():
        (stored,) = db.session.scalars(select(OrderLink))
        assert len(token) == 22
        assert token not in {str(value) for value in vars(stored).values()}


@pytest.mark.parametrize(
    "token", ["", "x", "A" * 22, "A" * 21, "A" * 23, "../../etc/passwd", "é" * 22, "A" * 5000, "%00"]
)
def test_what_is_no_link_shows_nothing(app: Flask, client: FlaskClient, token: str) -> None:
    link_of(app, made_of(app))
    answer = ask(client, token.encode().decode("latin-1"))
    assert (answer.status_code, answer.get_json()["code"]) == (404, "ORDER_LINK_NOT_VALID")
    assert page(client, token).status_code == 404


@on_sqlite
def test_a_request_without_a_token_is_refused_as_one_with_a_wrong_one(client: FlaskClient) -> None:
    answer = client.get(API)
    assert (answer.status_code, answer.get_json()["code"]) == (404, "ORDER_LINK_NOT_VALID")


def test_a_link_ends_after_ninety_days_and_is_forgotten(app: Flask, client: FlaskClient) -> None:
    made = made_of(app)
    now = utc_now()
    alive = link_of(app, made, now=now - LIFETIME + timedelta(minutes=1))
    dead = link_of(app, made, now=now - LIFETIME - timedelta(seconds=1))
    assert timedelta(days=90) == LIFETIME
    assert ask(client, alive).status_code == 200
    assert ask(client, dead).status_code == 404
    with app.app_context():
        assert purge_links(now=now) == 1
        assert purge_links(now=now) == 0
        assert db.session.scalar(select(func.count()).select_from(OrderLink)) == 1
    assert ask(client, alive).status_code == 200


def test_links_that_are_made_useless_are_those_of_that_order(app: Flask, client: FlaskClient) -> None:
    made, other = made_of(app), made_of(app)
    gone, kept = link_of(app, made), link_of(app, other)

    @in_transaction
    def void() -> None:
        void_links(made.id)

    with app.app_context():
        void()
    assert [ask(client, token).status_code for token in (gone, kept)] == [404, 200]


@on_sqlite
def test_a_link_only_reads(app: Flask, client: FlaskClient) -> None:
    made = made_of(app)
    token = link_of(app, made)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert client.open(API, method=method, headers={"Order-Token": token}).status_code == 405
    headers = {"Order-Token": token, "If-Match": '"v1"'}
    shipped = client.post(f"/api/v1/admin/orders/{made.number}/shipments", json={"carrier": "DHL"}, headers=headers)
    assert shipped.status_code == 401


@on_sqlite
def test_links_are_tried_so_often_and_no_more(settings: Settings, app_with: AppWith) -> None:
    made = app_with(rates=Rates(tracking="3 per minute"))
    client = made.test_client()
    token = link_of(made, made_of(made))
    assert [ask(client, "A" * 22).status_code for _ in range(2)] == [404, 404]
    assert page(client, token).status_code == 200
    assert page(client, token).status_code == 429
    refused = ask(client, token)
    assert (refused.status_code, refused.get_json()["code"]) == (429, "RATE_LIMITED")
    assert int(refused.headers["Retry-After"]) > 0


@pytest.fixture
def office(app: Flask, settings: Settings) -> Iterator[PostOffice]:
    with post_office(settings) as opened:
        yield opened


@on_sqlite
def test_the_link_of_a_mail_opens_the_page(app: Flask, client: FlaskClient, office: PostOffice) -> None:
    made = made_of(app)
    send(app, made, 2)
    token = token_of(office.mail())
    assert f"Order {made.number}" in page(client, token).text
    assert ask(client, token).get_json()["number"] == made.number


@on_sqlite
def test_names_and_tracking_are_shown_as_text(app: Flask, client: FlaskClient) -> None:
    made = made_of(app, 1)
    send(app, made, 1, carrier="<script>alert(1)</script>", url="https://x.example.org/?q=a&b=%22onclick")
    shown = page(client, link_of(app, made)).text
    assert "<script>alert(1)" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert re.search(r'href="https://x\.example\.org/\?q=a&amp;b=%22onclick" rel="noopener noreferrer nofollow"', shown)


@on_sqlite
def test_what_cannot_even_be_written_as_bytes_is_no_link(context: Flask) -> None:
    with pytest.raises(LinkNotValid):
        linked_order("\ud800" * 22, now=utc_now())
