"""A tile, its report, its file, its chart and the orders behind it say the same, whatever happened and when."""

from __future__ import annotations

import csv
import io
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from app.analytics.charts.words import amount_words
from app.analytics.queries.dashboard import read_figures
from app.analytics.services.sales_folding import fold_sales, fold_some
from app.analytics.services.sales_ranking import rank_sales
from app.config import Settings
from app.core.days import beginning_of
from app.core.orm import utc_now
from app.orders.models.sales import Sale
from app.orders.services.returns import Wish
from app.orders.services.sales import day_of
from tests.analytics.facts import all_facts, record, sale
from tests.analytics.page_facts import tiles
from tests.analytics.report_people import ANALYST, add_someone
from tests.auth.people import new_person
from tests.browsing import Visitor
from tests.conftest import AppWith
from tests.orders.selling import cancel, come_back, give, lines_of, make_coupon, make_goods, money_of, pay, place, send
from tests.products.categories import add_category, put

BERLIN: Final = ZoneInfo("Europe/Berlin")
DAYS: Final = 366
"""In any so many days the clocks are put forward and back."""
SIGNS: Final = {"USD": "$", "EUR": "€"}


Sums = dict[str, tuple[int, int]]
"""Net and what was paid, in minor units."""


class Asking:
    """A program that reads sales and saves reports."""

    def __init__(self, app: Flask) -> None:
        self._client, self._headers = app.test_client(), add_someone(app, "program@example.org", ANALYST).headers

    def get(self, path: str) -> Any:
        answer = self._client.get(path, headers=self._headers)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def text(self, path: str) -> str:
        answer = self._client.get(path, headers=self._headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path: str, sent: dict[str, Any]) -> Any:
        answer = self._client.post(path, json=sent, headers=self._headers)
        assert answer.status_code == 201, answer.text
        return answer.get_json()


