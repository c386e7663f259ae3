"""Where customers are sent to follow a parcel."""

from __future__ import annotations

import pytest

from app.core.outgoing import check_url
from app.orders.carriers import _PAGES, MAX_TRACKING_URL, problem_with, tracking_page


@pytest.mark.parametrize("carrier", sorted(_PAGES))
def test_the_page_of_every_carrier_is_an_address_that_customers_may_be_sent_to(carrier: str) -> None:
    page = tracking_page(carrier.title(), "AB 12/3?&#")
    assert page is not None
    assert page.endswith("AB12%2F3%3F%26%23")
    assert problem_with(page) is None
    assert check_url(page, private=frozenset()).scheme == "https"


def test_carriers_are_known_by_their_names_however_they_are_written() -> None:
    assert tracking_page("  ROYAL   mail ", "1") == "https://www.royalmail.com/track-your-item#/tracking-results/1"
    assert tracking_page("Bike courier", "1") is None
    assert tracking_page("DHL", None) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://x.example.org/",
        "HTTP://x.example.org/",
        "ftp://x.example.org/",
        "javascript:alert(1)",
        "data:text/html,x",
        "//x.example.org/",
        "x.example.org/1",
        "https:///1",
        "https://user@x.example.org/",
        "https://user:secret@x.example.org/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://10.0.0.7/",
        "https://169.254.169.254/",
        "https://[::1]/",
        "https://x.example.org\\@evil.example/",
        "https://x.example.org/a b",
        "https://x.example.org/\r\nBcc: all@example.org",
        'https://x.example.org/"onclick="',
        "https://x.example.org/<b>",
        "https://x.example.org/`",
        "https://x.example.org/ü",
        "https://еxample.org/",
        "https://x.example.org/" + "x" * MAX_TRACKING_URL,
    ],
)
def test_customers_are_sent_to_no_other_address(url: str) -> None:
    assert problem_with(url) is not None


@pytest.mark.parametrize(
    "url", ["https://x.example.org", "https://x.example.org:8443/a;b?c=d&e=%20#f/g", "https://xn--e1afmkfd.example/"]
)
def test_addresses_of_the_web_are_good(url: str) -> None:
    assert problem_with(url) is None
