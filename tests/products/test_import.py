"""Importing products from the command line: good rows come in, bad rows are named, none stops the others."""

from __future__ import annotations

import dataclasses
import re
import threading
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import update

from app import create_app
from app.config import Settings
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.operations.models import Operation
from app.operations.services import leases, operations
from tests.products.conftest import changes, stored
from tests.products.operating import begin, row_of, work
from tests.servers import on_sqlite

MINUTE: Final = timedelta(minutes=1)
HEADER = "asin,name,brand,price,description\n"
LAMP = "B0CW1A0001,Reading lamp,Lumo,12.50,Warm light.\n"


def run(app: Flask, path: Path, text: str | bytes) -> Result:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return app.test_cli_runner().invoke(args=["product", "import", str(path)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "products.csv"


def test_a_file_is_imported_changed_and_found_unchanged(app: Flask, file: Path) -> None:
    other = 'B0CW1A0002,"Lamp, small",,5,"Two\nlines"\n'
    first = run(app, file, HEADER + LAMP + other)
    assert (first.exit_code, first.output) == (0, "new 2, changed 0, unchanged 0, refused 0\n")
    rows = stored(app)["products"]
    assert [(row["asin"], row["name"], row["brand"], row["price_minor"]) for row in rows] == [
        ("B0CW1A0001", "Reading lamp", "Lumo", 1250),
        ("B0CW1A0002", "Lamp, small", None, 500),
    ]
    assert rows[1]["description"] == "Two\nlines"
    assert changes(app) == []
    second = run(app, file, HEADER + LAMP.replace("12.50", "13") + other)
    assert (second.exit_code, second.output) == (0, "new 0, changed 1, unchanged 1, refused 0\n")
    assert changes(app) == [("price", "12.50 USD", "13.00 USD")]
    update = stored(app)["updates"][-1]
    assert (update["source"], update["actor_kind"], update["actor_id"]) == ("import", "system", None)
    assert [row["version"] for row in stored(app)["products"]] == [2, 1]


def test_bad_rows_are_named_and_the_others_come_in(app: Flask, file: Path) -> None:
    result = run(
        app,
        file,
        HEADER
        + LAMP
        + "B0CW1A00,Short asin,,5,\n"
        + 'B0CW1A0003,"Two\nlines",,5,\n'
        + "B0CW1A0004,,,3.505,\n"
        + "\n"
        + "B0CW1A0005,Too,few\n"
        + "b0cw1a0001,Twice,,6,\n"
        + "B0CW1A0006,Last,,7,\n",
    )
    assert result.exit_code == 1
    assert result.stdout == "new 2, changed 0, unchanged 0, refused 5\n"
    assert result.stderr.splitlines() == [
        "line 3: asin must be ten letters and digits, such as B0CW1A0001.",
        "line 4: name must not contain control characters.",
        "line 6: name Length must be between 1 and 500.; price has more decimals than USD allows (2).",
        "line 8: has 3 fields instead of 5.",
        "line 9: asin stands on line 2 already: B0CW1A0001.",
    ]
    assert [row["asin"] for row in stored(app)["products"]] == ["B0CW1A0001", "B0CW1A0006"]


@on_sqlite
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "The file is empty."),
        (HEADER, "it has no rows"),
        ("name,brand\nKettle,Lumo\n", "none of the columns is the asin: name, brand."),
        ('"asin\n' + LAMP, "The first line is not CSV"),
        ("asin,name,price," + "x" * 300 + "\n" + LAMP, "has more than 200 characters"),
        (",".join(f"column {at}" for at in range(1000)) + "\n" + LAMP, "has 1000 columns; 256 are allowed"),
        ("PK\x03\x04 no archive", "no XLSX workbook"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_before_anything_comes_in(
    app: Flask, file: Path, text: str, reason: str
) -> None:
    result = run(app, file, text)
    assert result.exit_code == 1
    assert reason in result.output
    assert stored(app)["products"] == []


@on_sqlite
def test_columns_may_stand_in_any_order_and_a_byte_order_mark_is_no_harm(app: Flask, file: Path) -> None:
    text = "\ufeffname,price,asin,description,brand\nLämp,5,B0CW1A0001,,\n"
    assert run(app, file, text).output == "new 1, changed 0, unchanged 0, refused 0\n"
    assert stored(app)["products"][0]["name"] == "Lämp"


@on_sqlite
def test_a_row_that_is_not_utf_8_is_refused_alone(app: Flask, file: Path) -> None:
    latin = "B0CW1A0002,Lämp,,5,\n".encode("latin-1")
    result = run(app, file, HEADER.encode() + latin + LAMP.encode())
    assert (result.exit_code, result.stderr) == (1, "line 2: is not UTF-8.\n")
    assert [row["asin"] for row in stored(app)["products"]] == ["B0CW1A0001"]


@on_sqlite
def test_broken_quoting_is_refused_by_line(app: Flask, file: Path) -> None:
    result = run(app, file, HEADER + LAMP + 'B0CW1A0002,"Lamp"x,,5,\n' + "B0CW1A0003,Lamp,,5,\n")
    assert result.exit_code == 1
    assert result.stderr.startswith("line 3: is not CSV")
    assert [row["asin"] for row in stored(app)["products"]] == ["B0CW1A0001", "B0CW1A0003"]


def test_more_rows_than_one_transaction_takes_all_come_in(app: Flask, file: Path) -> None:
    rows = "".join(f"B{at:09},Lamp {at},,1.{at % 100:02},\n" for at in range(1201))
    assert run(app, file, HEADER + rows).output == "new 1201, changed 0, unchanged 0, refused 0\n"
    assert len(stored(app)["products"]) == 1201
    assert run(app, file, HEADER + rows).output == "new 0, changed 0, unchanged 1201, refused 0\n"


def test_a_deleted_product_comes_back_by_import(app: Flask, file: Path, auth_headers: dict[str, str]) -> None:
    run(app, file, HEADER + LAMP)
    product_id = stored(app)["products"][0]["id"]
    app.test_client().delete(f"/api/v1/products/{product_id}", headers=auth_headers | {"If-Match": '"v1"'})
    assert run(app, file, HEADER + LAMP).output == "new 1, changed 0, unchanged 0, refused 0\n"
    assert [change[0] for change in changes(app)] == ["is_deleted", "is_deleted"]
    assert stored(app)["products"][0]["deleted_at"] is None


@on_sqlite
def test_what_an_import_does_not_name_stays(app: Flask, file: Path, auth_headers: dict[str, str]) -> None:
    run(app, file, HEADER + LAMP)
    product_id = stored(app)["products"][0]["id"]
    inactive = {"asin": "B0CW1A0001", "name": "Reading lamp", "price": "12.50", "is_active": False}
    answer = app.test_client().put(
        f"/api/v1/products/{product_id}", json=inactive, headers=auth_headers | {"If-Match": '"v1"'}
    )
    assert answer.status_code == 200
    assert run(app, file, HEADER + LAMP).output == "new 0, changed 1, unchanged 0, refused 0\n"
    assert stored(app)["products"][0]["is_active"] is False


@on_sqlite
def test_prices_have_the_decimals_of_the_shops_currency(app: Flask, settings: Settings, file: Path) -> None:
    japanese = create_app(dataclasses.replace(settings, currency="JPY"))
    result = run(japanese, file, HEADER + LAMP + "B0CW1A0002,Lamp,,1250,\n")
    assert (result.exit_code, result.stderr) == (1, "line 2: price has more decimals than JPY allows (0).\n")
    assert [(row["price_minor"], row["currency"]) for row in stored(app)["products"]] == [(1250, "JPY")]
    with japanese.app_context():
        db.engine.dispose()


@on_sqlite
def test_a_file_that_is_not_there_is_named(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["product", "import", "/nowhere/products.csv"])
    assert result.exit_code == 2
    assert "/nowhere/products.csv" in result.output


@on_sqlite
def test_the_list_shows_products_page_by_page(app: Flask, file: Path) -> None:
    run(app, file, HEADER + LAMP + "B0CW1A0002,Other lamp,,1234.50,\n")
    shown = app.test_cli_runner().invoke(args=["product", "list", "--limit", "1"]).output
    assert re.search(r"^ +\d+  B0CW1A0001 +12\.50 USD  Reading lamp \[Lumo\]$", shown, re.MULTILINE)
    cursor = shown.split("--cursor ")[1].strip()
    rest = app.test_cli_runner().invoke(args=["product", "list", "--cursor", cursor]).output
    assert "B0CW1A0002" in rest
    assert "B0CW1A0001" not in rest
    assert "--cursor" not in rest


@on_sqlite
def test_a_dry_run_says_what_would_change_and_changes_nothing(app: Flask, file: Path) -> None:
    file.write_text(HEADER + LAMP + "B0CW1A0002,,,5,\n")
    result = app.test_cli_runner().invoke(args=["product", "import", "--dry-run", str(file)])
    assert (result.exit_code, result.stdout) == (1, "new 1, changed 0, unchanged 0, refused 1\n")
    assert result.stderr == "line 3: name Length must be between 1 and 500.\n"
    assert stored(app)["products"] == []


@on_sqlite
def test_options_say_what_cannot_be_seen(app: Flask, file: Path) -> None:
    file.write_bytes("asin;name;price;categories\nB0CW1A0001;K\xe4fer, klein;5;Tiere\n".encode("cp1252"))
    refused = app.test_cli_runner().invoke(args=["product", "import", str(file)])
    assert (refused.exit_code, refused.stderr) == (1, "line 2: is not UTF-8.\n")
    options = ["--encoding", "windows-1252", "--delimiter", ";", "--create-categories"]
    done = app.test_cli_runner().invoke(args=["product", "import", *options, str(file)])
    assert (done.exit_code, done.output) == (0, "new 1, changed 0, unchanged 0, refused 0\n")
    (row,) = stored(app)["products"]
    assert (row["name"], len(row["categories"])) == ("Käfer, klein", 1)


@on_sqlite
def test_an_import_from_the_command_line_waits_for_its_turn(app: Flask, file: Path) -> None:
    other = begin(app, HEADER + LAMP, run=True)
    with app.app_context():
        number = row_of(app, other)["slice_no"]
        held = leases.take_lease(operation_id=other, slice_no=number, token="a" * 32, now=utc_now())
        assert held is not None
        in_transaction(lambda: db.session.execute(update(Operation).values(state="RUNNING", writer=1)))()

    def end() -> None:
        with app.app_context():
            operations.cancel_operation(actor=system(), now=utc_now(), operation_id=other)
            in_transaction(lambda: db.session.execute(update(Operation).values(leased_until=utc_now() - MINUTE)))()
        work(app, other)

    timer = threading.Timer(1.5, end)
    timer.start()
    result = run(app, file, HEADER + LAMP)
    timer.join()
    assert (result.exit_code, result.stdout) == (0, "new 1, changed 0, unchanged 0, refused 0\n")
    assert row_of(app, other)["state"] == "CANCELLED"
