from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from app.rpa.profiles.document import json_schema, json_schema_text
from app.rpa.profiles.profile import Profile
from app.rpa.profiles.schemas import ProfileSchema
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Availability

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE: dict[str, Any] = json.loads((ROOT / "docs/examples/storefront-profile.json").read_text(encoding="utf-8"))
SMALLEST: dict[str, Any] = {
    "base_url": "https://shop.example",
    "allowed_hosts": ["shop.example"],
    "locale": "de_DE",
    "currency": "EUR",
    "product": {"url": "/p/{asin}", "name": [{"css": "h1"}], "price": [{"css": ".price"}]},
}
MISSING = object()


def changed(pointer: str, value: object, document: dict[str, Any] = EXAMPLE) -> dict[str, Any]:
    """The document with another value at a JSON pointer, or without it."""
    document = copy.deepcopy(document)
    *path, last = (int(part) if part.isdigit() else part for part in pointer.strip("/").split("/"))
    at: Any = document
    for part in path:
        at = at[part]
    if value is MISSING:
        del at[last]
    else:
        at[last] = value
    return document


def refusals(document: Any) -> dict[str, str]:
    """JSON pointer -> first message of everything that is refused."""
    with pytest.raises(ValidationError) as refusal:
        ProfileSchema().load(document)
    return dict(pointers(refusal.value.messages, ""))


def pointers(messages: Any, path: str) -> Any:
    for key, inside in messages.items():
        if isinstance(inside, dict):
            yield from pointers(inside, f"{path}/{key}")
        else:
            yield f"{path}/{key}", inside[0]


def test_the_documented_example_is_a_valid_profile() -> None:
    profile = Profile.from_document(ProfileSchema().load(EXAMPLE))
    assert profile.product_url("B000000001") == "https://www.kettles.example/dp/B000000001"
    assert profile.cart_url() == "https://www.kettles.example/cart"
    assert profile.allowed_hosts == (("www.kettles.example", 443), ("static.kettles.example", 443))
    assert profile.product.availability_rules[0].means is Availability.OUT_OF_STOCK
    assert profile.cart is not None
    assert [entry.code for entry in profile.cart.refuse] == [Code.VARIANT_REQUIRED, Code.OUT_OF_STOCK]
    assert profile.retry.backoff_s == (10, 30, 90)


def test_the_smallest_profile_has_the_documented_defaults() -> None:
    profile = Profile.from_document(ProfileSchema().load(SMALLEST))
    assert (profile.engine, profile.load_images, profile.page_bytes) == ("shell", False, 20_000_000)
    assert (profile.timeouts.page_load_s, profile.timeouts.view_task_s, profile.timeouts.cart_task_s) == (30, 90, 120)
    assert (profile.pace.gap_ms, profile.pace.concurrency, profile.retry.attempts) == (5000, 1, 3)
    assert profile.cart is None


def test_the_published_schema_file_is_up_to_date() -> None:
    published = (ROOT / "docs/storefront-profile.schema.json").read_text(encoding="utf-8")
    assert published == json_schema_text(), "run scripts/write_profile_schema.py"


def test_the_published_schema_is_valid_and_agrees_with_the_check() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    published = jsonschema.Draft202012Validator(schema)
    assert list(published.iter_errors(EXAMPLE)) == []
    for pointer, value in [("/extra", 1), ("/pace/gap_ms", -1), ("/product/price", []), ("/cart/price_is", "both")]:
        wrong = changed(pointer, value)
        assert len(list(published.iter_errors(wrong))) == 1
        assert list(refusals(wrong)) == [pointer]


def test_every_part_of_the_published_schema_is_described() -> None:
    schema = json_schema()
    for name, part in {"Profile": schema, **schema["$defs"]}.items():
        assert part["description"], name
        assert part["additionalProperties"] is False, name
        for field, spec in part["properties"].items():
            assert spec["description"], (name, field)


