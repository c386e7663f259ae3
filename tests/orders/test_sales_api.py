"""Sales over HTTP: every fact once, in order, by what it is asked for; and sums that are the facts' sums."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.core.extensions import db
from app.core.money import decimal_text
from app.core.orm import table_of, utc_now
from app.core.transactions import in_transaction
from app.orders.models.sales import Sale
from app.orders.services.sales import day_of
from tests.conftest import AppWith
from tests.orders.selling import AMOUNTS, give, lines_of, make_goods, pay, place
from tests.servers import on_sqlite

URL: Final = "/api/v1/sales"
START: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
Ask = Callable[..., Any]


@pytest.fixture
def ask(client: FlaskClient, auth_headers: dict[str, str]) -> Ask:
    """Asks for sales as the administrator: ``ask(brand="Lumo")``, ``ask("/totals", status=422, ...)``."""

    def get(path: str = "", *, status: int = 200, **query: Any) -> Any:
        named = {name.rstrip("_"): value for name, value in query.items()}
        answer = client.get(URL + path, query_string=named, headers=auth_headers)
        assert answer.status_code == status, answer.text
        return answer.get_json()

    return get


@in_transaction
def add_facts(*rows: dict[str, Any]) -> None:
    """Facts straight into the table; what a row does not say is the same in all of them."""
    number = int(db.session.scalar(sa.select(sa.func.coalesce(sa.func.max(Sale.id), 0))) or 0)
    for at, row in enumerate(rows, start=number + 1):
        net = row.pop("net", 1000)
        sold_at = row.pop("sold_at", START)
        values = {
            "created_at": START, "unique_key": f"import:{at}", "kind": "refund" if net < 0 else "sale",
            "sold_at": sold_at, "sold_on": sold_at.date(), "asin": "B000000001", "name": "Lamp", "brand": "Lumo",
            "quantity": -1 if net < 0 else 1, "currency": "USD", "gross_minor": net + 30, "discount_minor": 30,
            "tax_minor": 20, "shipping_minor": 5, "net_minor": net, "total_minor": net + 25,
        }  # fmt: skip
        db.session.execute(sa.insert(table_of(Sale)).values(**(values | row)))


def keys(answer: Any) -> list[str]:
    return [row["key"].removeprefix("import:") for row in answer["items"]]


def test_a_fact_is_shown_with_all_that_it_says(app: Flask, ask: Ask) -> None:
    with app.app_context():
        product = make_goods("19.99", now=START, name="Kettle", brand="Kettles & Co.")
        order_id = place({product: 2}, now=START)
        pay(order_id, now=START)
        (line,) = lines_of(order_id)
        give(order_id, 100, now=START + timedelta(days=1))
        asin, line_id = line.asin, line.id
    back, sale = ask()["items"]
    assert sale == {
        "id": sale["id"], "key": f"line:{line_id}", "kind": "sale", "sold_at": "2026-03-01T12:00:00.000000Z",
        "sold_on": "2026-03-01", "order_number": str(100_000 + order_id), "refund_id": None, "operation_id": None,
        "product_id": product, "asin": asin, "name": "Kettle", "brand": "Kettles & Co.", "quantity": 2,
        "currency": "USD", "gross": "39.98", "discount": "0.00", "tax": "0.00", "shipping": "0.00", "net": "39.98",
        "total": "39.98",
    }  # fmt: skip
    assert (back["kind"], back["quantity"], back["total"], back["sold_on"]) == ("refund", 0, "-1.00", "2026-03-02")
    assert back["refund_id"] is not None


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_walking_the_pages_meets_every_fact_once_in_order(app: Flask, ask: Ask, limit: int, sort: str) -> None:
    days = [3, 1, 2, 2, 1, 3, 2]
    with app.app_context():
        add_facts(*({"sold_at": START + timedelta(days=day)} for day in days))
    expected = [str(at) for _, at in sorted((day, at) for at, day in enumerate(days, start=1))]
    walked: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(8):
        page = ask(limit=limit, sort=sort, **cursor)
        walked += keys(page)
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert walked == (expected if sort == "oldest" else expected[::-1])


@on_sqlite
def test_a_cursor_of_the_other_order_is_refused(app: Flask, ask: Ask) -> None:
    with app.app_context():
        add_facts({}, {}, {})
    cursor = ask(limit=1)["next_cursor"]
    assert ask(limit=1, sort="oldest", cursor=cursor, status=422)["errors"][0]["pointer"] == "/cursor"


def test_sales_are_found_by_what_they_are(app: Flask, ask: Ask) -> None:
    with app.app_context():
        add_facts(
            {"sold_at": START},
            {"sold_at": START + timedelta(days=1), "brand": "Kettles & Co.", "product_id": 7},
            {"sold_at": START + timedelta(days=2), "asin": "B000000002", "order_id": 12, "operation_id": 3},
            {"sold_at": START + timedelta(days=3), "net": -500, "brand": None},
        )
    found = {
        "all": ask(),
        "from": ask(from_="2026-03-03"),
        "to": ask(to="2026-03-02"),
        "day": ask(from_="2026-03-02", to="2026-03-02"),
        "brand": ask(brand="Kettles & Co."),
        "product": ask(product_id=7),
        "asin": ask(asin="b000000002"),
        "order": ask(order_number="100012"),
        "no order": ask(order_number="100013"),
        "no number": ask(order_number="x"),
        "refunds": ask(kind="refund"),
        "import": ask(operation_id=3),
        "both": ask(kind="sale", brand="Lumo", to="2026-03-02"),
        "neither": ask(kind="refund", brand="Lumo"),
    }
    assert {name: keys(answer) for name, answer in found.items()} == {
        "all": ["4", "3", "2", "1"], "from": ["4", "3"], "to": ["2", "1"], "day": ["2"], "brand": ["2"],
        "product": ["2"], "asin": ["3"], "order": ["3"], "no order": [], "no number": [], "refunds": ["4"],
        "import": ["3"], "both": ["1"], "neither": [],
    }  # fmt: skip


@on_sqlite
@pytest.mark.parametrize("path", ["", "/totals"])
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"from": "yesterday"}, "/from"),
        ({"from": "2026-02-30"}, "/from"),
        ({"from": "0001-01-01"}, "/from"),
        ({"to": "9999-12-31"}, "/to"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "/to"),
        ({"product_id": "0"}, "/product_id"),
        ({"product_id": str(2**63)}, "/product_id"),
        ({"operation_id": "-1"}, "/operation_id"),
        ({"asin": "B0"}, "/asin"),
        ({"brand": "a\0b"}, "/brand"),
        ({"kind": "gift"}, "/kind"),
        ({"order_number": ""}, "/order_number"),
        ({"colour": "red"}, "/colour"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_for_is_refused_at_its_name(
    ask: Ask, path: str, query: dict[str, str], pointer: str
) -> None:
    refused = ask(path, status=422, **query)
    assert [(error["pointer"], error["in"]) for error in refused["errors"]] == [(pointer, "query")]


@on_sqlite
@pytest.mark.parametrize(("since", "until"), [("2025-01-01", "2026-01-02"), ("2000-01-01", "2026-01-01")])
def test_sums_of_more_than_a_year_are_refused(ask: Ask, since: str, until: str) -> None:
    refused = ask("/totals", status=422, from_=since, to=until)
    assert [error["pointer"] for error in refused["errors"]] == ["/from"]


@on_sqlite
def test_sums_of_a_whole_leap_year_are_given(ask: Ask) -> None:
    assert ask("/totals", from_="2024-01-01", to="2024-12-31") == {
        "from": "2024-01-01", "to": "2024-12-31", "currencies": []
    }  # fmt: skip


def test_the_sums_are_those_of_the_facts_by_kind_and_currency(app: Flask, ask: Ask) -> None:
    with app.app_context():
        add_facts(
            {"net": 1000, "order_id": 1},
            {"net": 2500, "order_id": 1, "quantity": 3, "brand": None},
            {"net": 700, "order_id": 2, "sold_at": START + timedelta(days=30)},
            {"net": -300, "order_id": 1, "sold_at": START + timedelta(days=2)},
            {"net": 400},
            {"net": 90, "currency": "JPY", "order_id": 3},
            {"net": 10**6, "sold_at": START + timedelta(days=31)},
            {"net": 10**6, "sold_at": START - timedelta(days=1)},
        )
        rows = list(
            db.session.scalars(sa.select(Sale).where(Sale.sold_on.between(date(2026, 3, 1), date(2026, 3, 31))))
        )
        wanted = {
            (currency, kind): {
                "facts": len(part),
                "orders": len({row.order_id for row in part if row.order_id is not None}),
                "quantity": sum(row.quantity for row in part),
                **{name[:-6]: decimal_text(sum(getattr(row, name) for row in part), currency) for name in AMOUNTS},
            }
            for currency in ("JPY", "USD")
            for kind in ("sale", "refund", "altogether")
            for part in [[row for row in rows if row.currency == currency and kind in {row.kind, "altogether"}]]
        }
    yen, dollars = ask("/totals", from_="2026-03-01", to="2026-03-31")["currencies"]
    for answer in (yen, dollars):
        for kind in ("sale", "refund", "altogether"):
            assert answer[kind] == wanted[answer["currency"], kind]
    assert (dollars["sale"]["facts"], dollars["sale"]["orders"], dollars["refund"]["orders"]) == (4, 2, 1)
    assert dollars["altogether"]["net"] == "43.00"
    assert (yen["altogether"]["net"], yen["refund"]["facts"]) == ("90", 0)


def test_sums_are_of_what_is_asked_for(app: Flask, ask: Ask) -> None:
    with app.app_context():
        add_facts({"net": 100, "brand": "Kettles & Co."}, {"net": 200, "product_id": 7}, {"net": -50, "order_id": 5})
    period = {"from_": "2026-03-01", "to": "2026-03-01"}

    def net(**which: Any) -> str:
        (found,) = ask("/totals", **period, **which)["currencies"]
        return str(found["altogether"]["net"])

    assert net() == "2.50"
    assert net(brand="Kettles & Co.") == "1.00"
    assert net(product_id=7) == "2.00"
    assert net(kind="refund") == net(order_number="100005") == "-0.50"
    assert ask("/totals", **period, asin="B000000009")["currencies"] == []


def test_without_a_period_the_sums_are_of_the_last_thirty_days(app: Flask, ask: Ask) -> None:
    with app.app_context():
        today = utc_now().replace(hour=12)
        add_facts(
            *({"net": 100 * 10**at, "sold_at": today - timedelta(days=days)} for at, days in enumerate((0, 29, 30)))
        )
    found = ask("/totals")
    assert (found["from"], found["to"]) == (str(today.date() - timedelta(days=29)), str(today.date()))
    assert found["currencies"][0]["sale"]["net"] == "11.00"
    assert ask("/totals", to="2026-03-30")["from"] == "2026-03-01"
    assert ask("/totals", from_=str(today.date() + timedelta(days=1)), status=422)["errors"][0]["pointer"] == "/from"


@pytest.mark.parametrize("which", [{"order_number": "100005"}, {"operation_id": 3}], ids=["order", "import"])
def test_without_a_period_the_sums_of_an_order_or_an_import_are_of_all_its_facts(
    app: Flask, ask: Ask, which: dict[str, Any]
) -> None:
    of_both = {"order_id": 5, "operation_id": 3}
    days = (0, 500, 1000)
    with app.app_context():
        add_facts(
            *({"net": 100 * 10**at, "sold_at": START - timedelta(days=day)} | of_both for at, day in enumerate(days)),
            {"net": 7, "order_id": 6, "operation_id": 4},
        )

    def summed(**period: str) -> tuple[str | None, str | None, str]:
        found = ask("/totals", **which, **period)
        return found["from"], found["to"], found["currencies"][0]["sale"]["net"]

    assert summed() == (None, None, "111.00")
    assert summed(to="2026-02-28") == (None, "2026-02-28", "110.00")
    assert summed(from_="2024-10-01") == ("2024-10-01", None, "11.00")
    assert summed(from_="2023-01-01", to="2026-12-31")[2] == "111.00"


@on_sqlite
def test_today_is_the_shops_day(app_with: AppWith, auth_headers: dict[str, str]) -> None:
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        app = app_with(timezone=ZoneInfo(zone))
        answer = app.test_client().get(f"{URL}/totals", headers=auth_headers)
        with app.app_context():
            assert answer.get_json()["to"] == str(day_of(utc_now()))
    kiritimati, baker = (datetime.now(ZoneInfo(zone)).date() for zone in ("Pacific/Kiritimati", "Etc/GMT+12"))
    assert kiritimati > baker


def test_sums_larger_than_one_row_can_hold_in_32_bits_are_exact(app: Flask, ask: Ask) -> None:
    with app.app_context():
        add_facts(*({"net": 10**15 + at, "quantity": 2_000_000_000} for at in range(5)))
    (found,) = ask("/totals", from_="2026-03-01", to="2026-03-01")["currencies"]
    assert (found["sale"]["net"], found["sale"]["quantity"]) == ("50000000000000.10", 10**10)
