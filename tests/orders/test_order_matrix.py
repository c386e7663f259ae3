"""Nobody reads or changes another's order: every route of orders, called by everybody, with and without what opens it.

The routes are those that the application has, the valid call of each is that of tests/calls.py. Whoever may not is
refused without learning whether there is such an order, and nothing is changed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
import redis
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from app.auth.services.roles import restore_built_in
from app.auth.visitor import hash_of_visitor
from app.cart.models import Cart
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import CATALOGUE
from app.core.transactions import in_transaction
from app.orders.models.orders import Order, id_of_number
from app.orders.services.cancelling import cancel_order
from app.orders.services.links import make_link
from app.orders.services.notes import add_note
from tests.calls import API, CALLS, HOUR, Sent, World, add_key, add_person, send, token_of
from tests.conftest import empty_tables
from tests.orders.making import STAFF, make_order
from tests.servers import on_sqlite
from tests.test_access import doors
from tests.test_access_matrix import everything, view_of

ALL: Final = frozenset(CATALOGUE)
OWN: Final = "/orders/<number>"
BY_LINK: Final = {("GET", OWN), ("GET", f"{OWN}/events")}
"""What the link of a mail shows, besides its own page."""
OF_CARTS: Final = {("POST", "/orders"), ("GET", "/orders/quote")}
"""What is about a cart, which is the person's in the valid call."""
ROUTES: Final = sorted(
    route for route in CALLS if route[1].startswith(("/orders", "/admin/orders")) or route[1] == "/tracking"
)
CLIENTS: Final = (
    "anonymous",
    "guest with another token",
    "guest with the token",
    "customer",
    "another customer",
    "key of the customer",
    "key of another customer",
    "key of staff without",
    "key of staff with",
    "staff without",
    "staff with",
    "link of this order",
    "link of another order",
)
LINKS: Final = {"link of this order", "link of another order"}
OWNERS: Final = {"person": {"customer"}, "guest": {"guest with the token"}}
PEOPLE: Final = {client for client in CLIENTS if not client.startswith(("anonymous", "guest", "link"))}


@dataclass
class Scene:
    """An order, the valid call of a route about it, and what everybody has to show."""

    app: Flask
    sent: Sent
    number: str | None
    headers: dict[str, dict[str, str]]

    def call(self, method: str, path: str, client: str, sent: Sent | None = None) -> TestResponse:
        """Send the call, or another one, as one of the clients."""
        sent = sent or self.sent
        headers = {name: value for name, value in sent.headers.items() if name != "Order-Token"}
        about = replace(sent, headers=headers | self.headers[client])
        return send(self.app.test_client(), method, API + path, about)


MakeScene = Callable[..., Scene]


@pytest.fixture
def make_scene(app: Flask, redis_url: str) -> MakeScene:
    """Sets a new scene for a route, with an order that is a person's or a guest's."""

    def make(method: str, path: str, owner: str) -> Scene:
        access = view_of(app, method, path).access
        with redis.Redis.from_url(redis_url) as cache:
            cache.flushall()
        with app.app_context():
            empty_tables()
            restore_built_in(now=utc_now())
            ids = {name: add_person(email=f"{name}@example.org", role="customer") for name in ("customer", "other")}
            ids["with"] = add_person(email="with@example.org", permissions=ALL)
            ids["without"] = add_person(email="without@example.org", permissions=ALL - {access})
        tokens = {name: token_of(app, user_id) for name, user_id in ids.items()}
        world = World(app, ids["customer"], "customer@example.org", tokens["customer"], held=frozenset())
        sent = CALLS[method, path](world)
        with app.app_context():
            number = sent.path.get("number")
            this = id_of_number(str(number)) if number else make_order(1).id
            assert this is not None
            other = make_order(1, user_id=ids["other"]).id
            guests = _give(this, owner, ids["customer"])
            keys = _keys(ids, access)
            links = {
                "link of this order": make_link(order_id=this, now=utc_now()),
                "link of another order": make_link(order_id=other, now=utc_now()),
            }
        bearers = {
            "customer": tokens["customer"],
            "another customer": tokens["other"],
            "staff without": tokens["without"],
            "staff with": tokens["with"],
            **keys,
        }
        headers: dict[str, dict[str, str]] = {"anonymous": {}}
        headers |= {name: {"Authorization": f"Bearer {token}"} for name, token in bearers.items()}
        headers |= {name: {"Cart-Token": token} for name, token in guests.items()}
        headers |= {name: {"Order-Token": token} for name, token in links.items()}
        return Scene(app, sent, str(number) if number else None, headers)

    return make


