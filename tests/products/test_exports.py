"""Exporting products: any filtered list, in all formats, safe in spreadsheets, and imported again nothing changes."""

from __future__ import annotations

import csv
import io
import itertools
import unicodedata
from typing import Any, Final

import openpyxl
import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.text import is_invisible
from app.core.transactions import in_transaction
from app.operations.files import writing
from app.operations.files.cells import protect, unprotect
from app.operations.files.table import FORMATS
from app.operations.files.writing import TooManyRows, writer_for
from app.operations.models import Operation
from app.products import gtin
from app.products.models.products import Product, ProductUpdate
from app.products.models.stock import Stock
from app.products.services.categories import create_category
from app.products.services.exports import rows as exporting
from app.products.services.exports import writing as exports
from app.products.services.memberships import put_products, share_tree
from tests.conftest import empty_tables
from tests.products.conftest import LAMP, URL, Send
from tests.products.operating import EXPORTS, begin, row_of, work
from tests.servers import on_sqlite


def exported(app: Flask, client: FlaskClient, auth_headers: dict[str, str], kind: str, **which: Any) -> bytes:
    """The file of an export of the products that fit."""
    answer = client.post(EXPORTS, json={"format": kind, "filter": which}, headers=auth_headers)
    assert answer.status_code == 202, answer.text
    assert work(app, answer.get_json()["id"]) == "COMPLETED"
    file = client.get(answer.headers["Location"] + "/file", headers=auth_headers)
    assert file.status_code == 200
    assert int(file.headers["Content-Length"]) == len(file.data)
    content: bytes = file.data
    return content


def streamed(client: FlaskClient, auth_headers: dict[str, str], kind: str, **which: Any) -> bytes:
    answer = client.get(f"{URL}/export", query_string={"format": kind} | which, headers=auth_headers)
    assert answer.status_code == 200, answer.text
    content: bytes = answer.data
    return content


def read(kind: str, content: bytes) -> list[list[Any]]:
    """The rows of a file as another program sees them, texts for what is empty."""
    if kind == "xlsx":
        page = openpyxl.load_workbook(io.BytesIO(content), read_only=True).worksheets[0]
        return [["" if value is None else value for value in row] for row in page.iter_rows(values_only=True)]
    if kind == "jsonl":
        rows = [orjson.loads(line) for line in content.splitlines()]
        return [list(rows[0]), *(list(row.values()) for row in rows)]
    return list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter="\t" if kind == "tsv" else ","))


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_has_every_attribute_of_the_products_that_fit(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str], send: Send, kind: str
) -> None:
    with app.app_context():
        create_category(actor=system(), now=utc_now(), name="Lamps & more")
    send(
        "POST",
        URL,
        LAMP | {"gtin": "4006381333931", "attributes": {"colour": "red"}, "images": ["https://a.example/1"]},
    )
    send("POST", URL, LAMP | {"asin": "B0CW1A0002", "brand": "Other"})
    last = send("POST", URL, LAMP | {"asin": "B0CW1A0003"})
    assert send("DELETE", last.headers["Location"], version=1).status_code == 204
    rows = read(kind, exported(app, client, auth_headers, kind, brand="Lumo"))
    assert rows == read(kind, streamed(client, auth_headers, kind, brand="Lumo"))
    assert tuple(rows[0]) == exporting.COLUMNS
    assert len(rows) == 2
    values = dict(zip(rows[0], rows[1], strict=True))
    assert (values["asin"], values["name"], values["price"], values["currency"]) == (
        "B0CW1A0001", "Reading lamp", "12.50", "USD"
    )  # fmt: skip
    is_json = kind == "jsonl"
    assert values["images"] == (["https://a.example/1"] if is_json else "https://a.example/1")
    assert values["attributes"] == ({"colour": "red"} if is_json else '{"colour":"red"}')
    assert (values["is_active"], values["gtin"]) == (True if is_json else "true", "4006381333931")


@on_sqlite
def test_a_search_is_refused_where_something_is_exported(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str], send: Send
) -> None:
    send("POST", URL, LAMP)
    answers = [send("POST", EXPORTS, {"format": "csv", "filter": {"q": "lamp"}})]
    answers += [send("GET", f"{URL}/export?q=lamp&format={kind}") for kind in FORMATS]
    for answer in answers:
        (error,) = answer.get_json()["errors"]
        assert (answer.status_code, error["pointer"][-2:], error["detail"]) == (422, "/q", "Unknown field.")
    with app.app_context():
        assert db.session.scalars(select(Operation.id)).all() == []


