"""What bulk actions make of single values: plain functions, held against plain arithmetic."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import Money, decimal_text
from app.products.bulk import ActionRefused, RowRefused, change_by_percent, read_action
from app.products.models.categories import MAX_PER_PRODUCT

PERCENT = st.integers(-1_000_000, 100_000_000)
"""In ten-thousandths: -100 to 10,000."""
MINOR = st.integers(0, 10**18)
IDS = st.lists(st.integers(1, 60), unique=True, max_size=MAX_PER_PRODUCT)


def act(document: dict[str, Any], value: Any, currency: str = "USD") -> Any:
    return read_action(document, currency=currency).new(value)


def by_percent(percent: str, price: str, **more: str) -> str:
    return str(act({"price": {"percent": percent} | more}, Money.parse(price, "USD")).decimal_string())


@given(minor=MINOR, percent=PERCENT)
def test_a_percentage_is_exact_and_halves_are_rounded_up(minor: int, percent: int) -> None:
    exact = Decimal(minor) * (1_000_000 + percent)
    wide = Context(prec=60)
    expected = int(wide.divide(exact, Decimal(1_000_000)).quantize(Decimal(1), ROUND_HALF_UP, wide))
    assert change_by_percent(minor, percent) == expected


@given(minor=MINOR, percent=PERCENT, ending=st.integers(0, 99))
def test_a_price_with_an_ending_is_the_nearest_that_ends_so(minor: int, percent: int, ending: int) -> None:
    plain = change_by_percent(minor, percent)
    ended = change_by_percent(minor, percent, ending=ending)
    if plain == 0:
        assert ended == 0
        return
    assert ended % 100 == ending
    others = [other for other in (ended - 100, ended + 100) if other >= 0]
    assert all(abs(ended - plain) <= abs(other - plain) for other in others)
    assert ended + 100 - plain != plain - ended  # of two as near, the higher one


@given(minor=st.integers(0, 10**9), percent=st.integers(0, 1_000_000))
def test_a_higher_percentage_never_makes_a_lower_price(minor: int, percent: int) -> None:
    assert change_by_percent(minor, percent) >= minor
    assert change_by_percent(minor, -percent) <= minor


@pytest.mark.parametrize(
    ("percent", "price", "becomes"),
    [
        ("-10", "12.50", "11.25"), ("10", "0.05", "0.06"), ("10", "0.04", "0.04"), ("+2.5", "19.99", "20.49"),
        ("-0.5", "1.00", "1.00"), ("-100", "5.00", "0.00"), ("33.3333", "3.00", "4.00"), ("0", "7.77", "7.77"),
    ],
)  # fmt: skip
def test_percentages_by_example(percent: str, price: str, becomes: str) -> None:
    assert by_percent(percent, price) == becomes
    exact = Fraction(price) * (100 + Fraction(percent)) / 100
    assert abs(Fraction(becomes) - exact) <= Fraction(1, 200)


@pytest.mark.parametrize(
    ("price", "ending", "becomes"),
    [("10.00", "0.99", "9.99"), ("10.49", "0.99", "10.99"), ("10.48", "0.99", "9.99"), ("0.10", "0.95", "0.95"),
     ("0.00", "0.99", "0.00"), ("12.34", "0.00", "12.00")],
)  # fmt: skip
def test_endings_by_example(price: str, ending: str, becomes: str) -> None:
    assert by_percent("0", price, ending=ending) == becomes


def test_currencies_without_decimals_and_with_three_are_rounded_as_they_are_written() -> None:
    assert act({"price": {"percent": "-12.5"}}, Money.parse("1004", "JPY"), "JPY") == Money(879, "JPY")
    assert act({"price": {"percent": "-12.5"}}, Money.parse("1.004", "KWD"), "KWD") == Money(879, "KWD")
    with pytest.raises(ActionRefused):
        read_action({"price": {"percent": "1", "ending": "0.99"}}, currency="JPY")


def test_a_price_that_no_request_could_set_is_refused_for_that_product() -> None:
    with pytest.raises(RowRefused, match="larger"):
        by_percent("100", "9999999999999999.99")
    assert by_percent("-50", "9999999999999999.99") == "5000000000000000.00"
    with pytest.raises(RowRefused, match="EUR"):
        act({"price": {"percent": "1"}}, Money.parse("1.00", "EUR"))


@given(minor=MINOR)
def test_a_price_that_is_set_is_the_same_for_all(minor: int) -> None:
    text = decimal_text(minor % 10**12, "USD")
    assert act({"price": {"set": text}}, Money(minor, "USD")).decimal_string() == text


@given(before=IDS, add=IDS, remove=IDS)
def test_categories_are_added_and_taken_away_as_sets_are(before: list[int], add: list[int], remove: list[int]) -> None:
    remove = sorted(set(remove) - set(add))
    if not add and not remove:
        return
    document = {"categories": {"add": add, "remove": remove}}
    expected = sorted((set(before) - set(remove)) | set(add))
    if len(expected) > max(MAX_PER_PRODUCT, len(before)):
        with pytest.raises(RowRefused):
            act(document, sorted(before))
        return
    once = act(document, sorted(before))
    assert once == expected
    assert act(document, once) == once
    assert act({"categories": {"set": add}}, sorted(before)) == sorted(add)


@pytest.mark.parametrize("value", [True, False])
def test_flags_and_thresholds_are_what_was_asked_for(value: bool) -> None:
    for name in ("is_active", "is_deleted"):
        assert act({name: value}, not value) is value
    assert act({"threshold": 5}, None) == 5
    assert act({"threshold": None}, 5) is None


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "_schema"),
        ({"is_active": True, "threshold": 1}, "_schema"),
        ({"name": "x"}, "name"),
        ({"price": {}}, "price"),
        ({"price": {"set": "1.00", "percent": "1"}}, "price"),
        ({"price": {"ending": "0.99"}}, "price"),
        ({"price": {"set": "1.005"}}, "price.set"),
        ({"price": {"set": "-1"}}, "price.set"),
        ({"price": {"set": "1e3"}}, "price.set"),
        ({"price": {"percent": "NaN"}}, "price.percent"),
        ({"price": {"percent": "1e3"}}, "price.percent"),
        ({"price": {"percent": "-100.0001"}}, "price.percent"),
        ({"price": {"percent": "10000.5"}}, "price.percent"),
        ({"price": {"percent": "1.00001"}}, "price.percent"),
        ({"price": {"percent": "1", "ending": "1.00"}}, "price.ending"),
        ({"categories": {}}, "categories"),
        ({"categories": {"set": [1], "add": [2]}}, "categories"),
        ({"categories": {"add": [1], "remove": [1]}}, "categories"),
        ({"threshold": -1}, "threshold"),
    ],
)
def test_what_is_no_action_is_refused_by_its_field(document: dict[str, Any], field: str) -> None:
    with pytest.raises(ActionRefused) as refused:
        read_action(document, currency="USD")
    assert refused.value.field == field
