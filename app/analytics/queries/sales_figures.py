"""Figures of sales: of a period, of its parts, and beside the period before; exact as of now.

    totals(period, filters)            -> figures by currency
    series(period, grouping, filters)  -> a point for every day, week or month, and currency
    comparison(period, filters)        -> figures beside those of the period before
    hours(hours)                       -> a point for each of the last hours

Without any fact there are figures of nothing in the shop's currency. With filters for several of category, brand and
product at once the facts are summed up, which PeriodTooWide may refuse.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import select, union_all

from app.analytics.errors import PeriodTooWide
from app.analytics.models.sales_rollups import SalesHour
from app.analytics.queries.limited import TakesTooLong
from app.analytics.queries.sales_reading import Each, Found, read_sums
from app.analytics.queries.sales_sources import LEADS, ORDERED, SALE, UNCOUNTED, Dimension
from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import (
    EVERYTHING,
    NOTHING,
    ORDER_SUMS,
    SUMS,
    Comparison,
    Figures,
    Filters,
    Pair,
    Point,
    added,
    compare,
    figures_of,
    month_of,
)
from app.core.extensions import db
from app.core.orm import table_of
from app.core.running import settings
from app.orders.models.sales import SaleKind

_HOUR: Final = table_of(SalesHour)
_NO_SALES: Final[Pair] = (NOTHING, NOTHING)
MAX_HOURS: Final = 14 * 24


class Grouping(StrEnum):
    """How long the parts of a period are."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class HourPoint:
    """The figures of an hour of the shop's clock."""

    begins_at: datetime
    figures: Figures


def totals(period: Period, filters: Filters = EVERYTHING) -> list[Figures]:
    """The figures of a period by currency, in the order of their codes. Raises PeriodTooWide."""
    found = read(period, filters)
    codes = currencies_of(found, filters)
    whole = filters.is_whole_shop
    return [figures_of(code, found.get((0, code), _NO_SALES), whole_shop=whole) for code in codes]


def series(period: Period, grouping: Grouping, filters: Filters = EVERYTHING) -> list[Point]:
    """The figures of every part of a period, also of those without sales: by time, and by currency of each.

    Weeks begin on Monday; the first and the last part end where the period does. Raises PeriodTooWide.
    """
    found = read(period, filters, each="day")
    parts = parts_of(period, grouping)
    summed = found if grouping is Grouping.DAY else _summed(found, parts)
    codes, whole = currencies_of(found, filters), filters.is_whole_shop
    return [
        Point(part, figures_of(code, summed.get((part.first_on, code), _NO_SALES), whole_shop=whole))
        for part in parts
        for code in codes
    ]


def comparison(period: Period, filters: Filters = EVERYTHING) -> list[Comparison]:
    """The figures of a period beside those of the equally long one before it, by currency. Raises PeriodTooWide."""
    now = {each.currency: each for each in totals(period, filters)}
    before = {each.currency: each for each in totals(period.before(), filters)}
    codes = sorted(now.keys() | before.keys())
    if len(codes) > 1:  # of the shop's currency figures of nothing were made up where there were none
        codes = [code for code in codes if _has_facts(now.get(code)) or _has_facts(before.get(code))] or codes[:1]
    nothing = {code: empty_figures(code, whole_shop=filters.is_whole_shop) for code in codes}
    return [compare(now.get(code) or nothing[code], before.get(code) or nothing[code]) for code in codes]


def hours(count: int, *, now: datetime) -> list[HourPoint]:
    """The figures of the last so many hours, MAX_HOURS at most, the present one last; by hour, and by currency of each.

    Hours are those of the shop's clock: on the day it is put back there are 25.
    """
    begins = _hours_until(now, min(count, MAX_HOURS))
    names = ("currency", "kind", *SUMS, *ORDER_SUMS)
    kept = select(_HOUR.c.sold_from, *(_HOUR.c[name] for name in names)).where(_HOUR.c.sold_from >= begins[0])
    new = select(
        SALE.c.sold_at, SALE.c.currency, SALE.c.kind, SALE.c.uncounted, *(SALE.c[name] for name in SUMS[1:]),
        LEADS, ORDERED,
    ).where(UNCOUNTED, SALE.c.sold_on >= begins[0].date() - timedelta(days=1), SALE.c.sold_at >= begins[0])  # fmt: skip
    found: Found = {}
    for sold_at, code, kind, *sums in db.session.execute(union_all(kept, new)):
        key = (hour_of(sold_at), code)
        pair: Pair = (sums, NOTHING) if kind == SaleKind.SALE.value else (NOTHING, sums)
        found[key] = added((found[key], pair)) if key in found else pair
    codes = currencies_of(found, EVERYTHING)
    return [
        HourPoint(begin, figures_of(code, found.get((begin, code), _NO_SALES), whole_shop=True))
        for begin in begins
        for code in codes
    ]


def parts_of(period: Period, grouping: Grouping) -> list[Period]:
    """The days, weeks or months of a period; the first and the last may be cut short."""
    if grouping is Grouping.DAY:
        return [Period(day, day) for day in period.each_day()]
    parts = []
    first = period.first_on
    while first <= period.last_on:
        last = min(_end_of(first, grouping), period.last_on)
        parts.append(Period(first, last))
        first = last + timedelta(days=1)
    return parts


def read(
    period: Period,
    filters: Filters,
    *,
    each: Each = "all",
    by: Dimension | None = None,
    keys: list[Any] | None = None,
) -> Found:
    """``read_sums``; raises PeriodTooWide, which ``answered`` makes name a narrower period."""
    try:
        return read_sums(period, filters, each=each, by=by, keys=keys)
    except TakesTooLong:
        raise PeriodTooWide.whatever() from None


def currencies_of(found: Found, filters: Filters) -> list[str]:
    """The currencies of what was found; without anything the one asked for, else the shop's."""
    return sorted({code for _, code in found}) or [filters.currency or settings().currency]


def hour_of(instant: datetime) -> datetime:
    """The instant at which the hour of the shop's clock begins that another one is in."""
    zone = settings().timezone
    return instant.astimezone(zone).replace(minute=0, second=0, microsecond=0).astimezone(instant.tzinfo)


def _summed(days: Found, parts: list[Period]) -> Found:
    """The sums of days as those of the parts they are in, by the first day of each."""
    begins = {day: part.first_on for part in parts for day in part.each_day()}
    found: Found = {}
    for (day, code), pair in days.items():
        key = (begins[day], code)
        found[key] = added((found[key], pair)) if key in found else pair
    return found


def _hours_until(now: datetime, count: int) -> list[datetime]:
    begins = [hour_of(now)]
    while len(begins) < count:
        begins.append(hour_of(begins[-1] - timedelta(minutes=1)))
    return begins[::-1]


def _end_of(first: date, grouping: Grouping) -> date:
    if grouping is Grouping.WEEK:
        return first + timedelta(days=6 - first.weekday())
    return month_of(month_of(first) + timedelta(days=32)) - timedelta(days=1)


def _has_facts(figures: Figures | None) -> bool:
    return figures is not None and bool(figures.lines or figures.refund_minor or figures.units_returned)


def empty_figures(currency: str, *, whole_shop: bool) -> Figures:
    """The figures of nothing."""
    return figures_of(currency, _NO_SALES, whole_shop=whole_shop)


def each_of(found: Found) -> Iterable[tuple[Any, Figures]]:
    """What was found by key, as figures of a part of the shop."""
    return ((key, figures_of(code, pair, whole_shop=False)) for (key, code), pair in found.items())
