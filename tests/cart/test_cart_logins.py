"""Whichever way a guest logs in, what they have put into a cart goes into their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.auth.models import User
from app.auth.services import oauth_client
from app.cart.models import Cart
from app.core.extensions import db
from tests.auth.authenticator import Authenticator
from tests.auth.oidc import HostileProvider
from tests.auth.people import PASSWORD, Person, new_person
from tests.auth.test_oauth_login import add_provider
from tests.auth.test_oauth_login import log_in as log_in_at
from tests.cart.carting import Buyer, new_guest, sell, states
from tests.servers import on_sqlite

pytestmark = on_sqlite

API = "/api/v1"


class Device:
    """What a guest shops with: an API client that sends the token, or a browser that keeps it as a cookie."""

    def __init__(self, guest: Buyer, *, is_browser: bool) -> None:
        self.client: FlaskClient = guest.app.test_client()
        self.headers = {} if is_browser else guest.headers
        if is_browser:
            assert guest.token is not None
            self.client.set_cookie("cartwright-cart", guest.token)

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        answer = self.client.post(API + path, json=body, headers=self.headers)
        assert answer.status_code < 300, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def send_form(self, path: str, **fields: Any) -> None:
        """Send the form of a page, which leads on to another one."""
        page = self.client.get(path).text
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert token is not None
        answer = self.client.post(path, data={"csrf_token": token[1], **fields})
        assert answer.status_code == 302, answer.text


@pytest.fixture
def guest(app: Flask) -> Buyer:
    """A guest with two lamps in the cart."""
    guest = new_guest(app)
    guest.add(sell(app), 2)
    return guest


@pytest.fixture
def ada(app: Flask) -> Person:
    return new_person(app, "ada@example.org")


def carts(app: Flask, person: Person) -> dict[int, int]:
    """What is in the cart of a person."""
    person.log_in()
    return Buyer(app, {"Authorization": f"Bearer {person.token}"}).quantities()


def _by_password(device: Device, ada: Person) -> None:
    device.post("/auth/login", {"email": ada.email, "password": PASSWORD})


def _by_code(device: Device, ada: Person) -> None:
    ada.set_up_app()
    device.post("/auth/login", {"email": ada.email, "password": PASSWORD, "code": ada.code(steps=1)})


def _signed(device: Device, ada: Person) -> dict[str, Any]:
    key = Authenticator()
    asked = ada.post("/me/passkeys/options").get_json()
    made = {"challenge": asked["challenge"], "credential": key.create(asked["options"]), "name": "Phone"}
    assert ada.post("/me/passkeys", made).status_code == 201
    asked = device.post("/auth/passkeys/options")
    return {"challenge": asked["challenge"], "credential": key.get(asked["options"])}


def _by_passkey(device: Device, ada: Person) -> None:
    device.post("/auth/passkeys/login", _signed(device, ada))


def _by_form(device: Device, ada: Person) -> None:
    device.send_form("/login", email=ada.email, password=PASSWORD)


def _by_form_and_code(device: Device, ada: Person) -> None:
    ada.set_up_app()
    device.send_form("/login", email=ada.email, password=PASSWORD)
    device.send_form("/login/code", code=ada.code(steps=1))


def _by_form_with_passkey(device: Device, ada: Person) -> None:
    signed = _signed(device, ada)
    page = device.client.get("/login").text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert token is not None
    form = {"csrf_token": token[1], "challenge": signed["challenge"]}
    form["credential"] = ada.app.json.dumps(signed["credential"])
    assert device.client.post("/login/passkey", data=form).headers["Location"] == "/"


def _by_tokens_of_a_session(device: Device, ada: Person) -> None:
    cookie = device.client.get_cookie("cartwright-cart")
    device.client.delete_cookie("cartwright-cart")
    device.send_form("/login", email=ada.email, password=PASSWORD)
    assert ("MERGED", None) not in states(ada.app)
    assert cookie is not None
    device.client.set_cookie("cartwright-cart", cookie.value)
    page = device.client.get("/account").text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert token is not None
    device.headers = {"X-CSRFToken": token[1]}
    device.post("/auth/token", {})


WAYS: list[tuple[Callable[[Device, Person], None], bool]] = [
    (_by_password, False),
    (_by_code, False),
    (_by_passkey, False),
    (_by_password, True),
    (_by_form, True),
    (_by_form_and_code, True),
    (_by_form_with_passkey, True),
    (_by_tokens_of_a_session, True),
]


@pytest.mark.parametrize(
    ("way", "is_browser"), WAYS, ids=[way.__name__ + (" in a browser" if browser else "") for way, browser in WAYS]
)
def test_a_guests_cart_goes_into_that_of_who_logs_in(
    app: Flask, guest: Buyer, ada: Person, way: Callable[[Device, Person], None], is_browser: bool
) -> None:
    way(Device(guest, is_browser=is_browser), ada)
    assert states(app) == [("MERGED", None), ("OPEN", ada.id)]
    with app.app_context():
        theirs = db.session.scalars(sa.select(Cart).where(Cart.open_user_id == ada.id)).one()
        assert theirs.merges is not None
        assert [(merge["lines"], merge["short"]) for merge in theirs.merges] == [(1, [])]
    assert guest.send("GET", "/api/v1/cart").get_json()["code"] == "CART_NOT_FOUND"


@pytest.fixture
def provider() -> Iterator[HostileProvider]:
    oauth_client.forget_descriptions()
    with HostileProvider().running() as running:
        yield running


def test_so_it_does_for_somebody_new_whom_a_provider_sends_back(
    app: Flask, guest: Buyer, provider: HostileProvider
) -> None:
    add_provider(app, provider.issuer)
    log_in_at(Device(guest, is_browser=True).client, provider)
    with app.app_context():
        user_id = db.session.scalars(sa.select(User.id)).one()
    assert states(app) == [("MERGED", None), ("OPEN", user_id)]


def test_a_login_that_is_refused_merges_nothing(app: Flask, guest: Buyer, ada: Person) -> None:
    client = app.test_client()
    wrong = client.post(f"{API}/auth/login", json={"email": ada.email, "password": "wrong"}, headers=guest.headers)
    assert wrong.status_code == 401
    ada.set_up_app()
    half = client.post(f"{API}/auth/login", json={"email": ada.email, "password": PASSWORD}, headers=guest.headers)
    assert half.status_code == 401
    assert states(app) == [("OPEN", None)]
    assert sum(guest.quantities().values()) == 2


def test_a_login_without_a_token_leaves_guests_carts_alone(app: Flask, guest: Buyer, ada: Person) -> None:
    assert ada.log_in().status_code == 200
    unknown = app.test_client().post(
        f"{API}/auth/login", json={"email": ada.email, "password": PASSWORD}, headers={"Cart-Token": "x" * 22}
    )
    assert unknown.status_code == 200
    assert states(app) == [("OPEN", None)]


def test_an_empty_cart_is_not_merged_and_makes_none(app: Flask, ada: Person) -> None:
    _by_password(Device(new_guest(app), is_browser=False), ada)
    assert states(app) == [("OPEN", None)]