def test_every_filter_of_the_list_is_one_of_exports(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str], send: Send
) -> None:
    for at, price in enumerate(("1.00", "2.00", "3.00"), start=1):
        send("POST", URL, LAMP | {"asin": f"B0CW1A000{at}", "price": price, "is_active": at != 2, "brand": f"B{at}"})
    asks: list[dict[str, Any]] = [
        {"brand": "B2"}, {"is_active": "false"}, {"price_min": "2.00"}, {"price_max": "1.50"}, {"in_stock": "true"},
        {"asin": "B0CW1A0003"}, {"gtin": "4006381333931"}, {"price_min": "1.50", "price_max": "2.50"}, {},
    ]  # fmt: skip
    for which in asks:
        listed = client.get(URL, query_string=which, headers=auth_headers).get_json()["items"]
        rows = read("csv", streamed(client, auth_headers, "csv", **which))
        assert [row[0] for row in rows[1:]] == [one["asin"] for one in listed], which
    for refused in ({"sort": "price"}, {"nonsense": "1"}, {"format": "xls"}, {"price_min": "1e3"}):
        assert client.get(f"{URL}/export", query_string=refused, headers=auth_headers).status_code == 422
        body = {"format": "csv"} | ({"filter": refused} if "format" not in refused else refused)
        assert client.post(EXPORTS, json=body, headers=auth_headers).status_code == 422


@on_sqlite
@pytest.mark.parametrize("kind", ["csv", "tsv", "xlsx"])
def test_no_cell_is_a_formula_of_a_spreadsheet(
    client: FlaskClient, auth_headers: dict[str, str], send: Send, kind: str
) -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "'=1", "''-x", "'plain", "plain"]
    for at, name in enumerate(names):
        send("POST", URL, LAMP | {"asin": f"B0CW1A000{at}", "name": name, "description": "=\n1"})
    rows = read(kind, streamed(client, auth_headers, kind))
    shown = [row[1] for row in rows[1:]]
    assert shown == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "''=1", "'''-x", "'plain", "plain"]
    assert {row[5] for row in rows[1:]} == {"'=\n1"}
    if kind == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(streamed(client, auth_headers, kind)))
        assert {cell.data_type for row in book.worksheets[0].iter_rows() for cell in row} <= {"s", "n", "inlineStr"}


@given(st.text(alphabet="'=+-@\t\r\n\uff1d\uff0b\uff0d\uff20a ", max_size=6))
def test_what_is_protected_is_never_a_formula_and_comes_back_as_it_was(text: str) -> None:
    assert protect(text)[:1] not in set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    assert unprotect(protect(text)) == text


NAMES: Final = st.one_of(
    st.text(alphabet="'=+-@ab\"|>,;_xé<&\U0001f600", min_size=1, max_size=12),
    st.text(alphabet="_x0123456789ABCDEFabcdef", min_size=7, max_size=12),
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8),
    st.just("\ufffe\uffff x"),
).filter(
    lambda name: (
        name.strip()
        and not is_invisible(unicode_kept(name))
        and not set(name) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    )
)
LINES: Final = st.text(alphabet="'=ab\"\n\t,;é", max_size=12)
ATTRIBUTES: Final = st.dictionaries(
    st.sampled_from(["colour", "size", "a>b"]),
    st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.text(alphabet="'=aé", max_size=5), st.just(1.7),
              st.lists(st.text(alphabet="xé", max_size=3), max_size=3)),
)  # fmt: skip
IMAGES: Final = ("https://images.example/1%20.jpg?a=1|2", "http://images.example/é", "https://a.example/'=x")


def checked(digits: str) -> str:
    """Digits with the one that makes them a GTIN."""
    return digits + str(gtin.check_digit(digits))


PRODUCTS: Final = st.lists(
    st.fixed_dictionaries(
        {
            "name": NAMES,
            "brand": st.one_of(st.none(), NAMES),
            "price_minor": st.integers(0, 10**12),
            "description": LINES,
            "is_active": st.booleans(),
            "gtin": st.one_of(
                st.none(), st.integers(0, 10**12).map(lambda n: (d := f"{n:012}") + str(gtin.check_digit(d)))
            ),
            "attributes": ATTRIBUTES,
            "images": st.lists(
                st.integers(0, 99).map(lambda n: f"https://images.example/{n}%20.jpg?a=1|2"), max_size=3
            ),
            "categories": st.sets(st.integers(1, 3)).map(sorted),
            "threshold": st.one_of(st.none(), st.integers(0, 5)),
        }
    ),
    min_size=1,
    max_size=6,
)


@in_transaction
def fill(products: list[dict[str, Any]]) -> None:
    """Put products into the catalogue as the services would have kept them."""
    now = utc_now()
    for at, values in enumerate(products):
        kept = values | {"name": unicode_kept(values["name"]), "description": unicode_kept(values["description"])}
        kept["brand"] = unicode_kept(kept["brand"] or "") or None
        kept["attributes"] = {
            name: value.strip() if isinstance(value, str) else value for name, value in kept["attributes"].items()
        }
        threshold = kept.pop("threshold")
        row = Product(asin=f"B{at:09}", currency="USD", created_at=now, updated_at=now, **kept)
        db.session.add(row)
        db.session.flush()
        db.session.add(Stock(product_id=row.id, low_stock_threshold=threshold, is_low=threshold is not None))
        placing = share_tree(kept["categories"])
        put_products({row.id: kept["categories"]}, placing, new=True)


