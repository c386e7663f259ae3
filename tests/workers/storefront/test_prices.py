from __future__ import annotations

from decimal import Decimal

import pytest
from babel.localedata import locale_identifiers
from babel.numbers import format_currency
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import Money, exponent
from app.rpa.rules.codes import Code
from workers.errors import TaskError
from workers.storefront.prices import PriceUnparsed, read_machine_price, read_price, read_structured_price

LOCALES = sorted(locale_identifiers())
CURRENCIES = ["USD", "EUR", "GBP", "JPY", "SEK", "CHF", "INR", "KWD", "CAD", "PLN", "CNY", "BRL", "KRW"]

READABLE = [
    ("$1,299.99", "en_US", "1299.99 USD"),
    ("1.299,00 €", "de_DE", "1299.00 EUR"),
    ("12,99 €*", "de_DE", "12.99 EUR"),
    ("3.350", "de_DE", "3350.00 EUR"),
    ("EUR 12,50", "de_DE", "12.50 EUR"),
    ("12,-", "de_DE", "12.00 EUR"),
    ("€ 12,- ", "nl_NL", "12.00 EUR"),
    ("₹1,29,999", "en_IN", "129999.00 INR"),
    ("₹1,29,999", "hi_IN", "129999.00 INR"),
    ("Rs. 999", "en_IN", "999.00 INR"),
    ("12 345,67 kr", "sv_SE", "12345.67 SEK"),
    ("12\u00a0345,67\u00a0kr", "sv_SE", "12345.67 SEK"),
    ("12\u202f345,67\u202fkr", "sv_SE", "12345.67 SEK"),
    ("129:-", "sv_SE", "129.00 SEK"),
    ("1'299.00 CHF", "de_CH", "1299.00 CHF"),
    ("1’299.00 CHF", "de_CH", "1299.00 CHF"),
    ("CHF 12.–", "de_CH", "12.00 CHF"),
    ("Fr. 12.50", "fr_CH", "12.50 CHF"),
    ("¥12,800", "ja_JP", "12800 JPY"),
    ("12,800円", "ja_JP", "12800 JPY"),
    ("￥１２，８００", "ja-JP", "12800 JPY"),
    ("Free", "en_US", "0.00 USD"),
    ("kostenlos", "de_DE", "0.00 EUR"),
    ("無料", "ja_JP", "0 JPY"),
    ("USD 5", "en_US", "5.00 USD"),
    ("$5", "en_CA", "5.00 CAD"),
    ("C$5.00 CAD", "en_CA", "5.00 CAD"),
    ("5 dollars", "en_US", "5.00 USD"),
    ("1.500 KWD", "en_US", "1.500 KWD"),
    ("0,99 zł", "pl_PL", "0.99 PLN"),
]


@pytest.mark.parametrize(("text", "locale", "amount"), READABLE)
def test_a_price_is_read_as_its_shop_writes_it(text: str, locale: str, amount: str) -> None:
    assert str(read_price(text, locale=locale, currency=amount.split()[1])) == amount


UNPARSED = [
    ("", "en_US", "USD"),
    ("N/A", "en_US", "USD"),
    ("call us", "en_US", "USD"),
    ("Free shipping", "en_US", "USD"),
    ("kostenlos", "en_US", "USD"),
    ("-$5", "en_US", "USD"),
    ("$-5", "en_US", "USD"),
    ("($5)", "en_US", "USD"),
    ("\u22125 €", "de_DE", "EUR"),
    ("5-", "en_US", "USD"),
    ("10%", "en_US", "USD"),
    ("$3.00/kg", "en_US", "USD"),
    ("$3.00 / 100 g", "en_US", "USD"),
    ("$3.00 per kg", "en_US", "USD"),
    ("€10", "en_US", "USD"),
    ("US$5", "en_CA", "CAD"),
    ("10 EUR", "sv_SE", "SEK"),
    ("1.23", "de_DE", "EUR"),
    ("12.50 €", "de_DE", "EUR"),
    ("12,50", "en_US", "USD"),
    ("12.345", "en_US", "USD"),
    ("10.000", "en_US", "USD"),
    ("$1,29,999", "en_US", "USD"),
    ("1 299", "en_US", "USD"),
    ("1299 00", "sv_SE", "SEK"),
    ("1,299'000", "en_US", "USD"),
    ("12,5,0", "de_DE", "EUR"),
    ("¥12.5", "ja_JP", "JPY"),
    ("$12\u2079\u2079", "en_US", "USD"),
    ("1\u00bd €", "de_DE", "EUR"),
    ("007", "en_US", "USD"),
    ("$5.", "en_US", "USD"),
    ("12,50,-", "de_DE", "EUR"),
    ("9" * 30, "en_US", "USD"),
    (" " * 201, "en_US", "USD"),
]


