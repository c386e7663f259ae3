"""Filters of products that are kept under a name."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.products.models.filters import ProductFilter
from app.products.services.filters import create_filter
from tests.concurrency import at_once

PATH = "/api/v1/product-filters"
Headers = dict[str, str]
KETTLES: dict[str, Any] = {"name": "Kettles", "filter": {"brand": "Hearth", "price_max": "20", "in_stock": True}}


@pytest.fixture
def made(client: FlaskClient, auth_headers: Headers) -> dict[str, Any]:
    """A saved filter."""
    answer = client.post(PATH, json=KETTLES, headers=auth_headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def stored(client: FlaskClient) -> list[tuple[str, Any, int]]:
    with client.application.app_context():
        return [(row.name, row.which, row.version) for row in db.session.scalars(select(ProductFilter))]


def test_a_filter_is_kept_read_replaced_and_deleted(
    client: FlaskClient, auth_headers: Headers, made: dict[str, Any]
) -> None:
    path = f"{PATH}/{made['id']}"
    assert made["filter"] == {"brand": "Hearth", "price_max": "20.00", "in_stock": True}
    read = client.get(path, headers=auth_headers)
    assert (read.headers["ETag"], read.get_json()) == ('"v1"', made)
    assert client.put(path, json=KETTLES, headers=auth_headers).status_code == 428
    change = {"name": "All", "filter": {}}
    changed = client.put(path, json=change, headers=auth_headers | {"If-Match": '"v1"'})
    assert (changed.status_code, changed.get_json()["version"], changed.get_json()["filter"]) == (200, 2, {})
    stale = client.put(path, json=KETTLES, headers=auth_headers | {"If-Match": '"v1"'})
    assert (stale.status_code, stale.get_json()["code"]) == (412, "STALE_VERSION")
    assert client.delete(path, headers=auth_headers | {"If-Match": '"v1"'}).status_code == 412
    assert stored(client) == [("All", {}, 2)]
    assert client.delete(path, headers=auth_headers | {"If-Match": '"v2"'}).status_code == 204
    gone = client.get(path, headers=auth_headers)
    assert (gone.status_code, gone.get_json()["code"]) == (404, "PRODUCT_FILTER_NOT_FOUND")
    with client.application.app_context():
        told = select(AuditEvent.action).where(AuditEvent.topic == "product_filter").order_by(AuditEvent.id)
        assert list(db.session.scalars(told)) == [f"product_filter.{did}" for did in ("create", "update", "delete")]


def test_a_name_is_given_once(client: FlaskClient, auth_headers: Headers, made: dict[str, Any]) -> None:
    other = client.post(PATH, json=KETTLES | {"name": "kettles"}, headers=auth_headers).get_json()
    again = client.post(PATH, json=KETTLES, headers=auth_headers)
    assert (again.status_code, again.get_json()["code"]) == (409, "PRODUCT_FILTER_NAME_TAKEN")
    renamed = client.put(f"{PATH}/{other['id']}", json=KETTLES, headers=auth_headers | {"If-Match": '"v1"'})
    assert renamed.status_code == 409
    assert sorted(name for name, _, _ in stored(client)) == ["Kettles", "kettles"]


def test_of_filters_with_one_name_that_come_at_once_one_is_kept(client: FlaskClient) -> None:
    make = lambda: create_filter(actor=system(), now=utc_now(), name="Same", which={})  # noqa: E731
    results = at_once(client.application, make, make, make, make)
    assert sorted(type(one).__name__ for one in results) == ["FilterNameTaken"] * 3 + ["ProductFilter"]
    assert len(stored(client)) == 1


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": " "}, "/name"),
        ({"filter": {"colour": "red"}}, "/filter/colour"),
        ({"filter": {"price_min": "cheap"}}, "/filter/price_min"),
        ({"filter": {"category": 999}}, "/filter/category"),
        ({"filter": None}, "/filter"),
    ],
)
def test_a_bad_filter_is_refused_at_the_field_and_nothing_is_kept(
    client: FlaskClient, auth_headers: Headers, change: dict[str, Any], pointer: str
) -> None:
    answer = client.post(PATH, json=KETTLES | change, headers=auth_headers)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [pointer]
    assert stored(client) == []


def test_filters_are_listed_by_their_names_in_pages(client: FlaskClient, auth_headers: Headers) -> None:
    for name in ("c", "a", "b"):
        client.post(PATH, json={"name": name, "filter": {}}, headers=auth_headers)
    first = client.get(f"{PATH}?limit=2", headers=auth_headers).get_json()
    rest = client.get(f"{PATH}?limit=2&cursor={first['next_cursor']}", headers=auth_headers).get_json()
    assert [row["name"] for row in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert rest["next_cursor"] is None
