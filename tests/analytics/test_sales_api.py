"""The API of sales figures: what it answers in each form, and what it refuses."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.analytics.queries.dashboard import read_figures
from app.analytics.services.sales_folding import fold_sales, fold_some
from app.core.orm import utc_now
from app.orders.services.sales import day_of
from tests.analytics.facts import record, sale
from tests.products.categories import add_category, add_product, put
from tests.servers import on_sqlite

API: Final = "/api/v1/sales/"
PATHS: Final = ("analytics", "revenue/comparison", "by-category", "top-products")
MARCH: Final = "from=2026-03-01&to=2026-03-31"
NOON: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)


class Asking:
    """Asks for figures as the administrator."""

    def __init__(self, client: FlaskClient, headers: dict[str, str]) -> None:
        self._client, self._headers = client, headers

    def get(self, path: str) -> TestResponse:
        return self._client.get(API + path, headers=self._headers)

    def json(self, path: str) -> Any:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def rows(self, path: str) -> list[dict[str, str]]:
        answer = self.get(f"{path}&format=csv")
        assert answer.content_type == "text/csv; charset=utf-8"
        return list(csv.DictReader(io.StringIO(answer.text)))

    def facts(self, which: str) -> list[dict[str, Any]]:
        answer = self._client.get(f"/api/v1/sales?{which}", headers=self._headers)
        found: list[dict[str, Any]] = answer.get_json()["items"]
        return found

    def refused(self, path: str) -> tuple[int, str, list[str]]:
        answer = self.get(path)
        problem = answer.get_json()
        return answer.status_code, problem["code"], [error["pointer"] for error in problem["errors"]]


@pytest.fixture
def asking(client: FlaskClient, auth_headers: dict[str, str]) -> Asking:
    return Asking(client, auth_headers)


@pytest.fixture
def trade(app: Flask) -> dict[str, int]:
    """Two kettles and a pan on the 10th of March, of which a kettle comes back; another one the month before."""
    with app.app_context():
        kitchen, garden = add_category("Kitchen"), add_category("Garden")
        kettles = add_category("Kettles", kitchen)
        kettle, pan = add_product(1), add_product(2)
        put({kettle: [kettles], pan: [kitchen, garden]})
        of_kettle: dict[str, Any] = {"asin": "B000000001", "product_id": kettle, "gross_minor": 2000}
        of_pan = {"asin": "B000000002", "product_id": pan, "gross_minor": 1000, "brand": None, "discount_minor": 100}
        back = {"kind": "refund", "quantity": -1, "gross_minor": -1000}
        record(
            facts=[
                sale(NOON - timedelta(days=31), **of_kettle, order_id=1),
                sale(NOON, **of_kettle, quantity=2, order_id=2),
                sale(NOON, **of_pan, order_id=2),
            ]
        )
        fold_sales()
        record(facts=[sale(NOON + timedelta(days=1), **(of_kettle | back), order_id=2)])
        return {"kitchen": kitchen, "garden": garden, "kettles": kettles}


@on_sqlite
def test_a_period_is_told_altogether_and_by_day(asking: Asking, trade: dict[str, int]) -> None:
    found = asking.json(f"analytics?{MARCH}")
    (whole,) = found["totals"]
    assert whole == {
        "currency": "USD", "orders": 1, "lines": 2, "units": 2, "units_returned": 1, "gross": "30.00",
        "discount": "1.00", "refund": "10.00", "net": "19.00", "tax": "0.00", "shipping": "0.00", "total": "19.00",
        "average_order": "29.00",
    }  # fmt: skip
    assert len(found["parts"]) == 31
    assert [part["figures"]["net"] for part in found["parts"][8:12]] == ["0.00", "29.00", "-10.00", "0.00"]
    assert (found["comparison"], found["parts_before"]) == (None, None)
    assert trade


@on_sqlite
def test_what_it_is_compared_with_is_the_equally_long_period_before(asking: Asking, trade: dict[str, int]) -> None:
    found = asking.json(f"analytics?{MARCH}&compare=true&group_by=month")
    compared = found["comparison"]
    assert compared["before"] == {"from": "2026-01-29", "to": "2026-02-28"}
    assert [part["figures"]["net"] for part in found["parts_before"]] == ["0.00", "20.00"]
    assert compared == asking.json(f"revenue/comparison?{MARCH}")
    (each,) = compared["currencies"]
    assert (each["now"]["net"], each["before"]["net"], each["growth"]["net"]) == ("19.00", "20.00", "-5.0")
    assert each["growth"]["discount"] is None
    assert trade


@on_sqlite
@pytest.mark.parametrize(
    "path", ["by-category?", "top-products?", "analytics?group_by=brand&", "analytics?group_by=product&"]
)
def test_every_row_of_a_cut_is_told_beside_the_period_before(asking: Asking, trade: dict[str, int], path: str) -> None:
    assert trade
    parts = asking.json(f"{path}{MARCH}&compare=true")["parts"]
    first = parts[0]  # the kitchen, the kettle, its brand
    assert first["growth"]["net"] == ("-5.0" if path.startswith("by-category") else "-50.0")
    assert (first["before"]["net"], first["before"]["units"], first["before"]["orders"]) == ("20.00", 1, None)
    assert (parts[1]["before"]["net"], parts[1]["growth"]["net"]) == ("0.00", None)
    rows = asking.rows(f"{path}{MARCH}&compare=true")
    for part, row in zip(parts, rows, strict=True):
        for name, value in part["growth"].items():
            assert row[f"{name}_growth_percent"] == ("" if value is None else value)
            assert row[f"{name}_before"] == ("" if part["before"][name] is None else str(part["before"][name]))
    plain = asking.json(f"{path}{MARCH}")["parts"]
    assert {(part["before"], part["growth"]) for part in plain} == {(None, None)}
    assert [part["figures"] for part in plain] == [part["figures"] for part in parts]
    assert "net_before" not in asking.rows(f"{path}{MARCH}")[0]


@on_sqlite
def test_categories_have_what_is_below_them_and_products_their_names(asking: Asking, trade: dict[str, int]) -> None:
    top = asking.json(f"by-category?{MARCH}")["parts"]
    assert [(part["name"], part["figures"]["net"], part["figures"]["orders"]) for part in top] == [
        ("Kitchen", "19.00", None),
        ("Garden", "9.00", None),
    ]
    below = asking.json(f"by-category?{MARCH}&parent_id={trade['kitchen']}")["parts"]
    assert [(part["key"], part["figures"]["net"]) for part in below] == [(str(trade["kettles"]), "10.00")]
    products = asking.json(f"top-products?{MARCH}&measure=units&limit=1")["parts"]
    assert [(part["key"], part["name"], part["figures"]["units"]) for part in products] == [
        ("B000000001", "Thing 1", 1)
    ]
    brands = asking.json(f"analytics?{MARCH}&group_by=brand")["parts"]
    assert [(part["key"], part["name"]) for part in brands] == [("Lumo", "Lumo"), ("", None)]


@on_sqlite
@pytest.mark.parametrize("group_by", ["day", "week", "month", "category", "brand", "product"])
def test_the_file_says_the_same_as_the_answer(asking: Asking, trade: dict[str, int], group_by: str) -> None:
    path = f"analytics?{MARCH}&group_by={group_by}"
    parts, rows = asking.json(path)["parts"], asking.rows(path)
    shown = [{name: "" if value is None else str(value) for name, value in _flat(part).items()} for part in parts]
    assert [{name: row[name] for name in row} for row in rows] == [
        {name: one[name] for name in rows[0]} for one in shown
    ]
    assert rows
    assert trade


def _flat(part: dict[str, Any]) -> dict[str, Any]:
    figures: dict[str, Any] = part["figures"]
    return {name: value for name, value in part.items() if name != "figures"} | figures


@on_sqlite
def test_a_name_that_a_spreadsheet_would_run_is_disarmed(app: Flask, asking: Asking) -> None:
    with app.app_context():
        record(facts=[sale(NOON, brand='=HYPERLINK("http://x","y")', gross_minor=-300, kind="refund", quantity=-1)])
    answer = asking.get(f"analytics?{MARCH}&group_by=brand&format=csv")
    assert "\"'=HYPERLINK(" in answer.text
    (row,) = asking.rows(f"analytics?{MARCH}&group_by=brand")
    assert row["net"] == "-3.00"


@on_sqlite
def test_filters_may_be_combined(asking: Asking, trade: dict[str, int]) -> None:
    within = f"analytics?{MARCH}&group_by=month&category_id={trade['kitchen']}"
    assert asking.json(within)["totals"][0]["net"] == "19.00"
    assert asking.json(f"{within}&brand=Lumo")["totals"][0]["net"] == "10.00"
    assert asking.json(f"{within}&asin=B000000002")["totals"][0]["net"] == "9.00"
    assert asking.json(f"{within}&currency=EUR")["totals"][0] | {"net": 0} == {
        "currency": "EUR", "orders": None, "lines": 0, "units": 0, "units_returned": 0, "gross": "0.00",
        "discount": "0.00", "refund": "0.00", "net": 0, "tax": "0.00", "shipping": "0.00", "total": "0.00",
        "average_order": None,
    }  # fmt: skip


@on_sqlite
def test_what_one_category_sold_may_be_cut_by_categories(asking: Asking, trade: dict[str, int]) -> None:
    of_garden = asking.json(f"by-category?{MARCH}&category_id={trade['garden']}")["parts"]
    assert {part["name"]: part["figures"]["net"] for part in of_garden} == {"Kitchen": "9.00", "Garden": "9.00"}
    below = f"by-category?{MARCH}&parent_id={trade['kitchen']}"
    assert asking.json(f"{below}&category_id={trade['kitchen']}")["parts"] == asking.json(below)["parts"]


@on_sqlite
@pytest.mark.parametrize("path", PATHS)
def test_periods_that_cannot_be_are_refused(asking: Asking, path: str) -> None:
    tomorrow = utc_now().date() + timedelta(days=2)
    for query, pointer in (
        ("from=2026-03-31&to=2026-03-01", "/from"),
        (f"to={tomorrow}", "/to"),
        ("from=1815-01-01&to=1815-02-01", "/from"),
        ("from=1990-01-01", "/from"),
        ("from=yesterday", "/from"),
        ("format=pdf", "/format"),
        ("currency=XXY", "/currency"),
        ("asin=nonsense", "/asin"),
        ("zone=Mars/Base", "/zone"),
    ):
        assert asking.refused(f"{path}?{query}") == (422, "INVALID", [pointer]), query


@on_sqlite
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        pytest.param("analytics?group_by=minute", "/group_by", id="unknown grouping"),
        pytest.param("analytics?limit=1000000", "/limit", id="a million points"),
        pytest.param("top-products?limit=1000000", "/limit", id="a million products"),
        pytest.param("top-products?measure=charm", "/measure", id="unknown measure"),
        pytest.param("by-category?parent_id=0", "/parent_id", id="no category"),
        pytest.param("by-category?parent_id=99", "/parent_id", id="a parent that does not exist"),
        *(
            pytest.param(f"{path}?category_id=99", "/category_id", id=f"a category that does not exist: {path}")
            for path in PATHS
        ),
    ],
)
def test_what_is_not_known_or_too_much_is_refused(asking: Asking, query: str, pointer: str) -> None:
    assert asking.refused(query) == (422, "INVALID", [pointer])


@on_sqlite
def test_without_sales_everything_is_nothing_in_the_shops_currency(asking: Asking) -> None:
    for path in PATHS:
        assert asking.get(path).status_code == 200
    (whole,) = asking.json("analytics")["totals"]
    assert (whole["currency"], whole["orders"], whole["net"], whole["average_order"]) == ("USD", 0, "0.00", None)
    assert len(asking.json("analytics")["parts"]) == 30
    assert asking.json("top-products")["parts"] == []


@on_sqlite
def test_today_is_in_it_the_moment_that_a_sale_is_recorded(app: Flask, asking: Asking) -> None:
    with app.app_context():
        record(facts=[sale(utc_now())])
    assert asking.json("analytics")["parts"][-1]["figures"]["net"] == "10.00"


@on_sqlite
@pytest.mark.parametrize("path", [*PATHS, "analytics?group_by=brand", "analytics?group_by=week&compare=true"])
def test_the_same_is_drawn_as_a_chart(asking: Asking, trade: dict[str, int], path: str) -> None:
    item = asking.json(f"{path}{'&' if '?' in path else '?'}{MARCH}&format=chart")
    assert {"doc", "root_id", "caption", "table", "empty"} <= item.keys()
    assert item["empty"] is None
    assert trade


@on_sqlite
def test_each_currency_has_its_own_best_ones(app: Flask, asking: Asking) -> None:
    with app.app_context():
        record(
            facts=[
                sale(NOON, currency=currency, asin=f"B{at:09}", brand=f"Brand {at}", gross_minor=100 * at + 100)
                for currency in ("EUR", "USD")
                for at in range(4)
            ]
        )
    for path in ("top-products?", "analytics?group_by=brand&"):
        parts = asking.json(f"{path}{MARCH}&limit=2")["parts"]
        shown = [(part["figures"]["currency"], part["figures"]["net"]) for part in parts]
        assert shown == [("EUR", "4.00"), ("EUR", "3.00"), ("USD", "4.00"), ("USD", "3.00")]
    assert len(asking.json(f"by-category?{MARCH}&limit=1")["parts"]) == 2


@on_sqlite
def test_a_chart_of_nothing_says_so(asking: Asking) -> None:
    assert asking.json("top-products?format=chart")["empty"] == "No product was sold in this period."


@on_sqlite
def test_the_tile_the_answer_the_file_and_the_facts_say_the_same(app: Flask, asking: Asking) -> None:
    with app.app_context():
        for kind, sign in (("sale", 1), ("refund", -1), ("sale", 1)):
            record(facts=[sale(utc_now(), kind=kind, quantity=sign, gross_minor=sign * 700, tax_minor=sign * 70)])
            fold_some(size=1)
        today = day_of(utc_now())
        tiles = read_figures(now=utc_now())
    of_day = f"from={today}&to={today}"
    (whole,) = asking.json(f"analytics?{of_day}")["totals"]
    (row,) = asking.rows(f"analytics?{of_day}")
    facts = [Decimal(fact["total"]) for fact in asking.facts(of_day)]
    assert Decimal(tiles["sales.today.total"]["amount"]) == Decimal("7.70")
    assert Decimal(whole["total"]) == Decimal(row["total"]) == sum(facts) == Decimal("7.70")
    assert tiles["sales.today.units"] == whole["units"] == int(row["units"]) == 1
