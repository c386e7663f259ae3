"""Amounts are exact or refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import MAX_MINOR, Money, MoneyError, exponent, readable

CURRENCIES = {"JPY": 0, "KRW": 0, "RSD": 2, "IQD": 3, "USD": 2, "EUR": 2, "INR": 2, "KWD": 3, "BHD": 3, "CLF": 4}
currencies = st.sampled_from(sorted(CURRENCIES))
amounts = st.integers(0, 10**15)


@pytest.mark.parametrize(("currency", "decimals"), CURRENCIES.items())
def test_the_decimals_are_those_of_iso_4217(currency: str, decimals: int) -> None:
    assert exponent(currency) == decimals


@given(amounts, currencies)
def test_what_json_carries_reads_back_as_the_same_amount(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert Money.parse(money.decimal_string(), currency) == money


@given(amounts, currencies)
def test_a_decimal_of_major_units_is_exact(minor: int, currency: str) -> None:
    assert Money.of(Money(minor, currency).amount, currency) == Money(minor, currency)


@given(st.integers(0, 10**9), st.integers(1, 9), currencies)
def test_one_decimal_too_many_is_refused_not_rounded(whole: int, last: int, currency: str) -> None:
    text = f"{whole}.{'0' * CURRENCIES[currency]}{last}"
    with pytest.raises(MoneyError):
        Money.parse(text, currency)


@given(st.text(max_size=12))
def test_any_text_is_an_exact_amount_or_refused(text: str) -> None:
    try:
        money = Money.parse(text, "USD")
    except MoneyError:
        return
    assert Decimal(text) * 100 == money.minor


@pytest.mark.parametrize(
    "text",
    ["3.505", "-1", "+1", "1e3", "1,299.00", "01", ".5", "5.", "", " 1", "1 ", "1\n", "٣", "NaN", "Infinity", "0x1"],
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(MoneyError):
        Money.parse(text, "USD")


@pytest.mark.parametrize(
    ("text", "currency", "rule"),
    [
        ("9" * 17, "USD", "is too large; at most 9999999999999999.99."),
        ("9" * 17 + ".00000", "USD", "is too large; at most 9999999999999999.99."),
        ("9" * 16, "KWD", "is too large; at most 9223372036854775.807."),
        ("9" * 17, "JPY", "is too large; at most 9999999999999999."),
        ("1.00000", "USD", "has more decimals than USD allows (2)."),
        ("1.5", "JPY", "has more decimals than JPY allows (0)."),
        ("1e400", "USD", "must be a plain non-negative decimal such as 1299.90."),
        ("0" * 20, "USD", "must be a plain non-negative decimal such as 1299.90."),
    ],
)
def test_what_is_refused_says_which_rule_it_breaks(text: str, currency: str, rule: str) -> None:
    with pytest.raises(MoneyError) as refused:
        Money.parse(text, currency)
    assert str(refused.value) == rule


@pytest.mark.parametrize(("currency", "largest"), [("USD", "9999999999999999.99"), ("KWD", "9223372036854775.807")])
def test_the_largest_amount_that_is_named_is_one(currency: str, largest: str) -> None:
    assert Money.parse(largest, currency).decimal_string() == largest


@pytest.mark.parametrize("currency", ["", "usd", "XXQ", "US"])
def test_an_unknown_currency_is_refused(currency: str) -> None:
    with pytest.raises(MoneyError, match="ISO 4217"):
        Money.parse("1", currency)


def test_more_than_the_database_holds_is_refused() -> None:
    assert Money.of(Decimal(MAX_MINOR), "JPY").minor == MAX_MINOR
    with pytest.raises(MoneyError, match="too large"):
        Money.of(Decimal(MAX_MINOR) + 1, "JPY")


def test_a_spelling_with_fewer_decimals_is_the_same_amount() -> None:
    assert Money.parse("3.5", "USD") == Money.parse("3.50", "USD") == Money(350, "USD")
    assert str(Money.parse("3.5", "KWD")) == "3.500 KWD"
    assert str(Money.parse("350", "JPY")) == "350 JPY"


def test_the_same_number_in_another_currency_is_another_amount() -> None:
    assert Money(100, "USD") != Money(100, "EUR")


@given(amounts, st.integers(1, 999))
def test_an_amount_is_split_evenly_or_not_at_all(minor: int, count: int) -> None:
    part = Money(minor, "USD").divided_by(count)
    if part is None:
        assert minor % count
    else:
        assert part.minor * count == minor


def test_a_change_in_percent_needs_a_base_in_the_same_currency() -> None:
    assert Money(1000, "USD").percent_change_to(Money(1125, "USD")) == Decimal("12.5")
    assert Money(1000, "USD").percent_change_to(Money(500, "USD")) == Decimal("-50.0")
    assert Money(0, "USD").percent_change_to(Money(500, "USD")) is None
    assert Money(1000, "USD").percent_change_to(Money(500, "EUR")) is None


@pytest.mark.parametrize(
    "amount",
    ["NaN", "sNaN", "Infinity", "-Infinity", "1e999999", "1e-999999", "1." + "0" * 40 + "1", "0." + "0" * 90 + "1"],
)
def test_a_decimal_that_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(MoneyError):
        Money.of(Decimal(amount), "USD")


def test_trailing_zeros_change_no_amount() -> None:
    assert Money.of(Decimal("1." + "0" * 60), "USD") == Money(100, "USD")
    assert Money.of(Decimal("-3.50"), "USD") == Money(-350, "USD")


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_any_decimal_is_an_exact_amount_or_refused(amount: Decimal) -> None:
    try:
        money = Money.of(amount, "KWD")
    except MoneyError:
        return
    assert money.amount == amount


@pytest.mark.parametrize(
    ("minor", "currency", "language", "text"),
    [
        (129990, "USD", "en", "$1,299.90"),
        (-500, "USD", "en", "-$5.00"),
        (0, "EUR", "en", "€0.00"),
        (1300, "JPY", "en", "¥1,300"),
        (3505, "KWD", "en", "KWD\N{NO-BREAK SPACE}3.505"),
        (1234, "IQD", "en", "IQD\N{NO-BREAK SPACE}1.234"),
        (129990, "EUR", "de", "1.299,90\N{NO-BREAK SPACE}€"),
        (129990, "CHF", "de-CH", "CHF\N{NO-BREAK SPACE}1’299.90"),
    ],
)
def test_an_amount_is_written_as_people_read_it_with_all_its_decimals(
    minor: int, currency: str, language: str, text: str
) -> None:
    assert readable(minor, currency, language) == text
