"""The OpenAPI document against the routes and against answers that the API really gives."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from app import create_app
from app.config import Rates, Settings
from app.core.extensions import db
from app.core.permissions import CATALOGUE, Principal
from app.core.requests import MAX_BODY_BYTES
from tests.calls import PASSWORD
from tests.conftest import Admin
from tests.rpa.conftest import ASINS, profile, stock_master
from tests.servers import on_sqlite
from tests.test_access import doors

Headers = dict[str, str]

PRODUCT: Final = {"asin": "b0cw1a0001", "name": "Kettle", "price": "1.00"}
PRODUCTS: Final = "/api/v1/products"
SECRETS: Final = [
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    "/api/v1/auth/token",
    "/api/v1/me/totp",
    "/api/v1/me/totp/confirm",
    "/api/v1/me/recovery-codes",
    "/api/v1/auth/passkeys/options",
    "/api/v1/auth/passkeys/login",
    "/api/v1/me/passkeys/options",
    "/api/v1/me/keys",
    "/api/v1/cart",
    "/api/v1/orders/{number}/payment/refresh",
    "/api/v1/webhooks",
    "/api/v1/webhooks/{webhook_id}/rotate-secret",
    "/api/v1/analytics/tickets",
    "/api/v1/reports/{report_id}/shares",
]
"""What answers with something that nobody may read again."""
RATE: Final = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}
OF_EVERY_SITE: Final = {
    "Content-Type",
    "Content-Length",
    "Date",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "X-Frame-Options",
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Cache-Control",
    "Cross-Origin-Resource-Policy",
    "Permissions-Policy",
    "Vary",
    *RATE,
}
"""Headers that say nothing about one operation."""

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


class Document:
    """The published document, with its references followed."""

    def __init__(self, client: FlaskClient) -> None:
        self.whole: dict[str, Any] = client.get("/openapi.json").get_json()

    def operations(self) -> dict[tuple[str, str], dict[str, Any]]:
        """By path and method."""
        return {
            (path, method.upper()): operation
            for path, operations in self.whole["paths"].items()
            for method, operation in operations.items()
            if method != "parameters"
        }

    def response(self, path: str, method: str, status: int) -> dict[str, Any]:
        """What one operation says of one status, which it must name."""
        named = self.operations()[path, method]["responses"]
        assert str(status) in named, (path, method, status)
        found: dict[str, Any] = named[str(status)]
        if "$ref" in found:
            found = self.whole["components"]["responses"][found["$ref"].rsplit("/", 1)[-1]]
        return found

    def schema(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.whole["components"]["schemas"][name]
        return found

    def check(self, answer: TestResponse, path: str, status: int) -> None:
        """Fail unless an answer has this status, and its headers and its body are as the document says."""
        assert answer.status_code == status, answer.text
        named = self.response(path, answer.request.method, status)
        assert set(answer.headers.keys()) - OF_EVERY_SITE <= set(named.get("headers", {})), (path, status)
        if status >= 400:
            needed = {"X-Request-Id"} | {401: {"WWW-Authenticate"}, 429: {"Retry-After", *RATE}}.get(status, set())
            assert set(named["headers"]) == needed <= set(answer.headers.keys())
        elif answer.request.method not in {"GET", "HEAD"}:
            assert set(named["headers"]) & RATE == set(answer.headers.keys()) & RATE == RATE
        if answer.data:
            schema = named["content"][answer.mimetype]["schema"]
            Draft202012Validator(schema | {"components": self.whole["components"]}).validate(answer.get_json())


@pytest.fixture
def document(client: FlaskClient) -> Document:
    return Document(client)


@pytest.fixture
def limited(app: Flask, settings: Settings) -> Iterator[Flask]:
    """The application with a limit of one login a minute."""
    other = create_app(dataclasses.replace(settings, rates=Rates(login="1 per minute")))
    yield other
    with other.app_context():
        db.engine.dispose()


def test_the_document_has_every_operation_with_the_problems_that_its_kind_has(app: Flask, document: Document) -> None:
    wanted: dict[tuple[str, str], set[int]] = {}
    for rule, method, view in doors(app):
        if rule.startswith("/api/"):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
            statuses = {401} if view.access != "public" else set()
            statuses |= {403} if view.access in CATALOGUE or getattr(view, "is_personal", False) else set()
            statuses |= {404} if "<" in rule else set()
            statuses |= {409} if method != "GET" else set()
            versioned = method in {"PUT", "PATCH", "DELETE"} and not hasattr(view, "is_unversioned")
            statuses |= {412, 428} if versioned else set()
            wanted[path, method] = statuses
    operations = document.operations()
    assert set(operations) == set(wanted)
    for (path, method), operation in operations.items():
        statuses = wanted[path, method] | ({400, 413, 415, 422} if "requestBody" in operation else set())
        statuses |= {422} if any(parameter["in"] == "query" for parameter in operation.get("parameters", [])) else set()
        for status in statuses:
            assert list(document.response(path, method, status)["content"]) == ["application/problem+json"]
        assert all(
            set(answer) >= {"$ref"} for status, answer in operation["responses"].items() if status.startswith("4")
        )


def test_every_answer_has_a_request_id_and_that_of_a_post_may_be_a_replay(document: Document) -> None:
    for (path, method), operation in document.operations().items():
        for status in operation["responses"].keys() - {"default"}:
            headers = document.response(path, method, int(status))["headers"]
            assert "X-Request-Id" in headers, (path, method, status)
            assert ("Idempotent-Replayed" in headers) == (method == "POST" and status.startswith("2"))


def test_a_secret_is_documented_as_an_answer_that_is_not_given_again(
    client: FlaskClient, auth_headers: Headers, document: Document
) -> None:
    def says_so(path: str) -> bool:
        headers = {named["name"]: named for named in document.operations()[path, "POST"]["parameters"]}
        return "409 IDEMPOTENCY_ANSWER_NOT_STORED" in headers["Idempotency-Key"]["description"]

    key, login = {"name": "k", "scopes": ["products:read"]}, {"email": "admin@example.org", "password": PASSWORD}
    for path, sent in (("/api/v1/me/keys", key), ("/api/v1/auth/login", login), (PRODUCTS, PRODUCT)):
        once = auth_headers | {"Idempotency-Key": path}
        assert client.post(path, json=sent, headers=once).status_code < 300
        again = client.post(path, json=sent, headers=once)
        assert (again.get_json().get("code") == "IDEMPOTENCY_ANSWER_NOT_STORED") == says_so(path), path
    assert [path for path, method in document.operations() if method == "POST" and says_so(path)] == SECRETS


def test_the_refresh_by_cookie_names_its_header(document: Document) -> None:
    headers = {named["name"]: named for named in document.operations()["/api/v1/auth/refresh", "POST"]["parameters"]}
    assert not headers["X-CSRF-TOKEN"]["required"]
    assert "cartwright-refresh-csrf" in headers["X-CSRF-TOKEN"]["description"]


def test_schemas_are_valid_and_none_is_left_over(document: Document) -> None:
    for schema in document.whole["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert "PaginationMetadata" not in document.whole["components"]["schemas"]
    job, task = document.schema("Job")["properties"], document.schema("Task")["properties"]
    assert (job["outcomes"]["type"], job["report"]["type"]) == ("object", "object")
    assert set(task["result"]["type"]) == {"object", "null"}
    assert set(task["advice"]["type"]) == set(task["not_before"]["type"]) == {"string", "null"}
    kept = document.schema("Storefront")["properties"]["profile"]
    assert kept["type"] == "object"
    assert kept["description"].endswith("see the schema Profile")
    assert document.schema("Profile")["properties"]


@pytest.mark.parametrize(("asin", "is_one"), [("b0cw1a0001", True), ("B0CW1A0001", True), ("B0CW1A000", False)])
def test_the_pattern_of_an_asin_is_what_the_api_takes(
    client: FlaskClient, auth_headers: Headers, document: Document, asin: str, is_one: bool
) -> None:
    pattern = document.schema("ProductIn")["properties"]["asin"]["pattern"]
    assert bool(re.search(pattern, asin)) is is_one
    answer = client.post(PRODUCTS, json=PRODUCT | {"asin": asin}, headers=auth_headers)
    assert answer.status_code == (201 if is_one else 422)


def test_answers_about_products_are_as_documented(
    client: FlaskClient, auth_headers: Headers, document: Document
) -> None:
    one, kettle = PRODUCTS + "/{product_id}", auth_headers | {"Idempotency-Key": "kettle"}
    made = client.post(PRODUCTS, json=PRODUCT, headers=kettle)
    document.check(made, PRODUCTS, 201)
    again = client.post(PRODUCTS, json=PRODUCT, headers=kettle)
    document.check(again, PRODUCTS, 201)
    assert {"Location", "ETag", "Idempotent-Replayed", "X-Request-Id"} <= set(again.headers.keys())
    url, current = made.headers["Location"], auth_headers | {"If-Match": made.headers["ETag"]}
    document.check(client.get(PRODUCTS, headers=auth_headers), PRODUCTS, 200)
    document.check(client.get(PRODUCTS + "?cursor=x", headers=auth_headers), PRODUCTS, 422)
    document.check(client.get(url, headers=auth_headers), one, 200)
    document.check(client.get(url, headers=auth_headers | {"If-None-Match": made.headers["ETag"]}), one, 304)
    document.check(client.get(PRODUCTS + "/999", headers=auth_headers), one, 404)
    document.check(client.put(url, json=PRODUCT, headers=auth_headers), one, 428)
    document.check(client.put(url, json=PRODUCT, headers=auth_headers | {"If-Match": '"v9"'}), one, 412)
    document.check(client.put(url, json=PRODUCT | {"name": "Pot"}, headers=current), one, 200)
    document.check(client.get(url + "/history", headers=auth_headers), one + "/history", 200)
    document.check(client.get("/api/v1/product-updates", headers=auth_headers), "/api/v1/product-updates", 200)
    document.check(client.delete(url, headers=auth_headers | {"If-Match": '"v2"'}), one, 204)


def test_refusals_of_a_product_are_as_documented(
    app: Flask, client: FlaskClient, auth_headers: Headers, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    def post(body: bytes, kind: str = "application/json") -> TestResponse:
        return client.post(PRODUCTS, data=body, content_type=kind, headers=auth_headers)

    assert client.post(PRODUCTS, json=PRODUCT, headers=auth_headers).status_code == 201
    document.check(post(b"{"), PRODUCTS, 400)
    document.check(client.post(PRODUCTS, json=PRODUCT), PRODUCTS, 401)
    taken = client.post(PRODUCTS, json=PRODUCT, headers=auth_headers)
    document.check(taken, PRODUCTS, 409)
    assert [(error["pointer"], error["in"]) for error in taken.get_json()["errors"]] == [("/asin", "body")]
    document.check(post(b" " * (MAX_BODY_BYTES + 1)), PRODUCTS, 413)
    document.check(post(b"x", "text/plain"), PRODUCTS, 415)
    document.check(post(b"{}"), PRODUCTS, 422)
    nobody = Principal(kind="user", id=1, name="Nobody", permissions=frozenset(), request_id=None)
    monkeypatch.setitem(app.extensions, "authenticate", lambda: nobody)
    document.check(client.post(PRODUCTS, json=PRODUCT), PRODUCTS, 403)


def test_answers_of_the_farm_are_as_documented(client: FlaskClient, auth_headers: Headers, document: Document) -> None:
    with client.application.app_context():
        stock_master()
    shops, jobs, errand = "/api/v1/storefronts", "/api/v1/jobs", "/api/v1/view-product"
    sent = {"code": "shop", "name": "Shop", "profile": profile()}
    made = client.post(shops, json=sent, headers=auth_headers)
    document.check(made, shops, 201)
    taken = client.post(shops, json=sent, headers=auth_headers)
    document.check(taken, shops, 409)
    assert [(error["pointer"], error["in"]) for error in taken.get_json()["errors"]] == [("/code", "body")]
    order = {"action": "view-product", "storefront": "shop", "name": "Check", "asins": [*ASINS, "none"]}
    job = client.post(jobs, json=order, headers=auth_headers)
    document.check(job, jobs, 202)
    url = job.headers["Location"]
    document.check(client.get(url, headers=auth_headers), jobs + "/{job_id}", 200)
    document.check(client.get(url + "/tasks", headers=auth_headers), jobs + "/{job_id}/tasks", 200)
    document.check(client.post(url + "/cancel", headers=auth_headers), jobs + "/{job_id}/cancel", 202)
    task = client.post(errand, json={"asin": ASINS[0], "storefront": "shop"}, headers=auth_headers)
    document.check(task, errand, 202)
    document.check(client.get(task.headers["Location"], headers=auth_headers), "/api/v1/tasks/{task_id}", 200)
    current = auth_headers | {"If-Match": made.headers["ETag"]}
    document.check(client.delete(made.headers["Location"], headers=current), shops + "/{storefront_id}", 409)
    assert "Location" in document.response(errand, "POST", 200)["headers"]


def test_answers_to_a_login_are_as_documented(limited: Flask, admin: Admin, document: Document) -> None:
    path = "/api/v1/auth/login"
    login = {"email": admin.email, "password": admin.password}

    def log_in(address: str, **changes: str) -> TestResponse:
        return limited.test_client().post(path, json=login | changes, environ_base={"REMOTE_ADDR": address})

    good = log_in("192.0.2.1")
    document.check(good, path, 200)
    document.check(log_in("192.0.2.1"), path, 429)
    document.check(log_in("192.0.2.2", email="other@example.org", password="wrong"), path, 401)
    me = limited.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {good.get_json()['access_token']}"})
    document.check(me, "/api/v1/me", 200)
    document.check(limited.test_client().get("/api/v1/me"), "/api/v1/me", 401)
