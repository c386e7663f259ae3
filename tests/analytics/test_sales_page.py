"""The page of sales figures: what it shows of a period, and how one asks for another."""

from __future__ import annotations

import csv
import io
import re
from html import unescape
from typing import Any

import pytest
from flask import Flask

from app.analytics.forms.periods import PRESETS
from tests.analytics.page_facts import add_fact, days_ago, text_of, tiles
from tests.auth.people import new_person
from tests.browsing import Visitor
from tests.products.categories import add_category, add_product
from tests.servers import on_sqlite

pytestmark = on_sqlite
PAGE = "/admin/sales"


def analyst(app: Flask) -> Visitor:
    new_person(app, "ada@example.org", role="analyst")
    return Visitor(app, "ada@example.org")


def test_the_tiles_are_the_sums_of_the_period_beside_those_of_the_one_before(app: Flask) -> None:
    with app.app_context():
        add_fact(days_ago(0), net=10_00, units=2)
        add_fact(days_ago(29), net=5_00)
        add_fact(days_ago(3), net=-2_50, units=-1)
        add_fact(days_ago(30), net=10_00)
        add_fact(days_ago(60), net=99_00)
        add_fact(days_ago(1), net=77_00, currency="EUR")
    shown = tiles(analyst(app).get(PAGE).text)
    assert shown["Net"] == "$12.50 ▲ 25% more $10.00 before"
    assert shown["Gross"] == "$15.00 ▲ 50% more $10.00 before"
    assert shown["Refunds"] == "$2.50 Nothing before"
    assert shown["Orders"] == "2 ▲ 100% more 1 before"
    assert shown["Average order value"] == "$7.50 ▼ 25% less $10.00 before"
    assert shown["Units"] == "2 ▲ 100% more 1 before"


def test_currencies_are_chosen_and_never_added_up(app: Flask) -> None:
    ada = analyst(app)
    assert 'id="currency"' not in ada.get(PAGE).text
    with app.app_context():
        add_fact(days_ago(0), net=10_00)
        add_fact(days_ago(0), net=77_00, currency="EUR")
    assert tiles(ada.get(f"{PAGE}?currency=EUR").text)["Net"].startswith("€77.00")
    assert tiles(ada.get(f"{PAGE}?currency=XXX").text)["Net"].startswith("$10.00")


@pytest.mark.parametrize("days", PRESETS)
def test_a_preset_is_an_address_that_stays_at_today(app: Flask, days: int) -> None:
    with app.app_context():
        add_fact(days_ago(days - 1), net=10_00)
        add_fact(days_ago(days), net=4_00)
    page = analyst(app).get(f"{PAGE}?days={days}").text
    assert tiles(page)["Net"].startswith("$10.00 ▲ 150% more $4.00")
    assert f'aria-current="true">{days} days' in page


def test_own_days_are_shared_by_their_address(app: Flask) -> None:
    with app.app_context():
        add_fact(days_ago(40), net=10_00)
        first, last = days_ago(41), days_ago(40)
    page = analyst(app).get(f"{PAGE}?from={first}&to={last}").text
    assert tiles(page)["Net"].startswith("$10.00")
    assert f'value="{first}"' in page
    assert f'value="{last}"' in page


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("from=2026-02-30", "“2026-02-30” is no day; days are written like 2026-11-21."),
        ("from=20260201", "“20260201” is no day"),
        ("to=9999-12-31", "Must not be after today"),
        ("from=2024-02-02&to=2024-02-01", "Must not be after the last day, 2024-02-01."),
        ("from=1969-12-31", "Must not be before 1970-01-01."),
        ("from=1999-01-01", "Must be within 3660 days of the last day."),
        ("days=0", "The number of days must be a whole number from 1 to 3660."),
        ("days=-7", "The number of days must be a whole number"),
        ("days=99999999999999999999", "The number of days must be a whole number"),
        ("days=٣", "The number of days must be a whole number"),
        ('from="><script>alert(1)</script>', '“"><script>alert(1)</script>” is no day'),
        ("from=%00", "is no day"),
    ],
    ids=["no day", "other writing", "future", "reversed", "early", "long", "none", "negative", "huge", "digits",
         "markup", "nothing"],
)  # fmt: skip
def test_a_mistake_is_said_at_its_field_and_the_page_goes_on(app: Flask, asked: str, said: str) -> None:
    with app.app_context():
        add_fact(days_ago(0), net=10_00)
    answer = analyst(app).get(f"{PAGE}?{asked}")
    assert answer.status_code == 422
    assert said in text_of(answer.text)
    assert "<script>alert" not in answer.text
    assert tiles(answer.text)["Net"].startswith("$10.00")
    assert "These are the figures of" in answer.text


def test_who_may_not_read_sales_is_refused_and_has_no_entry(app: Flask) -> None:
    new_person(app, "bob@example.org", role="farm operator")
    bob = Visitor(app, "bob@example.org")
    assert bob.get(PAGE).status_code == 403
    assert f'href="{PAGE}"' not in bob.get("/admin/jobs").text
    assert Visitor(app).get(PAGE).headers["Location"].startswith("/login?next=/admin/sales")