@in_transaction
def _write_owner(order_id: int, **values: Any) -> None:
    db.session.execute(update(Order).where(Order.id == order_id).values(**values))


@in_transaction
def _write_cart(token: str) -> int:
    cart = Cart(token_hash=hash_of_visitor(token), expires_at=utc_now() + HOUR)
    db.session.add(cart)
    db.session.flush()
    return cart.id


def _give(order_id: int, owner: str, customer: int) -> dict[str, str]:
    """Make the order the customer's or a guest's; the tokens of that guest's cart and of another one."""
    tokens = {name: secrets.token_urlsafe(16) for name in ("guest with the token", "guest with another token")}
    carts = {name: _write_cart(token) for name, token in tokens.items()}
    if owner == "guest":
        _write_owner(order_id, user_id=None, cart_id=carts["guest with the token"])
    else:
        _write_owner(order_id, user_id=customer, cart_id=None)
    return tokens


def _keys(ids: dict[str, int], access: str) -> dict[str, str]:
    """Keys of the customers, who may nothing, and of somebody who may do everything, without and with this scope."""
    wanted = {
        "key of the customer": ("customer", []),
        "key of another customer": ("other", []),
        "key of staff without": ("with", sorted(ALL - {access})),
        "key of staff with": ("with", sorted(ALL)),
    }
    made = {name: f"cw_{secrets.token_hex(16)}" for name in wanted}
    for name, (who, scopes) in wanted.items():
        add_key(user_id=ids[who], secret=made[name], scopes=scopes)
    return made


def expected(method: str, path: str, access: str, client: str, owner: str) -> int:
    """How a call is answered; 0: as the valid call is."""
    if access in CATALOGUE:
        refused = 403 if client in PEOPLE else 401
        return 0 if client in {"staff with", "key of staff with"} else refused
    if path == "/tracking":
        return 0 if client in LINKS else 404
    if client.startswith("key of"):
        return 403
    if client in LINKS and (method, path) in BY_LINK:
        return 0 if client == "link of this order" else 404
    if client in {"anonymous", *LINKS}:
        return 401
    return 0 if (method, path) == ("GET", "/orders") or client in OWNERS[owner] else 404


def cases() -> list[tuple[str, str, str]]:
    return [
        (method, path, owner)
        for method, path in ROUTES
        for owner in ("person", "guest")
        if not (owner == "guest" and (method, path) in OF_CARTS)
    ]


@on_sqlite
def test_all_routes_of_orders_are_called(app: Flask) -> None:
    there = {(method, rule.removeprefix(API)) for rule, method, _ in doors(app) if "orders" in rule and API in rule}
    assert there | {("GET", "/tracking")} == set(ROUTES)
    assert len(ROUTES) > 25


@on_sqlite
@pytest.mark.parametrize(("method", "path", "owner"), cases())
def test_an_order_opens_for_its_customer_and_for_staff_and_for_nobody_else(
    app: Flask, make_scene: Any, method: str, path: str, owner: str
) -> None:
    access = view_of(app, method, path).access
    wanted = {client: expected(method, path, access, client, owner) for client in CLIENTS}
    scene = make_scene(method, path, owner)
    before = everything(app)
    for client in (client for client, status in wanted.items() if status):
        answer = scene.call(method, path, client)
        assert (client, answer.status_code) == (client, wanted[client]), answer.text
        assert everything(app) == before
        assert "example.org" not in answer.text
    for client in (client for client, status in wanted.items() if not status):
        scene = make_scene(method, path, owner)
        answer = scene.call(method, path, client)
        said = answer.text  # read to its end, as files are sent while they are made
        assert (client, answer.status_code) == (client, scene.sent.status), said