def unicode_kept(text: str) -> str:
    """A text as the API keeps it."""
    return unicodedata.normalize("NFC", text).strip()


@on_sqlite
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(PRODUCTS)
def test_what_is_exported_and_imported_again_changes_nothing_in_any_format(
    app: Flask, products: list[dict[str, Any]]
) -> None:
    with app.app_context():
        empty_tables()
        for name in ("Kitchen", "Pots > pans | lids", "Lamps"):
            create_category(actor=system(), now=utc_now(), name=name)
        fill(products)
        before = everything()
    for kind in FORMATS:
        with app.app_context():
            writer = writer_for(kind, exporting.COLUMNS)
            rows = (chunk.rows for chunk in exporting.chunks({}, format=kind, with_stock=True))
            content = b"".join(writing.written(writer, rows))
        operation_id = begin(app, content, name=f"x.{kind}", run=True)
        state = work(app, operation_id)
        row = row_of(app, operation_id)
        assert (state, row["unchanged_count"]) == ("COMPLETED", len(products)), row["report"].get("samples")
        with app.app_context():
            assert everything() == before


def everything() -> list[list[tuple[Any, ...]]]:
    tables = (Product.__table__, Stock.__table__, ProductUpdate.__table__)
    return [list(map(tuple, db.session.execute(select(table)))) for table in tables]


def test_an_export_goes_on_where_its_slice_ended_and_its_parts_make_one_file(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "CHUNK", 10)
    rows = "".join(f"B{at:09},Kettle {at},1.00\n" for at in range(45))
    work(app, begin(app, "asin,name,price\n" + rows, run=True))
    answer = client.post(EXPORTS, json={"format": "csv"}, headers=auth_headers)
    assert work(app, answer.get_json()["id"], slice_s=-1) == "COMPLETED"
    row = row_of(app, answer.get_json()["id"])
    assert len(row["cursor"]["parts"]) > 3
    file = client.get(answer.headers["Location"] + "/file", headers=auth_headers).data
    found = read("csv", file)
    assert [one[0] for one in found] == ["asin", *(f"B{at:09}" for at in range(45))]
    assert file == streamed(client, auth_headers, "csv")


def test_products_far_apart_are_all_found_by_looking_at_some_ids_at_a_time(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_LOOK_AT", 3)
    monkeypatch.setattr(exporting, "CHUNK", 2)
    rows = "".join(f"B{at:09},Kettle {at},{at % 7}.00\n" for at in range(25))
    work(app, begin(app, "asin,name,price\n" + rows, run=True))
    found = read("csv", streamed(client, auth_headers, "csv", price_min="6.00"))
    assert [row[0] for row in found[1:]] == [f"B{at:09}" for at in range(25) if at % 7 == 6]
    assert len(read("csv", streamed(client, auth_headers, "csv"))) == 26


def test_an_export_of_nothing_is_a_file_with_a_header(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    for kind in ("csv", "tsv", "xlsx"):
        assert read(kind, exported(app, client, auth_headers, kind)) == [list(exporting.COLUMNS)]
    assert exported(app, client, auth_headers, "jsonl") == b""


def test_an_export_writes_beside_an_import(app: Flask, client: FlaskClient, auth_headers: dict[str, str]) -> None:
    with app.app_context():
        in_transaction(lambda: db.session.add(_writing()))()
    assert read("csv", exported(app, client, auth_headers, "csv")) == [list(exporting.COLUMNS)]
    with app.app_context():
        assert db.session.scalar(select(func.count()).where(Operation.writer.is_not(None))) == 1


def _writing() -> Operation:
    now = utc_now()
    return Operation(
        kind="import", state="RUNNING", arguments={}, folder="operations/x", writer=1, expires_at=now,
        created_at=now, updated_at=now, actor_kind="system",
    )  # fmt: skip


@on_sqlite
def test_a_workbook_of_more_rows_than_one_can_have_is_refused(
    client: FlaskClient, auth_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch, send: Send, app: Flask
) -> None:
    for at in range(3):
        send("POST", URL, LAMP | {"asin": f"B0CW1A000{at}"})
    monkeypatch.setattr(exports, "LAST_ROW", 3)
    for refused in (
        client.post(EXPORTS, json={"format": "xlsx"}, headers=auth_headers),
        client.get(f"{URL}/export?format=xlsx", headers=auth_headers),
    ):
        assert (refused.status_code, refused.get_json()["errors"][0]["pointer"]) == (422, "/format")
    monkeypatch.setattr(exports, "LAST_ROW", 4)
    monkeypatch.setattr(writing, "LAST_ROW", 3)
    made = client.post(EXPORTS, json={"format": "xlsx"}, headers=auth_headers).get_json()
    assert work(app, made["id"]) == "FAILED"
    assert row_of(app, made["id"])["error_code"] == "TOO_MANY_ROWS"
    writer = writer_for("xlsx", ["a"])
    writer.begin()
    with pytest.raises(TooManyRows):
        writer.rows(itertools.repeat(["x"], 3))
