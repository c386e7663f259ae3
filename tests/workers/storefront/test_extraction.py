from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rpa.profiles.profile import Marker, Profile
from app.rpa.profiles.schemas import ProfileSchema
from app.rpa.rules.codes import Code
from workers.errors import TaskError
from workers.storefront import extraction

ASIN = "B000000001"
DOCUMENT: dict[str, Any] = {
    "base_url": "http://shop.example:8080/",
    "allowed_hosts": ["shop.example:8080", "cdn.example"],
    "locale": "en_US",
    "currency": "USD",
    "product": {
        "url": "/dp/{asin}",
        "name": [{"structured": "name"}, {"css": "h1"}],
        "brand": [{"structured": "brand"}],
        "price": [{"structured": "price"}, {"css": ".price"}],
        "currency": [{"structured": "currency"}],
        "availability": [{"structured": "availability"}, {"regex": "Stock: (.+)"}],
        "availability_rules": [{"contains": "gone", "means": "OUT_OF_STOCK"}],
        "blocked": [{"url": "/sorry\\?", "status": 200}],
    },
    "cart": {
        "add": "#add",
        "url": "/cart",
        "line": "li",
        "identity": [{"css": "a", "attribute": "href"}],
        "quantity": [{"css": ".n"}],
        "price": [{"css": ".p"}],
    },
}
PROFILE = Profile.from_document(ProfileSchema().load(DOCUMENT))
GOOD: dict[str, Any] = {
    "url": f"http://shop.example:8080/dp/{ASIN}",
    "status": 200,
    "captcha": False,
    "sources": {"name/1": ["Lamp"], "price/1": ["$5.00"]},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["5", "$5", ASIN]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "price", "offers", "@type", "sku", "@id", "url", "brand", "@graph"]), inner
        )
    ),
    max_leaves=25,
)


def code_of(raw: dict[str, Any], profile: Profile = PROFILE) -> Code:
    with pytest.raises(TaskError) as refusal:
        extraction.check_page(raw, profile)
    return refusal.value.code


@pytest.mark.parametrize(
    ("status", "captcha", "code"),
    [
        (429, True, Code.RATE_LIMITED),
        (404, False, Code.NOT_FOUND),
        (410, False, Code.NOT_FOUND),
        (400, False, Code.HTTP_4XX),
        (403, False, Code.HTTP_4XX),
        (401, True, Code.BLOCKED),
        (403, True, Code.BLOCKED),
        (503, True, Code.BLOCKED),
        (500, False, Code.HTTP_5XX),
        (503, False, Code.HTTP_5XX),
    ],
)
def test_an_error_page_ends_with_the_code_of_its_status(status: int, captcha: bool, code: Code) -> None:
    assert code_of({**GOOD, "status": status, "captcha": captcha}) is code


@pytest.mark.parametrize("status", [200, 203, 304, None, "200", True, 1e9])
def test_a_page_without_an_error_status_is_accepted(status: object) -> None:
    extraction.check_page({**GOOD, "status": status}, PROFILE)


@pytest.mark.parametrize(
    "url",
    [
        f"http://shop.example/dp/{ASIN}",
        f"https://shop.example:8443/dp/{ASIN}",
        f"http://evil.example:8080/dp/{ASIN}",
        f"http://shop.example:8080@evil.example/{ASIN}",
        "chrome-error://chromewebdata/",
        "about:blank",
        "file:///etc/passwd",
        "http://[::1]:8080/",
        "",
        None,
    ],
)
def test_a_page_on_another_host_or_port_is_offsite(url: str | None) -> None:
    assert code_of({**GOOD, "url": url}) is Code.REDIRECTED_OFFSITE


def test_a_marker_of_address_and_status_needs_both() -> None:
    blocked = {**GOOD, "url": "http://shop.example:8080/sorry?x=1"}
    assert code_of(blocked) is Code.BLOCKED
    assert code_of({**blocked, "status": 500}) is Code.HTTP_5XX


def test_markers_to_wait_for_are_planned_and_answered_by_group() -> None:
    markers = (Marker(css=".a", text="x"), Marker(status=200, url="cart$"), Marker(text="done"))
    planned = extraction.plan_markers({"ready": markers})
    assert planned["markers"] == {"ready/0": {"css": (".a",), "text": "x"}, "ready/2": {"css": None, "text": "done"}}
    raw: dict[str, Any] = {"url": "http://shop.example:8080/dp", "status": 200, "markers": {"ready/0": False}}
    assert not extraction.any_marker_holds(raw, "ready", markers)
    assert extraction.any_marker_holds({**raw, "url": "http://shop.example:8080/cart"}, "ready", markers)
    assert extraction.any_marker_holds({**raw, "markers": {"ready/2": True}}, "ready", markers)
    assert not extraction.any_marker_holds(raw, "ready", ())


def test_a_page_whose_address_holds_no_asin_is_another_product() -> None:
    with pytest.raises(TaskError) as refusal:
        extraction.interpret({**GOOD, "url": f"http://shop.example:8080/dp/X{ASIN}"}, PROFILE, ASIN)
    assert refusal.value.code is Code.WRONG_PRODUCT


@pytest.mark.parametrize(
    ("sources", "code"),
    [
        ({}, Code.BLOCKED),
        ({"name/1": ["Are you human?"]}, Code.WRONG_PRODUCT),
        ({"price/1": ["$5.00"]}, Code.WRONG_PRODUCT),
    ],
)
def test_a_robot_check_is_one_where_nothing_of_the_product_is_shown(sources: dict[str, Any], code: Code) -> None:
    page = {**GOOD, "captcha": True, "url": "http://shop.example:8080/check", "sources": sources}
    with pytest.raises(TaskError) as refusal:
        extraction.interpret(page, PROFILE, ASIN)
    assert refusal.value.code is code
    with pytest.raises(TaskError) as without:
        extraction.interpret({**page, "captcha": False}, PROFILE, ASIN)
    assert without.value.code is Code.WRONG_PRODUCT