@on_sqlite
@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if OWN in route[1] and "admin" not in route[1]])
def test_anothers_order_is_answered_as_one_that_is_not_there(
    app: Flask, make_scene: Any, method: str, path: str
) -> None:
    scene = make_scene(method, path, "person")
    for client in ("another customer", "guest with another token", "staff with"):
        of_other = scene.call(method, path, client)
        of_nobody = scene.call(method, path, client, replace(scene.sent, path={"number": "199999"}))
        said = [
            {name: value for name, value in answer.get_json().items() if name != "request_id"}
            for answer in (of_other, of_nobody)
        ]
        said[0]["detail"] = said[0]["detail"].replace(scene.number, "199999")
        assert (client, of_other.status_code, said[0]) == (client, of_nobody.status_code, said[1])


@on_sqlite
@pytest.mark.parametrize("owner", ["person", "guest"])
def test_a_list_of_orders_has_ones_own_and_no_others(app: Flask, make_scene: Any, owner: str) -> None:
    scene = make_scene("GET", OWN, owner)
    for client in CLIENTS:
        answer = scene.call("GET", "/orders", client, Sent(200))
        if answer.status_code == (403 if client.startswith("key of") else 401):
            continue
        numbers = [order["number"] for order in answer.get_json()["items"]]
        assert (client, scene.number in numbers) == (client, client in OWNERS[owner])
        assert len(numbers) == (client in OWNERS[owner] or "another customer" in client)


@on_sqlite
def test_the_link_of_a_mail_shows_an_order_without_whose_it_is(app: Flask, make_scene: Any) -> None:
    scene = make_scene("GET", OWN, "person")
    by_link = scene.call("GET", OWN, "link of this order")
    own = scene.call("GET", OWN, "customer")
    assert own.get_json()["email"] == "grace@example.org"
    hidden = dict.fromkeys(("email", "note", "shipping_address", "billing_address"))
    assert by_link.get_json() == own.get_json() | hidden
    assert "Grace" not in by_link.text
    # a browser that has the whole order from its owner is never told that it has what the link shows
    kept = Sent(200, path={"number": scene.number}, headers={"If-None-Match": own.headers["ETag"]})
    assert scene.call("GET", OWN, "customer", kept).status_code == 304
    again = scene.call("GET", OWN, "link of this order", kept)
    assert (again.status_code, again.get_json()) == (200, by_link.get_json())


def test_the_link_of_a_mail_shows_what_happened_without_what_people_wrote(app: Flask, make_scene: Any) -> None:
    scene = make_scene("GET", OWN, "person")
    path, order_id = f"/orders/{scene.number}/events", id_of_number(scene.number or "")
    assert order_id
    with app.app_context():
        add_note(actor=STAFF, now=utc_now(), order_id=order_id, text="Left with Mrs Hopper at 12", is_public=True)
        cancel_order(actor=STAFF, clock=utc_now, order_id=order_id, reason="Grace moves house")
    own, by_link = (scene.call("GET", path, client, Sent(200)) for client in ("customer", "link of this order"))
    assert (own.status_code, by_link.status_code) == (200, 200)
    written = {"text", "reason"}
    events = [
        event | {"details": {name: value for name, value in event["details"].items() if name not in written}}
        for event in own.get_json()["items"]
    ]
    assert by_link.get_json() == {"items": events, "next_cursor": None}
    assert all(words in own.text for words in ("Hopper", "Grace"))
    assert not any(words in by_link.text for words in ("Hopper", "Grace"))
    assert {"note.added", "units.cancelled"} <= {event["kind"] for event in by_link.get_json()["items"]}


@on_sqlite
def test_a_logged_in_person_opens_a_guests_order_by_its_token_as_well(app: Flask, make_scene: Any) -> None:
    scene = make_scene("GET", OWN, "guest")
    scene.headers["both"] = scene.headers["another customer"] | scene.headers["guest with the token"]
    assert scene.call("GET", OWN, "both").status_code == 200
    scene.headers["wrong"] = scene.headers["another customer"] | scene.headers["guest with another token"]
    assert scene.call("GET", OWN, "wrong").status_code == 404
