"""Importing sales of the past over the API: what is guessed, shown, checked, added and refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import CATALOGUE, system
from app.core.transactions import in_transaction
from app.operations.files.writing import writer_for, written
from app.orders.models.sales import Sale
from app.products.models.products import Product
from app.products.services.products import create_product
from tests.calls import add_person, token_of
from tests.orders.sales_files import HEADER, IMPORTS, LINE, SalesFiles, facts, table
from tests.products.operating import OPERATIONS, begin, work
from tests.servers import on_sqlite

FACT: Final[dict[str, Any]] = {
    "unique_key": "import:a-1", "kind": "sale", "sold_at": datetime(2025, 3, 1, 8, 30, tzinfo=UTC),
    "sold_on": date(2025, 3, 1), "order_id": None, "order_line_id": None, "refund_id": None, "product_id": None,
    "asin": "B0CW1A0001", "name": "Kettle", "brand": None, "quantity": 2, "currency": "USD", "gross_minor": 2400,
    "discount_minor": 200, "tax_minor": 418, "shipping_minor": 300, "net_minor": 2200, "total_minor": 2918,
}  # fmt: skip


def headers_of(app: Flask, email: str, permissions: set[str]) -> dict[str, str]:
    """The access of somebody who may do just this."""
    with app.app_context():
        user_id = add_person(email=email, permissions=frozenset(permissions))
        db.session.commit()
    return {"Authorization": f"Bearer {token_of(app, user_id)}"}


@in_transaction
def rename(product_id: int) -> None:
    db.session.execute(update(Product).where(Product.id == product_id).values(name="Steel kettle"))


def add_kettle(app: Flask) -> int:
    with app.app_context():
        return create_product(
            actor=system(),
            now=utc_now(),
            asin="B0CW1A0001",
            name="Copper kettle",
            brand="Lumo",
            price=Money.parse("12.00", "USD"),
        ).id


def test_a_file_is_read_its_columns_are_guessed_and_a_dry_run_adds_nothing(app: Flask, sales_files: SalesFiles) -> None:
    product_id = add_kettle(app)
    found = sales_files.imported(HEADER + LINE + "a-2,yesterday,B0CW1A0001,,1,1.00,,,\n")
    assert (found["kind"], found["state"], found["tax_included"]) == ("sales_import", "CHECKED", False)
    assert [(column["name"], column["target"], column["guessed_by"]) for column in found["columns"]] == [
        (name, name, "name") for name in HEADER.strip().split(",")
    ]
    assert found["columns"][5]["samples"] == ["24.00", "1.00"]
    assert found["counts"] == {"new": 1, "changed": 0, "unchanged": 0, "refused": 1}
    assert found["samples"] == {
        "new": [
            {
                "line": 2, "external_id": "a-1", "kind": "sale", "sold_at": "2025-03-01T08:30:00.000000Z",
                "sold_on": "2025-03-01", "asin": "B0CW1A0001", "product_id": product_id, "name": "Kettle",
                "brand": "Lumo", "quantity": 2, "currency": "USD", "gross": "24.00", "discount": "2.00", "tax": "4.18",
                "shipping": "3.00", "net": "22.00", "total": "29.18",
            }
        ],
        "unchanged": [],
        "refused": [
            {
                "line": 3,
                "reasons": [
                    {
                        "column": "sold_at",
                        "detail": "must be a day such as 2025-03-01, or an instant such as 2025-03-01T09:30:00+01:00.",
                    }
                ],
            }
        ],
    }  # fmt: skip
    assert facts(app) == []


def test_what_was_checked_is_added_when_it_is_run_and_the_refused_rows_can_be_mended(
    app: Flask, sales_files: SalesFiles
) -> None:
    checked = sales_files.imported(HEADER + LINE + "a-2,2025-03-02,B0CW1A0002,Lamp,1,5.001,,,\n")
    answer = sales_files.ask("POST", f"/{checked['id']}/run", If_Match=f'"v{checked["version"]}"')
    assert answer.status_code == 202, answer.text
    done = sales_files.worked(checked["id"])
    assert done["state"] == "COMPLETED_WITH_ERRORS"
    assert done["counts"] == {"new": 1, "changed": 0, "unchanged": 0, "refused": 1}
    assert (done["done"], done["total"]) == (2, 2)
    first = FACT | {"operation_id": done["id"]}
    assert facts(app) == [first]
    refused = sales_files.ask("GET", f"/{done['id']}/refused-rows")
    assert f"sales-import-{done['id']}-refused.csv" in refused.headers["Content-Disposition"]
    assert refused.text.splitlines() == [
        f"refused_because,{HEADER.strip()}",
        "gross has more decimals than USD allows (2).,a-2,2025-03-02,B0CW1A0002,Lamp,1,5.001,,,",
    ]
    mended = sales_files.imported(refused.text.replace("5.001", "5.00"), run="true")
    assert (mended["state"], mended["counts"]["new"]) == ("COMPLETED", 1)
    assert [fact["unique_key"] for fact in facts(app)] == ["import:a-1", "import:a-2"]
    assert facts(app)[0] == first


def test_the_same_file_again_changes_nothing(app: Flask, sales_files: SalesFiles) -> None:
    text = table(40) + "r-1,2025-03-05,B000000001,Kettle 1,-1,-12.50,,-0.50,\n"
    first = sales_files.imported(text, run="true")
    assert (first["state"], first["counts"]["new"]) == ("COMPLETED", 41)
    before = facts(app)
    assert [fact["kind"] for fact in before].count("refund") == 1
    for run in ("true", "false"):
        again = sales_files.imported(text, run=run)
        assert again["counts"] == {"new": 0, "changed": 0, "unchanged": 41, "refused": 0}
    assert facts(app) == before


def test_a_fact_is_never_changed_and_what_differs_is_said(app: Flask, sales_files: SalesFiles) -> None:
    first = sales_files.imported(HEADER + LINE, run="true")
    before = facts(app)
    for row, said in (
        (LINE.replace("24.00", "25.00"), "gross 24.00, not 25.00; net 22.00, not 23.00; total 29.18, not 30.18"),
        (LINE.replace(",2,", ",1,"), "quantity 2, not 1"),
        (LINE.replace("09:30", "09:31"), "sold_at 2025-03-01 08:30:00.000000, not 2025-03-01 08:31:00.000000"),
        (LINE.replace("B0CW1A0001", "B0CW1A0002"), "asin B0CW1A0001, not B0CW1A0002"),
        (LINE.replace("Kettle", "Lamp"), "name Kettle, not Lamp"),
    ):
        for run in ("false", "true"):
            again = sales_files.imported(HEADER + row, run=run)
            assert again["counts"] == {"new": 0, "changed": 0, "unchanged": 0, "refused": 1}
            told = sales_files.ask("GET", f"/{again['id']}/refused-rows").text
            assert f"was imported by the import {first['id']} already, otherwise: {said}." in told
        assert facts(app) == before


def test_what_the_row_does_not_say_of_a_product_is_that_of_today_and_no_difference_later(
    app: Flask, sales_files: SalesFiles
) -> None:
    product_id = add_kettle(app)
    text = (
        "external_id,sold_at,asin,quantity,gross\na-1,2025-03-01,B0CW1A0001,1,5.00\na-2,2025-03-01,B0CW1A0009,1,5.00\n"
    )
    first = sales_files.imported(text, run="true")
    assert (first["counts"]["new"], first["counts"]["refused"]) == (1, 1)
    assert "There is no product with this ASIN" in sales_files.ask("GET", f"/{first['id']}/refused-rows").text
    (fact,) = facts(app)
    assert (fact["product_id"], fact["name"], fact["brand"]) == (product_id, "Copper kettle", "Lumo")
    with app.app_context():
        rename(product_id)
    assert sales_files.imported(text, run="true")["counts"]["unchanged"] == 1
    assert facts(app) == [fact]


def test_an_id_that_stands_twice_in_a_file_is_refused_the_second_time(app: Flask, sales_files: SalesFiles) -> None:
    found = sales_files.imported(HEADER + LINE + LINE.replace("24.00", "25.00") + LINE.upper(), run="true")
    assert found["counts"] == {"new": 2, "changed": 0, "unchanged": 0, "refused": 1}
    assert found["samples"]["refused"][0] == {
        "line": 3,
        "reasons": [{"column": "external_id", "detail": "stands on line 2 already: a-1."}],
    }
    assert {fact["unique_key"]: fact["gross_minor"] for fact in facts(app)} == {"import:a-1": 2400, "import:A-1": 2400}


def test_where_a_needed_column_is_not_found_somebody_says_which_it_is(app: Flask, sales_files: SalesFiles) -> None:
    text = HEADER.replace("gross", "Amount") + LINE
    found = sales_files.imported(text, run="true")
    assert (found["state"], found["missing"]["targets"]) == ("MAPPING_NEEDED", ["gross"])
    assert found["missing"]["detail"].startswith("No column was recognised as gross.")
    names = HEADER.strip().split(",")
    path, version = f"/{found['id']}/mapping", f'"v{found["version"]}"'
    for targets, pointer in (
        ([*names[:5], None, *names[6:]], "/targets"),
        ([*names[:5], "price", *names[6:]], "/targets/5"),
        ([*names[:5], "gross", "gross", *names[7:]], "/targets/6"),
        (names[:5], "/targets"),
    ):
        refused = sales_files.ask("PUT", path, {"targets": targets}, If_Match=version)
        assert refused.status_code == 422, refused.text
        assert pointer in {error["pointer"] for error in refused.get_json()["errors"]}
        assert sales_files.shown(found["id"])["version"] == found["version"]
    assert sales_files.ask("PUT", path, {"targets": names}).status_code == 428
    answer = sales_files.ask("PUT", path, {"targets": names}, If_Match=version)
    assert (answer.status_code, answer.get_json()["columns"][5]["target"]) == (200, "gross")
    assert answer.get_json()["missing"] is None
    assert sales_files.ask("PUT", path, {"targets": names}, If_Match=version).status_code == 409
    assert sales_files.worked(found["id"])["state"] == "COMPLETED"
    assert [fact["gross_minor"] for fact in facts(app)] == [2400]


def test_prices_contain_tax_as_the_shops_do_unless_the_file_says_otherwise(app: Flask, sales_files: SalesFiles) -> None:
    text = HEADER + "a-1,2025-03-01,B0CW1A0001,Kettle,1,11.90,,1.90,\n"
    for said in ("", "true"):
        with_tax = sales_files.imported(text, tax_included=said)
        assert with_tax["tax_included"] is app.extensions["settings"].checkout.tax_included is True
        assert with_tax["samples"]["new"][0]["net"] == "10.00"
    assert sales_files.imported(text)["samples"]["new"][0]["net"] == "11.90"


@on_sqlite
@pytest.mark.parametrize("kind", ["tsv", "xlsx", "jsonl"])
def test_every_format_gives_the_same_facts(app: Flask, sales_files: SalesFiles, kind: str) -> None:
    names, cells = HEADER.strip().split(","), LINE.strip().split(",")
    content = b"".join(written(writer_for(kind, names), [[cells]]))
    found = sales_files.imported(content, f"sales.{kind}", run="true")
    assert (found["state"], found["format"]) == ("COMPLETED", kind)
    assert facts(app) == [FACT | {"operation_id": found["id"]}]


def test_an_upload_sent_twice_with_one_key_is_one_import(app: Flask, sales_files: SalesFiles) -> None:
    first = sales_files.send(HEADER + LINE, key="k-1")
    again = sales_files.send(HEADER + LINE, key="k-1")
    assert (again.status_code, again.get_json()["id"]) == (202, first.get_json()["id"])
    assert again.headers["Idempotent-Replayed"] == "true"
    other = sales_files.send(HEADER + LINE.replace("24.00", "25.00"), key="k-1")
    assert other.status_code == 422
    assert len(sales_files.ask("GET").get_json()["items"]) == 1


@on_sqlite
def test_what_cannot_be_decided_any_more_is_refused_and_changes_nothing(app: Flask, sales_files: SalesFiles) -> None:
    done = sales_files.imported(HEADER + LINE, run="true")
    before = facts(app)
    assert sales_files.ask("POST", f"/{done['id']}/run").status_code == 409
    assert sales_files.ask("POST", f"/{done['id']}/cancel").get_json()["code"] == "OPERATION_ENDED"
    assert sales_files.ask("PUT", f"/{done['id']}/mapping", {"targets": ["gross"]}, If_Match='"v1"').status_code == 409
    checked = sales_files.imported(HEADER + LINE)
    stale = sales_files.ask("POST", f"/{checked['id']}/run", If_Match='"v9"')
    assert (stale.status_code, stale.get_json()["code"]) == (412, "OPERATION_CHANGED")
    assert sales_files.ask("POST", f"/{checked['id']}/cancel").get_json()["state"] == "CANCELLED"
    assert sales_files.ask("POST", f"/{checked['id']}/run").status_code == 409
    assert facts(app) == before


@on_sqlite
def test_an_operation_of_another_kind_is_no_import_of_sales(
    app: Flask, client: FlaskClient, sales_files: SalesFiles, auth_headers: dict[str, str]
) -> None:
    products = begin(app, "asin,name,price\nB000000001,Kettle,1.00\n")
    work(app, products)
    for method, path in (
        ("GET", ""), ("POST", "/run"), ("POST", "/cancel"), ("POST", "/undo"), ("GET", "/refused-rows"),
    ):  # fmt: skip
        answer = sales_files.ask(method, f"/{products}{path}")
        assert (answer.status_code, answer.get_json()["code"]) == (404, "OPERATION_NOT_FOUND"), (method, path)
    sales = sales_files.imported(HEADER + LINE)["id"]
    for path in ("", "/run", "/undo", "/refused-rows"):
        method = "POST" if path in {"/run", "/undo"} else "GET"
        body: Any = {} if path == "/undo" else None
        answer = client.open(f"/api/v1/imports/{sales}{path}", method=method, headers=auth_headers, json=body)
        assert answer.status_code == 404, (method, path)
    assert sales_files.shown(sales)["state"] == "CHECKED"
    assert facts(app) == []


@on_sqlite
def test_operations_are_shown_and_stopped_by_those_only_who_may_see_and_change_what_they_are_about(
    app: Flask, client: FlaskClient, sales_files: SalesFiles
) -> None:
    products = begin(app, "asin,name,price\nB000000001,Kettle,1.00\n")
    sales = sales_files.imported(HEADER + LINE)["id"]
    everything = headers_of(app, "all@example.org", set(CATALOGUE))
    keeper = headers_of(app, "keeper@example.org", {"products:read", "products:write"})
    seller = headers_of(app, "seller@example.org", {"sales:read", "sales:write"})

    def listed(headers: dict[str, str], query: str = "") -> list[int]:
        return [row["id"] for row in client.get(f"{OPERATIONS}{query}", headers=headers).get_json()["items"]]

    assert listed(everything) == [sales, products]
    assert listed(everything, "?kind=sales_import") == [sales]
    assert listed(keeper) == [products]
    refused = client.get(f"{OPERATIONS}?kind=sales_import", headers=keeper)
    assert (refused.status_code, "sales:read" in refused.get_json()["detail"]) == (403, True)
    assert client.get(f"{OPERATIONS}/{sales}", headers=keeper).status_code == 403
    assert client.post(f"{OPERATIONS}/{sales}/cancel", headers=keeper).status_code == 403
    assert sales_files.shown(sales)["state"] == "CHECKED"
    assert client.get(f"{OPERATIONS}/{sales}", headers=seller).status_code == 403
    assert client.get(f"{IMPORTS}/{sales}", headers=seller).status_code == 200
    assert client.post(f"{IMPORTS}/{sales}/cancel", headers=seller).get_json()["state"] == "CANCELLED"


def test_files_that_are_no_tables_of_sales_are_refused_by_name(app: Flask, sales_files: SalesFiles) -> None:
    for content, code in ((HEADER, "NO_ROWS"), (" \n ", "EMPTY_FILE"), (b"PK\x03\x04nonsense", "NOT_A_WORKBOOK")):
        found = sales_files.imported(content, run="true")
        assert (found["state"], found["error_code"]) == ("FAILED", code)
    assert sales_files.send("").status_code == 422
    assert sales_files.send(HEADER + LINE, tax_included="perhaps").get_json()["errors"][0]["pointer"] == "/tax_included"
    assert sales_files.send(HEADER + LINE, create_categories="true").status_code == 422
    assert facts(app) == []


def test_what_sold_at_says_is_kept_to_the_microsecond_on_the_shops_day(app: Flask, sales_files: SalesFiles) -> None:
    text = HEADER + LINE.replace("2025-03-01T09:30:00+01:00", "2025-12-31T23:59:59.999999-01:00")
    assert sales_files.imported(text, run="true")["counts"]["new"] == 1
    with app.app_context():
        (row,) = db.session.query(Sale).all()
        assert row.sold_at == datetime(2026, 1, 1, 0, 59, 59, 999999, tzinfo=UTC)
        assert row.sold_on == date(2026, 1, 1)
        assert row.created_at.tzinfo is not None
    assert sales_files.imported(text, run="true")["counts"]["unchanged"] == 1
