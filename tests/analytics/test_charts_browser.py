"""Charts in a real browser, on a page under the strict policy: all of them draw, in both looks, at every width."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, render_template_string
from selenium import webdriver

from app import create_app
from app.analytics.charts.item import chart_item
from app.analytics.charts.sales_days import DaySales, sales_by_day
from app.analytics.charts.sales_ranks import CategorySales, ProductSales, sales_by_category, top_products
from app.analytics.charts.throughput import OutcomeCounts, job_throughput
from app.config import Settings
from tests.browsing import complaints, served, started_chrome, wait_for
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

CHECKS: Final = (Path(__file__).parents[1] / "auth" / "page_checks.js").read_text()
PICTURES: Final = os.environ.get("CHART_PICTURES")
"""A folder: where it is named, the pages are kept as pictures to look at."""
BERLIN: Final = ZoneInfo("Europe/Berlin")
NOON: Final = datetime(2026, 11, 3, 12, tzinfo=UTC)
PAGE: Final = """
{% set plain = false %}
{% extends "layout.html" %}
{% from "analytics/_charts.html" import chart, chart_script with context %}
{% block title %}Charts{% endblock %}
{% block head %}{{ chart_script() }}{% endblock %}
{% block main %}
<h1>Charts</h1>
{% for name in names %}{{ chart("c-" ~ name, name, "/charts/" ~ name) }}{% endfor %}
{% endblock %}
"""


def days(count: int, first_on: date = date(2026, 10, 1)) -> list[DaySales]:
    return [
        DaySales(
            first_on + timedelta(days=at), 180_050 + (at * 7919 % 13) * 21_307 - (at % 7 > 4) * 90_000, 20 + at % 9
        )
        for at in range(count)
    ]


def outcomes(count: int) -> list[OutcomeCounts]:
    return [
        OutcomeCounts(NOON + timedelta(minutes=at), 40 + at * 31 % 17, at % 5, at * 7 % 4, at % 3 == 0, at % 11 == 0)
        for at in range(count)
    ]


CATEGORIES: Final = [
    CategorySales(name, 9_123_450 // (at + 1), 812 // (at + 1), 8_000_000 // (at + 1))
    for at, name in enumerate(
        [
            "Kitchen",
            "Kettles",
            "Garden and outdoor furniture with cushions and covers for winter",
            "Ladders",
            "電気ケトル",
        ]
    )
]
PRODUCTS: Final = [
    ProductSales(
        f"B0{at:08}", f"Kettle of {at + 1} l with temperature control and a very long name", 9**9 // (at + 2), at
    )
    for at in range(14)
]
DRAWN: Final[dict[str, Callable[[], Any]]] = {
    "sales-by-day": lambda: sales_by_day(days(31), currency="USD", previous=days(31, date(2026, 9, 1))),
    "sales-of-two-years": lambda: sales_by_day(days(730, date(2024, 11, 1)), currency="USD"),
    "sales-of-one-day": lambda: sales_by_day(days(1), currency="KWD", previous=days(1)),
    "sales-of-a-million-days": lambda: sales_by_day(days(1_000_000, date(1970, 1, 1)), currency="JPY"),
    "sales-by-category": lambda: sales_by_category(CATEGORIES, currency="USD"),
    "sales-of-one-category": lambda: sales_by_category(CATEGORIES[:1], currency="USD"),
    "top-products": lambda: top_products(PRODUCTS, currency="USD"),
    "throughput": lambda: job_throughput(outcomes(120), step=timedelta(minutes=1), zone=BERLIN),
    "throughput-of-one-minute": lambda: job_throughput(outcomes(1), step=timedelta(minutes=1), zone=BERLIN),
    "throughput-of-a-million-minutes": lambda: job_throughput(
        outcomes(1_000_000), step=timedelta(minutes=1), zone=BERLIN, per="hour"
    ),
}
EMPTY: Final[dict[str, Callable[[], Any]]] = {
    "no-sales": lambda: sales_by_day([], currency="USD"),
    "no-category": lambda: sales_by_category([], currency="USD"),
    "no-product": lambda: top_products([], currency="USD"),
    "no-throughput": lambda: job_throughput([], step=timedelta(minutes=1), zone=BERLIN),
}


@pytest.fixture(scope="module")
def items() -> dict[str, dict[str, Any]]:
    return {name: chart_item(draw()) for name, draw in (DRAWN | EMPTY).items()}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with started_chrome(tmp_path_factory.mktemp("chrome")) as driver:
        yield driver


@pytest.fixture
def site(app: Flask, settings: Settings, items: dict[str, dict[str, Any]]) -> Flask:
    """The application with a page of charts, and their items."""
    made = create_app(settings)
    broken: list[str] = []
    made.extensions["broken"] = broken

    def page(names: str) -> str:
        return render_template_string(PAGE, names=names.split(","))

    def item(name: str) -> Any:
        if name in broken:
            return {"detail": "Out of order."}, 503
        if name == "refused":
            return {"detail": "The period is too long.", "errors": [{"detail": "must be within 92 days."}]}, 422
        return items[name]

    for view, path in ((page, "/charts-of/<names>"), (item, "/charts/<name>")):
        made.add_url_rule(path, view.__name__, view)
    return made


def show(chrome: webdriver.Chrome, *, width: int, theme: str) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": theme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def states(chrome: webdriver.Chrome) -> dict[str, str]:
    script = """return Object.fromEntries([...document.querySelectorAll("figure[data-chart-url]")].map((figure) => [
      figure.id.slice(2),
      figure.dataset.chartState === "drawn" ? figure.dataset.chartDrawn ?? "" : figure.dataset.chartState]))"""
    found: dict[str, str] = chrome.execute_script(script)
    return found


def wait_until_drawn(chrome: webdriver.Chrome, look: str) -> None:
    def is_drawn(browser: webdriver.Chrome) -> bool:
        found = states(browser).values()
        return all(state == "empty" or look in state for state in found)

    wait_for(chrome, is_drawn)


CANVASES: Final = """
const inside = (root) =>
  root ? [...root.querySelectorAll("*")].flatMap((one) => [one, ...inside(one.shadowRoot)]) : [];
return [...document.querySelectorAll("[data-chart]")].map((place) => inside(place.shadowRoot)
  .filter((one) => one.tagName === "CANVAS" && one.width > 100).length)
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_every_chart_draws_whole_and_without_a_complaint(
    site: Flask, browser: webdriver.Chrome, width: int, theme: str
) -> None:
    show(browser, width=width, theme=theme)
    with served(site) as address:
        browser.get(f"{address}/charts-of/{','.join(DRAWN | EMPTY)}")
        wait_until_drawn(browser, theme)
        keep_picture(browser, f"{width}-{theme}")
        found = browser.execute_script(CHECKS)
        canvases = browser.execute_script(CANVASES)
        assert [*found, *complaints(browser)] == []
    assert all(count > 0 for count in canvases[: len(DRAWN)])
    assert {name for name, state in states(browser).items() if state == "empty"} == set(EMPTY)


def keep_picture(chrome: webdriver.Chrome, name: str) -> None:
    if PICTURES:
        shot = chrome.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        Path(PICTURES, f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
