"""What an import may do and show: no more than who asks for it may otherwise, and what was looked at, nothing else."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.core.extensions import db
from app.products.models.stock import Stock
from app.products.services.exports import rows as exporting
from tests.calls import add_person, token_of
from tests.products.conftest import LAMP, URL, Send, stored
from tests.products.operating import EXPORTS, IMPORTS, Import, Upload, row_of, work
from tests.servers import on_sqlite

pytestmark = on_sqlite
THRESHOLDS: Final = "asin,low_stock_threshold,name\nB0CW1A0001,77,Other lamp\n"


@pytest.fixture
def limited(app: Flask) -> dict[str, str]:
    """The access of somebody who keeps products and has nothing to do with stock."""
    with app.app_context():
        user_id = add_person(email="p@example.org", permissions=frozenset({"products:read", "products:write"}))
        db.session.commit()
    return {"Authorization": f"Bearer {token_of(app, user_id)}"}


def thresholds(app: Flask) -> list[int | None]:
    with app.app_context():
        return list(db.session.scalars(select(Stock.low_stock_threshold).order_by(Stock.product_id)))


@pytest.mark.parametrize("run", ["true", "false"])
def test_without_the_permission_no_column_is_guessed_to_be_thresholds(
    app: Flask, client: FlaskClient, send: Send, upload: Upload, limited: dict[str, str], run: str
) -> None:
    send("POST", URL, LAMP)
    assert send("PATCH", f"{URL}/1", {"name": "Lamp"}, version=1).status_code == 200
    before = thresholds(app)
    made = upload(THRESHOLDS, headers=limited, run=run).get_json()
    assert work(app, made["id"]) == ("COMPLETED" if run == "true" else "CHECKED")
    shown = client.get(f"{IMPORTS}/{made['id']}", headers=limited).get_json()
    assert [column["target"] for column in shown["columns"]] == ["asin", None, "name"]
    assert shown["counts"]["changed"] == 1
    if run == "false":
        assert client.post(f"{IMPORTS}/{made['id']}/run", headers=limited).status_code == 202
        assert work(app, made["id"]) == "COMPLETED"
    assert stored(app)["products"][0]["name"] == "Other lamp"
    assert thresholds(app) == before


def test_who_may_not_set_thresholds_neither_maps_them_nor_runs_what_others_mapped(
    app: Flask, client: FlaskClient, send: Send, imported: Import, limited: dict[str, str]
) -> None:
    send("POST", URL, LAMP)
    shown = imported(THRESHOLDS)
    assert [column["target"] for column in shown["columns"]] == ["asin", "low_stock_threshold", "name"]
    before = row_of(app, shown["id"])
    targets = {"targets": ["asin", "low_stock_threshold", None]}
    mapping = client.put(f"{IMPORTS}/{shown['id']}/mapping", json=targets, headers=limited | {"If-Match": '"v1"'})
    run = client.post(f"{IMPORTS}/{shown['id']}/run", headers=limited)
    for refused in (mapping, run):
        assert (refused.status_code, refused.get_json()["code"]) == (403, "PERMISSION_MISSING")
        assert "stock:write" in refused.get_json()["detail"]
    assert row_of(app, shown["id"]) == before
    assert send("POST", f"{IMPORTS}/{shown['id']}/run").status_code == 202
    assert work(app, shown["id"]) == "COMPLETED"
    assert thresholds(app) == [77]


def test_an_import_runs_as_it_was_seen_or_not_at_all(app: Flask, send: Send, imported: Import) -> None:
    send("POST", URL, LAMP)
    seen = imported("asin,name,price,rrp\nB0CW1A0001,Reading lamp,12.50,99.00\n")
    assert (seen["counts"]["unchanged"], seen["version"]) == (1, 1)
    url = f"{IMPORTS}/{seen['id']}"
    assert send("PUT", f"{url}/mapping", {"targets": ["asin", "name", None, "price"]}, version=1).status_code == 200
    assert work(app, seen["id"]) == "CHECKED"
    before = row_of(app, seen["id"])
    refused = send("POST", f"{url}/run", version=1)
    assert (refused.status_code, refused.get_json()["code"]) == (412, "OPERATION_CHANGED")
    assert send("POST", f"{url}/run", If_Match="nonsense").status_code == 400
    assert row_of(app, seen["id"]) == before
    assert send("POST", f"{url}/run", version=2).status_code == 202
    assert work(app, seen["id"]) == "COMPLETED"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_who_may_not_read_stock_gets_no_thresholds_in_any_file(
    app: Flask, client: FlaskClient, send: Send, imported: Import, limited: dict[str, str], kind: str
) -> None:
    send("POST", URL, LAMP)
    imported(THRESHOLDS, run="true")
    ask: dict[str, Any] = {"format": kind, "filter": {}}
    files = []
    for made in (send("POST", EXPORTS, ask), client.post(EXPORTS, json=ask, headers=limited)):
        assert work(app, made.get_json()["id"]) == "COMPLETED"
        files.append(made.headers["Location"] + "/file")
    refused = client.get(files[0], headers=limited)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "PERMISSION_MISSING")
    rest = [name for name in exporting.COLUMNS if name != "low_stock_threshold"]
    for url in (f"{URL}/export?format={kind}", files[1]):
        assert columns_of(kind, client.get(url, headers=limited)) == rest
    for url in (f"{URL}/export?format={kind}", files[0]):
        assert columns_of(kind, send("GET", url)) == list(exporting.COLUMNS)


def columns_of(kind: str, answer: TestResponse) -> list[str]:
    assert answer.status_code == 200
    first = answer.data.splitlines()[0]
    return list(orjson.loads(first)) if kind == "jsonl" else first.decode("utf-8-sig").split(",")
