"""What a robots.txt says to us: RFC 9309's own examples, and what people write instead."""

from __future__ import annotations

import pytest

from app.rpa.models.jobs import Action
from app.rpa.profiles.profile import Profile
from app.rpa.rules.robots import (
    LONGEST_DELAY_MS,
    MAX_BYTES,
    address_in,
    origin_of,
    origins_of,
    pages_of,
    read_rules,
    retry_s,
)
from tests.rpa.conftest import profile

SHOP = "https://shop.example"


@pytest.mark.parametrize(
    ("body", "path", "is_allowed"),
    [
        ("", "/dp/1", True),
        ("<h1>Hello</h1>", "/dp/1", True),
        ("User-agent: *\nDisallow: /", "/dp/1", False),
        ("User-agent: *\nDisallow:", "/dp/1", True),
        ("User-agent: *\nDisallow: /cart", "/dp/1", True),
        ("User-agent: *\nDisallow: /cart", "/cart?x=1", False),
        ("user-agent: *\ndisallow: /dp/ # no products", "/dp/1", False),
        ("\ufeffUser-agent: *\nDisallow: /", "/dp/1", False),
        ("User-agent: *\r\nDisallow: /\r\n", "/dp/1", False),
        ("User-agent: *\nDisallow: /\nAllow: /dp/", "/dp/1", True),  # the longest match
        ("User-agent: *\nAllow: /dp\nDisallow: /dp", "/dp/1", True),  # of equals the one that allows
        ("User-agent: *\nDisallow: /*/1$", "/dp/1", False),
        ("User-agent: *\nDisallow: /*/1$", "/dp/12", True),
        ("User-agent: *\nDisallow: /d%70/", "/dp/1", False),
        ("User-agent: *\nDisallow: /Dp/", "/dp/1", True),
        # Groups: ours before everybody's, all of ours together, nobody else's.
        ("User-agent: *\nDisallow: /\n\nUser-agent: Cartwright\nAllow: /", "/dp/1", True),
        ("User-agent: Cartwright\nDisallow: /\n\nUser-agent: *\nAllow: /", "/dp/1", False),
        ("User-agent: cartwright/2.0\nDisallow: /", "/dp/1", False),
        ("User-agent: a\nUser-agent: CARTWRIGHT\nUser-agent: b\nDisallow: /", "/dp/1", False),
        ("User-agent: cartwright\nDisallow: /a\n\nUser-agent: cartwright\nDisallow: /dp", "/dp/1", False),
        ("User-agent: cart\nDisallow: /", "/dp/1", True),
        ("User-agent: c\nDisallow: /", "/dp/1", True),
        ("User-agent: cartwright-images\nDisallow: /", "/dp/1", True),
        ("User-agent: Googlebot\nDisallow: /", "/dp/1", True),
        ("User-agent: Googlebot\nDisallow: /\nSitemap: /s.xml\nUser-agent: *\nAllow: /", "/dp/1", True),
        ("User-agent: cartwright\nSitemap: /s.xml\nUser-agent: x\nDisallow: /", "/dp/1", False),
        ("Disallow: /", "/dp/1", True),  # said to nobody
        ("User agent: cartwright\nDisallow: /", "/dp/1", False),
    ],
)
def test_a_page_is_allowed_or_not(body: str, path: str, is_allowed: bool) -> None:
    assert read_rules(body).allows(SHOP + path) is is_allowed


@pytest.mark.parametrize(
    ("body", "delay_ms"),
    [
        ("", 0),
        ("User-agent: *\nCrawl-delay: 10", 10_000),
        ("User-agent: *\nCrawl-delay: 0.5", 500),
        ("User-agent: *\nCrawl-delay: 10\n\nUser-agent: cartwright\nCrawl-delay: 2", 2000),
        ("User-agent: *\nCrawl-delay: 10\n\nUser-agent: cartwright\nDisallow: /x", 0),
        ("User-agent: *\nRequest-rate: 1/30", 30_000),
        ("User-agent: *\nRequest-rate: 1/30\nCrawl-delay: 60", 60_000),
        ("User-agent: *\nCrawl-delay: 86400", LONGEST_DELAY_MS),
        ("User-agent: *\nCrawl-delay: 1e300", LONGEST_DELAY_MS),
        ("User-agent: *\nCrawl-delay: inf", 0),
        ("User-agent: *\nCrawl-delay: nan", 0),
        ("User-agent: *\nCrawl-delay: -3", 0),
        ("User-agent: *\nCrawl-delay: soon", 0),
    ],
)
def test_a_crawl_delay_is_read_in_seconds_and_has_a_limit(body: str, delay_ms: int) -> None:
    assert read_rules(body).delay_ms == delay_ms


@pytest.mark.parametrize(
    "line", ["User-agent: bot{}\n", "User-agent: *\nDisallow: /{}\n", "Disallow: /*{}*a*b*c*d*e$\n", "a{}\n", "\n{}#:"]
)
def test_a_file_that_is_meant_to_take_minutes_is_read_before_the_tests_time_is_up(line: str) -> None:
    body = "".join(line.format(at) for at in range(MAX_BYTES // len(line) // 2))
    body = f"User-agent: *\n{body}" if line.startswith("Disallow") else body + "Disallow: /x\n" * 10_000
    rules = read_rules(body[:MAX_BYTES])
    assert rules.allows(f"{SHOP}/dp/{'ab' * 500}") in {True, False}
    assert rules.delay_ms == 0


def test_the_rules_that_are_ours_are_shown() -> None:
    rules = read_rules("User-agent: x\nDisallow: /\n\nUser-agent: *\nDisallow: /a # why\nCrawl-delay: 3\nSitemap: /s")
    assert rules.shown == ["Disallow: /a", "Crawl-delay: 3"]


def test_a_server_is_named_with_its_port_and_asked_without_the_usual_one() -> None:
    assert origin_of("https://shop.example/dp/1?x") == "https://shop.example:443"
    assert address_in("https://shop.example:443") == "https://shop.example/robots.txt"
    assert address_in("http://shop.example:8080") == "http://shop.example:8080/robots.txt"


def test_the_pages_of_an_errand_are_those_that_it_goes_to_by_itself() -> None:
    cart = profile()["cart"] | {"url": "http://cart.example/basket"}
    shop = Profile.from_document(profile(allowed_hosts=["shop.example", "cart.example"], cart=cart))
    product = "http://shop.example/dp/B000000001"
    assert pages_of(shop, Action.VIEW_PRODUCT, "B000000001") == [product]
    assert pages_of(shop, Action.ADD_TO_CART, "B000000001") == [product, "http://cart.example/basket"]
    by_address = cart | {"quantity_field": {"parameter": "quantity"}}
    buying = Profile.from_document(profile(allowed_hosts=["shop.example", "cart.example"], cart=by_address))
    assert pages_of(buying, Action.ADD_TO_CART, "B000000001", 3)[0] == f"{product}?quantity=3"
    assert origins_of(shop) == ["http://shop.example:80", "http://cart.example:80"]


def test_one_that_cannot_be_read_is_asked_for_again_after_a_minute_and_less_and_less_often() -> None:
    assert [retry_s(failures, None) for failures in range(1, 9)] == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert (retry_s(1, 300.0), retry_s(1, 5.0), retry_s(1, 1e9), retry_s(5000, None)) == (300, 60, 3600, 3600)
