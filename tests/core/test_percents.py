"""Percentages are exact or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.percents import parse_percent, percent_text


@given(st.integers(0, 1_000_000))
def test_what_is_shown_reads_back_as_the_same_percentage(ppm: int) -> None:
    assert parse_percent(percent_text(ppm)) == ppm


@pytest.mark.parametrize(
    ("text", "ppm"), [("0", 0), ("19", 190_000), ("8.875", 88_750), ("0.0001", 1), ("100", 1_000_000), ("007", 70_000)]
)
def test_up_to_four_decimals_are_read(text: str, ppm: int) -> None:
    assert parse_percent(text) == ppm


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1e1", ".5", "5.", "0.00001", "100.0001", "1000", "19%", "1,5", "١", " 1"]
)
def test_what_is_no_plain_percentage_is_refused(text: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        parse_percent(text)


@pytest.mark.parametrize("text", ["100.0001", "101", "1000", "9" * 50, "100.00001"])
def test_what_is_more_than_all_is_told_the_largest_percentage(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be at most 100\.$"):
        parse_percent(text)


@pytest.mark.parametrize(
    ("ppm", "text"), [(0, "0"), (100_000, "10"), (1_000_000, "100"), (125_000, "12.5"), (1, "0.0001")]
)
def test_it_is_shown_without_needless_zeros(ppm: int, text: str) -> None:
    assert percent_text(ppm) == text
