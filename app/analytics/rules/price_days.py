"""A product's prices on one storefront, day by day, and where they changed; on plain values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date


@dataclass(frozen=True, slots=True)
class PriceDay:
    """What a storefront asked on a day, in minor units of its currency; of a day with two currencies the last one."""

    day: date
    currency: str
    first: int
    last: int
    lowest: int
    highest: int
    visits: int
    """How many knew the price."""
    is_change: bool = False
    """Whether its last price differs from that of the day before it in the series, or from its own first."""

    def and_then(self, price: int, currency: str) -> PriceDay:
        """The day with one more visit, the last so far; with another currency prices begin anew."""
        if currency != self.currency:
            return replace(one_visit(self.day, price, currency), visits=self.visits + 1, is_change=True)
        return replace(
            self,
            last=price,
            lowest=min(self.lowest, price),
            highest=max(self.highest, price),
            visits=self.visits + 1,
        )


def one_visit(day: date, price: int, currency: str) -> PriceDay:
    """A day with one visit."""
    return PriceDay(day, currency, price, price, price, price, 1)


def days_of(visits: Iterable[tuple[date, int, str]]) -> list[PriceDay]:
    """The days of visits (day, price, currency) that come in the order in which they were made."""
    days: dict[date, PriceDay] = {}
    for day, price, currency in visits:
        before = days.get(day)
        days[day] = one_visit(day, price, currency) if before is None else before.and_then(price, currency)
    return list(days.values())


def with_changes(days: Iterable[PriceDay]) -> list[PriceDay]:
    """The days of a series in their order, with those marked on which the price changed."""
    marked: list[PriceDay] = []
    for day in days:
        same = day.first == day.last == day.lowest == day.highest
        if marked:
            same = same and (marked[-1].last, marked[-1].currency) == (day.last, day.currency)
        marked.append(replace(day, is_change=day.is_change or not same))
    return marked
