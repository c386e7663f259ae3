"""What the demonstration prints, and how it speaks to a server that does not do its part."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from demo.client import Client
from demo.errors import DemoError
from demo.expected import Findings
from demo.processes import free_port
from demo.report import Bar, Report, show


def progress(done: int, total: int = 240) -> dict[str, Any]:
    return {"current_count": done, "total_count": total, "outcomes": {"SUCCEEDED": done, "FAILED": 0}}


def test_without_a_terminal_there_is_one_line_for_every_tenth_of_a_job() -> None:
    output = io.StringIO()
    with Bar(Console(file=output, width=100), "view-product") as show_progress:
        for done in [0, 0, *range(240), 240, 240]:
            show_progress(progress(done))
    lines = output.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[0] == "view-product: 0 of 240"
    assert lines[-1] == "view-product: 240 of 240  succeeded 240"


def test_on_a_terminal_there_is_a_bar_with_the_outcomes() -> None:
    output = io.StringIO()
    with Bar(Console(file=output, width=120, force_terminal=True), "view-product") as show_progress:
        show_progress(progress(120))
    assert "120/240" in output.getvalue()
    assert "succeeded 120" in output.getvalue()


def test_the_table_shows_speed_ends_and_changes_of_each_job() -> None:
    output = io.StringIO()
    change = ("B000000001", "price", "1.00 USD", "2.00 USD")
    views = Findings({"B000000001": "SUCCEEDED", "B000000002": "REFUSED NOT_FOUND"}, frozenset({change}))
    carts = Findings({"B000000001": "SUCCEEDED"})
    show(Console(file=output, width=100), [Report("view-product", 0.5, views), Report("add-to-cart", 2, carts)])
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.getvalue().splitlines() if "│" in line]
    assert rows == [
        ["tasks", "2", "1"],
        ["seconds", "0.5", "2.0"],
        ["tasks per second", "4.0", "0.5"],
        ["SUCCEEDED", "1", "1"],
        ["REFUSED NOT_FOUND", "1", ""],
        ["changed: price", "1", ""],
    ]


def test_a_server_that_is_not_there_is_not_ready_and_a_call_to_it_says_so() -> None:
    client = Client(f"http://127.0.0.1:{free_port()}")
    assert not client.ready()
    with pytest.raises(DemoError, match="GET /jobs was not answered"):
        client.get("/jobs")


def test_a_refusal_is_an_error_with_what_the_server_said(market: str) -> None:
    assert not Client(market).ready()
    with pytest.raises(DemoError, match=r"(?s)GET /jobs was refused with 404: .*URL was not found"):
        Client(market).get("/jobs")
