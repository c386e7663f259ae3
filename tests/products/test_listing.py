"""The list of products: every filter and order, page by page, is what a plain comparison of all products gives."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, insert

from app.core.extensions import db
from app.core.transactions import in_transaction
from app.products.models.categories import Category, ProductCategory
from app.products.models.products import Product
from app.products.models.stock import Stock
from app.products.queries import listing
from app.products.queries.listing import list_products
from app.products.queries.walks import SORTS
from tests.servers import on_sqlite

COUNT: Final = 240
BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
FILTERS: Final[dict[str, tuple[Any, ...]]] = {
    "brand": ("Lumo", "Åsa", "Nobody"),
    "category": (1, 2, 3, 99),
    "in_stock": (True, False),
    "is_active": (True, False),
    "price": ((None, 500), (300, None), (250, 260), (99_999, None)),
    "asin": ("B000000007", "B999999999"),
    "gtin": ("4006381333931",),
}
"""Values of each filter: of many products, of few and of none."""


def _products() -> list[dict[str, Any]]:
    chance = random.Random(4)
    return [
        {
            "id": number,
            "name": chance.choice(["Kettle", "kettle", "Lamp", "Pan", "Åse", "Z"]) + " " * (number % 2) + "x",
            "asin": f"B{number:09d}",
            "brand": chance.choice(["Lumo", "Lumo", "Lumo", "Åsa", None]),
            "price_minor": chance.choice([100, 250, 255, 500, 900, 1000]),
            "currency": "USD",
            "description": "",
            "gtin": chance.choice([None, None, "4006381333931"]),
            "is_active": chance.random() < 0.8,
            "attributes": {"a": number},
            "images": [f"https://images.example/{number}.jpg"],
            "categories": [],
            "version": 1,
            "created_at": BEGIN,
            "updated_at": BEGIN + timedelta(microseconds=chance.randrange(40)),
            "deleted_at": BEGIN if chance.random() < 0.1 else None,
        }
        for number in range(1, COUNT + 1)
    ]


@pytest.fixture
def products(context: Flask) -> list[dict[str, Any]]:
    """Products with categories and stock; each has ``within`` and ``in_stock`` besides its columns."""
    rows, chance = _products(), random.Random(5)
    members = [
        {"category_id": category, "product_id": row["id"], "is_direct": True}
        for row in rows
        for category, share in ((1, 0.9), (2, 0.3), (3, 0.02))
        if chance.random() < share
    ]
    stock = [
        {
            "product_id": row["id"],
            "on_hand": chance.choice([0, 5]),
            "allocated": 0,
            "is_low": False,
            "updated_at": BEGIN,
        }
        for row in rows
    ]

    @in_transaction
    def fill() -> None:
        tree = [
            {
                "id": id_,
                "name": "c",
                "slug": f"c{id_}",
                "position": id_,
                "version": 1,
                "created_at": BEGIN,
                "updated_at": BEGIN,
            }
            for id_ in (1, 2, 3)
        ]
        for table, values in ((Category, tree), (Product, rows), (ProductCategory, members), (Stock, stock)):
            db.session.execute(insert(table), values)

    fill()
    inside = {(member["category_id"], member["product_id"]) for member in members}
    there = {row["product_id"]: row["on_hand"] > 0 for row in stock}
    return [
        {**row, "within": {c for c in (1, 2, 3) if (c, row["id"]) in inside}, "in_stock": there[row["id"]]}
        for row in rows
    ]


def _expected(products: list[dict[str, Any]], wanted: dict[str, Any]) -> set[int]:
    low, high = wanted.get("price") or (None, None)
    return {
        row["id"]
        for row in products
        if row["deleted_at"] is None
        and all(row[name] == value for name, value in wanted.items() if name not in {"category", "price"})
        and ("category" not in wanted or wanted["category"] in row["within"])
        and (low is None or row["price_minor"] >= low)
        and (high is None or row["price_minor"] <= high)
    }


def _all_pages(sort: str, limit: int, wanted: dict[str, Any]) -> list[Any]:
    filters = {name: value for name, value in wanted.items() if name != "price"}
    filters["price_min"], filters["price_max"] = wanted.get("price") or (None, None)
    rows: list[Any] = []
    cursor = None
    for _ in range(COUNT * 3):
        page = list_products(limit=limit, cursor=cursor, sort=sort, **filters)
        assert len(page.items) <= limit
        rows += page.items
        cursor = page.next_cursor
        if cursor is None:
            return rows
    raise AssertionError("the list does not end")


def _key(row: Any, sort: str) -> Any:
    column = SORTS[sort.removeprefix("-")][0].key
    return getattr(row, column)


@pytest.mark.parametrize("looked_at", [(1_000, 10_000), (7, 20)], ids=["far", "near"])
@pytest.mark.parametrize("few", [5_000, 0], ids=["gathered", "walked"])
def test_pages_together_are_all_that_fits_in_order(
    products: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, looked_at: tuple[int, int], few: int
) -> None:
    monkeypatch.setattr(listing, "LOOK_AT", looked_at)
    monkeypatch.setattr(listing, "FEW", few)
    chance = random.Random(looked_at[0] + few)
    for turn in range(60):
        names = chance.sample(sorted(FILTERS), chance.choice([0, 1, 1, 2, 2, 3, 4]))
        wanted = {name: chance.choice(FILTERS[name]) for name in names}
        sort = chance.choice(["", "-"]) + list(SORTS)[turn % 4]
        rows = _all_pages(sort, chance.choice([3, 50, 100]), wanted)
        about = f"{sort} {wanted}"
        assert len({row.id for row in rows}) == len(rows), about
        assert {row.id for row in rows} == _expected(products, wanted), about
        values = [(_key(row, sort), row.id) for row in rows]
        if not sort.endswith("name"):  # how names are ordered is the database's affair
            assert values == sorted(values, reverse=sort.startswith("-")), about


def test_names_come_in_the_database_s_order(products: list[dict[str, Any]]) -> None:
    names = [row.name for row in _all_pages("name", 9, {})]
    whole = [row.name for row in _all_pages("name", 100, {})]
    assert names == whole
    assert [row.id for row in _all_pages("-name", 9, {})] == [row.id for row in _all_pages("name", 100, {})][::-1]


def test_a_page_ends_where_it_has_looked_at_enough_and_the_next_goes_on_there(
    products: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOK_AT", (3, 4))
    monkeypatch.setattr(listing, "FEW", 0)
    page = list_products(limit=50, sort="price", category=3, brand="Lumo")
    assert len(page.items) < 7
    assert page.next_cursor is not None


def test_a_row_is_the_product_as_it_is_shown(client: FlaskClient, auth_headers: dict[str, str], app: Flask) -> None:
    sent = {
        "asin": "B0CW1A0001", "name": "Kettle", "price": "1299.90", "brand": "Lumo", "description": "d",
        "attributes": {"b": 1.5, "a": [ "x" ]}, "gtin": "4006381333931",
    }  # fmt: skip
    made = client.post("/api/v1/products", json=sent, headers=auth_headers)
    assert made.status_code == 201, made.text
    one = client.get(made.headers["Location"], headers=auth_headers)
    listed = client.get("/api/v1/products", headers=auth_headers).get_json()["items"]
    assert one.get_json() == made.get_json() == listed[0]
    assert one.headers["ETag"] == made.headers["ETag"] == '"v1"'


@on_sqlite
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("price_min=1e3", "/price_min"),
        ("price_max=3.505", "/price_max"),
        ("price_min=-1", "/price_min"),
        ("price_min=NaN", "/price_min"),
        ("price_min=10&price_max=9.99", "/price_min"),
        ("sort=cheapest", "/sort"),
        ("sort=", "/sort"),
        ("category=0", "/category"),
        ("category=9223372036854775808", "/category"),
        ("in_stock=perhaps", "/in_stock"),
        ("gtin=4006381333932", "/gtin"),
        ("colour=red", "/colour"),
        ("limit=101", "/limit"),
        ("cursor=WzEsMl0", "/cursor"),
        ("cursor=!!!", "/cursor"),
    ],
)
def test_a_bad_argument_is_refused_by_name(
    client: FlaskClient, auth_headers: dict[str, str], query: str, pointer: str
) -> None:
    answer = client.get(f"/api/v1/products?{query}", headers=auth_headers)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [pointer]


def test_a_cursor_of_another_order_is_refused(
    client: FlaskClient, auth_headers: dict[str, str], products: list[dict[str, Any]]
) -> None:
    cursor = list_products(limit=1, sort="price").next_cursor
    for sort, status in (("price", 200), ("-price", 422), ("name", 422), ("created", 422)):
        answer = client.get(f"/api/v1/products?sort={sort}&cursor={cursor}", headers=auth_headers)
        assert answer.status_code == status, sort


@on_sqlite
def test_no_list_goes_along_the_products_that_were_deleted(
    products: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[str] = []

    def explain(connection: Any, _cursor: Any, statement: str, values: Any, *_about: Any) -> None:
        if statement.startswith("SELECT"):
            plans.extend(row[3] for row in connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values))

    event.listen(db.engine, "before_cursor_execute", explain)
    try:
        for few in (5_000, 0):
            monkeypatch.setattr(listing, "FEW", few)
            for sort in (*SORTS, *(f"-{name}" for name in SORTS)):
                for name, values in FILTERS.items():
                    _all_pages(sort, 100, {name: values[0]})
                    _all_pages(sort, 100, {name: values[0], "is_active": True, "category": 1})
    finally:
        event.remove(db.engine, "before_cursor_execute", explain)
    assert len(plans) > 300
    assert [plan for plan in plans if "ix_product_deleted" in plan] == []
