"""The API's documentation works without any foreign host and shows what the API really does."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.servers import on_sqlite
from tests.test_access import OPEN

VENDOR: Final = Path(__file__).resolve().parent.parent / "app" / "static" / "vendor"
PAGES: Final = ("/docs", "/redoc")
NEEDED: Final[Any] = [{"bearer": []}, {"session": []}]
"""What every operation that is not open takes: an access token or an API key, or a browser's session."""
OF_SHOPPERS: Final[Any] = [*NEEDED, {"cart": []}]
"""What operations take that are guests' as well."""

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


def test_vendored_files_are_those_that_the_list_names() -> None:
    lines = re.findall(r"^([0-9a-f]{64})  (\S+)$", (VENDOR / "README.md").read_text(), re.MULTILINE)
    listed = {name: digest for digest, name in lines}
    there = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.parent != VENDOR
    }
    assert there == listed
    assert len(there) > 5


@pytest.mark.parametrize("page", PAGES)
def test_a_documentation_page_loads_its_own_files_only(client: FlaskClient, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 200
    loaded = re.findall(r"(?:src|href)=\"([^\"]+)\"", answer.text)
    assert len(loaded) >= 2
    for address in loaded:
        assert client.get(address).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_a_documentation_page_has_a_policy_without_unsafe_sources(client: FlaskClient, page: str) -> None:
    one, other = client.get(page), client.get(page)
    policy = one.headers["Content-Security-Policy"]
    nonces = set(re.findall(r"'nonce-([^']+)'", policy))
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    assert nonces == set(re.findall(r"nonce=\"([^\"]+)\"", one.text))
    assert policy != other.headers["Content-Security-Policy"]


def test_everything_else_has_the_strict_policy(client: FlaskClient) -> None:
    for path in ("/openapi.json", "/healthz", "/api/v1/products", "/nowhere"):
        assert client.get(path).headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_the_document_is_openapi_31_and_names_every_route(app: Flask, client: FlaskClient) -> None:
    answer = client.get("/openapi.json")
    document: dict[str, Any] = answer.get_json()
    assert document["openapi"] == "3.1.0"
    routes = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
    }
    assert set(document["paths"]) == routes
    again = client.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_every_operation_has_a_summary_and_says_what_it_needs(client: FlaskClient) -> None:
    operations = [
        (path, method, operation)
        for path, methods in client.get("/openapi.json").get_json()["paths"].items()
        for method, operation in methods.items()
        if method in {"get", "post", "put", "patch", "delete"}
    ]
    assert [(path, method) for path, method, operation in operations if not operation.get("summary")] == []
    opened = {path for path, _, operation in operations if operation.get("security") not in (NEEDED, OF_SHOPPERS)}
    assert opened == {re.sub(r"<(\w+)>", r"{\1}", path) for path in OPEN if path.startswith("/api/")}
    schemes = client.get("/openapi.json").get_json()["components"]["securitySchemes"]
    assert {name for entry in OF_SHOPPERS for name in entry} == set(schemes)


def test_errors_are_documented_as_problem_documents(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    shapes = {name: answer["content"] for name, answer in document["components"]["responses"].items()}
    assert shapes
    for content in shapes.values():
        assert set(content) == {"application/problem+json"}