REFUSED: list[tuple[str, object, str]] = [
    ("/base_url", "ftp://www.kettles.example/", "Must be an http or https address."),
    ("/base_url", "www.kettles.example", "Must be an absolute http or https address."),
    ("/base_url", "https://user:secret@www.kettles.example/", "Must not hold a user name or password."),
    ("/base_url", "https://www.kettles.example/#top", "Must not hold a fragment (#)."),
    ("/base_url", "https://www.kettles.example/?a=1", "Must not hold a query."),
    ("/base_url", "https:\\\\www.kettles.example/", "Must not hold a backslash."),
    ("/base_url", "https://www.kettles.example/ ", "Must not hold blanks or control characters."),
    ("/base_url", "https://www.kettles.example:99999/", "Is not a web address."),
    ("/base_url", "https://other.example/", "other.example:443 is not in allowed_hosts."),
    ("/base_url", "http://www.kettles.example:81/", "www.kettles.example:81 is not in allowed_hosts."),
    ("/base_url", 5, "Not a valid string."),
    ("/base_url", MISSING, "Missing data for required field."),
    ("/allowed_hosts", [], "Length must be between 1 and 50."),
    ("/allowed_hosts/1", "static.kettles.example:0", "The port must be a number from 1 to 65535."),
    ("/allowed_hosts/1", "static.kettles.example:", "The port must be a number from 1 to 65535."),
    ("/allowed_hosts/1", "static.kettles.example:70000", "The port must be a number from 1 to 65535."),
    ("/allowed_hosts/1", "[::1]:8080", "IPv6 addresses are not supported; write the host's name."),
    ("/allowed_hosts/1", "*.example", "'*.example' is not a host name."),
    ("/allowed_hosts/1", "a b.example", "'a b.example' is not a host name."),
    ("/allowed_hosts/1", "https://a.example", "The port must be a number from 1 to 65535."),
    ("/allowed_hosts/1", "127.1", "'127.1' is not an IPv4 address."),
    ("/allowed_hosts/1", "0x7f000001", "'0x7f000001' is not an IPv4 address."),
    ("/locale", "xx_YY", "'xx_YY' is not a known locale such as en_US."),
    ("/currency", "usd", "String does not match expected pattern."),
    ("/currency", "XQX", "'XQX' is not an ISO 4217 currency code."),
    ("/engine", "firefox", "Must be one of: shell, chrome."),
    ("/load_images", "yes", "Not a valid boolean."),
    ("/load_images", 1, "Not a valid boolean."),
    ("/page_bytes", 1, "Must be greater than or equal to 100000 and less than or equal to 200000000."),
    ("/surprise", 1, "Unknown field."),
    ("/product/surprise", 1, "Unknown field."),
    ("/product/url", "/dp/", "Must hold {asin} exactly once."),
    ("/product/url", "/{asin}/{asin}", "Must hold {asin} exactly once."),
    ("/product/url", "/dp/{asin}/{name}", "Must not hold braces."),
    ("/product/url", "//evil.example/{asin}", "evil.example:443 is not in allowed_hosts."),
    ("/product/url", "https://{asin}.example/", "b000000000.example:443 is not in allowed_hosts."),
    ("/product/url", "javascript:alert({asin})", "Must be an http or https address."),
    ("/product/url", "http://www.kettles.example/{asin}", "www.kettles.example:80 is not in allowed_hosts."),
    ("/product/name", [], "Length must be between 1 and 10."),
    ("/product/name", MISSING, "Missing data for required field."),
    ("/product/name/0", {}, ""),
    ("/product/name/1/css", "h1 >", ""),
    ("/product/name/1/css", "", "Length must be between 1 and 500."),
    ("/product/name/1/css", "a" * 501, "Length must be between 1 and 500."),
    ("/product/name/1/css", "h1\x00", "Must not hold control characters."),
    ("/product/name/1/css", "h1\ud800", "Must not hold control characters."),
    ("/product/name/1/css", "h1:contains('x')", "Browsers do not know the pseudo-class :contains."),
    ("/product/name/1/css", "div:not(h1:eq(0))", "Browsers do not know the pseudo-class :eq."),
    ("/product/name/1/css", "div:has(> h1:first)", "Browsers do not know the pseudo-class :first."),
    ("/product/name/1/css", "[data-x!=y]", "Browsers do not know the attribute operator !=."),
    ("/product/name/1/css", "h1::text", "A pseudo-element (::before, ::text) has no text or attribute to read."),
    ("/product/name/1/css", "svg|a", "A selector cannot name a namespace."),
    ("/product/name/1/css", "x-price >>> ", "On both sides of >>> stands a selector."),
    ("/product/name/1/css", "x-a, x-b >>> b", "Beside >>> write :is(a, b) instead of a list with commas."),
    ("/product/name/1/css", "a>>>b>>>c>>>d>>>e>>>f", "A selector goes into at most 4 shadow roots and frames."),
    ("/product/name/1/css", "x-price >>> b:first", "Browsers do not know the pseudo-class :first."),
    ("/product/dismiss/0", "x-banner >>> button", "Not a CSS selector: "),
    ("/cart/add", "x-buy >>> button", "Not a CSS selector: "),
    ("/product/name/1/css", None, "Field may not be null."),
    ("/product/name/0/structured", "weight", "Must be one of: name, brand, price, currency, availability, sku."),
    ("/product/name/0/attribute", "content", "Only a css source has an attribute."),
    ("/product/brand/1/regex", "(?=x)", "Not an RE2 regular expression: invalid perl operator: (?=."),
    ("/product/brand/1/regex", "(x)\\1", "Not an RE2 regular expression: invalid escape sequence: \\1."),
    ("/product/brand/1/regex", "(", "Not an RE2 regular expression: missing ): (."),
    ("/product/brand/1/regex", "(?:.{100}){9}", "The regular expression is too large; use smaller repetitions."),
    ("/product/availability_rules/0/means", "MAYBE", ""),
    ("/product/not_found/0/status", 99, "Must be greater than or equal to 100 and less than or equal to 599."),
    ("/cart/refuse/0/code", "INTERNAL", ""),
    ("/cart/url", "https://other.example/cart", "other.example:443 is not in allowed_hosts."),
    ("/cart/url", "/cart/{asin}", "Must not hold braces."),
    ("/cart/price/0/structured", "price", "Unknown field."),
    ("/cart/add", MISSING, "Missing data for required field."),
    ("/timeouts/page_load_s", 0.5, "Must be greater than or equal to 1 and less than or equal to 120."),
    ("/timeouts/page_load_s", "30", "Not a valid number."),
    ("/timeouts/page_load_s", float("nan"), ""),
    ("/timeouts/view_task_s", 20, "Must not be shorter than page_load_s."),
    ("/timeouts/view_task_s", 601, "Must be greater than or equal to 5 and less than or equal to 600."),
    ("/pace/gap_ms", 3_600_001, "Must be greater than or equal to 0 and less than or equal to 3600000."),
    ("/pace/concurrency", True, "Not a valid integer."),
    ("/retry/attempts", 0, "Must be greater than or equal to 1 and less than or equal to 10."),
    ("/retry/backoff_s", [], "Length must be between 1 and 10."),
    ("/retry/backoff_s/2", 3601, "Must be greater than or equal to 0 and less than or equal to 3600."),
]


