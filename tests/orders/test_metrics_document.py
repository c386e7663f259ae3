"""The example of docs/metrics.md is what the services make of it, number by number."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from app.config import Checkout
from app.core.extensions import db
from app.core.money import Money, decimal_text
from app.core.percents import parse_percent
from app.orders.models.orders import Order, OrderLine
from app.orders.queries.sales import sum_sales
from app.orders.schemas.sales import SumsSchema
from app.orders.services.returns import Wish
from tests.conftest import AppWith
from tests.orders.selling import (
    AMOUNTS,
    come_back,
    facts_of,
    give,
    lines_of,
    make_coupon,
    make_goods,
    pay,
    place,
    send,
)
from tests.servers import on_sqlite

pytestmark = on_sqlite

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "metrics.md"
EXAMPLE: Final = DOCUMENT.read_text().partition("## An example")[2]
MONTHS: Final = {"March": (date(2026, 3, 1), date(2026, 3, 31)), "April": (date(2026, 4, 1), date(2026, 4, 30))}


def table(first: str, second: str) -> list[dict[str, str]]:
    """The rows of the example's table whose first columns have these names."""
    lines = EXAMPLE.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith(f"| {first} | {second} "))
    names = cells(lines[at])
    rows = []
    for line in lines[at + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(names, cells(line), strict=True)))
    return rows


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


SETTINGS: Final = {row["setting"]: row["value"] for row in table("setting", "value")}
FACTS: Final = table("fact", "at")
COLUMNS: Final = ("gross", "discount", "net", "shipping", "tax", "total")


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture
def order(app_with: AppWith) -> Any:
    """The order of the example in the shop of the example, and everything that happens to it."""
    currency = SETTINGS["SHOP_CURRENCY"]
    app = app_with(
        currency=currency,
        timezone=ZoneInfo(SETTINGS["SHOP_TIMEZONE"]),
        checkout=Checkout(
            tax_rate_ppm=parse_percent(SETTINGS["TAX_RATE"]),
            tax_included=SETTINGS["PRICES_INCLUDE_TAX"] == "1",
            shipping_minor=Money.parse(SETTINGS["SHIPPING_FEE"], currency).minor,
        ),
    )
    paid_at, back_at, given_at = sorted({instant(fact["at"]) for fact in FACTS})
    with app.app_context():
        make_coupon("TEN", now=paid_at, percent_ppm=parse_percent(SETTINGS["coupon"].removesuffix(" %")))
        items = {
            make_goods(row["unit price"], now=paid_at, name=row["line"]): int(row["units"])
            for row in table("line", "unit price")
        }
        order_id = place(items, now=paid_at, coupon="TEN")
        pay(order_id, now=paid_at)
        kettles = lines_of(order_id)[0]
        send(order_id, {kettles.id: 3}, now=paid_at)
        come_back(order_id, {kettles.id: 1}, now=back_at, wish=Wish())
        give(order_id, 300, now=given_at)
        yield order_id


def shown(row: Any) -> dict[str, str]:
    """Amounts of a line or a fact, or sums of facts, by the names that the document has for them."""
    minor = row if isinstance(row, dict) else {name: getattr(row, name) for name in AMOUNTS}
    return {name.removesuffix("_minor"): decimal_text(minor[name], "EUR") for name in AMOUNTS}


def test_the_order_costs_what_the_document_says(order: int) -> None:
    def amounts(priced: Order | OrderLine, name: str) -> dict[str, str]:
        minor = {
            "subtotal": priced.subtotal_minor,
            "discount": priced.discount_minor,
            "shipping with tax": priced.shipping_minor,
            "tax": priced.tax_minor,
            "total": priced.total_minor,
        }
        return {"line": name} | {column: decimal_text(value, "EUR") for column, value in minor.items()}

    lines = lines_of(order)
    found = [amounts(line, line.name) for line in lines]
    assert [*found, amounts(the_order(order), "order")] == table("line", "subtotal")


def the_order(order_id: int) -> Order:
    return db.session.get_one(Order, order_id)


def test_the_facts_are_those_of_the_document(order: int) -> None:
    found = [
        {
            "fact": f"{fact.kind}, {fact.name}",
            "at": fact.sold_at.strftime("%Y-%m-%dT%H:%MZ"),
            "day": fact.sold_on.isoformat(),
            "units": str(fact.quantity),
        }
        | shown(fact)
        for fact in facts_of(order)
    ]
    assert found == FACTS


def test_the_sums_are_those_of_the_document(order: int) -> None:
    rows = table("period", "kind")
    assert len(rows) == 4
    for row in rows:
        since, until = MONTHS[row["period"]]
        (sums,) = sum_sales(since=since, until=until)["currencies"]
        found = sums[row["kind"]]
        counts = {"facts": str(found["facts"]), "orders": str(found["orders"]), "units": str(found["quantity"])}
        assert {"period": row["period"], "kind": row["kind"]} | counts | shown(found) == row


def test_the_document_names_every_number_that_the_api_gives(app: Flask) -> None:
    named = set(re.findall(r"\*\*([a-z ]+)\*\*", DOCUMENT.read_text())) | {"quantity", "facts"}
    assert set(SumsSchema().fields) <= named
