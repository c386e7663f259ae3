"""What tests of the product master share: the API with an administrator's access, and what is in the tables."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.products.models.products import Product, ProductUpdate
from tests.products.operating import IMPORTS, Import, Upload, work

URL: Final = "/api/v1/products"
LAMP: Final[dict[str, Any]] = {
    "asin": "B0CW1A0001",
    "name": "Reading lamp",
    "brand": "Lumo",
    "price": "12.50",
    "description": "Warm light.",
    "is_active": True,
}

CREATED: Final = ("is_deleted", None, "false")

Send = Callable[..., TestResponse]


@pytest.fixture
def send(client: FlaskClient, auth_headers: dict[str, str]) -> Send:
    """Sends a request as the administrator: ``send("PUT", url, LAMP, version=1)``."""

    def request(method: str, url: str, body: Any = None, *, version: int | None = None, **headers: str) -> TestResponse:
        stated = {} if version is None else {"If-Match": f'"v{version}"'}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.open(url, method=method, json=body, headers=auth_headers | stated | named)

    return request


@pytest.fixture
def upload(client: FlaskClient, auth_headers: dict[str, str]) -> Upload:
    """Sends a file as the administrator: ``upload(text, "products.csv", run="true")``."""

    def send(content: str | bytes, name: str = "products.csv", *, headers: Any = None, **fields: str) -> TestResponse:
        data = content.encode() if isinstance(content, str) else content
        form: dict[str, Any] = {"file": (io.BytesIO(data), name), **fields}
        return client.post(IMPORTS, data=form, headers=auth_headers | (headers or {}))

    return send


@pytest.fixture
def imported(app: Flask, client: FlaskClient, upload: Upload, auth_headers: dict[str, str]) -> Import:
    """Sends a file, works on it until nothing is left, and gives the import as the API shows it then."""

    def do(content: str | bytes, name: str = "products.csv", **fields: str) -> dict[str, Any]:
        answer = upload(content, name, **fields)
        assert answer.status_code == 202, answer.text
        work(app, answer.get_json()["id"])
        shown: dict[str, Any] = client.get(answer.headers["Location"], headers=auth_headers).get_json()
        return shown

    return do


def stored(app: Flask) -> dict[str, list[dict[str, Any]]]:
    """Every row of the product master, its history and what the audit trail says of products."""
    with app.app_context():
        wanted = {
            "products": select(Product).order_by(Product.id),
            "updates": select(ProductUpdate).order_by(ProductUpdate.id),
            "audit": select(AuditEvent).where(AuditEvent.subject_kind == "product").order_by(AuditEvent.id),
        }
        return {name: [row_values(row) for row in db.session.scalars(rows)] for name, rows in wanted.items()}


def changes(app: Flask) -> list[tuple[str, str | None, str | None]]:
    """The update history as (attribute, previous, current), in order, without that products were created."""
    rows = stored(app)["updates"]
    told = [(row["attribute"], row["previous_attribute"], row["current_attribute"]) for row in rows]
    return [change for change in told if change != CREATED]


def row_values(row: Any) -> dict[str, Any]:
    """Every column of a row."""
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}
