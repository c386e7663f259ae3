"""Which state may follow which, and what follows from the counters of an order's lines."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.orders.errors import IllegalMove
from app.orders.models.orders import FulfilmentState, OrderState, PaymentState
from app.orders.services.moving import require
from app.orders.transitions import TABLES, Axis, fulfilment_of, payment_state_of

STATES = {Axis.ORDER: OrderState, Axis.PAYMENT: PaymentState, Axis.FULFILMENT: FulfilmentState}
EVERY = [(axis, before, after) for axis, states in STATES.items() for before in states for after in states]
ENDS = {OrderState.COMPLETED, OrderState.CANCELLED}


@dataclass(frozen=True)
class Line:
    """What a line counts."""

    quantity: int
    cancelled: int = 0
    shipped: int = 0
    returned: int = 0


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """A line whose counters keep to its CHECKs."""
    quantity = draw(st.integers(1, 4))
    shipped = draw(st.integers(0, quantity))
    return Line(quantity, draw(st.integers(0, quantity - shipped)), shipped, draw(st.integers(0, shipped)))


def test_every_state_has_its_row_and_names_only_states_of_its_axis() -> None:
    for axis, states in STATES.items():
        assert set(TABLES[axis]) == set(states)
        for before, allowed in TABLES[axis].items():
            assert set(allowed) <= set(states) - {before}


def test_every_state_but_the_first_can_be_reached_and_ends_are_ends() -> None:
    for axis, states in STATES.items():
        reached: set[str] = set()
        new: set[str] = {next(iter(states))}
        while new:
            reached |= new
            new = {after for before in new for after in TABLES[axis][before]} - reached
        assert reached == set(states)
    for end in ENDS:
        assert not TABLES[Axis.ORDER][end]


@pytest.mark.parametrize(("axis", "before", "after"), EVERY)
def test_a_move_that_is_not_in_the_table_is_refused_and_says_what_is(axis: Axis, before: str, after: str) -> None:
    allowed = TABLES[axis][before]
    if after in allowed:
        require(axis, before, after)
        return
    with pytest.raises(IllegalMove) as refused:
        require(axis, before, after)
    assert refused.value.facts == {"axis": axis, "state": before, "allowed": sorted(allowed)}


@pytest.mark.parametrize(
    ("counted", "delivered", "expected"),
    [
        ([Line(2)], False, "UNFULFILLED"),
        ([Line(2, cancelled=1)], False, "UNFULFILLED"),
        ([Line(2, cancelled=2), Line(1, cancelled=1)], False, "VOIDED"),
        ([Line(2, shipped=1)], False, "PARTIALLY_SHIPPED"),
        ([Line(2, shipped=1)], True, "PARTIALLY_SHIPPED"),
        ([Line(2, shipped=2), Line(1)], False, "PARTIALLY_SHIPPED"),
        ([Line(2, shipped=2, returned=1), Line(1)], True, "PARTIALLY_SHIPPED"),
        ([Line(2, shipped=1, cancelled=1)], False, "SHIPPED"),
        ([Line(2, shipped=1, cancelled=1)], True, "DELIVERED"),
        ([Line(2, shipped=2, returned=1)], True, "PARTIALLY_RETURNED"),
        ([Line(2, shipped=2, returned=2), Line(1, cancelled=1)], False, "RETURNED"),
        ([], False, "VOIDED"),
    ],
)
def test_how_far_the_goods_are_follows_from_the_lines(counted: list[Line], delivered: bool, expected: str) -> None:
    assert fulfilment_of(counted, delivered=delivered) == expected


@given(st.lists(st.builds(Line, *[st.integers(-5, 5)] * 4)), st.booleans())
def test_counters_that_contradict_each_other_still_have_a_state(counted: list[Line], delivered: bool) -> None:
    assert fulfilment_of(counted, delivered=delivered) in FulfilmentState


@given(st.lists(lines(), min_size=1, max_size=3), st.booleans())
def test_whatever_happens_to_a_line_next_is_a_move_that_is_allowed(counted: list[Line], delivered: bool) -> None:
    before = fulfilment_of(counted, delivered=delivered)
    first, rest = counted[0], counted[1:]
    steps = [
        (
            Line(first.quantity, first.cancelled, first.shipped + 1, first.returned),
            False,
        ),  # another parcel is under way
        (Line(first.quantity, first.cancelled + 1, first.shipped, first.returned), delivered),
    ]
    if first.cancelled + first.shipped == first.quantity:
        steps = []
    if first.returned < first.shipped:
        steps.append((Line(first.quantity, first.cancelled, first.shipped, first.returned + 1), delivered))
    steps.append((first, True))
    for line, is_delivered in steps:
        after = fulfilment_of([line, *rest], delivered=is_delivered)
        if after != before:
            require(Axis.FULFILMENT, before, after)


@pytest.mark.parametrize(
    ("captured", "refunded", "expected"),
    [(10, 0, "PAID"), (10, 3, "PARTIALLY_REFUNDED"), (10, 10, "REFUNDED"), (0, 0, "PAID")],
)
def test_how_far_the_money_is_follows_from_what_went_back(captured: int, refunded: int, expected: str) -> None:
    assert payment_state_of(captured_minor=captured, refunded_minor=refunded) == expected
