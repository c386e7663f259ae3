"""``python -m app.analytics.report_drawing``: one chart of a report as a page that needs nothing else.

Reads ``{title, chart, rows}`` as JSON from standard input and writes HTML to standard output. A process of its own,
because Bokeh is large and background workers do not load it; the page is photographed by a browser without a network.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from app.analytics.charts.sales_days import DaySales, sales_by_day
from app.analytics.charts.sales_ranks import CategorySales, ProductSales, sales_by_category, top_products
from app.analytics.charts.throughput import OUTCOMES, OutcomeCounts, job_throughput
from app.core.money import Money

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

Rows = Sequence[Mapping[str, Any]]
WIDTH: Final = 960
HEIGHT: Final = 420
_POLICY: Final = "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data: blob:"
"""What a chart says may come from a storefront: whatever it is, the page runs our scripts only and fetches nothing."""
_STYLE: Final = (
    f"html,body{{margin:0;background:#fff}} body{{width:{WIDTH - 32}px;padding:16px;color:#142229}} "
    "h1{margin:0 0 8px;font:600 18px system-ui,sans-serif}"
)


def draw(drawing: Mapping[str, Any]) -> str:
    """The page of a chart; raises KeyError for a kind of chart that there is not."""
    from bokeh.embed import components
    from bokeh.resources import Resources

    made = figure_of(drawing["chart"], drawing["rows"])
    made.height = HEIGHT - 60
    script, place = components(made, wrap_script=False)
    nonce, title = secrets.token_hex(16), escape(drawing["title"])
    scripts = [*Resources(mode="inline", components=["bokeh"]).js_raw, script]
    tags = "".join(_tag(code, nonce) for code in scripts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY.format(nonce=nonce)}">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>{place}{tags}</body></html>"
    )


def figure_of(chart: str, rows: Rows) -> Figure:
    """A chart of rows as JSON carries them; raises KeyError for a kind of chart that there is not."""
    return CHARTS[chart](*_of_first_currency(rows))


def _tag(code: str, nonce: str) -> str:
    """A script of ours in the page; nothing in it can end it."""
    closed = code.replace("</script", "<\\/script")
    return f'<script nonce="{nonce}">{closed}</script>'


def _of_first_currency(rows: Rows) -> tuple[list[Mapping[str, Any]], str]:
    """The rows of the currency that most of them have: amounts of several are not drawn beside each other."""
    codes = [row.get("currency", "") for row in rows]
    currency = max(sorted(set(codes)), key=codes.count, default="")
    return [row for row in rows if row.get("currency", "") == currency], currency


def _over_time(group: str, rows: Rows, currency: str) -> Figure:
    points = [DaySales(date.fromisoformat(row["from"]), _minor(row), row["orders"]) for row in rows]
    return sales_by_day(points, currency=currency, group=group)


def _shares(what: str, rows: Rows, currency: str) -> Figure:
    named = [CategorySales(row["name"] or "?", _minor(row), row["units"]) for row in rows]
    return sales_by_category(named, currency=currency, what=what)


def _products(rows: Rows, currency: str) -> Figure:
    return top_products(
        [ProductSales(row["key"], row["name"] or row["key"], _minor(row), row["units"]) for row in rows],
        currency=currency,
    )


def _throughput(rows: Rows, _currency: str) -> Figure:
    counts = [
        OutcomeCounts(datetime.fromisoformat(row["day"]).replace(tzinfo=UTC), *(row[name] for name in OUTCOMES))
        for row in rows
    ]
    return job_throughput(counts, step=timedelta(days=1), zone=ZoneInfo("UTC"), per="hour")


def _minor(row: Mapping[str, Any]) -> int:
    text: str = row["net"]
    amount = Money.parse(text.removeprefix("-"), row["currency"]).minor
    return -amount if text.startswith("-") else amount


CHARTS: Final[dict[str, Callable[[Rows, str], Any]]] = {
    "sales_by_day": partial(_over_time, "day"),
    "sales_by_week": partial(_over_time, "week"),
    "sales_by_month": partial(_over_time, "month"),
    "sales_by_category": partial(_shares, "category"),
    "sales_by_brand": partial(_shares, "brand"),
    "top_products": _products,
    "farm_throughput": _throughput,
}


if __name__ == "__main__":
    sys.stdout.write(draw(json.load(sys.stdin)))
