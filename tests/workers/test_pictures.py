"""Pictures of charts, drawn by Bokeh in a process of its own and photographed by a real browser."""

from __future__ import annotations

import dataclasses
import os
import struct
import tempfile
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app import create_base
from app.analytics.charts.of_reports import CHARTS, MOST_CURRENCIES
from app.analytics.report_drawing import draw
from app.analytics.services.report_runs import NoPicture
from app.config import Settings
from tests.servers import on_sqlite
from workers.pictures import take_picture

DRAWING: dict[str, Any] = {
    "title": "Sales by product",
    "chart": "top_products",
    "rows": [
        {"key": "B0CW1A0001", "name": "</script><script>1</script>", "currency": "EUR", "net": "9.50", "units": 1},
        {"key": "B0CW1A0002", "name": None, "currency": "EUR", "net": "-1.50", "units": -1},
        {"key": "B0CW1A0003", "name": "Of another currency", "currency": "JPY", "net": "700", "units": 1},
    ],
}
DAYS = [{"from": f"2026-11-{day:02}", "currency": "EUR", "net": f"{day}.00", "orders": day} for day in range(1, 21)]
TASKS = [{"day": "2026-11-01", "succeeded": 9, "refused": 1, "failed": 2, "skipped": 0, "cancelled": 0, "tasks": 12}]
SHARES = [{"name": name, "key": "1", "currency": "EUR", "net": "5.00", "units": 2} for name in ("Tea", None)]
STOCK = [
    {"asin": "B0CW1A0001", "name": "Tea", "available": 4, "days_of_cover": "12.5", "currency": "EUR", "value": "40.00"},
    {"asin": "B0CW1A0002", "name": "Pot", "available": 0, "days_of_cover": None, "currency": "EUR", "value": "-1.00"},
]
COMPARED = [
    {
        "currency": "EUR", "net": "-5.00", "net_before": "10.00", "orders": None, "orders_before": None, "units": 0,
        "units_before": 0, "average_order": None, "average_order_before": "2.50",
    },
]  # fmt: skip
STAGES = [{"stage": "queue", "count": 2, "p50_ms": 5, "p90_ms": 7, "p95_ms": 8, "p99_ms": 9}]
CODES = [{"code": "OK", "outcome": "SUCCEEDED", "tasks": 5, "share": "100.0", "retries": 0}]
INDEX = [{"day": f"2026-11-0{day}", "storefront": "kettles", "index": index} for day, index in ((1, "98.5"), (2, None))]
ROWS: dict[str, list[dict[str, Any]]] = {
    **dict.fromkeys(("sales_by_day", "sales_by_week", "sales_by_month"), DAYS),
    **dict.fromkeys(("sales_by_category", "sales_by_brand", "top_products"), SHARES),
    **dict.fromkeys(("stock_cover", "stock_value"), STOCK),
    "sales_comparison": COMPARED,
    "farm_throughput": TASKS,
    "farm_outcomes": CODES,
    "farm_latency": STAGES,
    "price_index": INDEX,
}


@pytest.fixture
def browserless(app: Flask, settings: Settings) -> Flask:
    """An application where there is no browser."""
    browsers = dataclasses.replace(settings.browsers, shell="/nowhere/chrome")
    return create_base(dataclasses.replace(settings, browsers=browsers))


@on_sqlite
def test_a_chart_becomes_a_picture(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("DRAWING_S", "PICTURE_S"):
        monkeypatch.setattr(f"workers.pictures.{limit}", 120)  # the machine may be busy
    picture = take_picture(DRAWING)
    assert picture.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture[16:24])
    assert (width, height) == (1920, 2 * draw(DRAWING)["height"])
    assert 10_000 < len(picture) < 1_000_000


def test_each_currency_has_a_chart_of_its_own() -> None:
    alone = draw(DRAWING | {"rows": DRAWING["rows"][:2]})
    both = draw(DRAWING)
    assert both["height"] > alone["height"]
    assert "In EUR; there are figures in JPY as well." in both["html"]
    assert "In JPY; there are figures in EUR as well." in both["html"]
    many = [DRAWING["rows"][0] | {"currency": code} for code in ("AUD", "CHF", "EUR", "GBP", "NOK", "USD")]
    assert draw(DRAWING | {"rows": many})["html"].count("<p>") == MOST_CURRENCIES


@pytest.mark.parametrize("chart", sorted(CHARTS))
def test_every_chart_is_a_page_that_fetches_nothing(chart: str) -> None:
    page = draw({"title": "A & B", "chart": chart, "rows": ROWS[chart]})["html"]
    assert "default-src 'none'" in page
    assert "<h1>A &amp; B</h1>" in page
    assert " src=" not in page.partition("<script")[0]


def test_names_of_products_end_no_script(context: Flask) -> None:
    assert "</script><script>1" not in draw(DRAWING)["html"]


@on_sqlite
def test_without_a_browser_there_is_no_picture(browserless: Flask) -> None:
    with browserless.app_context(), pytest.raises(NoPicture, match="There is no browser"):
        take_picture(DRAWING)


@on_sqlite
def test_a_chart_that_cannot_be_drawn_is_no_picture(context: Flask) -> None:
    with pytest.raises(NoPicture, match="could not be drawn"):
        take_picture(DRAWING | {"chart": "weather"})


@on_sqlite
def test_nothing_is_left_of_a_browser_that_takes_too_long(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.pictures.PICTURE_S", 0.01)
    with pytest.raises(NoPicture, match="did not work"):
        take_picture(DRAWING)
    root = Path(tempfile.gettempdir()) / f"cartwright-pictures-{os.geteuid()}"
    assert list(root.glob("slot-*")) == []
