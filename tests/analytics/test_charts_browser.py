"""Charts in a real browser, on a page under the strict policy: all of them draw, in both looks, at every width."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
import pytest
from flask import Flask, Response, render_template_string
from selenium import webdriver
from selenium.webdriver.common.by import By

from app import create_app
from app.analytics.charts.item import chart_item
from app.analytics.charts.latency import LatencyPoint, StageLatency, latency_by_stage, latency_percentiles
from app.analytics.charts.load import LoadSample, queue_and_workers
from app.analytics.charts.prices import OURS, IndexPoint, PricePoint, price_history, price_index
from app.analytics.charts.sales_days import DaySales, sales_by_day
from app.analytics.charts.sales_ranks import CategorySales, ProductSales, sales_by_category, top_products
from app.analytics.charts.shares import (
    CodeCount,
    FunnelStep,
    StockCover,
    order_funnel,
    outcomes_by_code,
    stock_cover,
)
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


def latencies(count: int) -> list[LatencyPoint]:
    return [
        LatencyPoint(
            NOON + timedelta(minutes=at), 20 + at % 5, 800 + at * 37 % 400, 2400 + at * 91 % 900, 6000 + at % 99
        )
        for at in range(count)
    ]


def load(count: int) -> list[LoadSample]:
    return [
        LoadSample(NOON + timedelta(seconds=30 * at), max(0, 90_000 - at * 120) % 7000, at % 8 + 4, 8 + at // 60 % 4)
        for at in range(count)
    ]


def prices(count: int, sellers: int = 3) -> list[PricePoint]:
    names = [OURS, "Kettle World", "A storefront with a long name and a shop", "The other one"]
    return [
        PricePoint(
            NOON + timedelta(hours=at), names[seller], 12_990 + seller * 450 - at // (9 + seller) % 7 * 120, currency
        )
        for at in range(count)
        for seller, currency in enumerate(["USD", "USD", "USD", "EUR"][:sellers])
    ]


def indexes(count: int) -> list[IndexPoint]:
    return [
        IndexPoint(date(1970, 1, 1) + timedelta(days=at), shop, Decimal(9_400 + at * step % 900) / 100)
        for at in range(count)
        for shop, step in (("kettles", 17), ("world", 41))
    ]


STAGES: Final = [
    StageLatency("queue", 12_000, 140, 900, 12_400),
    StageLatency("navigate", 11_800, 1400, 4200, 9100),
    StageLatency("total", 11_800, 2350, 7800, 64_000),
]
FUNNEL: Final = [
    FunnelStep(name, count)
    for name, count in (
        ("Checkout begun", 1200),
        ("Address given", 930),
        ("Paid", 540),
        ("Shipped", 511),
        ("Returned", 1),
    )
]
STOCK: Final = [
    StockCover(f"B0{at:08}", f"Ladder with {at} rungs", None if at == 9 else Decimal(at * at) / 2, at * 3)
    for at in range(16)
]
CODES: Final = [
    CodeCount("OK", "succeeded", 90_211),
    CodeCount("OUT_OF_STOCK", "refused", 3111),
    CodeCount("BLOCKED", "failed", 900, 4100),
    CodeCount("ROBOTS_DENIED", "skipped", 12),
    CodeCount("CANCELLED", "cancelled", 3),
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
    "sales-by-category": lambda: sales_by_category(CATEGORIES, currency="USD"),
    "sales-of-one-category": lambda: sales_by_category(CATEGORIES[:1], currency="USD"),
    "top-products": lambda: top_products(PRODUCTS, currency="USD"),
    "throughput": lambda: job_throughput(outcomes(120), step=timedelta(minutes=1), zone=BERLIN),
    "throughput-of-one-minute": lambda: job_throughput(outcomes(1), step=timedelta(minutes=1), zone=BERLIN),
    "latency-by-stage": lambda: latency_by_stage(STAGES),
    "latency-percentiles": lambda: latency_percentiles(latencies(180), zone=BERLIN),
    "latency-of-one-minute": lambda: latency_percentiles(latencies(1), zone=BERLIN),
    "queue-and-workers": lambda: queue_and_workers(load(600), zone=BERLIN),
    "queue-of-one-moment": lambda: queue_and_workers(load(1), zone=BERLIN),
    "price-history": lambda: price_history(prices(60, 4), zone=BERLIN),
    "price-history-of-one-visit": lambda: price_history(prices(1, 1), zone=BERLIN),
    "price-index": lambda: price_index(indexes(45)),
    "price-index-of-one-day": lambda: price_index(indexes(1)),
    "order-funnel": lambda: order_funnel(FUNNEL),
    "stock-cover": lambda: stock_cover(STOCK),
    "outcomes-by-code": lambda: outcomes_by_code(CODES),
}
HUGE: Final[dict[str, Callable[[], Any]]] = {
    "sales-of-a-million-days": lambda: sales_by_day(days(1_000_000, date(1970, 1, 1)), currency="JPY"),
    "throughput-of-a-million-minutes": lambda: job_throughput(
        outcomes(1_000_000), step=timedelta(minutes=1), zone=BERLIN, per="hour"
    ),
    "price-history-of-a-million-visits": lambda: price_history(prices(500_000, 2), zone=BERLIN),
}
EMPTY: Final[dict[str, Callable[[], Any]]] = {
    "no-sales": lambda: sales_by_day([], currency="USD"),
    "no-category": lambda: sales_by_category([], currency="USD"),
    "no-product": lambda: top_products([], currency="USD"),
    "no-throughput": lambda: job_throughput([], step=timedelta(minutes=1), zone=BERLIN),
    "no-stage": lambda: latency_by_stage([]),
    "no-latency": lambda: latency_percentiles([], zone=BERLIN),
    "no-load": lambda: queue_and_workers([], zone=BERLIN),
    "no-price": lambda: price_history([], zone=BERLIN),
    "no-index": lambda: price_index([IndexPoint(date(2026, 11, 3), "kettles", None)]),
    "no-order": lambda: order_funnel([FunnelStep("Checkout begun", 0)]),
    "no-stock": lambda: stock_cover([]),
    "no-code": lambda: outcomes_by_code([]),
}


@pytest.fixture(scope="module")
def items() -> dict[str, dict[str, Any]]:
    """What was drawn already."""
    return {}


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
        if name not in items:
            items[name] = chart_item((DRAWN | HUGE | EMPTY)[name]())
        return Response(orjson.dumps(items[name]), mimetype="application/json")

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


NAMES: Final = """return [...document.querySelectorAll("figure[data-chart-url]")].map((figure) => figure.id)"""
CANVASES: Final = """
const inside = (root) =>
  root ? [...root.querySelectorAll("*")].flatMap((one) => [one, ...inside(one.shadowRoot)]) : [];
