"""The fast check of an import's rows refuses what the API's schema refuses, and makes the same values of the rest."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from app.core.money import Money, exponent
from app.products import gtin
from app.products.attributes import MAX_KEYS
from app.products.checking import RowChecker
from app.products.schemas.products import ProductIn
from tests.servers import on_sqlite

pytestmark = [on_sqlite, pytest.mark.usefixtures("context")]

TARGETS: Final = ("asin", "name", "brand", "price", "description", "gtin", "images", "attributes")


def checker(targets: Any = TARGETS, currency: str = "USD") -> RowChecker:
    return RowChecker(
        targets=targets, names=targets, currency=currency, decimals=exponent(currency), private=frozenset()
    )


def by_schema(row: dict[str, Any]) -> dict[str, Any] | set[str]:
    """What the schema makes of a row, or the columns that it refuses."""
    try:
        return {name: value for name, value in ProductIn().load(row).items() if name in row}
    except ValidationError as error:
        return set(error.messages_dict)


def by_checker(row: dict[str, Any]) -> dict[str, Any] | set[str]:
    """The same by the checker, with the price as the schema gives it."""
    names = tuple(row)
    values, reasons = checker(names).check([row[name] for name in names])
    if reasons:
        return {name for name, _ in reasons}
    if "price" in values:
        values["price"] = Money(values["price"], "USD")
    return values


def gtins() -> st.SearchStrategy[str]:
    digits = st.sampled_from((7, 11, 12, 13)).flatmap(lambda size: st.text("0123456789", min_size=size, max_size=size))
    right = digits.map(lambda text: text + str(gtin.check_digit(text)))
    return st.one_of(right, st.text("0123456789 -", max_size=15), st.just(""))


TEXTS: Final = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="aA1 é\u0301\u00a0\n\r\t\0\u202e\u0085\u2028\u200b\u3164<&'=", max_size=12),
    st.sampled_from(
        [
            "x" * 255,
            "x" * 256,
            "é" * 500,
            "x" * 501,
            " " * 9,
            "x" * 10_000,
            "x" * 10_001,
            "e\u0301" * 500,
            "a" + "\u0301" * 30,
            "a" + "\u0316" * 31,
            "\uff9e" * 31,
            " " * 9_000 + "é",
            "\u00e9" * 2_001,
        ]
    ),
)
ASINS: Final = st.one_of(
    st.text("ABCab019", min_size=9, max_size=11),
    st.sampled_from([" b0cw1a0001 ", "B0CW1A000\u0131", "\uff22" * 10, ""]),
)
PRICES: Final = st.one_of(
    st.from_regex(r"[0-9]{1,17}(\.[0-9]{0,5})?", fullmatch=True),
    st.sampled_from(
        ["3.505", "1e3", "-1.00", "+1.00", "NaN", "Infinity", "1,299.90", "01.00", ".5", "5.", "0", "", "1_0", "٣",
         "9999999999999999", "0.00", "1" * 41]
    ),
)  # fmt: skip
ADDRESSES: Final = st.lists(
    st.sampled_from(
        ["https://images.example/a.jpg", "http://127.0.0.1/a.jpg", "ftp://x.example/a", "https://u:p@x.example/",
         "https://" + "x" * 2100, "nonsense", "https://images.example/ä.jpg"]
    ),
    max_size=22,
)  # fmt: skip
VALUES: Final = st.one_of(
    st.text(max_size=6), st.booleans(), st.integers(), st.floats(), st.none(), st.lists(st.text(max_size=3), max_size=3)
)
ATTRIBUTES: Final = st.one_of(
    st.dictionaries(st.text(max_size=5), VALUES, max_size=4),
    st.just({f"key {at}": at for at in range(MAX_KEYS + 1)}),
    st.just({"a": {"b": 1}}),
)


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {"asin": ASINS},
        optional={"name": TEXTS, "brand": TEXTS, "description": TEXTS, "price": PRICES, "gtin": gtins(),
                  "images": ADDRESSES, "attributes": ATTRIBUTES},
    )
)  # fmt: skip
def test_a_row_is_refused_where_the_schema_refuses_it_and_else_is_what_the_schema_makes(row: dict[str, Any]) -> None:
    complete = {"name": "Kettle", "price": "1.00"} | row
    assert by_checker(complete) == by_schema(complete)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ASINS, TEXTS, PRICES, gtins())
def test_the_reasons_are_in_the_words_of_the_schema(asin: str, name: str, price: str, number: str) -> None:
    row = {"asin": asin, "name": name, "price": price, "gtin": number}
    _, reasons = checker(tuple(row)).check(list(row.values()))
    try:
        ProductIn().load(row)
        expected: Any = {}
    except ValidationError as error:
        expected = error.messages
    assert dict(reasons) == {field: texts[0] for field, texts in expected.items()}


@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD"])
def test_prices_are_whole_minor_units_of_the_shops_currency(app: Flask, currency: str) -> None:
    found = {
        text: checker(("asin", "price"), currency).check(["B0CW1A0001", text])
        for text in ("12", "12.5", "12.50", "12.345", "0", "999999999999999.99", " 7 ")
    }
    decimals = exponent(currency)
    scale = 10**decimals
    assert found["12"][0]["price"] == 12 * scale
    assert found[" 7 "][0]["price"] == 7 * scale
    for text, digits in (("12.5", 1), ("12.50", 2), ("12.345", 3)):
        if digits <= decimals:
            assert found[text][0]["price"] == round(float(text) * scale)
        else:
            assert found[text][1] == [("price", f"has more decimals than {currency} allows ({decimals}).")]


@pytest.mark.parametrize("value", [12.5, 12, True, ["1.00"], {"amount": "1.00"}])
def test_a_price_that_is_a_number_is_refused_because_it_may_have_lost_cents(value: Any) -> None:
    _, reasons = checker(("asin", "price")).check(["B0CW1A0001", value])
    assert reasons == [("price", 'must be a text such as "12.50": a number cannot hold every amount exactly.')]


@pytest.mark.parametrize(
    ("target", "cell", "value"),
    [
        ("is_active", "Yes", True), ("is_active", "0", False), ("is_active", True, True), ("is_active", " No ", False),
        ("low_stock_threshold", "5", 5), ("low_stock_threshold", "", None), ("low_stock_threshold", 7, 7),
        ("brand", "", None), ("brand", None, None), ("gtin", "", None), ("description", None, ""),
        ("images", "https://a.example/1 https://a.example/2", ["https://a.example/1", "https://a.example/2"]),
        ("images", "", []), ("categories", "lamps | Kitchen > Kettles|", ["lamps", "Kitchen > Kettles"]),
        ("categories", ["lamps"], ["lamps"]), ("categories", "", []),
        ("attributes", '{"colour": " red "}', {"colour": "red"}), ("attributes", "", {}),
        ("attributes", {"a": 1}, {"a": 1}),
    ],
)  # fmt: skip
def test_cells_say_things_in_the_ways_of_files(target: str, cell: Any, value: Any) -> None:
    values, reasons = checker(("asin", target)).check(["B0CW1A0001", cell])
    assert (values.get(target), reasons) == (value, [])


def test_an_empty_cell_leaves_it_open_whether_a_product_is_active() -> None:
    values, reasons = checker(("asin", "is_active")).check(["B0CW1A0001", ""])
    assert (values, reasons) == ({"asin": "B0CW1A0001"}, [])


@pytest.mark.parametrize(
    ("target", "cell"),
    [
        ("is_active", "perhaps"), ("is_active", 1), ("low_stock_threshold", "-1"), ("low_stock_threshold", "1.5"),
        ("low_stock_threshold", True), ("low_stock_threshold", "9" * 11), ("categories", [1]), ("categories", "x\0"),
        ("attributes", "[1]"), ("attributes", "{"), ("attributes", {"a": {"b": 1}}), ("currency", "EUR"),
        ("name", 5), ("gtin", 4006381333931), ("images", [1]),
    ],
)  # fmt: skip
def test_what_is_none_of_that_is_refused_by_its_column(target: str, cell: Any) -> None:
    _, reasons = checker(("asin", target)).check(["B0CW1A0001", cell])
    assert [name for name, _ in reasons] == [target]


def test_single_attributes_are_merged_and_an_empty_one_is_taken_away() -> None:
    targets = ("asin", "attribute:colour", "attribute:size")
    values, reasons = checker(targets).check(["B0CW1A0001", " red ", ""])
    assert (values["attribute"], reasons) == ({"colour": "red", "size": None}, [])
    _, reasons = checker(targets).check(["B0CW1A0001", "x" * 501, ""])
    assert [name for name, _ in reasons] == ["attribute:colour"]


def test_a_row_without_an_asin_is_refused_and_a_name_that_json_lines_leave_out_is_no_value() -> None:
    assert checker(("name", "asin")).check({0: "Kettle"})[1] == [("asin", "Missing data for required field.")]
    assert checker(("name", "asin")).check({1: "B0CW1A0001"}) == ({"asin": "B0CW1A0001"}, [])


def test_values_survive_being_written_as_json() -> None:
    values, _ = checker().check(
        [
            "B0CW1A0001",
            "Kettle",
            "Lumo",
            "1.00",
            "",
            "",
            "https://a.example/1",
            orjson.dumps({"a": [1.5, "x"]}).decode(),
        ]
    )
    assert orjson.loads(orjson.dumps(values)) == values
