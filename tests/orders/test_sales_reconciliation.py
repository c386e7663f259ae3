"""Whatever happens to orders, in whatever steps: their sales facts are what was captured less what was paid back."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from flask import Flask

from app.config import Checkout
from app.core.money import Money
from app.orders.errors import NothingToRefund
from app.orders.models.orders import OrderLine
from app.orders.models.sales import Sale
from app.orders.queries.sales import sum_sales
from app.orders.services.returns import Wish
from tests.conftest import AppWith
from tests.orders.selling import (
    AMOUNTS,
    cancel,
    come_back,
    due,
    facts_of,
    give,
    lines_of,
    make_coupon,
    make_goods,
    money_of,
    pay,
    payment_state,
    place,
    send,
)

START: Final = datetime(2026, 3, 1, 9, tzinfo=UTC)
ORDERS: Final = 6
STEPS: Final = 6


def some_terms(chance: random.Random) -> Checkout:
    return Checkout(
        tax_rate_ppm=chance.choice([0, 70_000, 88_750, 190_000, 1_000_000]),
        tax_included=chance.random() < 0.5,
        shipping_minor=chance.choice([0, 1, 490, 1999]),
        free_shipping_minor=chance.choice([None, 5000]),
    )


class Story:
    """What happens to one order, by chance; every step is checked."""

    def __init__(self, chance: random.Random, at: datetime) -> None:
        self._chance = chance
        self._now = at
        prices = [f"{chance.randint(0, 40)}.{chance.randint(1, 99):02}" for _ in range(chance.randint(1, 4))]
        items = {make_goods(price, now=at, on_hand=9): chance.randint(1, 7) for price in prices}
        coupon = chance.choice([None, "PERCENT", "AMOUNT", "ALL"])
        self.order_id = place(items, now=at, coupon=coupon)
        self._kept: Counter[int] = Counter()
        """Units by line that came back without that their money was asked for: they stay sold."""

    def run(self) -> None:
        """Before it is paid, then paid, then everything that may follow; in the end all comes back."""
        for step in self._chance.sample([self._cancel_some, self._send_some, self._return_some], 3):
            self._do(step)
        if due(self.order_id).minor > 0:
            self._do(lambda: pay(self.order_id, now=self._now))
        steps: list[Callable[[], None]] = [self._cancel_some, self._send_some, self._return_some, self._give_some]
        for _ in range(STEPS):
            self._do(self._chance.choice(steps))
        self._do(self._return_everything)
        self._check_nothing_is_left()

    def _check_nothing_is_left(self) -> None:
        """All numbers are 0, but of units that stay sold: their price and a discount that took all of it away."""
        for line_id, left in self._left().items():
            priced = left["gross_minor"] if self._kept[line_id] and left["gross_minor"] == left["discount_minor"] else 0
            assert left == dict.fromkeys(AMOUNTS, 0) | {"gross_minor": priced, "discount_minor": priced}
        units: Counter[int] = Counter()
        for fact in facts_of(self.order_id):
            units[fact.order_line_id or 0] += fact.quantity
        assert +units == +self._kept

    def _do(self, step: Callable[[], None]) -> None:
        self._now += timedelta(hours=self._chance.randint(1, 40))
        step()
        self._check()

    def _check(self) -> None:
        captured, refunded = money_of(self.order_id)
        facts = facts_of(self.order_id)
        assert sum(fact.total_minor for fact in facts) == captured - refunded
        for fact in facts:
            sign = 1 if fact.kind == "sale" else -1
            assert min(sign * getattr(fact, name) for name in (*AMOUNTS, "quantity")) >= 0
            assert fact.total_minor == fact.net_minor + fact.shipping_minor + fact.tax_minor
            assert fact.sold_on == fact.sold_at.date()
        for left in self._left().values():
            assert min(left.values()) >= 0

    def _left(self) -> dict[int, dict[str, int]]:
        """What is left of each line that was sold, by the facts."""
        left: dict[int, dict[str, int]] = {}
        for fact in facts_of(self.order_id):
            assert fact.order_line_id is not None
            of_line = left.setdefault(fact.order_line_id, dict.fromkeys(AMOUNTS, 0))
            for name in AMOUNTS:
                of_line[name] += getattr(fact, name)
        return left

    def _some(self, count: Callable[[OrderLine], int]) -> dict[int, int]:
        """Some units of some lines that have any."""
        lines = [line for line in lines_of(self.order_id) if count(line) > 0]
        chosen = self._chance.sample(lines, self._chance.randint(0, len(lines)))
        return {line.id: self._chance.randint(1, count(line)) for line in chosen}

    def _cancel_some(self) -> None:
        units = self._some(_waiting)
        if units:
            cancel(self.order_id, units, now=self._now)

    def _send_some(self) -> None:
        units = self._some(_waiting)
        if units and payment_state(self.order_id) not in {"REFUNDED", "VOIDED"}:
            send(self.order_id, units, now=self._now)

    def _return_some(self) -> None:
        units = self._some(_outside)
        if units:
            self._take_back(units, self._wish())

    def _take_back(self, units: dict[int, int], wish: Wish | None) -> None:
        """Where nothing is left to go back that is refused, and they come back without."""
        left, counted = self._left(), self._units_back()
        try:
            come_back(self.order_id, units, now=self._now, wish=wish)
        except NothingToRefund:
            assert self._units_back() == counted
            come_back(self.order_id, units, now=self._now, wish=None)
            assert self._units_back() - counted == Counter(units) or (wish and not wish.shipping)
            wish = None
        if wish is None:
            for line_id in left.keys() & units:
                is_sold = self._units_back()[line_id] == counted[line_id]
                assert is_sold or self._units_back()[line_id] == counted[line_id] + units[line_id]
                assert is_sold <= (left[line_id]["total_minor"] > 0)
                self._kept[line_id] += units[line_id] if is_sold else 0

    def _units_back(self) -> Counter[int]:
        """How many units of each line are sold no longer, by the facts."""
        back: Counter[int] = Counter()
        for fact in facts_of(self.order_id):
            if fact.kind == "refund":
                back[fact.order_line_id or 0] -= fact.quantity
        return back

    def _wish(self) -> Wish | None:
        """No money, all of it, all but the shipping fee, or only a cent of it."""
        if not self._left():
            return None
        return self._chance.choice([None, Wish(), Wish(), Wish(shipping=False), self._cent()])

    def _cent(self) -> Wish | None:
        goods = [left["net_minor"] for left in self._left().values()]
        return Wish(amount=Money(1, "USD")) if goods and min(goods) > 100 else None

    def _give_some(self) -> None:
        captured, refunded = money_of(self.order_id)
        if captured > refunded:
            give(self.order_id, self._chance.randint(1, captured - refunded), now=self._now)

    def _return_everything(self) -> None:
        lines = lines_of(self.order_id)
        if any(_waiting(line) for line in lines):
            cancel(self.order_id, now=self._now)
        units = {line.id: _outside(line) for line in lines_of(self.order_id) if _outside(line)}
        if units:
            self._take_back(units, Wish() if self._left() else None)
        captured, refunded = money_of(self.order_id)
        if captured > refunded:
            give(self.order_id, None, now=self._now)


def _waiting(line: OrderLine) -> int:
    return line.quantity - line.shipped - line.cancelled


def _outside(line: OrderLine) -> int:
    return line.shipped - line.returned


@pytest.mark.parametrize("seed", range(5))
def test_facts_fit_the_money_after_every_step_and_are_nothing_once_all_came_back(app_with: AppWith, seed: int) -> None:
    chance = random.Random(seed)
    app: Flask = app_with()
    with app.app_context():
        make_coupon("PERCENT", now=START, percent_ppm=chance.choice([1, 33_333, 125_000]))
        make_coupon("AMOUNT", now=START, amount_minor=chance.randint(1, 5000))
        make_coupon("ALL", now=START, percent_ppm=1_000_000)
        stories = []
        for _ in range(ORDERS):
            app.extensions["settings"] = dataclasses.replace(app.extensions["settings"], checkout=some_terms(chance))
            stories.append(Story(chance, START + timedelta(days=chance.randint(0, 30))))
            stories[-1].run()
        facts = [fact for story in stories for fact in facts_of(story.order_id)]
        assert {fact.kind for fact in facts} == {"sale", "refund"}
        assert_sums_are_those_of(facts)


def assert_sums_are_those_of(facts: list[Sale]) -> None:
    """Fail unless the sums of a year are the facts', and come to no money altogether."""
    (sums,) = sum_sales(since=START.date(), until=START.date() + timedelta(days=365))["currencies"]
    for kind in ("sale", "refund", "altogether"):
        for name in AMOUNTS:
            assert sums[kind][name] == sum(getattr(fact, name) for fact in facts if kind in {fact.kind, "altogether"})
    money = ("net_minor", "shipping_minor", "tax_minor", "total_minor")
    assert [sums["altogether"][name] for name in money] == [0] * 4
