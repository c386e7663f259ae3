"""Charts as figures: what they say, what they add up, and how little of much they send."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from app.analytics.charts.clock import WallClock
from app.analytics.charts.decimation import MOST, extremes, width_of_bars
from app.analytics.charts.item import chart_item
from app.analytics.charts.latency import LatencyPoint, latency_percentiles
from app.analytics.charts.load import LoadSample, queue_and_workers
from app.analytics.charts.prices import IndexPoint, PricePoint, price_history, price_index
from app.analytics.charts.sales_days import DaySales, sales_by_day
from app.analytics.charts.style import DARK
from app.analytics.charts.throughput import OutcomeCounts, job_throughput
from app.analytics.charts.words import amount_words, change_words, duration_words
from app.core.bokeh_files import bokeh_url
from tests.servers import on_sqlite

BERLIN = ZoneInfo("Europe/Berlin")


def columns(item: dict[str, Any], name: str) -> list[Any]:
    """The column of that name of the data that an item draws."""
    found: list[Any] = []

    def look(part: Any) -> None:
        if isinstance(part, dict):
            for key, value in part.get("entries", []) if part.get("type") == "map" else []:
                if key == name:
                    found.extend(value)
        for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else []:
            look(each)

    look(item["doc"])
    return found


def test_a_day_is_said_in_words_beside_the_day_before_and_the_period_before() -> None:
    rows = [DaySales(date(2026, 11, 2), 110_223, 9), DaySales(date(2026, 11, 3), 123_450, 12)]
    before = [DaySales(date(2026, 10, 31), 110_223), DaySales(date(2026, 11, 1), 246_900)]
    said = columns(chart_item(sales_by_day(rows, currency="USD", previous=before)), "words")[1]
    assert said == (
        "Tuesday 3 November 2026: 1,234.50 USD in 12 orders, 12 % more than the day before, "
        "50 % less than in the period before (2,469.00 USD)"
    )


@pytest.mark.parametrize(
    ("minor", "currency", "words"), [(1050, "USD", "10.50 USD"), (-1050, "JPY", "-1,050 JPY"), (5, "KWD", "0.005 KWD")]
)
def test_an_amount_has_the_decimals_of_its_currency(minor: int, currency: str, words: str) -> None:
    assert amount_words(minor, currency) == words


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (100, None, ""),
        (100, 100, "as much as before"),
        (100, 0, "more than before"),
        (112, 100, "12 % more than before"),
        (99_700, 100_000, "0.30 % less than before"),
        (5000, 100, "50 times as much as before"),
        (-5, 100, "less than before"),
        (99_999_999, 100_000_000, "less than 0.01 % less than before"),
    ],
)
def test_a_change_is_said_so_that_it_is_true(now: int, before: int | None, words: str) -> None:
    assert change_words(now, before, "before") == words


def test_durations_are_said_in_the_unit_that_fits() -> None:
    assert [duration_words(ms) for ms in (0, 999, 1000, 65_000)] == ["0 ms", "999 ms", "1.0 s", "1 min 5 s"]


def test_of_many_values_the_lowest_and_the_highest_and_both_ends_are_kept() -> None:
    values = [at % 1009 for at in range(1_000_000)]
    values[500_123], values[700_321] = 9999, -9999
    kept = extremes(values)
    assert len(kept) <= MOST
    assert {0, 500_123, 700_321, 999_999} <= set(kept)
    assert list(kept) == sorted(set(kept))
    assert list(extremes(values[:MOST])) == list(range(MOST))


@pytest.mark.parametrize("count", [1, 60, 2000, 50_000])
def test_wider_bars_lose_no_task(count: int) -> None:
    start = datetime(2026, 10, 24, 20, 7, tzinfo=UTC)  # over the end of summer time
    rows = [OutcomeCounts(start + timedelta(minutes=at), at % 5, at % 3) for at in range(count)]
    table = chart_item(job_throughput(rows, step=timedelta(minutes=1), zone=BERLIN))["table"]
    assert len(table["rows"]) <= 260
    shown = [sum(int(row[column].replace(",", "")) for row in table["rows"]) for column in (1, 2)]
    assert shown == [sum(row.succeeded for row in rows), sum(row.refused for row in rows)]


def test_bars_have_a_width_that_people_use() -> None:
    assert [width_of_bars(span, 60) for span in (3600, 86_400, 30 * 86_400, 365 * 86_400)] == [
        60, 900, 3 * 3600, 2 * 86_400,
    ]  # fmt: skip
    assert width_of_bars(86_400, 7) % 7 == 0


def test_the_clock_on_the_wall_is_that_of_the_shop() -> None:
    clock = WallClock(BERLIN)
    at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert datetime.fromtimestamp(clock.seconds(at - timedelta(hours=2)), UTC).hour == 0
    assert clock.moment(clock.seconds(at)) == "Sunday 25 October 2026, 02:30 (first time)"
    assert clock.moment(clock.seconds(at + timedelta(hours=1))) == "Sunday 25 October 2026, 02:30 (second time)"
    assert clock.note().startswith("Sunday 25 October 2026, 02:00 to 03:00, comes twice")


@pytest.mark.parametrize("name", ["Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "America/St_Johns"])
def test_places_ascend_as_instants_do_all_year_round(name: str) -> None:
    clock, zone = WallClock(ZoneInfo(name)), ZoneInfo(name)
    instants = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=7 * at) for at in range(365 * 24 * 60 // 7)]
    places = [clock.seconds(at) for at in instants]
    assert all(one < other for one, other in pairwise(places))
    for at, place in zip(instants, places, strict=True):
        assert f"{at.astimezone(zone):, %H:%M}" in clock.moment(place)


def test_an_hour_that_comes_twice_is_two_hours_of_bars_and_a_rate_is_never_doubled() -> None:
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)
    rows = [OutcomeCounts(start + timedelta(minutes=at), 7) for at in range(300)]
    item = chart_item(job_throughput(rows, step=timedelta(minutes=5), zone=BERLIN))
    assert all(": 35 tasks, 7 a minute" in words for words in columns(item, "words"))
    hours = [OutcomeCounts(start + timedelta(hours=at), 60) for at in range(25)]
    said = columns(chart_item(job_throughput(hours, step=timedelta(hours=1), zone=BERLIN)), "words")
    assert [words.partition(", ")[2].partition(":0")[0] for words in said[2:5]] == ["02", "02", "03"]
    assert len(said) == 25
    assert all("60 tasks, 1 a minute" in words for words in said)
    day = columns(chart_item(job_throughput(hours, step=timedelta(days=1), zone=BERLIN)), "words")
    assert "1,500 tasks, 1 a minute" in day[0]


def test_below_midnight_stands_the_day_that_begins() -> None:
    rows = [OutcomeCounts(datetime(2026, 11, 3, 12, tzinfo=UTC) + timedelta(hours=at), 1) for at in range(24)]
    below = job_throughput(rows, step=timedelta(hours=1), zone=BERLIN).xaxis[0].formatter.context
    assert (below.hours, below.boundary_scaling) == ("%-d %b", False)


def test_an_item_says_beside_the_figure_what_a_reader_needs() -> None:
    figure = sales_by_day([DaySales(date(2026, 11, 3), 5)], currency="JPY")
    item = chart_item(figure)
    assert item["table"] == {"columns": ["Day", "Sales"], "rows": [["Tuesday 3 November 2026", "5 JPY"]]}
    assert [entry["name"] for entry in item["legend"]] == ["Sales"]
    assert item["empty"] is None
    assert chart_item(figure)["table"] == item["table"]
    assert chart_item(sales_by_day([], currency="JPY"))["empty"] == "Nothing was sold in this period."


def test_every_colour_of_the_light_look_has_one_of_the_dark_look() -> None:
    item = chart_item(job_throughput([OutcomeCounts(datetime(2026, 1, 1, tzinfo=UTC), 1, 1, 1, 1, 1)],
                                     step=timedelta(minutes=1), zone=BERLIN))  # fmt: skip
    used = {part for part in json.dumps(item["doc"]).split('"') if part.startswith("#")}
    used.discard("#1f77b4")  # Bokeh's own, of what is not seen
    assert used
    assert used <= set(DARK)


def test_bokeh_is_imported_with_the_first_chart_and_not_before() -> None:
    modules = "item latency lines load prices ranks sales_days sales_ranks shares throughput"
    program = "; ".join(f"import app.analytics.charts.{name}" for name in modules.split())
    subprocess.run([sys.executable, "-c", f"{program}; import sys; assert 'bokeh' not in sys.modules"], check=True)


@on_sqlite
def test_bokehs_script_is_kept_for_good_and_compressed_for_who_takes_that(client: FlaskClient) -> None:
    with client.application.test_request_context():
        address = bokeh_url()
    plain = client.get(address)
    packed = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 3
    assert "immutable" in packed.headers["Cache-Control"]
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert client.get(address, headers={"If-None-Match": plain.headers["ETag"]}).status_code == 304
    assert client.get(address.replace(address.split("/")[3], "0.0.0")).status_code == 404


PERIOD = (datetime(2026, 10, 23, tzinfo=BERLIN), datetime(2026, 11, 22, tzinfo=BERLIN))


@pytest.mark.parametrize(
    "draw",
    [
        lambda at: job_throughput(
            [OutcomeCounts(at, succeeded=714)], step=timedelta(days=1), zone=BERLIN, per="day", period=PERIOD
        ),
        lambda at: latency_percentiles(
            [LatencyPoint(at, 3, 200, 300, 400)], zone=BERLIN, step=timedelta(days=1), period=PERIOD
        ),
        lambda at: queue_and_workers([LoadSample(at, 5, 2, 1)], zone=BERLIN, period=PERIOD),
    ],
    ids=["throughput", "latency", "load"],
)
def test_the_axis_of_a_lone_point_is_that_of_the_period_that_was_asked_for(draw: Callable[[datetime], Any]) -> None:
    shown = draw(datetime(2026, 11, 21, tzinfo=BERLIN)).x_range
    walls = [datetime.fromtimestamp(edge / 1000, UTC) for edge in (shown.start, shown.end)]
    assert walls == [datetime(2026, 10, 23, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)]


def test_two_points_far_apart_make_the_axis_no_longer_than_the_days_that_were_asked_for() -> None:
    days = (date(2026, 10, 23), date(2026, 11, 21))
    rows = [IndexPoint(date(2026, 10, 24), "One", Decimal(103)), IndexPoint(date(2026, 11, 20), "One", Decimal(99))]
    shown = price_index(rows, days=days).x_range
    walls = [datetime.fromtimestamp(edge / 1000, UTC) for edge in (shown.start, shown.end)]
    assert walls == [datetime(2026, 10, 22, 12, tzinfo=UTC), datetime(2026, 11, 21, 12, tzinfo=UTC)]


@pytest.mark.parametrize(
    "draw",
    [
        lambda day, days: price_history([PricePoint(day, "One", 1999, "USD")], zone=BERLIN, days=days),
        lambda day, days: price_index([IndexPoint(day, "One", Decimal(103))], days=days),
    ],
    ids=["history", "index"],
)
def test_the_axis_of_a_lone_price_has_all_days_that_were_asked_for(draw: Callable[..., Any]) -> None:
    shown = draw(date(2026, 11, 21), (date(2026, 10, 23), date(2026, 11, 21))).x_range
    walls = [datetime.fromtimestamp(edge / 1000, UTC) for edge in (shown.start, shown.end)]
    assert walls == [datetime(2026, 10, 22, 12, tzinfo=UTC), datetime(2026, 11, 21, 12, tzinfo=UTC)]
