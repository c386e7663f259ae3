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
from app.analytics.report_drawing import CHARTS, draw
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


@pytest.fixture
def browserless(app: Flask, settings: Settings) -> Flask:
    """An application where there is no browser."""
    browsers = dataclasses.replace(settings.browsers, shell="/nowhere/chrome")
    return create_base(dataclasses.replace(settings, browsers=browsers))


@on_sqlite
def test_a_chart_becomes_a_picture(context: Flask) -> None:
    picture = take_picture(DRAWING)
    assert picture.startswith(b"\x89PNG")
    assert struct.unpack(">II", picture[16:24]) == (1920, 840)
    assert 10_000 < len(picture) < 1_000_000


@pytest.mark.parametrize("chart", sorted(CHARTS))
def test_every_chart_is_a_page_that_fetches_nothing(chart: str) -> None:
    rows = [*TASKS, *DAYS][:1] if chart == "farm_throughput" else SHARES
    rows = DAYS if chart in {"sales_by_day", "sales_by_week", "sales_by_month"} else rows
    page = draw({"title": "A & B", "chart": chart, "rows": rows})
    assert "default-src 'none'" in page
    assert "<h1>A &amp; B</h1>" in page
    assert " src=" not in page.partition("<script")[0]


def test_names_of_products_end_no_script(context: Flask) -> None:
    assert "</script><script>1" not in draw(DRAWING)


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