def test_an_address_names_the_product_where_the_profile_has_it() -> None:
    for url in (f"/other?for={ASIN}", f"/other#{ASIN}", f"/dp/B000000099/?{ASIN}"):
        with pytest.raises(TaskError) as wrong:
            extraction.check_identity({**GOOD, "url": f"http://shop.example:8080{url}"}, PROFILE, ASIN)
        assert wrong.value.code is Code.WRONG_PRODUCT
    in_query = replace(PROFILE, product=replace(PROFILE.product, url="/show?id={asin}"))
    extraction.check_identity({**GOOD, "url": f"http://shop.example:8080/show?id={ASIN}"}, in_query, ASIN)


def test_kept_texts_can_be_stored_in_any_database() -> None:
    raw = {**GOOD, "sources": {"name/1": ["La\x00mp\ud800 \u202e" + "x" * 600], "price/1": ["$5.00\x00"]}}
    reading = extraction.interpret(raw, PROFILE, ASIN)
    assert reading.name is not None
    assert reading.name.value == "Lamp? " + "x" * 492
    assert reading.name.raw.encode().startswith(b"Lamp?")
    assert len(reading.name.raw) <= 500


def test_raw_strings_are_kept_by_field_for_the_evidence() -> None:
    assert extraction.raw_strings(GOOD, PROFILE) == {"name": ["Lamp"], "price": ["$5.00"]}
    assert extraction.raw_strings({**GOOD, "text": "Stock: gone"}, PROFILE)["availability"] == ["gone"]


@given(block=JSON, microdata=JSON)
def test_hostile_structured_data_gives_a_reading_or_a_task_error(block: Any, microdata: Any) -> None:
    product = {"@type": "Product", "name": block, "brand": block, "offers": block, "sku": microdata, "@graph": block}
    raw = {**GOOD, "json_ld": [json.dumps(block), json.dumps(product)], "microdata": [microdata, product]}
    try:
        reading = extraction.interpret(raw, PROFILE, ASIN)
    except TaskError as refusal:
        code: Code | None = refusal.code
    else:
        code = None
        assert reading.name is not None
        reading.name.value.encode()
    assert code in {None, Code.PRICE_UNPARSED, Code.PRICE_AMBIGUOUS, Code.PRICE_MISSING}


@given(
    raw=st.dictionaries(st.sampled_from(["sources", "markers", "json_ld", "microdata", "meta", "text", "lines"]), JSON)
)
def test_an_answer_of_wrong_types_gives_a_reading_or_a_task_error(raw: dict[str, Any]) -> None:
    for read in (extraction.interpret, extraction.interpret_cart):
        with suppress(TaskError):
            read({**GOOD, **raw}, PROFILE, ASIN)


BROKEN = [
    "",
    "{",
    "[" * 100_000,
    '{"a":' * 50_000,
    "9" * 10_000,
    "NaN",
    '"\\ud800"',
    '{"@type":"Product","offers":1e9}',
]


@pytest.mark.parametrize("block", BROKEN, ids=range(len(BROKEN)))
def test_broken_json_ld_is_passed_over(block: str) -> None:
    product = {"@type": "Product", "sku": ASIN, "name": "Lamp", "offers": {"price": "7.50"}}
    raw = {**GOOD, "sources": {"name/1": ["Lamp"]}, "json_ld": [block, json.dumps(product)]}
    price = extraction.interpret(raw, PROFILE, ASIN).price
    assert price is not None
    assert str(price.value) == "7.50 USD"


def line(**changes: list[str]) -> dict[str, Any]:
    values = {"identity/0": [f"/dp/{ASIN}"], "quantity/0": ["2"], "price/0": ["$5.00"]}
    return {"sources": {**values, **{f"{field}/0": value for field, value in changes.items()}}}


@pytest.mark.parametrize(("text", "quantity"), [("2", 2), ("Qty: 12", 12), ("× 3 pcs", 3), ("４", 4)])
def test_a_quantity_is_the_only_whole_number_of_its_text(text: str, quantity: int) -> None:
    assert extraction.interpret_cart({"lines": [line(quantity=[text])]}, PROFILE, ASIN).quantity == quantity


@pytest.mark.parametrize("texts", [["0"], ["-1"], ["1.5"], ["1,000"], ["2 of 3"], ["many"], ["12345"], [], ["1", "2"]])
def test_a_quantity_that_is_no_one_number_does_not_confirm_the_cart(texts: list[str]) -> None:
    with pytest.raises(TaskError) as refusal:
        extraction.interpret_cart({"lines": [line(quantity=texts)]}, PROFILE, ASIN)
    assert refusal.value.code is Code.CART_NOT_CONFIRMED


def test_a_cart_line_without_its_price_is_no_success() -> None:
    with pytest.raises(TaskError) as refusal:
        extraction.interpret_cart({"lines": [line(price=[])]}, PROFILE, ASIN)
    assert refusal.value.code is Code.PRICE_MISSING


def test_a_profile_without_a_cart_has_no_cart_plan() -> None:
    profile = Profile.from_document({key: value for key, value in DOCUMENT.items() if key != "cart"})
    with pytest.raises(ValueError, match="no cart"):
        extraction.plan_cart(profile, ASIN)
