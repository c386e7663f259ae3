"""What an order costs: whole numbers that add up, whatever is bought on whatever terms."""

from __future__ import annotations

from dataclasses import asdict
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.orders.models.orders import OrderLine
from app.orders.pricing import Discount, Priced, Terms, price
from app.orders.shares import all_of, parts_of

PLAIN = Terms(tax_rate_ppm=0, tax_included=True, shipping_minor=0, free_shipping_minor=None)


def terms(**changes: object) -> Terms:
    values = {name: getattr(PLAIN, name) for name in Terms.__slots__} | changes
    return Terms(**values)


amounts = st.one_of(st.integers(0, 20_000), st.integers(0, 10**12))
some_terms = st.builds(
    Terms,
    tax_rate_ppm=st.one_of(st.sampled_from([0, 70_000, 190_000, 88_750, 1_000_000]), st.integers(0, 1_000_000)),
    tax_included=st.booleans(),
    shipping_minor=st.integers(0, 10_000),
    free_shipping_minor=st.one_of(st.none(), amounts),
)
some_items = st.lists(
    st.builds(Priced, quantity=st.integers(1, 999), unit_price_minor=amounts), min_size=1, max_size=50
)
some_discount = st.one_of(
    st.none(),
    st.builds(Discount, code=st.just("TEN"), percent_ppm=st.integers(1, 1_000_000)),
    st.builds(Discount, code=st.just("TEN"), amount_minor=st.integers(1, 10**9)),
)


@given(items=some_items, of=some_terms, discount=some_discount)
def test_lines_add_up_to_the_order_and_nothing_is_negative(
    items: list[Priced], of: Terms, discount: Discount | None
) -> None:
    totals = price(items, terms=of, discount=discount)
    for name in ("subtotal_minor", "discount_minor", "shipping_minor", "tax_minor", "total_minor"):
        assert getattr(totals, name) == sum(getattr(line, name) for line in totals.lines)
    on_top = 0 if of.tax_included else totals.tax_minor
    assert totals.total_minor == totals.subtotal_minor - totals.discount_minor + totals.shipping_minor + on_top
    for item, line in zip(items, totals.lines, strict=True):
        assert line.subtotal_minor == item.quantity * item.unit_price_minor
        assert 0 <= line.discount_minor <= line.subtotal_minor
        assert 0 <= line.shipping_tax_minor <= line.tax_minor
        assert min(line.shipping_minor, line.total_minor) >= 0


@given(items=some_items, of=some_terms, discount=some_discount)
def test_discount_and_fee_are_divided_without_a_rest(items: list[Priced], of: Terms, discount: Discount | None) -> None:
    totals = price(items, terms=of, discount=discount)
    goods = totals.subtotal_minor - totals.discount_minor
    assert totals.discount_minor == (discount.of(totals.subtotal_minor) if discount else 0)
    is_free = of.free_shipping_minor is not None and goods >= of.free_shipping_minor
    assert totals.shipping_minor == (0 if is_free else of.shipping_minor)


@given(items=some_items, of=some_terms, discount=some_discount)
def test_tax_is_what_decimals_say_rounded_half_up_line_by_line(
    items: list[Priced], of: Terms, discount: Discount | None
) -> None:
    rate = Decimal(of.tax_rate_ppm) / 1_000_000

    def tax(amount: int) -> int:
        exact = Decimal(amount) * rate / (1 + rate) if of.tax_included else Decimal(amount) * rate
        return int(exact.quantize(Decimal(1), ROUND_HALF_UP))

    for line in price(items, terms=of, discount=discount).lines:
        assert line.shipping_tax_minor == tax(line.shipping_minor)
        assert line.tax_minor == tax(line.subtotal_minor - line.discount_minor) + line.shipping_tax_minor


@given(items=some_items, of=some_terms, discount=some_discount, data=st.data())
def test_the_parts_of_a_line_sum_to_the_line(
    items: list[Priced], of: Terms, discount: Discount | None, data: st.DataObject
) -> None:
    totals = price(items, terms=of, discount=discount)
    for item, line in zip(items, totals.lines, strict=True):
        cuts = sorted({0, item.quantity, *data.draw(st.lists(st.integers(0, item.quantity), max_size=3))})
        stored = OrderLine(quantity=item.quantity, **asdict(line))
        parts = [parts_of(stored, before, after) for before, after in pairwise(cuts)]
        assert sum(part.total for part in parts) == line.total_minor == all_of(stored).total
        assert sum(part.tax for part in parts) == line.tax_minor
        assert all(min(part.total, part.tax, part.net) >= 0 for part in parts)


@pytest.mark.parametrize(
    ("rate", "included", "amount", "tax"),
    [
        (190_000, True, 119, 19),
        (190_000, True, 1999, 319),  # 319.168
        (190_000, False, 1999, 380),  # 379.81
        (70_000, True, 107, 7),
        (250_000, False, 2, 1),  # 0.5
        (88_750, False, 1000, 89),  # 88.75
        (1_000_000, True, 1, 1),  # 0.5
        (0, True, 1999, 0),
    ],
)
def test_tax_by_example(rate: int, included: bool, amount: int, tax: int) -> None:
    totals = price([Priced(1, amount)], terms=terms(tax_rate_ppm=rate, tax_included=included))
    assert totals.tax_minor == tax
    assert totals.total_minor == (amount if included else amount + tax)


def test_three_lines_that_share_a_coupon_and_a_fee_lose_no_cent() -> None:
    """Rounded one by one, 10 % of three times 3.33 would be 0.99 and a fee of 1.00 in thirds 0.99."""
    totals = price(
        [Priced(1, 333)] * 3,
        terms=terms(shipping_minor=100),
        discount=Discount(code="TEN", percent_ppm=100_000),
    )
    assert [line.discount_minor for line in totals.lines] == [34, 33, 33]
    assert [line.shipping_minor for line in totals.lines] == [33, 34, 33]
    assert totals.total_minor == 999 - 100 + 100


def test_a_fee_falls_away_from_the_stated_subtotal_less_discount_on() -> None:
    of = terms(shipping_minor=490, free_shipping_minor=5000)
    assert price([Priced(1, 4999)], terms=of).shipping_minor == 490
    assert price([Priced(1, 5000)], terms=of).shipping_minor == 0
    assert price([Priced(1, 5000)], terms=of, discount=Discount(code="X", amount_minor=1)).shipping_minor == 490


def test_a_coupon_takes_off_no_more_than_there_is() -> None:
    totals = price([Priced(2, 100)], terms=terms(), discount=Discount(code="X", amount_minor=5000))
    assert (totals.discount_minor, totals.total_minor) == (200, 0)
    totals = price([Priced(2, 100)], terms=terms(), discount=Discount(code="X", percent_ppm=1_000_000))
    assert (totals.discount_minor, totals.total_minor) == (200, 0)