@pytest.mark.parametrize(("pointer", "value", "message"), REFUSED)
def test_a_wrong_value_is_refused_at_its_own_place(pointer: str, value: object, message: str) -> None:
    found = refusals(changed(pointer, value))
    assert len(found) == 1
    (at, said), *_ = found.items()
    assert at.removesuffix("/_schema") == pointer
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("pointer", "part", "message"),
    [
        ("/product/price/0", {"structured": "price", "css": ".p"}, "Say either structured or css, not both."),
        ("/product/price/0", {}, "Say one of structured, css or regex."),
        ("/product/ready/0", {}, "Say at least one of css, text, url or status."),
        ("/cart/refuse/0", {"code": "BLOCKED"}, "Say at least one of css, text, url or status."),
        ("/product/availability_rules/0", {"means": "UNKNOWN"}, "Say exactly one of contains and css."),
        (
            "/product/availability_rules/0",
            {"means": "UNKNOWN", "css": "a", "contains": "x"},
            "Say exactly one of contains and css.",
        ),
    ],
)
def test_parts_that_exclude_or_need_each_other_are_refused_together(pointer: str, part: object, message: str) -> None:
    assert refusals(changed(pointer, part)) == {f"{pointer}/_schema": message}


def test_all_wrong_values_are_named_at_once() -> None:
    document = changed("/currency", "XQX", changed("/product/price/1/css", "a >", changed("/pace/gap_ms", -1)))
    assert set(refusals(document)) == {"/currency", "/product/price/1/css", "/pace/gap_ms"}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/product/name/1/css", "main:has(> h1) :is(h1, h2):not(.x)"),
        ("/product/name/1/css", "[data-name='a b' i]"),
        ("/product/name/1/css", "li:nth-child(2n+1), #title"),
        ("/product/name/1/css", "x-price[data-a='>>>'] >>> iframe>>>.now"),
        ("/product/ready/0/css", "x-price >>> .now"),
        ("/product/availability_rules/1/css", "x-stock >>> .gone"),
        ("/cart/line", "x-drawer >>> .line"),
        ("/product/name/1", {"regex": "(?i)name: (.+)"}),
        ("/product/name/1", {"structured": "name", "regex": "^[^|]+"}),
        ("/product/url", "https://static.kettles.example/p?id={asin}&x=1"),
        ("/allowed_hosts/1", "bücher.example:8443"),
        ("/allowed_hosts/1", "10.0.0.1:8443"),
        ("/locale", "pt-BR"),
        ("/timeouts", {}),
        ("/cart", MISSING),
    ],
)
def test_what_browsers_and_re2_accept_is_accepted(pointer: str, value: object) -> None:
    Profile.from_document(ProfileSchema().load(changed(pointer, value)))


