"""What is sent to stop a process, to fill memory or to look like nothing is refused at once, and changes nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.http import MAX_ERRORS
from app.products.attributes import MAX_KEYS, MAX_PROBLEMS
from tests.products.conftest import LAMP, URL, Send, stored
from tests.products.operating import Import, Upload, work
from tests.servers import on_sqlite

HOSTILE = "a" + "\u0301" * 20_000 + "\u0316" * 20_000


@on_sqlite
@pytest.mark.parametrize(
    "field",
    [{"email": HOSTILE}, {"password": HOSTILE}, {"email": f"a@{HOSTILE}.example"}, {"code": HOSTILE}],
    ids=["email", "password", "domain", "code"],
)
def test_a_login_with_a_row_of_marks_is_answered_at_once(client: FlaskClient, field: dict[str, str]) -> None:
    body = {"email": "ada@example.org", "password": "correct horse battery staple"} | field
    began = time.process_time()
    answer = client.post("/api/v1/auth/login", json=body)
    assert (answer.status_code, time.process_time() - began < 1.5) == (422, True)


@on_sqlite
@pytest.mark.parametrize(
    "field",
    [
        {"name": HOSTILE}, {"brand": HOSTILE}, {"description": HOSTILE}, {"attributes": {HOSTILE: 1}},
        {"attributes": {"a": HOSTILE}}, {"attributes": {"a": [HOSTILE]}},
    ],
)  # fmt: skip
def test_a_product_with_a_row_of_marks_is_refused_at_once(app: Flask, send: Send, field: dict[str, Any]) -> None:
    before = stored(app)
    began = time.process_time()
    answer = send("POST", URL, LAMP | field)
    assert (answer.status_code, time.process_time() - began < 1.5) == (422, True)
    assert stored(app) == before


@on_sqlite
def test_a_row_of_an_import_with_a_row_of_marks_is_refused_at_once(app: Flask, upload: Upload) -> None:
    operation = upload(f"asin,name,price,categories\nB0CW1A0001,{HOSTILE},1.00,{HOSTILE}\n").get_json()
    began = time.process_time()
    work(app, operation["id"])
    assert time.process_time() - began < 3
    assert stored(app)["products"] == []


@on_sqlite
@pytest.mark.parametrize("name", ["\u200b", "\u00ad", "\u3164", "\U000e0041", "two\u2028lines", "two\u0085lines"])
def test_a_name_that_looks_empty_or_breaks_lines_is_refused(
    app: Flask, send: Send, imported: Import, name: str
) -> None:
    before = stored(app)
    assert send("POST", URL, LAMP | {"name": name}).status_code == 422
    assert imported(f"asin,name,price\nB0CW1A0001,{name},1.00\n")["counts"]["refused"] == 1
    assert stored(app) == before


@on_sqlite
def test_wrong_attributes_without_end_get_a_short_answer(app: Flask, send: Send, imported: Import) -> None:
    before = stored(app)
    many: dict[str, Any] = {f"\u0001{at}": {} for at in range(100_000)}
    answer = send("POST", URL, LAMP | {"attributes": many})
    assert (answer.status_code, len(answer.data) < 2_000) == (422, True)
    bad: dict[str, Any] = {f"\u0001{at}" + "x" * 9_000: {} for at in range(MAX_KEYS)}
    answer = send("POST", URL, LAMP | {"attributes": bad})
    assert (len(answer.get_json()["errors"]), len(answer.data) < 10_000) == (MAX_PROBLEMS, True)
    row = '{"asin":"B0CW1A0001","name":"Lamp","price":"1.00","attributes":{%s}}\n'
    shown = imported(row % ",".join(f'"{at}{"x" * 900}":{{}}' for at in range(MAX_KEYS)), "rows.jsonl")
    reasons = [reason["detail"] for refused in shown["samples"]["refused"] for reason in refused["reasons"]]
    assert reasons
    assert all(len(reason) <= 500 for reason in reasons)
    assert stored(app) == before


@on_sqlite
def test_an_answer_tells_of_a_hundred_errors_at_most_and_quotes_no_long_name(send: Send) -> None:
    answer = send("POST", URL, LAMP | {f"{at}-" + "x" * 1_000: 1 for at in range(1_000)})
    assert (answer.status_code, len(answer.get_json()["errors"])) == (422, MAX_ERRORS)
    assert len(answer.data) < 100_000


@pytest.mark.parametrize("address", ["product-updates", "product-updates/feed", "audit-events"])
@pytest.mark.parametrize(
    "instant",
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59"],
)
def test_an_instant_that_no_database_has_is_refused(send: Send, address: str, instant: str) -> None:
    send("POST", URL, LAMP)
    for name in ("from", "to") if address == "audit-events" else ("since", "until"):
        answer = send("GET", f"/api/v1/{address}?{name}={instant}")
        assert [error["pointer"] for error in answer.get_json()["errors"]] == [f"/{name}"]
        assert answer.status_code == 422


@pytest.mark.parametrize("instant", ["1970-01-01T00:00:00Z", "8999-12-31T23:59:59Z"])
def test_the_first_and_last_instants_that_are_taken_are_asked_for(send: Send, instant: str) -> None:
    send("POST", URL, LAMP)
    for address, names in (("product-updates", ("since", "until")), ("audit-events", ("from", "to"))):
        for name in names:
            assert send("GET", f"/api/v1/{address}?{name}={instant}").status_code == 200


def test_an_import_taken_back_gives_true_and_1_back_to_whom_they_belong(
    app: Flask, send: Send, imported: Import
) -> None:
    was = [{"on": 1}, {"on": True}, {"on": 1}]
    made = [
        send("POST", URL, LAMP | {"asin": f"B0CW1A000{at}", "attributes": value}).get_json()["id"]
        for at, value in enumerate(was)
    ]
    rows = "".join(f'{{"asin":"B0CW1A000{at}","attributes":{{"z":"y"}}}}\n' for at in range(3))
    done = imported(rows, "rows.jsonl", run="true")
    assert done["counts"]["changed"] == 3
    undone = send("POST", f"/api/v1/imports/{done['id']}/undo", {})
    if undone.status_code == 202:
        work(app, undone.get_json()["id"])
    products = [send("GET", f"{URL}/{product_id}").get_json()["attributes"] for product_id in made]
    assert [repr(product["on"]) for product in products] == ["1", "True", "1"]
    told = [row["current_attribute"] for row in stored(app)["updates"] if row["attribute"] == "attributes"][-3:]
    assert told == ['{"on":1}', '{"on":true}', '{"on":1}']
