"""All routes by all kinds of clients: who gets in, who is refused how, and that a refusal changes nothing."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any, Final

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import inspect, select

from app.auth.services.roles import restore_built_in
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import CATALOGUE
from tests.calls import API, CALLS, HERE, PASSWORD, World, add_key, add_person, all_ids, send, token_of
from tests.conftest import empty_tables
from tests.servers import on_sqlite
from tests.test_access import OPEN, doors, is_page

ALL: Final = frozenset(CATALOGUE)
CLIENTS: Final = ("anonymous", "customer", "staff without", "staff with")
ROUTES: Final = sorted(CALLS)
NAMES: Final = [f"{method} {path}" for method, path in ROUTES]

NOT_COMPARED: Final = {"session", "audit_event", "idempotency_key"}
"""Tables that say who was here, not what there is."""
_NOTES_OF_USE: Final = {"last_used_at", "last_used_address", "opened_at"}

NO_CHANGE: Final = {
    ("POST", "/auth/forgot-password"): "the link that a worker makes for it is in the log",
    ("POST", "/auth/resend-verification"): "the link that a worker makes for it is in the log",
    ("POST", "/auth/refresh"): "its family is in the log by its login; every fifteen minutes is no event",
    ("POST", "/auth/passkeys/options"): "a question; nothing is changed by it",
    ("POST", "/me/passkeys/options"): "a question; nothing is changed by it",
    ("POST", "/analytics/tickets"): "it opens a connection that only reads",
    ("POST", "/jobs/estimate"): "a question; nothing is changed by it",
    ("POST", "/job-schedules/preview"): "a question; nothing is changed by it",
    ("POST", "/alert-rules/preview"): "a question; nothing is changed by it",
    ("POST", "/reports/preview"): "a question; nothing is changed by it",
    ("POST", "/orders/<number>/payment/refresh"): "a question; what it changes is in the order's timeline",
    ("POST", "/payments/<provider>/webhook"): "what a provider says is kept as it came; staff did nothing",
    ("POST", "/cart"): "what customers mean to buy is their own affair",
    ("PATCH", "/cart"): "the same",
    ("POST", "/cart/seen"): "the same",
    ("POST", "/cart/items"): "the same",
    ("DELETE", "/cart/items"): "the same",
    ("PATCH", "/cart/items/<int:product_id>"): "the same",
    ("DELETE", "/cart/items/<int:product_id>"): "the same",
}
"""Routes that are no GET and whose valid call leaves nothing in the audit log, with the reason."""

MakeWorld = Callable[[str], tuple[World, str | None]]


@pytest.fixture
def make_world(app: Flask, redis_url: str) -> MakeWorld:
    """Makes a new world for one kind of client; gives it with the client's access token."""

    def make(client: str, permission: str | None = None) -> tuple[World, str | None]:
        with redis.Redis.from_url(redis_url) as cache:
            cache.flushall()
        with app.app_context():
            empty_tables()
            restore_built_in(now=utc_now())
            add_person(email="root@example.org", role="admin")
            held = {"staff without": ALL - {permission}, "staff with": ALL}.get(client)
            email = f"{client.replace(' ', '-')}@example.org"
            me = add_person(email=email, permissions=held, role=None if held else "customer")
        token = token_of(app, me)
        return World(app, me, email, token, held=held or frozenset()), None if client == "anonymous" else token

    return make


def view_of(app: Flask, method: str, path: str) -> Any:
    """The function that answers a route."""
    return next(view for rule, other, view in doors(app) if (rule, other) == (API + path, method))


