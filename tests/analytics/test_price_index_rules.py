"""The price index on plain values."""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.analytics.rules.price_days import days_of, with_changes
from app.analytics.rules.price_index import STALE_AFTER, Comparison, compare, index_of, log_ratio, percent

PRICES = st.integers(1, 10**12)
NOW = timedelta(0)


def index(*pairs: tuple[int, int]) -> Decimal | None:
    """The index of products by their price and ours."""
    return index_of(sum(log_ratio(theirs, ours) for theirs, ours in pairs), len(pairs))


def test_the_index_is_the_geometric_mean_of_their_price_by_ours() -> None:
    assert index((900, 1000)) == Decimal("90.00")
    assert index((500, 1000), (2000, 1000)) == Decimal("100.00")  # half and double
    assert index((900, 1000), (1000, 1000), (1200, 1000)) == Decimal("102.60")  # third root of 0.9 x 1 x 1.2
    assert index((1, 1)) == Decimal("100.00")
    assert index() is None


@given(st.lists(st.tuples(PRICES, PRICES), min_size=1, max_size=30))
def test_the_index_is_what_the_formula_says(pairs: list[tuple[int, int]]) -> None:
    mean = math.exp(math.fsum(math.log(theirs / ours) for theirs, ours in pairs) / len(pairs))
    found = index(*pairs)
    assert found is not None
    assert float(found) == pytest.approx(100 * mean, rel=1e-6, abs=0.006)


@given(st.lists(st.tuples(PRICES, PRICES), min_size=1, max_size=30))
def test_seen_from_the_other_side_it_is_the_reciprocal(pairs: list[tuple[int, int]]) -> None:
    assert sum(log_ratio(*pair) for pair in pairs) == -sum(log_ratio(*pair[::-1]) for pair in pairs)


@given(PRICES, PRICES)
def test_only_equal_prices_have_no_difference(theirs: int, ours: int) -> None:
    found = log_ratio(theirs, ours)
    assert (found > 0) == (theirs > ours)
    assert (found < 0) == (theirs < ours)


@pytest.mark.parametrize(
    ("currency", "ours", "theirs", "age", "expected"),
    [
        pytest.param("USD", 1000, 900, NOW, Comparison.COMPARED, id="both there"),
        pytest.param("USD", 1000, 900, STALE_AFTER, Comparison.COMPARED, id="just fresh"),
        pytest.param("USD", 1000, 900, STALE_AFTER + timedelta(microseconds=1), Comparison.STALE, id="just stale"),
        pytest.param("EUR", 1000, 900, NOW, Comparison.OTHER_CURRENCY, id="another currency"),
        pytest.param("EUR", 1000, 900, timedelta(days=99), Comparison.STALE, id="stale in another currency"),
        pytest.param("USD", 0, 900, NOW, Comparison.FREE, id="ours is free"),
        pytest.param("USD", 1000, 0, NOW, Comparison.FREE, id="theirs is free"),
    ],
)
def test_a_price_is_compared_or_it_is_said_why_not(
    currency: str, ours: int, theirs: int, age: timedelta, expected: Comparison
) -> None:
    found = compare(currency="USD", their_currency=currency, our_minor=ours, their_minor=theirs, age=age)
    assert found is expected


def test_a_part_of_nothing_is_no_percentage() -> None:
    assert percent(0, 0) is None
    assert percent(1, 3) == Decimal("33.3")


def test_days_have_their_prices_and_say_where_these_changed() -> None:
    first, second, third, fourth = (date(2026, 11, day) for day in (1, 2, 3, 5))
    days = with_changes(
        days_of(
            [
                (first, 1000, "USD"), (first, 1000, "USD"),
                (second, 900, "USD"),
                (third, 900, "USD"), (third, 800, "USD"), (third, 900, "USD"),
                (fourth, 900, "USD"), (fourth, 850, "EUR"), (fourth, 840, "EUR"),
            ]
        )
    )  # fmt: skip
    assert [day.is_change for day in days] == [False, True, True, True]
    assert [(day.first, day.last, day.lowest, day.highest, day.visits) for day in days[2:]] == [
        (900, 900, 800, 900, 3),
        (850, 840, 840, 850, 3),
    ]
    assert days[3].currency == "EUR"
