"""All fields of a product: what they take, what comes back, and what bad input is told."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from app.core.orm import json_text
from app.products import attributes as rules
from app.products import gtin
from tests.products.conftest import LAMP, URL, Send, changes, stored
from tests.servers import on_sqlite

FULL: Final = LAMP | {
    "gtin": "4006381333931",
    "attributes": {
        "Farbe": "Kupfer", "capacity_l": 1.7, "cordless": True, "boils": False, "watts": 2200, "none": [],
        "fits": ["gas", "induction"], "note": "two\nlines", "big": 2**53, "small": -(2**53), "exact": 0.123456789012345,
        "tiny": 1e-300,
    },
    "images": ["https://images.example/kettle.jpg", "http://images.example:8080/b.png?size=2&x=%20#top"],
}  # fmt: skip


def refused(answer: Any) -> dict[str, str]:
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json"), answer.text
    return {error["pointer"]: error["detail"] for error in answer.get_json()["errors"]}


def test_every_field_comes_back_as_it_was_sent(send: Send) -> None:
    made = send("POST", URL, FULL)
    assert made.status_code == 201, made.text
    for body in (made.get_json(), send("GET", made.headers["Location"]).get_json()):
        assert {name: body[name] for name in FULL} == FULL
        assert [type(body["attributes"][name]) for name in ("cordless", "watts", "capacity_l")] == [bool, int, float]
    listed = send("GET", URL).get_json()["items"]
    assert {name: listed[0][name] for name in FULL} == FULL


def test_what_is_left_out_of_a_put_is_what_a_new_product_has(app: Flask, send: Send) -> None:
    made = send("POST", URL, FULL)
    bare = {name: LAMP[name] for name in ("asin", "name", "price")}
    put = send("PUT", made.headers["Location"], bare, version=1).get_json()
    empty: dict[str, Any] = {
        "brand": None,
        "description": "",
        "is_active": True,
        "gtin": None,
        "attributes": {},
        "images": [],
    }
    assert {name: put[name] for name in empty} == empty
    assert {change[0] for change in changes(app)} == {"brand", "description", "gtin", "attributes", "images"}


def test_every_attribute_that_changes_is_a_row_with_both_values(app: Flask, send: Send) -> None:
    made = send("POST", URL, FULL)
    other = FULL | {"gtin": None, "attributes": {"b": 1, "a": "x"}, "images": []}
    send("PUT", made.headers["Location"], other, version=1)
    rows = {name: (previous, current) for name, previous, current in changes(app)}
    assert set(rows) == {"gtin", "attributes", "images"}
    assert rows["gtin"] == ("4006381333931", None)
    assert rows["images"] == (json.dumps(FULL["images"], separators=(",", ":")), "[]")
    assert rows["attributes"][1] == '{"a":"x","b":1}'
    assert json.loads(rows["attributes"][0] or "") == FULL["attributes"]


@pytest.mark.parametrize(
    ("before", "after"),
    [({"a": 1}, {"a": True}), ({"a": 0}, {"a": False}), ({"a": 1}, {"a": 1.0}), ({"a": 2}, {"a": "2"})],
)  # fmt: skip
def test_values_that_python_takes_for_the_same_are_a_change(
    app: Flask, send: Send, before: dict[str, Any], after: dict[str, Any]
) -> None:
    made = send("POST", URL, LAMP | {"attributes": before})
    put = send("PUT", made.headers["Location"], LAMP | {"attributes": after}, version=1)
    assert json.dumps(send("GET", made.headers["Location"]).get_json()["attributes"]) == json.dumps(after)
    assert (put.headers["ETag"], len(changes(app))) == ('"v2"', 1)


@on_sqlite
def test_attributes_in_another_order_or_spelling_are_no_change(app: Flask, send: Send) -> None:
    made = send("POST", URL, LAMP | {"attributes": {"a": 1, "\u00e9": " x "}})
    put = send("PUT", made.headers["Location"], LAMP | {"attributes": {"e\u0301": "x", " a": 1}}, version=1)
    assert (put.headers["ETag"], changes(app)) == ('"v1"', [])


LONG: Final = "x" * 501
BAD_FIELDS: Final[list[tuple[str, Any, str, str]]] = [
    # field, value, pointer, part of the rule
    ("name", "x" * 501, "/name", "500"),
    ("name", "a\u0000b", "/name", "control characters"),
    ("name", "a\u202eb", "/name", "control characters"),
    ("name", "a\nb", "/name", "control characters"),
    ("description", "a\u0007", "/description", "control characters"),
    ("description", "x" * 10_001, "/description", "10000"),
    ("brand", "x" * 256, "/brand", "255"),
    ("asin", "B0CW1A000\u00c9", "/asin", "ten letters and digits"),
    ("price", 12.5, "/price", "string"),
    ("price", 12, "/price", "string"),
    ("price", True, "/price", "string"),
    ("price", "12.505", "/price", "more decimals"),
    ("price", "1e3", "/price", "plain non-negative decimal"),
    ("price", "-1.00", "/price", "plain non-negative decimal"),
    ("price", "+1.00", "/price", "plain non-negative decimal"),
    ("price", "NaN", "/price", "plain non-negative decimal"),
    ("price", "Infinity", "/price", "plain non-negative decimal"),
    ("price", "1,299.00", "/price", "plain non-negative decimal"),
    ("price", "01.00", "/price", "plain non-negative decimal"),
    ("price", "\u0661\u0662", "/price", "plain non-negative decimal"),
    ("price", "9" * 17, "/price", "too large; at most 9999999999999999.99."),
    ("price", "", "/price", "plain non-negative decimal"),
    ("currency", "EUR", "/currency", "USD"),
    ("currency", "usd", "/currency", "USD"),
    ("is_active", 1, "/is_active", "boolean"),
    ("is_active", "true", "/is_active", "boolean"),
    ("gtin", "4006381333932", "/gtin", "check digit"),
    ("gtin", "400638133393", "/gtin", "check digit"),
    ("gtin", "40063813339310", "/gtin", "check digit"),
    ("gtin", "400638133", "/gtin", "8, 12, 13 or 14"),
    ("gtin", "400-6381-333931", "/gtin", "8, 12, 13 or 14"),
    ("gtin", "\u0664006381333931", "/gtin", "8, 12, 13 or 14"),
    ("gtin", 4006381333931, "/gtin", "string"),
    ("images", "https://images.example/a", "/images", "list"),
    ("images", [f"https://images.example/{at}" for at in range(21)], "/images", "20"),
    ("images", ["https://images.example/" + "x" * 2000], "/images/0", "2000"),
    ("images", ["https://images.example/a", "ftp://images.example/b"], "/images/1", "http"),
    ("images", ["//images.example/b"], "/images/0", "http"),
    ("images", ["data:image/png;base64,iVBORw0KGgo="], "/images/0", "http"),
    ("images", ["https://user:secret@images.example/b"], "/images/0", "user or a password"),
    ("images", ["http://127.0.0.1/b"], "/images/0", "not on the internet"),
    ("images", ["http://localhost:8000/b"], "/images/0", "not on the internet"),
    ("images", ["http://169.254.169.254/latest"], "/images/0", "not on the internet"),
    ("images", ["http://10.1.2.3/b"], "/images/0", "not on the internet"),
    ("images", ["http://[::1]/b"], "/images/0", "IPv6"),
    ("images", ["http://0x7f.1/b"], "/images/0", "IPv4"),
    ("images", ["https://images.example/a b"], "/images/0", "spaces"),
    ("images", ["https://images.example/a\u0000"], "/images/0", "control characters"),
    ("images", [None], "/images/0", "null"),
    ("images", [7], "/images/0", "string"),
    ("attributes", [], "/attributes", "object"),
    ("attributes", "{}", "/attributes", "object"),
    ("attributes", None, "/attributes", "null"),
    ("attributes", {"a": {"b": 1}}, "/attributes/a", "nested"),
    ("attributes", {"a": ["x", {"b": 1}]}, "/attributes/a/1", "text"),
    ("attributes", {"a": ["x", ["y"]]}, "/attributes/a/1", "text"),
    ("attributes", {"a": ["x", 1]}, "/attributes/a/1", "text"),
    ("attributes", {"a": ["x", None]}, "/attributes/a/1", "text"),
    ("attributes", {"a": ["x"] * 21}, "/attributes/a", "20"),
    ("attributes", {"a": ["x", LONG]}, "/attributes/a/1", "500"),
    ("attributes", {"a": LONG}, "/attributes/a", "500"),
    ("attributes", {"a": "x\u0000"}, "/attributes/a", "control characters"),
    ("attributes", {"a": None}, "/attributes/a", "leave out"),
    ("attributes", {"a": 2**53 + 1}, "/attributes/a", "2^53"),
    ("attributes", {"a": -(2**53) - 1}, "/attributes/a", "2^53"),
    ("attributes", {"a": 1e300}, "/attributes/a", "2^53"),
    ("attributes", {"a": 0.1234567890123456}, "/attributes/a", "15 significant digits"),
    ("attributes", {"": 1}, "/attributes/", "1 to 64"),
    ("attributes", {"x" * 65: 1}, "/attributes/" + "x" * 65, "1 to 64"),
    ("attributes", {"a\nb": 1}, "/attributes/a\nb", "control character"),
    ("attributes", {"a/b~c": {}}, "/attributes/a~1b~0c", "nested"),
    ("attributes", {"a": 1, "a ": 2}, "/attributes/a ", "twice"),
    ("attributes", {"e\u0301": 1, "\u00e9": 2}, "/attributes/\u00e9", "twice"),
    ("attributes", {f"k{at}": 1 for at in range(51)}, "/attributes", "50"),
    ("attributes", {f"k{at}": "x" * 400 for at in range(41)}, "/attributes", "16384 bytes"),
    ("attributes", {f"k{at}": ["\u00e9" * 100] * 2 for at in range(42)}, "/attributes", "16384 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "pointer", "rule"),
    BAD_FIELDS,
    ids=[f"{field}-{at}" for at, (field, *_) in enumerate(BAD_FIELDS)],
)
@on_sqlite
def test_bad_input_is_told_field_and_rule_and_changes_nothing(
    app: Flask, send: Send, field: str, value: Any, pointer: str, rule: str
) -> None:
    send("POST", URL, FULL | {"asin": "B0CW1A0009"})
    before = stored(app)
    answers = [send("POST", URL, FULL | {field: value}), send("PUT", f"{URL}/1", FULL | {field: value}, version=1)]
    if value not in (None, {"a": None}):
        answers.append(send("PATCH", f"{URL}/1", {field: value}, version=1))
    for answer in answers:
        found = refused(answer)
        assert list(found) == [pointer]
        assert rule in found[pointer]
    assert stored(app) == before


def test_all_that_is_wrong_is_told_at_once(send: Send) -> None:
    attributes: dict[str, Any] = {"a": {}, "b": None, "c": [1, "x", 2], "d": "fine"}
    bad = LAMP | {"attributes": attributes, "images": ["x", "https://images.example", "http://10.0.0.1"], "price": 1.5}
    assert set(refused(send("POST", URL, bad))) == {
        "/attributes/a", "/attributes/b", "/attributes/c/0", "/images/0", "/images/2", "/price",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"asin":"B0CW1A0001","name":"Lamp \xff","price":"1"}', 400),
        (b'{"asin":"B0CW1A0001","name":"Lamp \xc3","price":"1"}', 400),
        (b'{"asin":"B0CW1A0001","name":"Lamp \xed\xa0\x80","price":"1"}', 400),
        (b'{"asin":"B0CW1A0001","name":"Lamp \\ud800","price":"1"}', 400),
        ("{}".encode("utf-16"), 400),
        (b'{"asin":"B0CW1A0001","name":"Lamp","price":NaN}', 400),
        (b'{"asin":"B0CW1A0001","name":"Lamp","price":"1","attributes":{"a":NaN}}', 400),
        (b'{"asin":"B0CW1A0001","name":"Lamp","price":"1","attributes":{"a":-Infinity}}', 400),
        (b'{"asin":"B0CW1A0001","name":"Lamp","price":"1","attributes":{"a":1e400}}', 400),
        (b'{"asin":"B0CW1A0001","name":"Lamp","price":"1","attributes":' + b'{"a":' * 2000 + b"1" + b"}" * 2001, 400),
        (b'{"asin":"B0CW1A0001","name":"Lamp","price":"1","attributes":{"a":18446744073709551616}}', 422),
        (b'{"asin":"B0CW1A0001","name":"Lamp","price":1e3}', 422),
        (b'{"asin":"B0CW1A0001","name":"Lamp","price":12.5}', 422),
        (b"[]", 422),
        (b"null", 422),
        (b"", 422),
    ],
)  # fmt: skip
@on_sqlite
def test_a_body_that_is_no_json_or_no_product_changes_nothing(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = client.post(URL, data=body, content_type="application/json", headers=auth_headers)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text
    assert stored(app)["products"] == []


@on_sqlite
def test_of_a_name_that_stands_twice_in_an_object_the_last_one_counts(
    client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    body = b'{"asin":"B0CW1A0001","name":"One","name":"Two","price":"1"}'
    made = client.post(URL, data=body, content_type="application/json", headers=auth_headers)
    assert made.get_json()["name"] == "Two"


# --- GTIN ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", ["40170725", "96385074", "036000291452", "4006381333931", "10012345678902", "00000000000000"]
)
def test_numbers_of_every_length_pass_by_the_rule_of_gs1(number: str) -> None:
    assert gtin.problem_of(number) is None


@given(st.sampled_from(gtin.LENGTHS), st.data())
def test_every_single_wrong_digit_is_found(length: int, data: st.DataObject) -> None:
    digits = data.draw(st.text("0123456789", min_size=length - 1, max_size=length - 1))
    number = digits + str(gtin.check_digit(digits))
    assert gtin.problem_of(number) is None
    at = data.draw(st.integers(0, length - 1))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != number[at]]))
    assert gtin.problem_of(number[:at] + other + number[at + 1 :]) is not None


@on_sqlite
def test_a_number_is_kept_with_as_many_digits_as_were_sent(send: Send) -> None:
    assert send("POST", URL, LAMP | {"gtin": " 036000291452 "}).get_json()["gtin"] == "036000291452"
    assert send("PUT", f"{URL}/1", LAMP | {"gtin": ""}, version=1).get_json()["gtin"] is None


# --- Numbers ---------------------------------------------------------------------------------------------------------


@given(st.integers(1, 10**15 - 1), st.integers(-300, 0))
def test_a_decimal_of_fifteen_digits_comes_back_as_it_was_sent(digits: int, exponent: int) -> None:
    value = float(f"{digits}e{exponent}")
    kept = rules.clean({"a": value})["a"]
    assert f"{kept:.14e}" == f"{value:.14e}"
    assert json.loads(json_text({"a": kept}))["a"] == value


@given(st.floats())
def test_a_number_is_kept_exactly_or_refused(value: float) -> None:
    try:
        kept = rules.clean({"a": value})["a"]
    except rules.AttributesRefused:
        return
    assert kept == value
    assert repr(kept) != "-0.0"
