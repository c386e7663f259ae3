"""Rows of files of sales: which are facts, exactly to the minor unit, and which are refused for which reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import decimal_text
from app.operations.files.guessing import Guess
from app.orders.sales_columns import NEEDED, TARGETS, guess_columns
from app.orders.sales_rows import SaleChecker, instant_of

NOW: Final = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
ROW: Final = {
    "external_id": "a-1", "sold_at": "2025-03-01T09:30:00+01:00", "asin": "B0CW1A0001", "quantity": "2",
    "gross": "24.00",
}  # fmt: skip
amounts = st.integers(0, 10**9)


def check(
    row: dict[str, Any], *, tax_included: bool = False, currency: str = "USD", zone: str = "Europe/Berlin"
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What is made of a row whose columns are called like what they are."""
    checker = SaleChecker(
        targets=list(row),
        names=list(row),
        currency=currency,
        tax_included=tax_included,
        zone=ZoneInfo(zone),
        now=NOW,
    )
    return checker.check(list(row.values()))


def made(row: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The fact that a row is."""
    values, reasons = check(row, **options)
    assert reasons == []
    return values


def money(values: dict[str, Any]) -> tuple[int, ...]:
    return tuple(values[name] for name in ("gross", "discount", "tax", "shipping", "net", "total"))


def test_where_tax_comes_on_top_net_is_gross_less_discount() -> None:
    row = ROW | {"discount": "2.00", "tax": "4.75", "shipping": "3.00"}
    assert money(made(row)) == (2400, 200, 475, 300, 2200, 2975)


def test_where_prices_contain_tax_net_is_without_it() -> None:
    row = ROW | {"discount": "2.00", "tax": "3.51"}
    assert money(made(row, tax_included=True)) == (2400, 200, 351, 0, 1849, 2200)


@pytest.mark.parametrize("given", [{"net": "18.49"}, {"total": "25.57"}])
def test_where_shipping_was_taxed_too_net_or_total_says_how_much_of_the_tax_is_that_of_the_goods(
    given: dict[str, str],
) -> None:
    row = ROW | {"discount": "2.00", "tax": "4.08", "shipping": "3.00"}
    assert money(made(row | given, tax_included=True)) == (2400, 200, 408, 300, 1849, 2557)
    (reason,) = check(row, tax_included=True)[1]
    assert reason[0] == "net"
    assert "is needed, or total" in reason[1]


def test_a_refund_is_said_by_its_kind_or_by_negative_amounts_and_is_the_same_fact() -> None:
    plain = ROW | {"discount": "2.00", "tax": "4.75", "shipping": "3.00", "net": "22.00", "total": "29.75"}
    numbers = ("quantity", "gross", "discount", "tax", "shipping", "net", "total")
    turned = plain | {name: f"-{plain[name]}" for name in numbers}
    found = [made(plain | {"kind": "Refund"}), made(turned), made(turned | {"kind": "refund"})]
    assert found[0] == found[1] == found[2]
    assert (found[0]["kind"], found[0]["quantity"]) == ("refund", -2)
    assert money(found[0]) == (-2400, -200, -475, -300, -2200, -2975)
    sale = made(plain)
    assert (sale["kind"], sale["quantity"], money(sale)) == ("sale", 2, tuple(-one for one in money(found[0])))


def test_money_that_goes_back_while_the_goods_stay_is_a_refund_of_no_units() -> None:
    assert made(ROW | {"kind": "refund", "quantity": "0"})["quantity"] == 0
    assert check(ROW | {"quantity": "0"})[1] == [("quantity", "must be at least 1 in a sale.")]


@pytest.mark.parametrize(
    ("changed", "column", "said"),
    [
        ({"gross": "24.001"}, "gross", "has more decimals than USD allows (2)."),
        ({"gross": "1,024.00"}, "gross", "must be a plain decimal"),
        ({"gross": "2.4e1"}, "gross", "must be a plain decimal"),
        ({"gross": "+24.00"}, "gross", "must be a plain decimal"),
        ({"gross": "NaN"}, "gross", "must be a plain decimal"),
        ({"gross": "9999999999999.00"}, "gross", "is too large."),
        ({"gross": 24}, "gross", "must be a text"),
        ({"gross": ""}, "gross", "Missing data for required field."),
        ({"quantity": ""}, "quantity", "Missing data for required field."),
        ({"quantity": "1.5"}, "quantity", "must be a whole number"),
        ({"quantity": "1000000001"}, "quantity", "must be a whole number"),
        ({"quantity": True}, "quantity", "must be a whole number"),
        ({"discount": "24.01"}, "discount", "is more than gross, 24.00."),
        ({"discount": "-2.00"}, "discount", "is negative, but quantity, gross are positive."),
        ({"quantity": "-2"}, "quantity", "is negative, but gross is positive."),
        ({"gross": "-24.00"}, "quantity", "is positive, but gross is negative."),
        ({"gross": "-24.00", "total": "24.00"}, "gross", "is negative, but quantity, total are positive."),
        ({"gross": "-24.00", "quantity": "-2", "tax": "1.00"}, "tax", "is positive, but quantity, gross are negative."),
        ({"kind": "refund", "tax": "-1.00"}, "tax", "is negative, but quantity, gross are positive."),
        ({"kind": "sale", "gross": "-24.00", "quantity": "-2"}, "quantity", "must not be negative in a sale."),
        ({"kind": "sale", "tax": "-1.00"}, "tax", "must not be negative in a sale."),
        ({"kind": "swap"}, "kind", "must be sale or refund."),
        ({"net": "23.99"}, "net", "is 23.99, but gross less discount is 24.00."),
        ({"total": "23.99"}, "total", "is 23.99, but net, shipping and tax are 24.00."),
        ({"currency": "EUR"}, "currency", "must be USD, the currency of this shop."),
        ({"asin": "kettle"}, "asin", "must be ten letters and digits"),
        ({"external_id": " "}, "external_id", "Missing data for required field."),
        ({"external_id": "x" * 73}, "external_id", "Length must be between"),
        ({"external_id": "a\x00b"}, "external_id", "must not contain control characters."),
        ({"name": "x" * 501}, "name", "Length must be between"),
        ({"sold_at": ""}, "sold_at", "Missing data for required field."),
        ({"sold_at": "2025-03-01T09:30:00"}, "sold_at", "needs a time zone"),
        ({"sold_at": "01.03.2025"}, "sold_at", "must be a day such as"),
        ({"sold_at": "45717"}, "sold_at", "must be a day such as"),
        ({"sold_at": "2025-02-30"}, "sold_at", "is no day that there is."),
        ({"sold_at": "2025-03-01T25:00:00Z"}, "sold_at", "is no instant that there is."),
        ({"sold_at": "2026-11-22"}, "sold_at", "lies in the future"),
        ({"sold_at": "2026-11-21T20:00:01Z"}, "sold_at", "lies in the future"),
        ({"sold_at": "1969-12-31"}, "sold_at", "lies before the year 1970."),
        ({"sold_at": "0001-01-01T00:00:00+14:00"}, "sold_at", "is no instant that there is."),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_with_its_column_and_the_rule(
    changed: dict[str, Any], column: str, said: str
) -> None:
    _, ((found, detail),) = check(ROW | changed)
    assert found == column
    assert said in detail


@pytest.mark.parametrize(
    ("changed", "named", "said"),
    [
        ({"tax": "3.83", "net": "20.18"}, "net", "is 20.18, but gross less discount and the tax in it is 20.17."),
        ({"tax": "3.83", "total": "24.01"}, "total", "is 24.01, so that net would be 20.18, but gross less"),
        ({"tax": "3.83", "shipping": "1.00", "net": "20.16"}, "net", "is from 20.17 to 24.00."),
        ({"tax": "3.83", "shipping": "1.00", "net": "24.01"}, "net", "is from 20.17 to 24.00."),
        ({"tax": "3.83", "shipping": "1.00", "total": "28.84"}, "total", "so that net would be 24.01, but"),
        ({"tax": "24.01"}, "tax", "is more than gross less discount, which contains it: 24.00."),
        ({"tax": "24.01", "net": "24.00"}, "tax", "is more than gross less discount"),
        ({"tax": "24.01", "total": "24.00"}, "tax", "is more than gross less discount"),
        ({"tax": "30.00", "shipping": "90.00", "total": "119.99"}, "total", "so that net would be -0.01, but"),
    ],
)
def test_amounts_that_cannot_be_those_of_prices_with_tax_are_refused_at_the_one_that_is_wrong(
    changed: dict[str, str], named: str, said: str
) -> None:
    _, ((column, detail),) = check(ROW | changed, tax_included=True)
    assert column == named
    assert said in detail


def test_every_column_that_breaks_a_rule_is_named_as_the_file_calls_it() -> None:
    targets = ["external_id", "sold_at", "asin", "quantity", "gross", None]
    names = ["Order line", "Date", "SKU", "Units", "Sales", "Remark"]
    checker = SaleChecker(
        targets=targets, names=names, currency="USD", tax_included=False, zone=ZoneInfo("UTC"), now=NOW
    )
    _, reasons = checker.check(["a-1", "yesterday", "kettle", "2", "24.00", "\x00"])
    assert [name for name, _ in reasons] == ["Date", "SKU"]
    _, reasons = checker.check(["", "2025-03-01", "B0CW1A0001", "2", "", ""])
    assert reasons == [(name, "Missing data for required field.") for name in ("Order line", "Sales")]


def test_a_day_is_the_noon_of_the_shops_day_and_an_instant_is_on_the_shops_day() -> None:
    day = made(ROW | {"sold_at": "2025-07-01"})
    assert (instant_of(day["sold_at"]), day["sold_on"]) == (datetime(2025, 7, 1, 10, tzinfo=UTC), "2025-07-01")
    winter = made(ROW | {"sold_at": "2025-01-01"})
    assert instant_of(winter["sold_at"]) == datetime(2025, 1, 1, 11, tzinfo=UTC)
    late = made(ROW | {"sold_at": "2025-06-30T23:30:00.000001Z"})
    assert late["sold_at"].endswith("23:30:00.000001")
    assert late["sold_on"] == "2025-07-01"
    assert made(ROW | {"sold_at": "2025-06-30 23:30Z"}, zone="America/New_York")["sold_on"] == "2025-06-30"


def test_amounts_have_as_many_decimals_as_the_currency() -> None:
    assert made(ROW | {"gross": "2400"}, currency="JPY")["gross"] == 2400
    assert check(ROW | {"gross": "24.50"}, currency="JPY")[1][0][0] == "gross"
    assert made(ROW | {"gross": "24.505"}, currency="KWD")["gross"] == 24505
    assert made(ROW | {"gross": "24.500"})["gross"] == 2450


@given(goods=amounts, discount=amounts, goods_tax=amounts, shipping=amounts, fee_tax=amounts, with_tax=st.booleans())
def test_what_an_order_would_have_made_is_taken_as_it_is_and_anything_else_is_refused(
    goods: int, discount: int, goods_tax: int, shipping: int, fee_tax: int, *, with_tax: bool
) -> None:
    fee_tax = fee_tax if shipping else 0
    contained = goods_tax if with_tax else 0
    net, tax = goods, goods_tax + fee_tax
    total = net + shipping + tax
    expected = (goods + contained + discount, discount, tax, shipping, net, total)
    said = {
        name: decimal_text(minor, "USD")
        for name, minor in zip(("gross", "discount", "tax", "shipping", "net", "total"), expected, strict=True)
    }
    assert money(made(ROW | said, tax_included=with_tax)) == expected
    assert money(made(ROW | said | {"net": ""}, tax_included=with_tax)) == expected
    for name, minor in (("net", net), ("total", total)):
        wrong = said | {name: decimal_text(minor + 1, "USD")}
        assert check(ROW | wrong, tax_included=with_tax)[1]


def test_columns_are_guessed_by_their_names_and_by_what_stands_in_them() -> None:
    names = ["Order Item ID", "Purchase date", "Code", "Title", "Qty", "Gross sales", "VAT", "Shipping fee", "Remark"]
    values: list[list[Any]] = [["1"], ["2025-03-01"], ["B0CW1A0001"], ["Kettle"], ["2"], ["1.00"], [], [], ["text"]]
    guessed = [guess.target for guess in guess_columns(names, values)]
    assert guessed == ["external_id", "sold_at", "asin", "name", "quantity", "gross", "tax", "shipping", None]
    assert guess_columns(["when"], [["2025-03-01T10:00:00Z", "2025-03-02"]]) == [Guess("sold_at", "content")]
    assert [guess.target for guess in guess_columns(list(TARGETS), [[]] * len(TARGETS))] == list(TARGETS)
    assert set(NEEDED) <= set(TARGETS)


def test_the_price_of_a_unit_is_never_taken_for_that_of_all() -> None:
    for name in ("price", "unit price", "Item price", "list_price"):
        assert guess_columns([name], [["12.50"]]) == [Guess(None, None)]
