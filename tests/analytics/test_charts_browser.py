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
from babel import Locale
from flask import Flask, Response, render_template_string
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from app import create_app
from app.analytics.charts.comparison import Measure, now_and_before
from app.analytics.charts.item import chart_item
from app.analytics.charts.latency import LatencyPoint, StageLatency, latency_by_stage, latency_percentiles
from app.analytics.charts.load import LoadSample, queue_and_workers
from app.analytics.charts.prices import (
    OURS,
    IndexPoint,
    PricePoint,
    index_by_storefront,
    price_history,
    price_index,
)
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
from app.analytics.charts.stock_value import StockValue, stock_value
from app.analytics.charts.throughput import OutcomeCounts, job_throughput
from app.analytics.charts.words import written_for
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
COMPARED: Final = [
    Measure("Net revenue", 1_234_550, 998_120, "USD"),
    Measure("Orders", 120, 131),
    Measure("Units", 0, 12),
    Measure("Average order", -120, 7619, "USD"),
]
VALUES: Final = [StockValue(f"B0{at:08}", f"Ladder with {at} rungs", at * 3, 9**8 // (at + 1)) for at in range(16)]
CLOCKS_GO_BACK: Final = datetime(2026, 10, 24, 22, tzinfo=UTC)


def at_the_end_of_summer_time(count: int) -> list[OutcomeCounts]:
    return [OutcomeCounts(CLOCKS_GO_BACK + timedelta(minutes=5 * at), 60 + at % 30, at % 7) for at in range(count)]


DRAWN: Final[dict[str, Callable[[], Any]]] = {
    "now-and-before": lambda: now_and_before(COMPARED),
    "stock-value": lambda: stock_value(VALUES, currency="USD"),
    "index-by-storefront": lambda: index_by_storefront(indexes(1)),
    "end-of-summer-time": lambda: job_throughput(at_the_end_of_summer_time(72), step=timedelta(minutes=5), zone=BERLIN),
    "wide-bars": lambda: job_throughput(outcomes(1440), step=timedelta(minutes=1), zone=BERLIN),
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
MILLION: Final = 1_000_000
ONE: Final[dict[str, Callable[[], Any]]] = {
    "one-measure": lambda: now_and_before(COMPARED[2:3]),
    "one-day": lambda: sales_by_day(days(1), currency="USD"),
    "one-category": lambda: sales_by_category(CATEGORIES[:1], currency="USD"),
    "one-product": lambda: top_products(PRODUCTS[:1], currency="USD"),
    "one-minute": lambda: job_throughput(outcomes(1), step=timedelta(minutes=1), zone=BERLIN),
    "one-stage": lambda: latency_by_stage(STAGES[:1]),
    "one-latency": lambda: latency_percentiles(latencies(1), zone=BERLIN),
    "one-load": lambda: queue_and_workers(load(1), zone=BERLIN),
    "one-price": lambda: price_history(prices(1, 1), zone=BERLIN),
    "one-index": lambda: price_index(indexes(1)[:1]),
    "one-storefront": lambda: index_by_storefront(indexes(1)[:1]),
    "one-step": lambda: order_funnel(FUNNEL[:1]),
    "one-cover": lambda: stock_cover(STOCK[1:2]),
    "one-value": lambda: stock_value(VALUES[:1], currency="USD"),
    "one-code": lambda: outcomes_by_code(CODES[:1]),
}
KINDS: Final = (
    "now-and-before", "sales-by-day", "sales-by-category", "top-products", "throughput", "latency-by-stage",
    "latency-percentiles", "queue-and-workers", "price-history", "price-index", "index-by-storefront", "order-funnel",
    "stock-cover", "stock-value", "outcomes-by-code",
)  # fmt: skip
"""One of each."""
HUGE: Final[dict[str, Callable[[], Any]]] = {
    "sales-of-a-million-days": lambda: sales_by_day(days(MILLION, date(1970, 1, 1)), currency="JPY"),
    "throughput-of-a-million-minutes": lambda: job_throughput(
        outcomes(MILLION), step=timedelta(minutes=1), zone=BERLIN, per="hour"
    ),
    "latency-of-a-million-minutes": lambda: latency_percentiles(latencies(MILLION), zone=BERLIN),
    "load-of-a-million-moments": lambda: queue_and_workers(load(MILLION), zone=BERLIN),
    "price-history-of-a-million-visits": lambda: price_history(prices(MILLION // 2, 2), zone=BERLIN),
    "index-of-a-million-days": lambda: price_index(indexes(MILLION // 2)),
    "a-million-storefronts": lambda: index_by_storefront([
        IndexPoint(date(2026, 11, 3), f"shop-{at}", Decimal(9000 + at % 2000) / 100) for at in range(MILLION)
    ]),
    "a-million-measures": lambda: now_and_before([Measure(f"Figure {at}", at, at * 7 % 1009) for at in range(MILLION)]),
    "a-million-categories": lambda: sales_by_category(
        [CategorySales(f"Category {at}", at * 7919 % MILLION, at) for at in range(MILLION)], currency="USD"
    ),
    "a-million-products": lambda: top_products(
        [ProductSales(f"B0{at:08}", f"Kettle {at}", at * 7919 % MILLION, at) for at in range(MILLION)], currency="USD"
    ),
    "a-million-stages": lambda: latency_by_stage([StageLatency(f"stage {at}", 1, at, at, at) for at in range(MILLION)]),
    "a-million-steps": lambda: order_funnel([FunnelStep(f"Step {at}", MILLION - at) for at in range(MILLION)]),
    "a-million-covers": lambda: stock_cover([
        StockCover(f"B0{at:08}", f"Ladder {at}", Decimal(at % 997), at) for at in range(MILLION)
    ]),
    "a-million-values": lambda: stock_value(
        [StockValue(f"B0{at:08}", f"Ladder {at}", 1, at) for at in range(MILLION)], currency="USD"
    ),
    "a-million-codes": lambda: outcomes_by_code([CodeCount(f"CODE_{at}", "failed", at) for at in range(MILLION)]),
}  # fmt: skip
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
    "no-measure": lambda: now_and_before([Measure("Units", 0, 0)]),
    "no-value": lambda: stock_value([], currency="USD"),
    "no-storefront": lambda: index_by_storefront([]),
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
            items[name] = chart_item((DRAWN | ONE | HUGE | EMPTY)[name]())
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

    WebDriverWait(chrome, DRAWN_WITHIN_S, ignored_exceptions=[StaleElementReferenceException]).until(is_drawn)


NAMES: Final = """return [...document.querySelectorAll("figure[data-chart-url]")].map((figure) => figure.id)"""
CANVASES: Final = """
const inside = (root) =>
  root ? [...root.querySelectorAll("*")].flatMap((one) => [one, ...inside(one.shadowRoot)]) : [];
return [...document.querySelectorAll("[data-chart]")].map((place) => inside(place.shadowRoot)
  .filter((one) => one.tagName === "CANVAS" && one.width > 100).length)
"""


DRAWN_WITHIN_S: Final = 120
"""Dozens of charts on one page, on a machine that does other things as well."""
MOST_BYTES: Final = 600_000
"""Of a chart of a million points, as it is sent."""
WORDS: Final = """
return [...Bokeh.documents[0].get_model_by_name("points").data_source.get_column("words")]
"""
MARKED: Final = """
return [...Bokeh.documents[0].get_model_by_name("points").data_source.inspected.indices]
"""
LABELS: Final = """
const made = (name, format) => new (Bokeh.Models.get(name))(format);
return [
  made("DatetimeTickFormatter", { days: "%-d %b" }).doFormat([Date.UTC(2026, 9, 1), Date.UTC(2026, 9, 2)], {})[0],
  ...made("NumeralTickFormatter", { format: "0.[00]a" }).doFormat([3000.5, 1200000], {}),
]
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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_chart_of_a_single_point_draws(site: Flask, browser: webdriver.Chrome, theme: str) -> None:
    show(browser, width=360, theme=theme)
    with served(site) as address:
        open_charts(browser, address, ONE, theme)
        keep_picture(browser, f"single-{theme}")
        assert faults(browser, ONE) == []
        assert set(states(browser).values()) == {f"{theme} narrow"}


@pytest.mark.parametrize("name", HUGE)
def test_a_million_points_draw_too(site: Flask, browser: webdriver.Chrome, items: dict[str, Any], name: str) -> None:
    item = items[name] = chart_item(HUGE[name]())
    assert len(orjson.dumps(item)) < MOST_BYTES
    show(browser, width=360, theme="light")
    with served(site) as address:
        open_charts(browser, address, [name], "light")
        keep_picture(browser, name)
        assert faults(browser, [name]) == []


def test_open_charts_follow_the_theme_and_the_width(site: Flask, browser: webdriver.Chrome) -> None:
    show(browser, width=1280, theme="light")
    with served(site) as address:
        open_charts(browser, address, KINDS, "light wide")
        show(browser, width=1280, theme="dark")
        wait_until_drawn(browser, "dark wide")
        show(browser, width=360, theme="dark")
        wait_until_drawn(browser, "dark narrow")
        show(browser, width=360, theme="light")
        wait_until_drawn(browser, "light narrow")
        assert faults(browser, KINDS) == []
        assert browser.execute_script("return Bokeh.documents.length") == len(KINDS)


@pytest.mark.parametrize("name", [*KINDS, "one-day", "one-category", "end-of-summer-time"])
def test_keys_walk_along_the_points_of_every_chart(
    site: Flask, browser: webdriver.Chrome, items: dict[str, Any], name: str
) -> None:
    show(browser, width=360, theme="light")
    with served(site) as address:
        open_charts(browser, address, [name], "light")
        words = browser.execute_script(WORDS)
        browser.find_element(By.CSS_SELECTOR, "h1").click()
        focus_by_keys(browser, f"c-{name}")
        assert pressed(browser, Keys.ARROW_RIGHT) == words[0]
        assert pressed(browser, Keys.END) == words[-1]
        assert pressed(browser, Keys.ARROW_RIGHT) == words[-1]
        assert pressed(browser, Keys.ARROW_LEFT) == words[max(0, len(words) - 2)]
        assert pressed(browser, Keys.HOME) == words[0]
        assert pressed(browser, Keys.PAGE_DOWN) == words[min(10, len(words) - 1)]
        assert marked(browser) == [min(10, len(words) - 1)]
        if name in {"sales-by-day", "top-products"}:
            keep_picture(browser, f"keys-{name}", whole=False)
        show(browser, width=360, theme="dark")
        wait_until_drawn(browser, "dark")
        assert marked(browser) == [min(10, len(words) - 1)]
        assert pressed(browser, Keys.ESCAPE) == ""
        assert marked(browser) == []
        pressed(browser, Keys.ARROW_UP)
        assert pressed(browser, Keys.TAB) == ""
        assert browser.execute_script("return document.activeElement.matches('summary')")
        assert faults(browser, [name]) == []


def test_dates_and_numbers_are_those_of_the_reader(
    site: Flask, browser: webdriver.Chrome, items: dict[str, Any]
) -> None:
    with written_for(Locale("de")):
        items["sales-by-day"] = chart_item(sales_by_day(days(31), currency="USD"))
    show(browser, width=768, theme="light")
    with served(site) as address:
        open_charts(browser, address, ["sales-by-day"], "light")
        keep_picture(browser, "german")
        focus_by_keys(browser, "c-sales-by-day")
        assert pressed(browser, Keys.HOME) == "Donnerstag, 1. Oktober 2026: 1.800,50 USD in 20 orders"
        assert browser.execute_script(LABELS) == ["1. Okt.", "3.000,5", "1,2\N{NO-BREAK SPACE}Mio."]
        assert faults(browser, ["sales-by-day"]) == []
    del items["sales-by-day"]


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


def focus_by_keys(chrome: webdriver.Chrome, chart: str) -> None:
    """Go with the tabulator to a chart."""
    for _ in range(60):
        webdriver.ActionChains(chrome).send_keys(Keys.TAB).perform()
        if chrome.execute_script("return document.activeElement.parentElement.id") == chart:
            return
    raise AssertionError(f"{chart} is not reached by keys")


def pressed(chrome: webdriver.Chrome, key: str) -> str:
    """What the live region says after a key."""
    webdriver.ActionChains(chrome).send_keys(key).perform()
    said: str = chrome.execute_script("return document.querySelector('[data-chart-point]').textContent")
    return said


def marked(chrome: webdriver.Chrome) -> list[int]:
    """Which points are marked in the figure."""
    found: list[int] = chrome.execute_script(MARKED)
    return found


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
