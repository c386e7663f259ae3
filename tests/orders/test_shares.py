"""Amounts are divided without losing a minor unit, in whatever steps goods are cancelled and come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.orders.shares import NOTHING, LineParts, all_of, fitted, part, parts_of, portion, split


@dataclass(frozen=True)
class Line:
    """A line of an order, as far as amounts are concerned."""

    quantity: int
    subtotal_minor: int
    discount_minor: int
    shipping_minor: int
    shipping_tax_minor: int
    tax_minor: int
    total_minor: int
    tax_included: bool


def line_of(quantity: int, unit_price: int, discount: int, shipping: int, rate_ppm: int, *, tax_included: bool) -> Line:
    """A line as it is priced: tax of goods and of shipping rounded half up by themselves."""

    def tax(amount: int) -> int:
        of = 1_000_000 + (rate_ppm if tax_included else 0)
        return (2 * amount * rate_ppm + of) // (2 * of)

    subtotal = quantity * unit_price
    discount = min(discount, subtotal)
    fee_tax = tax(shipping)
    taxes = tax(subtotal - discount) + fee_tax
    total = subtotal - discount + shipping + (0 if tax_included else taxes)
    return Line(quantity, subtotal, discount, shipping, fee_tax, taxes, total, tax_included)


lines = st.builds(
    line_of,
    st.integers(1, 999),
    st.integers(0, 10**7),
    st.one_of(st.just(0), st.integers(0, 10**9)),
    st.one_of(st.just(0), st.integers(0, 10**5)),
    st.sampled_from([0, 1, 70_000, 88_750, 190_000, 1_000_000]),
    tax_included=st.booleans(),
)


@st.composite
def lines_and_steps(draw: st.DrawFn) -> tuple[Line, list[int]]:
    """A line, and how many of its units had left the order after each step; the last one ends with none."""
    line = draw(lines)
    stops = draw(st.lists(st.integers(0, line.quantity), max_size=8))
    return line, [0, *sorted(stops), line.quantity]


def steps(line: Line, stops: list[int]) -> Iterator[LineParts]:
    for before, after in pairwise(stops):
        yield parts_of(line, before, after)


def is_possible(parts: LineParts) -> bool:
    pieces = (parts.gross, parts.discount, parts.tax, parts.shipping, parts.total, parts.net, parts.contained_tax)
    return min(pieces) >= 0


@given(st.integers(0, 10**15), st.lists(st.integers(0, 10**12), min_size=1, max_size=50))
def test_what_is_divided_over_lines_sums_to_the_whole_and_is_at_most_one_off(amount: int, weights: list[int]) -> None:
    parts = split(amount, weights)
    whole = sum(weights) or len(weights)
    assert sum(parts) == amount
    assert min(parts) >= 0
    for share, weight in zip(parts, weights if sum(weights) else [1] * len(weights), strict=True):
        assert abs(share * whole - amount * weight) < whole


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=50), st.data())
def test_no_line_gets_more_than_it_weighs(weights: list[int], data: st.DataObject) -> None:
    parts = split(data.draw(st.integers(0, sum(weights))), weights)
    if sum(weights):
        assert all(share <= weight for share, weight in zip(parts, weights, strict=True))


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (101, [1, 1, 1], [34, 34, 33]),
        (100, [3, 1, 2], [50, 17, 33]),
        (5, [0, 0], [3, 2]),
        (7, [0, 9, 0], [0, 7, 0]),
        (0, [4, 5], [0, 0]),
        (9, [], []),
    ],
)
def test_what_is_left_over_goes_to_the_largest_remainders_and_then_to_the_first(
    amount: int, weights: list[int], parts: list[int]
) -> None:
    assert split(amount, weights) == parts


@given(st.integers(0, 10**15), st.lists(st.integers(0, 999), min_size=1, max_size=9))
def test_parts_that_adjoin_sum_to_the_whole(value: int, stops: list[int]) -> None:
    ends = [0, *sorted(stops)]
    parts = [part(value, ends[-1], before, after) for before, after in pairwise(ends)]
    assert sum(parts) == (value if ends[-1] else 0)
    assert min(parts) >= 0


@given(lines)
def test_the_parts_of_a_whole_line_are_what_the_line_says(line: Line) -> None:
    whole = all_of(line)
    assert (whole.gross, whole.discount) == (line.subtotal_minor, line.discount_minor)
    assert (whole.tax, whole.total) == (line.tax_minor, line.total_minor)
    assert whole.shipping == line.shipping_minor - (line.shipping_tax_minor if line.tax_included else 0)


@given(lines_and_steps())
@example((line_of(3, 1, 3, 2, 1_000_000, tax_included=True), [0, 1, 2, 3]))
@example((line_of(3, 1, 2, 2, 190_000, tax_included=False), [0, 1, 2, 3]))
def test_parts_sum_to_the_line_in_whatever_steps_its_units_leave(case: tuple[Line, list[int]]) -> None:
    line, stops = case
    assert sum(steps(line, stops), NOTHING) == all_of(line)


@given(lines_and_steps())
@example((line_of(3, 1, 3, 3, 1_000_000, tax_included=True), [0, 1, 2, 3]))
@example((line_of(3, 1, 2, 0, 1_000_000, tax_included=True), [0, 1, 2, 3]))
@example((line_of(3, 1, 0, 2, 1_000_000, tax_included=True), [0, 1, 2, 3]))
def test_no_part_is_negative_and_the_total_is_net_and_shipping_and_tax(case: tuple[Line, list[int]]) -> None:
    line, stops = case
    for parts in steps(line, stops):
        assert is_possible(parts)
        assert parts.total == parts.net + parts.shipping + parts.tax


@given(lines_and_steps())
def test_net_is_gross_less_discount_and_less_the_tax_that_the_price_contains(case: tuple[Line, list[int]]) -> None:
    line, stops = case
    for parts in steps(line, stops):
        if line.tax_included:
            assert 0 <= parts.contained_tax <= parts.tax
        else:
            assert parts.net == parts.gross - parts.discount


@given(lines_and_steps())
def test_the_gross_of_units_is_their_price(case: tuple[Line, list[int]]) -> None:
    line, stops = case
    for before, after in pairwise(stops):
        assert parts_of(line, before, after).gross == line.subtotal_minor // line.quantity * (after - before)


@given(lines, st.data())
def test_a_portion_has_the_total_that_was_asked_for_and_leaves_nothing_negative(
    line: Line, data: st.DataObject
) -> None:
    whole = all_of(line)
    total = data.draw(st.integers(0, whole.total))
    back = portion(whole, total)
    assert back.total == total
    assert is_possible(back)
    assert is_possible(whole - back)


@given(lines)
@example(line_of(2, 500, 1000, 0, 190_000, tax_included=True))
def test_a_portion_of_all_of_it_is_all_of_it_also_where_that_is_no_money(line: Line) -> None:
    assert portion(all_of(line), line.total_minor) == all_of(line)


@given(lines_and_steps(), st.data())
def test_money_that_went_back_without_goods_is_not_given_back_again(
    case: tuple[Line, list[int]], data: st.DataObject
) -> None:
    line, stops = case
    rest = all_of(line)
    for parts in steps(line, stops):
        rest -= portion(rest, data.draw(st.integers(0, rest.total)))
        back = fitted(parts, rest)
        assert back.total == min(parts.total, rest.total)
        rest -= back
        assert is_possible(rest)
    assert rest == NOTHING
