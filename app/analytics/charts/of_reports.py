"""How reports are drawn: from rows as JSON carries them (``plain_rows``) to figures.

A figure of money has one currency. Of reports with several each is drawn by itself, at most ``MOST_CURRENCIES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from app.analytics.charts import style
from app.analytics.charts.comparison import Measure, now_and_before
from app.analytics.charts.latency import StageLatency, latency_by_stage
from app.analytics.charts.prices import IndexPoint, price_index
from app.analytics.charts.sales_days import DaySales, sales_by_day
from app.analytics.charts.sales_ranks import CategorySales, ProductSales, sales_by_category, top_products
from app.analytics.charts.shares import CodeCount, StockCover, outcomes_by_code, stock_cover
from app.analytics.charts.stock_value import StockValue, stock_value
from app.analytics.charts.throughput import OUTCOMES, OutcomeCounts, job_throughput
from app.core.money import exponent

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

Rows = Sequence[Mapping[str, Any]]
MOST_CURRENCIES: Final = 4
_COMPARED: Final = {"net": "Net revenue", "orders": "Orders", "units": "Units", "average_order": "Average order"}
_MONEY: Final = {"net", "average_order"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A way to draw a report."""

    draw: Callable[[Rows, str], Figure]
    """Of rows of one currency, which is empty where rows have none."""
    is_per_currency: bool = True


def currencies_of(chart: str, rows: Rows) -> list[str]:
    """The currencies that are drawn, those of most rows first; none where the chart does not depend on them."""
    if not CHARTS[chart].is_per_currency:
        return []
    codes = [row["currency"] for row in rows]
    return sorted(set(codes), key=lambda code: (-codes.count(code), code))[:MOST_CURRENCIES]


def figure_of(chart: str, rows: Rows, currency: str | None = None) -> Figure:
    """A chart of a report in one of its currencies, by itself the first; raises KeyError for an unknown chart."""
    drawn = CHARTS[chart]
    if not drawn.is_per_currency:
        return drawn.draw(rows, "")
    there = sorted({row["currency"] for row in rows})
    chosen = currency or next(iter(currencies_of(chart, rows)), "")
    made = drawn.draw([row for row in rows if row["currency"] == chosen], chosen)
    others = [code for code in there if code != chosen]
    if not others:
        return made
    facts = style.facts_of(made)
    said = f"In {chosen}; there are figures in {_listed(others)} as well."
    return style.with_facts(made, replace(facts, caption=" ".join(filter(None, (said, facts.caption)))))


def _listed(codes: Sequence[str]) -> str:
    named = codes[: MOST_CURRENCIES - 1]
    more = len(codes) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _over_time(group: str, rows: Rows, currency: str) -> Figure:
    points = [DaySales(date.fromisoformat(row["from"]), _minor(row["net"], currency), row["orders"]) for row in rows]
    return sales_by_day(points, currency=currency, group=group)


def _shares(what: str, rows: Rows, currency: str) -> Figure:
    named = [CategorySales(row["name"] or "?", _minor(row["net"], currency), row["units"]) for row in rows]
    return sales_by_category(named, currency=currency, what=what)


def _products(rows: Rows, currency: str) -> Figure:
    sold = [
        ProductSales(row["key"], row["name"] or row["key"], _minor(row["net"], currency), row["units"]) for row in rows
    ]
    return top_products(sold, currency=currency)


def _compared(rows: Rows, currency: str) -> Figure:
    return now_and_before([
        _measure(row, name, label, currency) for row in rows for name, label in _COMPARED.items()
        if row[name] is not None or row[f"{name}_before"] is not None
    ])  # fmt: skip


def _measure(row: Mapping[str, Any], name: str, label: str, currency: str) -> Measure:
    now, before = row[name], row[f"{name}_before"]
    if name in _MONEY:
        return Measure(label, _minor(now or "0", currency), _minor(before or "0", currency), currency)
    return Measure(label, now or 0, before or 0)


def _throughput(rows: Rows, _currency: str) -> Figure:
    counts = [
        OutcomeCounts(datetime.fromisoformat(row["day"]).replace(tzinfo=UTC), *(row[name] for name in OUTCOMES))
        for row in rows
    ]
    return job_throughput(counts, step=timedelta(days=1), zone=ZoneInfo("UTC"), per="day")


def _codes(rows: Rows, _currency: str) -> Figure:
    return outcomes_by_code([CodeCount(row["code"], row["outcome"], row["tasks"], row["retries"]) for row in rows])


def _stages(rows: Rows, _currency: str) -> Figure:
    names = ("stage", "count", "p50_ms", "p95_ms", "p99_ms")
    return latency_by_stage([StageLatency(*(row[name] for name in names)) for row in rows])


def _cover(rows: Rows, _currency: str) -> Figure:
    return stock_cover([
        StockCover(row["asin"], row["name"], _decimal(row["days_of_cover"]), row["available"]) for row in rows
    ])  # fmt: skip


def _value(rows: Rows, currency: str) -> Figure:
    worth = [
        StockValue(row["asin"], row["name"], row["available"], _minor(row["value"] or "0", currency)) for row in rows
    ]
    return stock_value(worth, currency=currency)


def _index(rows: Rows, _currency: str) -> Figure:
    return price_index([
        IndexPoint(date.fromisoformat(row["day"]), row["storefront"], _decimal(row["index"])) for row in rows
    ])  # fmt: skip


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _minor(text: str, currency: str) -> int:
    return int(Decimal(text).scaleb(exponent(currency)))


CHARTS: Final[dict[str, Drawn]] = {
    "sales_by_day": Drawn(partial(_over_time, "day")),
    "sales_by_week": Drawn(partial(_over_time, "week")),
    "sales_by_month": Drawn(partial(_over_time, "month")),
    "sales_by_category": Drawn(partial(_shares, "category")),
    "sales_by_brand": Drawn(partial(_shares, "brand")),
    "top_products": Drawn(_products),
    "sales_comparison": Drawn(_compared),
    "farm_throughput": Drawn(_throughput, is_per_currency=False),
    "farm_outcomes": Drawn(_codes, is_per_currency=False),
    "farm_latency": Drawn(_stages, is_per_currency=False),
    "stock_cover": Drawn(_cover, is_per_currency=False),
    "stock_value": Drawn(_value),
    "price_index": Drawn(_index, is_per_currency=False),
}
"""Every chart that a kind of report may name."""