class Shop:
    """Orders, cancellations, returns and gifts at instants where days begin and clocks are changed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.today = day_of(utc_now())
        self.last_on = self.today - timedelta(days=1)
        self.first_on = self.today - timedelta(days=DAYS)
        self._edges = self._find_edges()
        begun = beginning_of(self.first_on, BERLIN) - timedelta(hours=1)
        make_coupon("TENTH", now=begun, percent_ppm=100_000)
        kitchen, garden = add_category("Kitchen"), add_category("Garden")
        kettles = add_category("Kettles", kitchen)
        brands = ("Lumo", "Ørsted & Co.", None)
        self._goods = [make_goods(f"{3 + at}.99", now=begun, brand=brands[at % 3]) for at in range(5)]
        put(dict(zip(self._goods, ([kettles], [kitchen, garden], [garden], [], [kettles, garden]), strict=True)))
        self.orders: list[int] = []

    def trade(self) -> None:
        """Some of everything."""
        for number in range(10):
            chosen = self._chance.sample(self._goods, self._chance.randint(1, 3))
            at = self._when()
            order_id = place(
                {id_: self._chance.randint(2, 3) for id_ in chosen}, now=at, coupon=self._chance.choice([None, "TENTH"])
            )
            self.orders.append(order_id)
            if number == 3:
                continue  # is never paid, and so no sale
            if number == 4:
                line = lines_of(order_id)[0]
                cancel(order_id, {line.id: 1}, now=at)  # before it is paid
            pay(order_id, now=at)
            self._undo_some(order_id, number)
            fold_some(size=self._chance.randint(1, 5))
        imported = [
            sale(self._when(), currency=currency, asin=f"P{at:09}", brand="Past", gross_minor=700 + at, tax_minor=at)
            for at in range(8)
            for currency in ("EUR", "USD")
        ]
        record(facts=[*imported, sale(self._when(), currency="EUR", kind="refund", quantity=-1, gross_minor=-650)])

    def _undo_some(self, order_id: int, number: int) -> None:
        line, at = lines_of(order_id)[0], self._when()
        if number % 5 == 0:
            cancel(order_id, now=at)
        elif number % 5 == 1:
            send(order_id, {line.id: line.quantity}, now=at)
            come_back(order_id, {line.id: 1}, now=at, wish=Wish())
        elif number % 5 == 2:
            give(order_id, self._chance.randint(1, 300), now=at)

    def _when(self) -> datetime:
        """An instant near the beginning of a day, mostly of one on which the clocks are changed, or of today."""
        at = self._chance.choice(self._edges) + timedelta(seconds=self._chance.choice([-1, 0, 1, 3 * 3600, -1800]))
        return min(at, utc_now())

    def _find_edges(self) -> list[datetime]:
        days = [self.first_on + timedelta(days=at) for at in range(1, DAYS + 1)]
        lengths = {day: beginning_of(day + timedelta(days=1), BERLIN) - beginning_of(day, BERLIN) for day in days}
        changed = [day for day, length in lengths.items() if length != timedelta(days=1)]
        assert {lengths[day] for day in changed} == {timedelta(hours=23), timedelta(hours=25)}
        near = [day + timedelta(days=1) for day in changed if day < self.today]
        chosen = [*changed, *near, *self._chance.sample(days, 3), self.today, self.today - timedelta(days=1)]
        return [beginning_of(day, BERLIN) for day in chosen]


@pytest.fixture
def shop_app(app_with: AppWith, settings: Settings) -> Flask:
    """A shop in Berlin whose prices contain tax, with a fee for shipping."""
    checkout = replace(settings.checkout, tax_rate_ppm=190_000, shipping_minor=490)
    return app_with(timezone=BERLIN, checkout=checkout)


@pytest.mark.parametrize("seed", range(2))
def test_every_place_says_what_the_orders_say(shop_app: Flask, seed: int) -> None:
    with shop_app.app_context():
        shop = Shop(seed)
        shop.trade()
        facts = all_facts()
        captured = [money_of(order_id) for order_id in shop.orders]
        of_orders = [fact for fact in facts if fact.order_id is not None]
        assert sum(fact.total_minor for fact in of_orders) == sum(paid - back for paid, back in captured)
    new_person(shop_app, "ada@example.org", role="analyst")
    ada, asking = Visitor(shop_app, "ada@example.org"), Asking(shop_app)
    assert_same(shop_app, ada, asking, shop, facts)
    with shop_app.app_context():
        fold_sales()
        rank_sales(now=utc_now())
    assert_same(shop_app, ada, asking, shop, facts)


def assert_same(app: Flask, ada: Visitor, asking: Asking, shop: Shop, facts: list[Sale]) -> None:
    """Everywhere: of today and yesterday, and of all days up to yesterday."""
    assert_tiles_of_today(app, asking, shop, facts)
    period = f"from={shop.first_on}&to={shop.last_on}"
    for currency in SIGNS:
        some = [fact for fact in facts if fact.currency == currency and fact.sold_on <= shop.last_on]
        asked = f"{period}&currency={currency}"
        assert_page(ada, asked, some, currency)
        cuts = {
            "sales_by_month": (f"analytics?group_by=month&{asked}", lambda fact: fact.sold_on.replace(day=1)),
            "sales_by_brand": (f"analytics?group_by=brand&limit=200&{asked}", lambda fact: fact.brand or ""),
            "sales_by_product": (f"top-products?limit=200&{asked}", lambda fact: fact.asin),
        }
        for kind, (path, key) in cuts.items():
            assert_cut(asking, kind, path, sums(some, key), currency)
    whole = asking.get(f"/api/v1/sales/by-category?{period}&limit=200")["parts"]
    said = [(part["figures"]["net"], part["figures"]["total"]) for part in whole]
    assert report_rows(asking, "sales_by_category", {}) == said


def sums(facts: Iterable[Sale], key: Callable[[Sale], object]) -> Sums:
    """The sums of facts by a key, sales and refunds together."""
    found: dict[str, list[Sale]] = defaultdict(list)
    for fact in facts:
        found[str(key(fact))].append(fact)
    return {
        of: (sum(each.net_minor for each in some), sum(each.total_minor for each in some)) for of, some in found.items()
    }


def plain(minor: int) -> str:
    return f"{Decimal(minor) / 100:.2f}"


def assert_tiles_of_today(app: Flask, asking: Asking, shop: Shop, facts: list[Sale]) -> None:
    """The dashboard's, and what they lead to."""
    with app.app_context():
        shown = read_figures(now=utc_now())
    for name, day in (("today", shop.today), ("yesterday", shop.last_on)):
        some = [fact for fact in facts if fact.sold_on == day and fact.currency == "USD"]
        net, total = (plain(sum(getattr(fact, which) for fact in some)) for which in ("net_minor", "total_minor"))
        orders = len({fact.order_id for fact in some if fact.kind == "sale"} - {None})
        assert shown[f"sales.{name}.total"] == {"amount": total, "currency": "USD"}
        assert shown[f"sales.{name}.units"] == sum(fact.quantity for fact in some)
        assert shown[f"sales.{name}.orders"] == orders
        answer = asking.get(f"/api/v1/sales/analytics?from={day}&to={day}&currency=USD")["totals"][0]
        assert (answer["net"], answer["total"], answer["orders"]) == (net, total, orders)
        kinds = asking.get(f"/api/v1/sales/totals?from={day}&to={day}")["currencies"]
        assert [each["altogether"]["total"] for each in kinds if each["currency"] == "USD"] == ([total] if some else [])
        assert report_rows(asking, "sales_by_day", {"currency": "USD"}, period=name) == [(net, total)]