def everything(app: Flask) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that counts."""
    with app.app_context(), db.engine.connect() as connection:
        existing = set(inspect(connection).get_table_names())
        return {
            table.name: sorted(
                (
                    tuple(row)
                    for row in connection.execute(
                        select(*(column for column in table.columns if column.name not in _NOTES_OF_USE))
                    )
                ),
                key=repr,
            )
            for table in db.metadata.sorted_tables
            if table.name in existing - NOT_COMPARED
        }


@on_sqlite
def test_every_route_of_the_api_has_a_valid_call(app: Flask) -> None:
    assert set(CALLS) == {(method, rule.removeprefix(API)) for rule, method, _ in doors(app) if rule.startswith(API)}


def is_let_in(access: str, client: str) -> bool:
    """Whether a client of this kind gets through a door with this on it."""
    if access in CATALOGUE:
        return client == "staff with"
    return access == "public" or client != "anonymous"


@on_sqlite
@pytest.mark.parametrize(("method", "path"), ROUTES, ids=NAMES)
def test_who_may_enter_gets_the_answer_and_who_may_not_changes_nothing(
    app: Flask, make_world: Any, method: str, path: str
) -> None:
    access = view_of(app, method, path).access
    for kind in CLIENTS:
        world, token = make_world(kind, access)
        sent = CALLS[method, path](world)
        before = everything(app)
        answer = send(app.test_client(), method, API + path, sent, credential=token)
        if is_let_in(access, kind):
            assert (kind, answer.status_code) == (kind, sent.status), answer.text
            continue
        problem = answer.get_json()
        if kind == "anonymous":
            assert (answer.status_code, problem["code"]) == (401, "UNAUTHENTICATED")
        else:
            assert (answer.status_code, problem["code"]) == (403, "PERMISSION_MISSING")
            assert f"the permission {access}." in problem["detail"]
        assert everything(app) == before


@on_sqlite
@pytest.mark.parametrize(("method", "path"), ROUTES, ids=NAMES)
def test_an_api_key_opens_what_its_scopes_say_and_nothing_personal(
    app: Flask, make_world: Any, method: str, path: str
) -> None:
    view = view_of(app, method, path)
    wrong, right = (f"cw_{secrets.token_hex(16)}" for _ in range(2))
    world, _ = make_world("staff with")
    with app.app_context():
        add_key(user_id=world.me, secret=right, scopes=sorted(CATALOGUE))
        add_key(user_id=world.me, secret=wrong, scopes=sorted(ALL - {view.access}))
    sent = CALLS[method, path](world)
    before = everything(app)
    refused = send(app.test_client(), method, API + path, sent, credential=wrong)
    if view.access in CATALOGUE:
        assert (refused.status_code, refused.get_json()["code"]) == (403, "PERMISSION_MISSING")
        assert view.access in refused.get_json()["detail"]
        assert everything(app) == before
    if (getattr(view, "is_personal", False) or path in PEOPLE_ONLY) and view.access != "public":
        assert (refused.status_code, refused.get_json()["code"]) == (403, "NOT_FOR_KEYS")
        assert everything(app) == before
    elif view.access in CATALOGUE:
        answer = send(app.test_client(), method, API + path, sent, credential=right)
        assert answer.status_code == sent.status, answer.text


PEOPLE_ONLY: Final = {"/auth/token", "/auth/logout", "/auth/logout-everywhere", "/auth/confirm"}
"""Where not the door but what is behind it says so."""


CHANGES: Final = [route for route in ROUTES if route[0] != "GET"]


@on_sqlite
@pytest.mark.parametrize(("method", "path"), [route for route in CHANGES if API + route[1] not in OPEN])
def test_a_browsers_session_changes_nothing_without_the_csrf_token(
    app: Flask, make_world: Any, method: str, path: str
) -> None:
    world, _ = make_world("staff with")
    browser = Browser(app, world.email)
    sent = CALLS[method, path](world)
    before = everything(app)
    answer = send(browser.client, method, API + path, sent)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "CSRF_REFUSED")
    assert everything(app) == before


@on_sqlite
@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_the_audit_log_knows_of_everything_that_is_done(app: Flask, make_world: Any, method: str, path: str) -> None:
    is_public = view_of(app, method, path).access == "public"
    world, token = make_world("staff with")
    sent = CALLS[method, path](world)
    credential = None if is_public else token
    answer = send(app.test_client(), method, API + path, sent, credential=credential, request_id="this-request")
    assert answer.status_code == sent.status, answer.text
    with app.app_context():
        rows = db.session.scalars(select(AuditEvent).where(AuditEvent.request_id == "this-request")).all()
    if (method, path) in NO_CHANGE:
        assert rows == []
        return
    assert rows
    for row in rows:
        assert (row.address, row.action.count(".")) == (HERE.address, 1)
        if is_public:  # by a link or a login: somebody who has just become known, or nobody
            assert row.actor_kind in {"guest", "user"}
        else:
            assert (row.actor_kind, row.actor_id) == ("user", world.me)


@on_sqlite
def test_pages_open_for_who_may_see_them_and_their_forms_refuse_who_may_not(app: Flask, make_world: Any) -> None:
    world, _ = make_world("staff with")
    ids = all_ids(world)
    pages = [(rule, method, view.access) for rule, method, view in doors(app) if is_page(view)]
    assert len(pages) > 40
    browsers = {"": Browser(app, None), "staff": Browser(app, world.email), "customer": Browser(app, _customer(app))}
    for permission in {access for _, _, access in pages if access in CATALOGUE}:
        browsers[permission] = Browser(app, _staff_without(app, permission))
    before = everything(app)
    for rule, method, access in pages:
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(ids[found[1]]), rule)
        stranger = browsers[""].open(method, path, with_token=True)
        assert (rule, method, stranger.status_code) == (rule, method, 302)
        assert stranger.headers["Location"].startswith("/login?next=")
        for name in ("customer", access) if access in CATALOGUE else ():
            refused = browsers[name].open(method, path, with_token=True)
            assert (rule, method, name, refused.status_code) == (rule, method, name, 403)
            assert f"the permission {access}." in refused.text
        let_in = browsers["staff"].open(method, path, with_token=False)
        wanted = 400 if method == "POST" else 302 if rule in SENDS_ON else 200
        assert (rule, method, let_in.status_code) == (rule, method, wanted)
        assert (rule, everything(app)) == (rule, before)


SENDS_ON: Final = {"/account/second-factor/app"}
"""Pages that send on to another one where nothing was begun."""


def _customer(app: Flask) -> str:
    with app.app_context():
        add_person(email="customer@example.org", role="customer")
    return "customer@example.org"


def _staff_without(app: Flask, permission: str) -> str:
    email = f"{permission.replace(':', '-')}@example.org"
    with app.app_context():
        add_person(email=email, permissions=ALL - {permission})
    return email


class Browser:
    """A browser with a session, and the CSRF token of its pages."""

    def __init__(self, app: Flask, email: str | None) -> None:
        self.client: FlaskClient = app.test_client()
        self.csrf = ""
        if email is not None:
            page = self.client.get("/login")
            form = {"email": email, "password": PASSWORD, "csrf_token": self._token(page.text)}
            assert self.client.post("/login", data=form).status_code == 302
        self.csrf = self._token(self.client.get("/account" if email else "/login").text)

    def open(self, method: str, path: str, *, with_token: bool) -> Any:
        """Ask for a page, or send a form with no more in it than the token."""
        data = {"csrf_token": self.csrf} if with_token else {}
        return self.client.open(path, method=method, data=data if method != "GET" else None, headers=ACCEPT)

    @staticmethod
    def _token(page: str) -> str:
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert found
        return found[1]


ACCEPT: Final = {"Accept": "text/html"}
