"""Whatever is sold, paid back, imported and undone, and whatever of it is counted: figures are those of the facts."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest
from flask import Flask

from app.analytics.queries.sales_analytics import shares_of
from app.analytics.queries.sales_figures import Grouping, comparison, parts_of, series, totals
from app.analytics.queries.sales_shares import by_category, top_brands, top_products
from app.analytics.queries.sales_sources import Dimension
from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import EVERYTHING, FIGURES, Figures, Filters, Share
from app.analytics.services.sales_folding import fold_sales, fold_some
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.orders.models.sales import Sale
from app.orders.queries.sales import sum_sales
from app.orders.services.returns import Wish
from app.orders.services.sales_imports.undoing import submit_undo
from tests.analytics.facts import all_facts, categories_of, expected
from tests.orders.sales_files import begin_sales, table
from tests.orders.selling import cancel, come_back, give, lines_of, make_coupon, make_goods, pay, place, send
from tests.products.categories import add_category, put
from tests.products.operating import work

START: Final = datetime(2025, 2, 20, 22, 30, tzinfo=UTC)
DAYS: Final = 60
LUMO: Final = Filters(brand="Lumo")
PERIOD: Final = Period(START.date() - timedelta(days=3), START.date() + timedelta(days=DAYS + 10))


class Trade:
    """Some weeks of a shop, by chance."""

    def __init__(self, app: Flask, seed: int) -> None:
        self._app, self._chance = app, random.Random(seed)
        with app.app_context():
            make_coupon("TENTH", now=START, percent_ppm=100_000)
            self.tops = [add_category("Kitchen"), add_category("Garden")]
            self.below = [add_category("Kettles", self.tops[0]), add_category("Pans", self.tops[0])]
            brands = ["Lumo", "Kettles & Co.", None]
            self._products = [make_goods(f"{9 + at}.95", now=START, brand=brands[at % 3]) for at in range(6)]
            every = [*self.tops, *self.below]
            put({id_: self._chance.sample(every, self._chance.randint(0, 2)) for id_ in self._products})
        self._orders: list[int] = []
        self._imports: list[int] = []

    def step(self) -> None:
        """One thing that happens."""
        deeds = [self._order, self._order, self._return, self._give, self._import, self._undo, self._count]
        self._chance.choice(deeds)()

    def _when(self) -> datetime:
        return START + timedelta(minutes=self._chance.randrange(DAYS * 24 * 60))

    def _order(self) -> None:
        with self._app.app_context():
            at = self._when()
            items = {id_: self._chance.randint(1, 3) for id_ in self._chance.sample(self._products, 3)}
            order_id = place(items, now=at, coupon=self._chance.choice([None, "TENTH"]))
            pay(order_id, now=at + timedelta(hours=self._chance.randrange(60)))
            self._orders.append(order_id)

    def _return(self) -> None:
        if not self._orders:
            return
        with self._app.app_context():
            order_id = self._orders.pop()
            at = self._when() + timedelta(days=3)
            if self._chance.random() < 0.5:
                cancel(order_id, now=at)
                return
            line = lines_of(order_id)[0]
            send(order_id, {line.id: line.quantity}, now=at)
            come_back(order_id, {line.id: 1}, now=at, wish=Wish())

    def _give(self) -> None:
        if self._orders:
            with self._app.app_context():
                give(self._orders.pop(), 100, now=self._when() + timedelta(days=3))

    def _import(self) -> None:
        number = len(self._imports)
        text = table(self._chance.randint(3, 20), prefix=f"i{number}-{self._chance.random()}")
        self._imports.append(begin_sales(self._app, text))
        work(self._app, self._imports[-1])

    def _undo(self) -> None:
        if self._imports:
            with self._app.app_context():
                undo = submit_undo(actor=system(), now=utc_now(), import_id=self._imports.pop()).id
            work(self._app, undo)

    def _count(self) -> None:
        with self._app.app_context():
            fold_some(size=self._chance.randint(1, 12))


@pytest.mark.parametrize("seed", range(3))
def test_every_figure_is_that_of_the_facts_whatever_of_them_is_counted(app: Flask, seed: int) -> None:
    trade = Trade(app, seed)
    for _ in range(3):
        for _ in range(10):
            trade.step()
        with app.app_context():
            assert_all_fit(trade)
            fold_some(size=7)
            assert_all_fit(trade)
    with app.app_context():
        fold_sales()
        assert_all_fit(trade)


def assert_all_fit(trade: Trade) -> None:
    facts = all_facts()
    assert facts
    chance = random.Random(len(facts))
    short = Period(date(2025, 3, 5), date(2025, 3, 5) + timedelta(days=chance.randrange(40)))
    for period in (PERIOD, short, Period(date(2025, 3, 1), date(2025, 3, 31))):
        assert_totals(period, facts)
        assert_parts(period, facts)
        assert_cuts(period, facts, trade)
        assert_growth(period, facts, trade)
    assert_filtered(short, facts, trade)


def assert_totals(period: Period, facts: list[Sale]) -> None:
    wanted = expected(facts, period, lambda _fact: [0])
    found = totals(period)
    if wanted:
        assert {(0, each.currency): each for each in found} == wanted
        (sums,) = sum_sales(since=period.first_on, until=period.last_on)["currencies"]
        assert_same(found[0], sums)
        (compared,) = comparison(period)
        assert compared.now == found[0]
        assert compared.before == (totals(period.before())[0])


def assert_same(figures: Figures, sums: dict[str, Any]) -> None:
    """The figures are those of the list of facts and its sums, which have been there before."""
    sold, both = sums["sale"], sums["altogether"]
    assert (figures.orders, figures.lines) == (both["orders"], sold["facts"])
    assert (figures.units, figures.gross_minor) == (both["quantity"], sold["gross_minor"])
    for name in ("net_minor", "tax_minor", "shipping_minor", "total_minor"):
        assert getattr(figures, name) == both[name]


def assert_parts(period: Period, facts: list[Sale]) -> None:
    for grouping in Grouping:
        points = series(period, grouping)
        parts = parts_of(period, grouping)
        assert [point.period for point in points] == parts
        for point in points:
            assert [point.figures] == totals(point.period)
        whole = totals(period)[0]
        for name in ("orders", "lines", "units", "gross_minor", "net_minor", "refund_minor", "total_minor"):
            assert sum(getattr(point.figures, name) for point in points) == getattr(whole, name)
    assert sum(part.days for part in parts_of(period, Grouping.WEEK)) == period.days
    assert len(facts) >= sum(point.figures.lines for point in series(period, Grouping.DAY))


def assert_cuts(period: Period, facts: list[Sale], trade: Trade) -> None:
    belongs = categories_of()
    cut = expected(facts, period, lambda fact: belongs[fact.product_id] or {""}, whole_shop=False)
    at_top = {share.key: share.figures for share in by_category(period)}
    shown = {key: figures for (key, _), figures in cut.items() if key == "" or key in trade.tops}
    assert at_top == {str(key): figures for key, figures in shown.items()}
    below = {share.key: share.figures for share in by_category(period, parent_id=trade.tops[0])}
    assert below == {str(key): figures for (key, _), figures in cut.items() if key in trade.below}
    brands = {share.key: share.figures for share in top_brands(period, limit=200)}
    wanted = expected(facts, period, lambda fact: [fact.brand or ""], whole_shop=False)
    assert brands == {key: figures for (key, _), figures in wanted.items()}
    products = top_products(period, "units", 200)
    wanted = expected(facts, period, lambda fact: [fact.asin], whole_shop=False)
    assert {share.key: share.figures for share in products} == {key: each for (key, _), each in wanted.items()}
    units = [share.figures.units for share in products]
    assert units == sorted(units, reverse=True)
    assert [share.key for share in top_products(period, "units", 2)] == [share.key for share in products[:2]]


def assert_growth(period: Period, facts: list[Sale], trade: Trade) -> None:
    """Each row of a cut says what the facts of the period before say of it, however many there are."""
    belongs = categories_of()
    keys: dict[Dimension, Callable[[Sale], Any]] = {
        Dimension.CATEGORY: lambda fact: [str(id_) for id_ in belongs[fact.product_id]] or [""],
        Dimension.BRAND: lambda fact: [fact.brand or ""],
        Dimension.PRODUCT: lambda fact: [fact.asin],
    }
    for dimension, key in keys.items():
        for filters, some in ((EVERYTHING, facts), (LUMO, [fact for fact in facts if fact.brand == "Lumo"])):
            was = expected(some, period.before(), key, whole_shop=False)
            shares = shares_of(dimension, period, filters, limit=200, compare=True)
            assert shares == beside(shares_of(dimension, period, filters, limit=200), was)
    below = shares_of(Dimension.CATEGORY, period, EVERYTHING, limit=200, compare=True, parent_id=trade.tops[0])
    was = expected(facts, period.before(), keys[Dimension.CATEGORY], whole_shop=False)
    assert below == beside(by_category(period, parent_id=trade.tops[0]), was)


def beside(shares: list[Share], was: dict[tuple[Any, str], Figures]) -> list[Share]:
    nothing: dict[str, Any] = dict.fromkeys(FIGURES, 0) | {"orders": None, "average_order_minor": None}
    made = []
    for share in shares:
        currency = share.figures.currency
        before = was.get((share.key, currency)) or Figures(currency=currency, **nothing)
        made.append(replace(share, before=before))
    return made


def assert_filtered(period: Period, facts: list[Sale], trade: Trade) -> None:
    belongs = categories_of()
    for brand in (None, "Lumo"):
        for category_id in (None, trade.tops[0]):
            filters = Filters(brand=brand, category_id=category_id, currency="USD")
            some = [
                fact
                for fact in facts
                if brand in {None, fact.brand} and (category_id is None or category_id in belongs[fact.product_id])
            ]
            wanted = expected(some, period, lambda _fact: [0], whole_shop=filters.is_whole_shop)
            found = totals(period, filters)
            assert found == list(wanted.values()) or not wanted
            by_days = [point.figures.net_minor for point in series(period, Grouping.DAY, filters)]
            assert sum(by_days) == found[0].net_minor
            products = {share.key: share.figures for share in top_products(period, "net", 200, filters)}
            cut = expected(some, period, lambda fact: [fact.asin], whole_shop=False)
            assert products == {key: figures for (key, _), figures in cut.items()}
    db.session.rollback()