def test_hosts_are_compared_as_a_browser_writes_them() -> None:
    document = {**SMALLEST, "base_url": "https://BÜCHER.example:8443/", "allowed_hosts": ["xn--bcher-kva.example:8443"]}
    profile = Profile.from_document(ProfileSchema().load(document))
    assert profile.allowed_hosts == (("xn--bcher-kva.example", 8443),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    *("/base_url", "/allowed_hosts", "/allowed_hosts/0", "/locale", "/currency", "/product", "/product/url"),
    *("/product/name/1/css", "/product/brand/1/regex", "/product/price/0", "/cart/refuse", "/timeouts"),
    "/retry/backoff_s",
]


@given(pointer=st.sampled_from(PLACES), value=JSON)
def test_any_json_is_accepted_or_refused_with_a_place(pointer: str, value: object) -> None:
    document = changed(pointer, value)
    try:
        accepted = ProfileSchema().load(document)
    except ValidationError as refusal:
        places = [place for place, _ in pointers(refusal.messages, "")]
        assert places
        assert all(isinstance(place, str) for place in places)
    else:
        Profile.from_document(accepted)


@given(css=st.text(alphabet="ah1.#:()[]='\"> ,*~+|\\-not", max_size=40))
def test_any_selector_is_accepted_or_refused_with_a_sentence(css: str) -> None:
    document = changed("/product/name/1/css", css)
    try:
        ProfileSchema().load(document)
    except ValidationError as refusal:
        messages = dict(pointers(refusal.messages, ""))
        assert list(messages) == ["/product/name/1/css"]


def test_the_guide_explains_exactly_the_example() -> None:
    guide = (ROOT / "docs/storefront-profile.md").read_text(encoding="utf-8")
    parts = re.findall(r"```json\n(.*?)```", guide, re.DOTALL)
    assert json.loads("{" + "".join(parts) + "}") == EXAMPLE