@pytest.mark.parametrize(("text", "locale", "currency"), UNPARSED)
def test_what_is_no_amount_is_refused(text: str, locale: str, currency: str) -> None:
    with pytest.raises(TaskError) as refusal:
        read_price(text, locale=locale, currency=currency)
    assert refusal.value.code is Code.PRICE_UNPARSED


AMBIGUOUS = ["from $10", "From: $10", "$10+", "up to $10", "$10 - $20", "$10–$20", "$30 $24.99", "24x $10", "12|99"]


@pytest.mark.parametrize("text", AMBIGUOUS)
def test_a_text_with_several_amounts_or_one_end_of_a_range_is_refused(text: str) -> None:
    with pytest.raises(TaskError) as refusal:
        read_price(text, locale="en_US", currency="USD")
    assert refusal.value.code is Code.PRICE_AMBIGUOUS


@given(
    locale=st.sampled_from(LOCALES),
    currency=st.sampled_from(CURRENCIES),
    minor=st.integers(min_value=0, max_value=10**14 - 1),
)
def test_what_a_locale_writes_reads_back_as_the_same_amount(locale: str, currency: str, minor: int) -> None:
    money = Money(minor, currency)
    assert read_price(format_currency(money.amount, currency, locale=locale), locale=locale, currency=currency) == money


@given(text=st.text(max_size=220), locale=st.sampled_from(["en_US", "de_DE", "sv_SE", "ar_EG", "hi_IN"]))
def test_any_text_is_an_amount_or_a_refusal(text: str, locale: str) -> None:
    try:
        end: Code | bool = read_price(text, locale=locale, currency="EUR").minor >= 0
    except TaskError as refusal:
        end = refusal.code
    assert end in {True, Code.PRICE_UNPARSED, Code.PRICE_AMBIGUOUS}


@given(text=st.text(alphabet="0123456789., '$€-x", max_size=20))
def test_an_amount_has_exactly_the_digits_that_were_shown(text: str) -> None:
    try:
        money = read_price(text, locale="en_US", currency="USD")
    except TaskError:
        return
    shown = "".join(c for c in text if c.isdigit())
    assert f"{money.amount:f}".replace(".", "").lstrip("0").rstrip("0") == shown.lstrip("0").rstrip("0")


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [
        ("1299.00", "USD", "1299.00"),
        (Decimal("24.99"), "USD", "24.99"),
        (1299, "USD", "1299.00"),
        (Decimal("12.5"), "USD", "12.50"),
        ("219.9900", "USD", "219.99"),
        ("12800.0", "JPY", "12800"),
        ("1.500", "KWD", "1.500"),
        (" 5 ", "EUR", "5.00"),
    ],
)
def test_structured_data_writes_plain_numbers(value: object, currency: str, amount: str) -> None:
    assert read_machine_price(value, currency).decimal_string() == amount


NO_PRICES: list[object] = [
    *(True, None, {}, [], 10**40, -5),
    *("", "1,299.00", "-1", "1e3", "1.299", "19.999999", "9" * 400, "٣", "5\n5"),
    *(Decimal(text) for text in ("NaN", "Infinity", "1e999999", "1e-999999", "-1")),
]


@pytest.mark.parametrize("value", NO_PRICES)
def test_other_structured_values_are_no_prices(value: object) -> None:
    with pytest.raises(PriceUnparsed):
        read_machine_price(value, "USD")


def test_a_localised_structured_price_is_read_by_the_locale() -> None:
    assert read_structured_price("1.299,00", locale="de_DE", currency="EUR") == Money(129900, "EUR")
    assert read_structured_price("1.299", locale="de_DE", currency="EUR") == Money(129900, "EUR")
    with pytest.raises(PriceUnparsed):
        read_structured_price("1.299", locale="en_US", currency="USD")


@given(minor=st.integers(min_value=0, max_value=10**14), currency=st.sampled_from(CURRENCIES))
def test_a_plain_decimal_reads_back_from_structured_data(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert exponent(currency) in (0, 2, 3)
    assert read_machine_price(money.decimal_string(), currency) == money
