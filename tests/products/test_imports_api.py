"""Importing by the API: a file is sent, its columns are mapped, a dry run shows what it would change, then it runs."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any, Final

import openpyxl
import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.config import Files
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.files import FileStore
from app.core.orm import utc_now
from app.core.permissions import system
from app.operations.models import Operation
from app.operations.services.imports import checking as import_checking
from app.products.models.categories import ProductCategory
from app.products.models.stock import Stock
from app.products.queries import imports as queries
from app.products.services.categories import create_category
from app.products.services.exports import writing as exports
from app.products.services.products import create_product
from tests.conftest import AppWith
from tests.products.conftest import LAMP, URL, Send, changes, stored
from tests.products.operating import IMPORTS, OPERATIONS, Import, Upload, begin, row_of, work
from tests.servers import on_sqlite

HEADER: Final = "asin,name,brand,price,description\n"
ROW: Final = "B0CW1A0001,Reading lamp,Lumo,12.50,Warm light.\n"


def audited(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)))


def test_a_file_is_read_checked_shown_and_imported(
    app: Flask, imported: Import, client: FlaskClient, auth_headers: dict[str, str], send: Send
) -> None:
    send("POST", URL, LAMP)
    send("POST", URL, LAMP | {"asin": "B0CW1A0002", "name": "Pan"})
    before = stored(app)
    text = (
        "SKU,Item name,Price,Brand\n"
        "B0CW1A0001,Reading lamp,13.00,Lumo\n"
        "B0CW1A0002,Pan,12.50,Lumo\n"
        "B0CW1A0003,Kettle,5.00,\n"
        "B0CW1A0004,,3.505,\n"
    )
    shown = imported(text)
    assert shown["state"] == "CHECKED"
    assert shown["counts"] == {"new": 1, "changed": 1, "unchanged": 1, "refused": 1}
    assert [(one["name"], one["target"], one["guessed_by"]) for one in shown["columns"]] == [
        ("SKU", "asin", "content"), ("Item name", "name", "name"), ("Price", "price", "name"),
        ("Brand", "brand", "name"),
    ]  # fmt: skip
    assert shown["columns"][2]["samples"] == ["13.00", "12.50", "5.00", "3.505"]
    assert shown["samples"]["changed"] == [
        {
            "line": 2,
            "asin": "B0CW1A0001",
            "changes": [{"attribute": "price", "previous": "12.50 USD", "current": "13.00 USD"}],
        }
    ]
    assert [one["asin"] for one in shown["samples"]["new"]] == ["B0CW1A0003"]
    assert shown["samples"]["refused"] == [
        {
            "line": 5,
            "reasons": [
                {"column": "Item name", "detail": "Length must be between 1 and 500."},
                {"column": "Price", "detail": "has more decimals than USD allows (2)."},
            ],
        }
    ]
    assert stored(app) == before
    started = client.post(f"{IMPORTS}/{shown['id']}/run", headers=auth_headers)
    assert (started.status_code, started.get_json()["state"]) == (202, "QUEUED")
    assert work(app, shown["id"]) == "COMPLETED_WITH_ERRORS"
    done = client.get(f"{IMPORTS}/{shown['id']}", headers=auth_headers).get_json()
    assert done["counts"] == {"new": 1, "changed": 1, "unchanged": 1, "refused": 1}
    assert (done["done"], done["total"], done["percent"]) == (4, 4, 100.0)
    assert [row["price_minor"] for row in stored(app)["products"]] == [1300, 1250, 500]
    last = stored(app)["updates"][-2:]
    assert {row["operation_id"] for row in last} == {shown["id"]}
    assert {row["source"] for row in last} == {"import"}
    assert {row["actor_kind"] for row in last} == {"user"}
    assert [one for one in audited(app) if one.startswith("import")] == ["import.create", "import.run", "import.end"]


def test_the_dry_run_is_not_what_counts_when_the_catalogue_changed_meanwhile(
    app: Flask, imported: Import, client: FlaskClient, auth_headers: dict[str, str], send: Send
) -> None:
    shown = imported("asin,price\n" + "B0CW1A0001,13.00\n")
    assert shown["counts"]["refused"] == 1
    lamp = send("POST", URL, LAMP).headers["Location"]
    shown = imported(HEADER + ROW + "B0CW1A0002,Pan,,1.00,\n")
    assert shown["counts"] == {"new": 1, "changed": 0, "unchanged": 1, "refused": 0}
    assert send("PATCH", lamp, {"name": "Other lamp"}, version=1).status_code == 200
    send("POST", URL, LAMP | {"asin": "B0CW1A0002", "name": "Pan", "price": "1.00", "brand": "", "description": ""})
    client.post(f"{IMPORTS}/{shown['id']}/run", headers=auth_headers)
    assert work(app, shown["id"]) == "COMPLETED"
    done = client.get(f"{IMPORTS}/{shown['id']}", headers=auth_headers).get_json()
    assert done["counts"] == {"new": 0, "changed": 1, "unchanged": 1, "refused": 0}
    assert changes(app)[-1] == ("name", "Other lamp", "Reading lamp")


def test_columns_that_are_not_in_the_file_leave_products_alone_and_new_ones_get_defaults(
    app: Flask, imported: Import, send: Send
) -> None:
    send("POST", URL, LAMP | {"is_active": False, "gtin": "4006381333931", "attributes": {"colour": "red"}})
    done = imported("asin,price\nB0CW1A0001,13.00\nB0CW1A0002,1.00\n", run="true")
    assert done["counts"] == {"new": 0, "changed": 1, "unchanged": 0, "refused": 1}
    (row,) = stored(app)["products"]
    assert (row["name"], row["is_active"], row["gtin"], row["price_minor"]) == (
        "Reading lamp", False, "4006381333931", 1300
    )  # fmt: skip
    assert row["attributes"] == {"colour": "red"}
    imported("asin,name,price\nB0CW1A0002,Pan,1.00\n", run="true")
    row = stored(app)["products"][1]
    assert (row["brand"], row["description"], row["is_active"], row["images"]) == (None, "", True, [])


def test_every_attribute_comes_in_and_changes_with_its_history(app: Flask, imported: Import) -> None:
    header = (
        "asin,name,brand,price,currency,description,is_active,gtin,images,categories,attributes,low_stock_threshold\n"
    )
    with app.app_context():
        kitchen = create_category(actor=system(), now=utc_now(), name="Kitchen").id
        kettles = create_category(actor=system(), now=utc_now(), name="Kettles", parent_id=kitchen).id
    one = (
        'B0CW1A0001,Kettle,Lumo,5.00,USD,Hot,false,4006381333931,https://a.example/1,kettles,"{""colour"":""red""}",3\n'
    )
    assert imported(header + one, run="true")["counts"]["new"] == 1
    row = stored(app)["products"][0]
    assert (row["is_active"], row["gtin"], row["images"], row["attributes"], row["categories"]) == (
        False, "4006381333931", ["https://a.example/1"], {"colour": "red"}, [kettles]
    )  # fmt: skip
    two = 'B0CW1A0001,Pot,,6.00,,,yes,,,"Kitchen|kitchen > KETTLES",,\n'
    assert imported(header + two, run="true")["counts"] == {"new": 0, "changed": 1, "unchanged": 0, "refused": 0}
    row = stored(app)["products"][0]
    assert (row["brand"], row["description"], row["gtin"], row["images"], row["attributes"]) == (None, "", None, [], {})
    assert row["categories"] == [kitchen, kettles]
    assert changes(app) == [
        ("name", "Kettle", "Pot"), ("brand", "Lumo", None), ("description", "Hot", ""),
        ("gtin", "4006381333931", None), ("price", "5.00 USD", "6.00 USD"), ("is_active", "false", "true"),
        ("attributes", '{"colour":"red"}', "{}"), ("images", '["https://a.example/1"]', "[]"),
        ("categories", f"[{kettles}]", f"[{kitchen},{kettles}]"), ("threshold", "3", None),
    ]  # fmt: skip
    with app.app_context():
        rows = db.session.execute(select(ProductCategory.category_id, ProductCategory.is_direct))
        assert sorted(map(tuple, rows)) == [(kitchen, True), (kettles, True)]
    assert imported(header + two, run="true")["counts"]["unchanged"] == 1


def test_a_new_product_below_its_threshold_is_low_and_no_alert(app: Flask, imported: Import) -> None:
    imported("asin,name,price,low_stock_threshold\nB0CW1A0001,Kettle,1.00,3\nB0CW1A0002,Pan,1.00,\n", run="true")
    with app.app_context():
        rows = db.session.execute(select(Stock.low_stock_threshold, Stock.is_low).order_by(Stock.product_id))
        assert list(map(tuple, rows)) == [(3, True), (None, False)]


def test_single_attributes_are_set_and_taken_away_and_the_others_stay(app: Flask, imported: Import, send: Send) -> None:
    send("POST", URL, LAMP | {"attributes": {"colour": "red", "size": 5}})
    imported("asin,attribute:colour,attribute:care\nB0CW1A0001,,wash\n", run="true")
    assert stored(app)["products"][0]["attributes"] == {"care": "wash", "size": 5}


def test_unknown_categories_are_refused_unless_they_may_be_made(app: Flask, imported: Import) -> None:
    text = "asin,name,price,categories\nB0CW1A0001,Kettle,1.00,Kitchen > Kettles\nB0CW1A0002,Pan,1.00,kitchen\n"
    refused = imported(text)
    assert refused["counts"] == {"new": 0, "changed": 0, "unchanged": 0, "refused": 2}
    assert refused["samples"]["refused"][0]["reasons"] == [
        {"column": "categories", "detail": "names no category that there is: Kitchen > Kettles."}
    ]
    dry = imported(text, create_categories="true")
    assert (dry["counts"]["new"], dry["new_categories"]) == (2, ["Kitchen > Kettles", "kitchen"])
    assert dry["samples"]["new"][0]["changes"][-1]["current"] == '["Kitchen > Kettles"]'
    with app.app_context():
        assert db.session.scalars(select(ProductCategory.category_id)).all() == []
    done = imported(text, create_categories="true", run="true")
    assert done["counts"]["new"] == 2
    direct = [row["categories"] for row in stored(app)["products"]]
    with app.app_context():
        rows = {
            tuple(row) for row in db.session.execute(select(ProductCategory.category_id, ProductCategory.product_id))
        }
    assert [len(ids) for ids in direct] == [1, 1]
    assert len(rows) == 3
    assert "category.create" in audited(app)


def test_a_category_that_is_deleted_after_the_dry_run_refuses_its_rows_when_it_runs(
    app: Flask, imported: Import, client: FlaskClient, auth_headers: dict[str, str], send: Send
) -> None:
    with app.app_context():
        lamps = create_category(actor=system(), now=utc_now(), name="Lamps").id
    shown = imported("asin,name,price,categories\nB0CW1A0001,Kettle,1.00,lamps\nB0CW1A0002,Pan,1.00,\n")
    assert shown["counts"]["new"] == 2
    assert send("DELETE", f"/api/v1/categories/{lamps}", version=1).status_code == 204
    client.post(f"{IMPORTS}/{shown['id']}/run", headers=auth_headers)
    assert work(app, shown["id"]) == "COMPLETED_WITH_ERRORS"
    text = client.get(f"{IMPORTS}/{shown['id']}/refused-rows", headers=auth_headers).text
    assert list(csv.reader(io.StringIO(text))) == [
        ["refused_because", "asin", "name", "price", "categories"],
        ["categories names no category that there is: lamps.", "B0CW1A0001", "Kettle", "1.00", "lamps"],
    ]


def test_an_asin_that_stands_in_a_file_twice_is_refused_with_the_line_of_the_first(
    app: Flask, imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_checking, "CHUNK", 3)
    rows = "".join(f"B{at % 40:09},Kettle {at},1.00\n" for at in range(50))
    operation_id = begin(app, "asin,name,price\n" + rows)
    assert work(app, operation_id, slice_s=-1) == "CHECKED"
    row = row_of(app, operation_id)
    assert (row["new_count"], row["refused_count"], row["total_count"]) == (40, 10, 50)
    assert row["slice_no"] > 10
    reasons = [(one["line"], one["reasons"][0]["detail"]) for one in row["report"]["samples"]["refused"]]
    assert reasons == [(at + 2, f"stands on line {at - 38} already: B{at - 40:09}.") for at in range(40, 50)]


def test_the_columns_can_be_mapped_by_hand_and_are_checked_again(
    app: Flask, imported: Import, send: Send, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    shown = imported("Code,What,Cost\nb0cw1a0001,Kettle,1.00\nB0CW1A0002,Pan,2.00\n")
    assert shown["state"] == "CHECKED"
    other = imported("Code,What,Cost\n17,Kettle,1.00\n")
    assert (other["state"], other["counts"]["new"]) == ("MAPPING_NEEDED", 0)
    assert (shown["missing"], other["missing"]["targets"]) == (None, ["asin"])
    url = f"{IMPORTS}/{shown['id']}/mapping"
    assert send("PUT", url, {"targets": ["asin", "name", "price"]}).status_code == 428
    for targets, pointer in (
        (["asin", "name"], "/targets"),
        (["asin", "nonsense", None], "/targets/1"),
        (["asin", "name", "name"], "/targets/2"),
        ([None, "name", "price"], "/targets"),
        (["asin", "attribute:", None], "/targets/1"),
    ):
        refused = send("PUT", url, {"targets": targets}, version=1)
        assert (refused.status_code, refused.get_json()["errors"][0]["pointer"]) == (422, pointer)
    assert send("PUT", url, {"targets": ["asin", "name", "price"]}, version=7).status_code == 412
    mapped = send("PUT", url, {"targets": ["asin", "name", "price"]}, version=1)
    assert (mapped.status_code, mapped.get_json()["state"], mapped.headers["ETag"]) == (200, "CHECKING", '"v2"')
    assert send("PUT", url, {"targets": ["asin", "name", "price"]}, version=2).status_code == 409
    assert work(app, shown["id"]) == "CHECKED"
    assert row_of(app, shown["id"])["new_count"] == 2
    assert client.post(f"{IMPORTS}/{other['id']}/run", headers=auth_headers).status_code == 409
    assert "import.map" in audited(app)


@pytest.mark.parametrize("name", ["products.csv", "products.tsv", "products.xlsx", "products.jsonl"])
def test_refused_rows_come_back_in_the_format_of_the_upload_and_mended_they_go_in(
    app: Flask, imported: Import, client: FlaskClient, auth_headers: dict[str, str], name: str
) -> None:
    columns, good = ["asin", "name", "price", "note"], ["B0CW1A0001", "=1+1", "1.00", "x"]
    bad = ["B0CW1A0002", "Pan", "3.505", "stays"]
    shown = imported(_as_file(name, columns, [good, bad]), name, run="true")
    assert shown["counts"] == {"new": 1, "changed": 0, "unchanged": 0, "refused": 1}
    answer = client.get(f"{IMPORTS}/{shown['id']}/refused-rows", headers=auth_headers)
    kind = name.rpartition(".")[2]
    assert answer.headers["Content-Disposition"] == f'attachment; filename="import-{shown["id"]}-refused.{kind}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    mended = answer.data.replace(b"3.505", b"3.50")
    if kind == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(answer.data))
        page = book.worksheets[0]
        assert [cell.value for cell in page[1]] == ["refused_because", *columns]
        assert page["E2"].value == "stays"
        page["D2"].value = "3.50"
        target = io.BytesIO()
        book.save(target)
        mended = target.getvalue()
    else:
        assert b"price has more decimals than USD allows (2)." in answer.data
        assert b"stays" in answer.data
    again = imported(mended, name, run="true")
    assert again["counts"] == {"new": 1, "changed": 0, "unchanged": 0, "refused": 0}
    assert [row["name"] for row in stored(app)["products"]] == ["=1+1", "Pan"]


def _as_file(name: str, columns: list[str], rows: list[list[str]]) -> bytes:
    if name.endswith("jsonl"):
        return b"\n".join(orjson.dumps(dict(zip(columns, row, strict=True))) for row in rows)
    if name.endswith("xlsx"):
        book = openpyxl.Workbook(write_only=True)
        page = book.create_sheet()
        for row in [columns, *rows]:
            page.append(["'" + cell if cell.startswith("=") else cell for cell in row])
        target = io.BytesIO()
        book.save(target)
        return target.getvalue()
    text = io.StringIO(newline="")
    csv.writer(text, delimiter="\t" if name.endswith("tsv") else ",").writerows([columns, *rows])
    return text.getvalue().encode()


@pytest.mark.parametrize(
    ("price", "detail"),
    [
        (12.5, "must be a text"), ("NaN", "plain non-negative"), ("1e3", "plain non-negative"),
        ("3.505", "more decimals"), ("-1.00", "plain non-negative"), ("99999999999999999999", "too large"),
    ],
)  # fmt: skip
@on_sqlite
def test_bad_money_is_refused_by_its_row(app: Flask, imported: Import, price: Any, detail: str) -> None:
    rows = [{"asin": "B0CW1A0001", "name": "Kettle", "price": price}, {"asin": "B0CW1A0002", "name": "P", "price": "1"}]
    done = imported(b"\n".join(map(orjson.dumps, rows)), "x.jsonl", run="true")
    assert done["counts"] == {"new": 1, "changed": 0, "unchanged": 0, "refused": 1}
    assert detail in done["samples"]["refused"][0]["reasons"][0]["detail"]
    assert [row["asin"] for row in stored(app)["products"]] == ["B0CW1A0002"]


@on_sqlite
def test_names_up_to_500_characters_come_in_and_longer_ones_are_refused(app: Flask, imported: Import) -> None:
    rows = "".join(f"B{size:09},{'é' * size},1.00\n" for size in (300, 500, 501, 600))
    done = imported("asin,name,price\n" + rows, run="true")
    assert [one["line"] for one in done["samples"]["refused"]] == [4, 5]
    assert [len(row["name"]) for row in stored(app)["products"]] == [300, 500]


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        ("asin,name,price\n", "x.csv", "NO_ROWS"),
        (",".join(f"c{at}" for at in range(1000)) + "\n", "x.csv", "TOO_MANY_COLUMNS"),
        ("PK\x03\x04nonsense", "x.xlsx", "NOT_A_WORKBOOK"),
    ],
)
@on_sqlite
def test_a_file_that_cannot_be_read_fails_with_a_code_and_a_sentence(
    imported: Import, content: str, name: str, code: str
) -> None:
    shown = imported(content, name, run="true")
    assert (shown["state"], shown["error_code"]) == ("FAILED", code)
    assert shown["error_detail"].endswith(".")


@on_sqlite
def test_what_is_no_upload_is_refused_and_leaves_nothing(
    app: Flask, client: FlaskClient, upload: Upload, auth_headers: dict[str, str]
) -> None:
    assert upload("").get_json()["errors"] == [{"pointer": "/file", "detail": "is empty.", "in": "body"}]
    assert upload(HEADER + ROW, nonsense="1").get_json()["errors"][0]["pointer"] == "/nonsense"
    assert upload(HEADER + ROW, encoding="ebcdic").get_json()["errors"][0]["pointer"] == "/encoding"
    assert upload(HEADER + ROW, format="xls").status_code == 422
    assert client.post(IMPORTS, json={}, headers=auth_headers).status_code == 415
    other = client.post(IMPORTS, data={"other": (io.BytesIO(b"x"), "x.csv")}, headers=auth_headers)
    assert other.get_json()["errors"][0]["pointer"] == "/other"
    without = client.post(IMPORTS, data={"run": "true"}, content_type="multipart/form-data", headers=auth_headers)
    assert without.get_json()["errors"][0]["pointer"] == "/file"
    broken = client.post(
        IMPORTS, data=b"--x\r\nContent-Disp", content_type="multipart/form-data; boundary=x", headers=auth_headers
    )
    assert broken.status_code == 422
    with app.app_context():
        assert db.session.scalars(select(Operation.id)).all() == []


@on_sqlite
def test_an_upload_beyond_the_limit_is_413_and_nothing_of_it_is_kept(
    app: Flask, app_with: AppWith, auth_headers: dict[str, str], tmp_path: Any
) -> None:
    small = app_with(files=Files(url=f"file://{tmp_path}/files", max_upload_mb=1))
    sent: list[int] = []

    class Endless(io.RawIOBase):
        """Ten gigabytes that nobody wants to read."""

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            begin = b"" if sent else b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
            piece = begin.ljust(min(len(buffer), 65536), b"a")
            buffer[: len(piece)] = piece
            sent.append(len(piece))
            return len(piece)

    kind = {"content_type": "multipart/form-data; boundary=x", "headers": auth_headers}
    stated = small.test_client().post(
        IMPORTS, environ_overrides={"wsgi.input": Endless(), "CONTENT_LENGTH": str(10 * 1024**3)}, **kind
    )
    assert (stated.status_code, stated.get_json()["code"], sent) == (413, "TOO_LARGE", [])
    in_chunks = small.test_client().post(
        IMPORTS, environ_overrides={"wsgi.input": Endless(), "wsgi.input_terminated": True}, **kind
    )
    assert (in_chunks.status_code, in_chunks.get_json()["code"]) == (413, "TOO_LARGE")
    assert sum(sent) < 3 * 1024 * 1024
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with app.app_context():
        assert db.session.scalars(select(Operation.id)).all() == []


@on_sqlite
def test_an_upload_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(
    app_with: AppWith, auth_headers: dict[str, str], tmp_path: Any
) -> None:
    small = app_with(files=Files(url=f"file://{tmp_path}/files", max_upload_mb=1)).test_client()
    for size, status in ((1024 * 1024 + 1, 413), (1024 * 1024, 202)):
        form = {"file": (io.BytesIO(b"x" * size), "a.csv")}
        assert small.post(IMPORTS, data=form, headers=auth_headers).status_code == status
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


@on_sqlite
def test_a_file_that_the_disk_has_no_room_for_is_503(
    upload: Upload, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.core import files

    monkeypatch.setattr(files, "MIN_FREE_BYTES", 2**62)
    refused = upload(HEADER + ROW)
    assert (refused.status_code, refused.get_json()["code"]) == (503, "STORAGE_FULL")


@on_sqlite
def test_an_upload_sent_twice_with_one_key_is_imported_once_and_another_of_its_length_is_refused(
    app: Flask, app_with: AppWith, auth_headers: dict[str, str], tmp_path: Path
) -> None:
    client = app_with(files=Files(url=f"file://{tmp_path}/files")).test_client()
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'

    def send(text: str) -> TestResponse:
        kind = "multipart/form-data; boundary=x"
        headers = auth_headers | {"Idempotency-Key": "spring"}
        return client.post(IMPORTS, data=head + text.encode() + b"\r\n--x--\r\n", content_type=kind, headers=headers)

    first, again = send(HEADER + ROW), send(HEADER + ROW)
    assert (first.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (202, 202, "true")
    assert again.get_json()["id"] == first.get_json()["id"]
    for other in (ROW + ROW, ROW.replace("12.50", "13.50")):
        refused = send(HEADER + other)
        assert (refused.status_code, refused.get_json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    with app.app_context():
        (folder,) = db.session.scalars(select(Operation.folder))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "files" / folder / "upload"]


@on_sqlite
def test_files_are_only_for_those_who_may_read_products(
    app: Flask, imported: Import, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    shown = imported(HEADER + ROW + "x,,,,\n", run="true")
    url = f"{IMPORTS}/{shown['id']}/refused-rows"
    assert client.get(url).status_code == 401
    assert client.get(url, headers=auth_headers).status_code == 200
    assert client.get(f"{IMPORTS}/{shown['id'] + 1}/refused-rows", headers=auth_headers).status_code == 404
    with app.app_context():
        made = exports.create_export(actor=system(), now=utc_now(), format="csv", which={})
    assert client.get(f"{IMPORTS}/{made.id}", headers=auth_headers).status_code == 404
    gone = client.get(f"/api/v1/exports/{made.id}/file", headers=auth_headers)
    assert (gone.status_code, gone.get_json()["code"]) == (404, "FILE_GONE")


@on_sqlite
def test_the_list_of_operations_is_filtered_and_goes_page_by_page(
    imported: Import, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    ids = [imported(HEADER + ROW, run=run)["id"] for run in ("true", "false", "true")]
    page = client.get(f"{OPERATIONS}?limit=2", headers=auth_headers).get_json()
    assert [one["id"] for one in page["items"]] == ids[:0:-1]
    rest = client.get(f"{OPERATIONS}?limit=2&cursor={page['next_cursor']}", headers=auth_headers).get_json()
    assert [one["id"] for one in rest["items"]] == ids[:1]
    checked = client.get(f"{OPERATIONS}?state=CHECKED&kind=import", headers=auth_headers).get_json()
    assert [one["id"] for one in checked["items"]] == ids[1:2]
    assert client.get(f"{OPERATIONS}?state=nonsense", headers=auth_headers).status_code == 422


def test_a_product_that_somebody_adds_at_the_same_moment_is_changed_instead(
    app: Flask, imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.core.money import Money
    from app.products.services import product_rows

    seen: list[int] = []
    insert = product_rows.insert_products

    def raced(rows: Any, now: Any, *, thresholds: Any) -> Any:
        if not seen:
            seen.append(1)
            raise product_rows.AsinsTaken
        return insert(rows, now, thresholds=thresholds)

    from app.products.services.imports import writing as import_writing

    monkeypatch.setattr(import_writing, "insert_products", raced)
    done = imported(HEADER + ROW, run="true")
    assert done["counts"]["new"] == 1
    with app.app_context():
        create_product(actor=system(), now=utc_now(), asin="B0CW1A0009", name="x", price=Money(100, "USD"))
    monkeypatch.setattr(import_writing, "insert_products", insert)
    monkeypatch.setattr(queries, "find_by_asins", lambda asins, lock=False: {})
    with pytest.raises(product_rows.AsinsTaken):
        imported("asin,name,price\nB0CW1A0009,Pan,1.00\n", run="true")
    assert [row["name"] for row in stored(app)["products"]] == ["Reading lamp", "x"]


def test_the_store_takes_no_key_that_leads_out_of_it(app: Flask) -> None:
    with app.app_context():
        store = FileStore(app.extensions["settings"].files_url)
        outside = ("../x", "operations/../../x", "/etc/passwd", "operations")
        for key in (*outside, "a/b/c/d/e/f", "operations/.a", "operations/a\n/b"):
            with pytest.raises(ValueError, match=re.escape(key)):
                store.size(key)