def assert_page(ada: Visitor, asked: str, facts: list[Sale], currency: str) -> None:
    """The tiles of the page of sales."""
    shown, sign = tiles(ada.get(f"/admin/sales?{asked}&by=month").text), SIGNS[currency]
    sold = [fact for fact in facts if fact.kind == "sale"]
    back = [fact for fact in facts if fact.kind == "refund"]
    amounts = {
        "Net": sum(fact.net_minor for fact in facts),
        "Gross": sum(fact.gross_minor for fact in sold),
        "Discounts": sum(fact.discount_minor for fact in sold),
        "Refunds": -sum(fact.net_minor for fact in back),
        "Paid": sum(fact.total_minor for fact in facts),
    }
    for label, minor in amounts.items():
        assert shown[label].split()[0] == f"{sign}{Decimal(minor) / 100:,.2f}", label
    assert shown["Units"].split()[0] == f"{sum(fact.quantity for fact in facts):,}"
    assert shown["Orders"].split()[0] == str(len({fact.order_id for fact in sold} - {None}))


def assert_cut(asking: Asking, kind: str, path: str, wanted: Sums, currency: str) -> None:
    """The answer, its file, its chart and the saved report of one cut; parts without sales are left out."""
    answer = asking.get(f"/api/v1/sales/{path}")
    keys = {part["key"] if part["key"] is not None else part["from"][:8] + "01": part for part in answer["parts"]}
    told = {key: (part["figures"]["net"], part["figures"]["total"]) for key, part in keys.items()}
    expected = {key: (plain(net), plain(total)) for key, (net, total) in wanted.items()}
    assert {key: both for key, both in told.items() if key in expected} == expected
    assert {both for key, both in told.items() if key not in expected} <= {("0.00", "0.00")}
    rows = list(csv.DictReader(io.StringIO(asking.text(f"/api/v1/sales/{path}&format=csv"))))
    assert [(row["net"], row["total"]) for row in rows] == list(told.values())
    assert report_rows(asking, kind, {"currency": currency}) == list(told.values())
    chart = asking.get(f"/api/v1/sales/{path}&format=chart")["table"]
    drawn = sorted(row[1] for row in chart["rows"])
    assert drawn == sorted(amount_words(int(Decimal(net) * 100), currency) for net, _ in told.values())


def report_rows(asking: Asking, kind: str, filters: dict[str, str], **period: Any) -> list[tuple[str, str]]:
    """What a saved report says, as JSON and as its file."""
    sent = {"name": kind, "kind": kind, "filters": filters} | (period or {"period": "last_days", "days": DAYS})
    at = f"/api/v1/reports/{asking.post('/api/v1/reports', sent)['id']}"
    figures = asking.get(f"{at}/figures")["rows"]
    rows = list(csv.DictReader(io.StringIO(asking.text(f"{at}/csv"))))
    said = [(row["net"], row["total"]) for row in figures]
    assert [(row["net"], row["total"]) for row in rows] == said
    return said
