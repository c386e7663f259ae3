"""Amounts as Stripe counts them (https://docs.stripe.com/currencies)."""

from __future__ import annotations

import pytest
from babel.numbers import list_currencies
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import Money, exponent
from app.orders.providers.port import ProviderRefused
from app.orders.providers.units import from_stripe, to_stripe

LISTED = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF"
"""The page's list of zero-decimal currencies; UGX is also among its special cases, which say otherwise."""


@pytest.mark.parametrize(
    ("text", "currency", "number"),
    [
        ("10.00", "USD", 1_000),  # the page's own examples
        ("10", "JPY", 10),
        ("500", "JPY", 500),
        ("5.120", "KWD", 5_120),
        ("5", "ISK", 500),
        ("5", "UGX", 500),
        ("800.45", "TWD", 80_045),  # without decimals in payouts only
        ("10.45", "HUF", 1_045),
        ("12.00", "MGA", 12),
        ("0.01", "EUR", 1),
    ],
)
def test_an_amount_is_sent_as_stripe_counts_it_and_comes_back_as_it_was(text: str, currency: str, number: int) -> None:
    amount = Money.parse(text, currency)
    assert to_stripe(amount) == number
    assert from_stripe(number, currency.lower()) == amount


@pytest.mark.parametrize(("text", "currency"), [("5.124", "KWD"), ("5.001", "BHD"), ("12.50", "MGA"), ("0.005", "TND")])
def test_an_amount_that_stripe_has_no_number_for_is_refused_not_rounded(text: str, currency: str) -> None:
    with pytest.raises(ProviderRefused) as refused:
        to_stripe(Money.parse(text, currency))
    assert refused.value.code == "amount_not_chargeable"


def test_every_zero_decimal_currency_of_the_list_is_sent_in_whole_units() -> None:
    for currency in LISTED.split():
        whole = Money(7 * int("1" + "0" * exponent(currency)), currency)
        assert (currency, to_stripe(whole)) == (currency, 700 if currency == "UGX" else 7)


@given(st.integers(1, 10**11), st.sampled_from(sorted(list_currencies())))
def test_what_is_sent_means_the_same_amount_when_it_comes_back(minor: int, currency: str) -> None:
    amount = Money(minor, currency)
    try:
        sent = to_stripe(amount)
    except ProviderRefused:
        return
    assert from_stripe(sent, currency) == amount
