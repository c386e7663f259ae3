"""What refunds are made of: parts of what was paid, never more of anything, and together all of it."""

from __future__ import annotations

from dataclasses import asdict

from hypothesis import given, settings
from hypothesis import strategies as st

from app.orders.models.orders import OrderLine
from app.orders.pricing import Discount, Priced, Terms, price
from app.orders.services.refund_parts import Share, all_left, cut, of_units, total_of
from app.orders.shares import NOTHING, LineParts, all_of

GOODS = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5_000)), min_size=1, max_size=4)
TERMS = st.builds(
    Terms,
    tax_rate_ppm=st.sampled_from([0, 70_000, 190_000, 88_750]),
    tax_included=st.booleans(),
    shipping_minor=st.integers(0, 999),
    free_shipping_minor=st.none(),
)
DISCOUNTS = st.one_of(
    st.none(),
    st.builds(Discount, code=st.just("X"), percent_ppm=st.integers(1, 1_000_000)),
    st.builds(Discount, code=st.just("X"), amount_minor=st.integers(1, 4_000)),
)
STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.integers(0, 100)), min_size=0, max_size=8
)
"""(line, units that leave, whether their fee goes back, or without units a percentage of all that is left)."""


def lines_of(goods: list[tuple[int, int]], terms: Terms, discount: Discount | None) -> list[OrderLine]:
    totals = price([Priced(*each) for each in goods], terms=terms, discount=discount)
    return [
        OrderLine(id=at, quantity=quantity, cancelled=0, shipped=0, returned=0, **asdict(amounts))
        for at, ((quantity, _), amounts) in enumerate(zip(goods, totals.lines, strict=True))
    ]


def take(left: dict[int, LineParts], shares: list[Share]) -> None:
    for share in shares:
        left[share.line_id] -= share.parts


def is_possible(parts: LineParts) -> bool:
    """Whether nothing of it is negative."""
    amounts = (parts.gross, parts.discount, parts.tax, parts.shipping, parts.total, parts.net, parts.contained_tax)
    return min(amounts) >= 0


@settings(deadline=None)
@given(GOODS, TERMS, DISCOUNTS, STEPS)
def test_whatever_goes_back_in_whatever_steps_is_part_of_what_was_paid(
    goods: list[tuple[int, int]], terms: Terms, discount: Discount | None, steps: list[tuple[int, int, bool, int]]
) -> None:
    lines = lines_of(goods, terms, discount)
    left = {line.id: all_of(line) for line in lines}
    for at, units, shipping, percent in steps:
        line = lines[at % len(lines)]
        count = min(units, line.quantity - line.cancelled)
        if count:
            line.cancelled += count
            shares = of_units(lines, {line.id: count}, left, shipping=shipping)
            assert [share.quantity for share in shares] == [count]
        else:
            whole = all_left(left)
            wanted = total_of(whole) * percent // 100
            shares = cut(whole, wanted)
            assert total_of(shares) == wanted
        assert all(is_possible(share.parts) for share in shares)
        take(left, shares)
        assert all(is_possible(parts) for parts in left.values())
    take(left, all_left(left))
    assert set(left.values()) == {NOTHING}


@settings(deadline=None)
@given(GOODS, TERMS, DISCOUNTS)
def test_units_that_leave_one_by_one_come_to_the_whole_line_with_its_fee(
    goods: list[tuple[int, int]], terms: Terms, discount: Discount | None
) -> None:
    lines = lines_of(goods, terms, discount)
    left = {line.id: all_of(line) for line in lines}
    for line in lines:
        for _ in range(line.quantity):
            line.cancelled += 1
            take(left, of_units(lines, {line.id: 1}, left, shipping=True))
    assert set(left.values()) == {NOTHING}


@settings(deadline=None)
@given(GOODS, TERMS, DISCOUNTS)
def test_the_fee_stays_where_only_the_goods_go_back(
    goods: list[tuple[int, int]], terms: Terms, discount: Discount | None
) -> None:
    lines = lines_of(goods, terms, discount)
    left = {line.id: all_of(line) for line in lines}
    for line in lines:
        line.cancelled = line.quantity
    take(left, of_units(lines, {line.id: line.quantity for line in lines}, left, shipping=False))
    for line in lines:
        fee_with_tax = line.shipping_minor + (0 if terms.tax_included else line.shipping_tax_minor)
        assert (left[line.id].total, left[line.id].tax) == (fee_with_tax, line.shipping_tax_minor)
        assert left[line.id].net == 0


def test_units_of_a_line_that_was_not_paid_give_nothing_back() -> None:
    (line,) = lines_of(
        [(2, 1_000)], Terms(tax_rate_ppm=0, tax_included=True, shipping_minor=0, free_shipping_minor=None), None
    )
    line.cancelled = 1
    assert of_units([line], {line.id: 1}, {}, shipping=True) == []