def test_amounts_and_days_are_written_as_the_reader_writes_them(app: Flask) -> None:
    with app.app_context():
        add_fact(days_ago(0), net=1_234_50)
    ada = analyst(app)
    answer = ada.send("/account", {"name": "Ada", "language": "de", "time_zone": "", "theme": "system"})
    assert answer.status_code == 302, answer.text
    assert tiles(ada.get(PAGE).text)["Net"].startswith("1.234,50\xa0$")


def test_the_tiles_the_tables_the_api_and_the_file_give_the_same_numbers(app: Flask) -> None:
    with app.app_context():
        for days in range(40):
            add_fact(days_ago(days), net=1000 + days, units=1 + days % 3, brand=f"Brand {days % 4}")
            add_fact(days_ago(days), net=-100 - days, units=-1)
        asked = f"from={days_ago(35)}&to={days_ago(2)}"
    ada = analyst(app)
    page = ada.get(f"{PAGE}?{asked}&by=week").text
    api = ada.client.get(f"/api/v1/sales/analytics?{asked}&group_by=week").get_json()
    (total,) = api["totals"]
    net = 34 * (1000 - 100)
    assert total["net"] == f"{net / 100:.2f}"
    assert tiles(page)["Net"].startswith(f"${net / 100:,.2f}")
    table = page.partition('id="time-title"')[2]
    rows = re.findall(r'<tr>\s*<th scope="row"><span class="main">(.*?)</tr>', table, re.DOTALL)
    shown = [re.findall(r'<td class="num">(.*?)</td>', row) for row in rows]
    assert [row[0] for row in shown] == [f"${part['figures']['net']}" for part in api["parts"]][::-1]
    assert sum(int(row[-1]) for row in shown) == total["units"]
    address = unescape(re.findall(r'class="file" href="([^"]+group_by=week[^"]*)"', page)[0])
    lines = list(csv.DictReader(io.StringIO(ada.client.get(address).text)))
    assert [line["net"] for line in lines] == [part["figures"]["net"] for part in api["parts"]]


def test_each_product_category_and_brand_stands_beside_the_period_before(app: Flask) -> None:
    with app.app_context():
        kettles = add_category("Kettles")
        product = add_product(1, kettles)
        kettle: dict[str, Any] = {"asin": "B000000001", "brand": "Hearth", "product_id": product}
        add_fact(days_ago(1), net=30_00, **kettle)
        add_fact(days_ago(8), net=40_00, **kettle)
        add_fact(days_ago(2), net=5_00, asin="B000000002", brand="New", name="Lamp")
    page = analyst(app).get(f"{PAGE}?days=7").text
    for part in ("products", "categories", "brands"):
        table = text_of(
            page.partition(f'<table class="table stacks" aria-labelledby="{part}-title">')[2].split("</table>")[0]
        )
        assert "$30.00 ▼ 25% less $40.00 before" in table
        assert "$5.00 Nothing before 14.3%" in table


def test_filters_are_of_a_brand_a_category_and_a_product(app: Flask) -> None:
    with app.app_context():
        kettles = add_category("Kettles")
        add_category("Copper", parent_id=kettles)
        add_fact(days_ago(0), net=10_00, brand="Hearth", asin="B000000001")
        add_fact(days_ago(0), net=4_00, brand="Nord & Co.", asin="B000000002", name="Lamp")
    ada = analyst(app)
    page = ada.get(f"{PAGE}?brand=Nord+%26+Co.").text
    assert tiles(page)["Net"].startswith("$4.00")
    assert "Orders" not in tiles(page)  # an order may have lines of several brands
    assert tiles(ada.get(f"{PAGE}?asin=b000000001").text)["Net"].startswith("$10.00")
    page = ada.get(f"{PAGE}?category={kettles}").text
    assert "Nothing was sold" in page
    assert f'<option value="{kettles}" selected>Kettles</option>' in page


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("category=12345678", "There is no such category any more."),
        ("category=x", "There is no such category."),
        ("category=99999999999999999999999", "There is no such category."),
        ("asin=short", "Must be ten letters and digits"),
        (f"brand={'x' * 256}", "255"),
    ],
    ids=["gone", "no number", "huge", "no ASIN", "long brand"],
)
def test_a_filter_that_cannot_be_is_said_at_its_field(app: Flask, asked: str, said: str) -> None:
    with app.app_context():
        add_fact(days_ago(0), net=10_00)
    answer = analyst(app).get(f"{PAGE}?{asked}")
    assert answer.status_code == 422
    assert said in text_of(answer.text)
    assert tiles(answer.text)["Net"].startswith("$10.00")


def test_names_that_are_markup_are_only_text(app: Flask) -> None:
    hostile = "<script>alert(1)</script>"
    with app.app_context():
        add_category(hostile)
        add_fact(days_ago(0), net=10_00, brand=hostile, name=hostile)
    page = analyst(app).get(f"{PAGE}?brand={hostile}").text
    assert hostile not in page
    assert hostile in unescape(page)


def test_without_any_sale_it_says_where_sales_come_from(app: Flask) -> None:
    ada = analyst(app)
    assert "Sales are counted as soon as an order is paid." in ada.get(PAGE).text
    assert "Choose other days or fewer filters." in ada.get(f"{PAGE}?days=7").text