return [...document.querySelectorAll("[data-chart]")].map((place) => inside(place.shadowRoot)
  .filter((one) => one.tagName === "CANVAS" && one.width > 100).length)
"""


@pytest.mark.parametrize(
    ("width", "theme"), [(360, "light"), (360, "dark"), (768, "light"), (1440, "light"), (1440, "dark")]
)
def test_every_chart_draws_whole_and_without_a_complaint(
    site: Flask, browser: webdriver.Chrome, width: int, theme: str
) -> None:
    show(browser, width=width, theme=theme)
    with served(site) as address:
        open_charts(browser, address, DRAWN | EMPTY, theme)
        keep_picture(browser, f"{width}-{theme}")
        assert faults(browser, DRAWN) == []
        assert {name for name, state in states(browser).items() if state == "empty"} == set(EMPTY)


def test_a_million_points_draw_too(site: Flask, browser: webdriver.Chrome, items: dict[str, Any]) -> None:
    items |= {name: chart_item(draw()) for name, draw in HUGE.items()}
    show(browser, width=768, theme="light")
    with served(site) as address:
        open_charts(browser, address, HUGE, "light")
        keep_picture(browser, "huge")
        assert faults(browser, HUGE) == []
        captions = [each.text for each in browser.find_elements(By.CSS_SELECTOR, "[data-chart-caption]")]
    assert all("stretch" in caption or "mean" in caption for caption in captions)


def test_an_open_chart_follows_the_theme_and_the_width(site: Flask, browser: webdriver.Chrome) -> None:
    show(browser, width=1280, theme="light")
    with served(site) as address:
        open_charts(browser, address, ["throughput"], "light wide")
        show(browser, width=1280, theme="dark")
        wait_until_drawn(browser, "dark wide")
        show(browser, width=360, theme="dark")
        wait_until_drawn(browser, "dark narrow")
        assert faults(browser, ["throughput"]) == []
        assert browser.execute_script("return Bokeh.documents.length") == 1


def test_what_a_chart_shows_is_said_where_the_pointer_is(site: Flask, browser: webdriver.Chrome) -> None:
    show(browser, width=360, theme="light")
    with served(site) as address:
        open_charts(browser, address, ["sales-by-day"], "light")
        place = browser.find_element(By.CSS_SELECTOR, "[data-chart]")
        webdriver.ActionChains(browser).move_to_element(place).perform()
        wait_for(
            browser,
            lambda chrome: (
                "October 2026"
                in chrome.find_element(By.CSS_SELECTOR, ".bk-Tooltip")
                .shadow_root.find_element(By.CSS_SELECTOR, ".bk-tooltip-content")
                .text
            ),
        )
        keep_picture(browser, "hover", whole=False)
        assert [fault for fault in faults(browser, ["sales-by-day"]) if "inline style: div" not in fault] == []


def test_a_chart_says_why_it_is_not_there_and_comes_when_it_is_asked_for_again(
    site: Flask, browser: webdriver.Chrome
) -> None:
    broken: list[str] = site.extensions["broken"]
    broken.append("throughput")
    with served(site) as address:
        browser.get(f"{address}/charts-of/throughput,refused")
        wait_for(browser, lambda chrome: set(states(chrome).values()) == {"failed"})
        said = [each.text for each in browser.find_elements(By.CSS_SELECTOR, "[role=alert] [data-chart-words]")]
        assert said == ["The figures could not be loaded.", "The period is too long. must be within 92 days."]
        assert browser.execute_script(CHECKS) == []
        broken.clear()
        browser.find_element(By.CSS_SELECTOR, "#c-throughput [data-chart-retry]").click()
        wait_for(browser, lambda chrome: "light" in states(chrome)["throughput"])
        complaints(browser)


def test_a_chart_is_brought_up_to_date_without_going_away(
    site: Flask, browser: webdriver.Chrome, items: dict[str, Any]
) -> None:
    show(browser, width=1280, theme="light")
    with served(site) as address:
        items["sales-by-day"] = chart_item(sales_by_day(days(2), currency="USD"))
        open_charts(browser, address, ["sales-by-day"], "light")
        items["sales-by-day"] = chart_item(sales_by_day(days(3), currency="USD"))
        browser.execute_script("document.dispatchEvent(new Event('charts:refresh'))")
        wait_for(browser, lambda chrome: len(chrome.find_elements(By.CSS_SELECTOR, "tbody tr")) == 3)
        wait_until_drawn(browser, "light")
        assert faults(browser, ["sales-by-day"]) == []
        assert browser.execute_script("return Bokeh.documents.length") == 1
    del items["sales-by-day"]


def open_charts(chrome: webdriver.Chrome, address: str, names: Iterable[str], look: str) -> None:
    complaints(chrome)
    chrome.get(f"{address}/charts-of/{','.join(names)}")
    wait_until_drawn(chrome, look)


def faults(chrome: webdriver.Chrome, drawn: Collection[str]) -> list[str]:
    """What is wrong with the page, said in the console, or not drawn."""
    found: list[str] = chrome.execute_script(CHECKS)
    canvases = dict(
        zip(
            (name.removeprefix("c-") for name in chrome.execute_script(NAMES)),
            chrome.execute_script(CANVASES),
            strict=True,
        )
    )
    return [*found, *complaints(chrome), *(f"{name} has no canvas" for name in drawn if not canvases[name])]


def keep_picture(chrome: webdriver.Chrome, name: str, *, whole: bool = True) -> None:
    if PICTURES:
        shot = chrome.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": whole})
        Path(PICTURES, f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
