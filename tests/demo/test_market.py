"""The marketplace, as a visitor over HTTP meets it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests

from demo.market import Article, Catalogue, spell
from demo.processes import free_port

ROOT = Path(__file__).parents[2]


def only(catalogue: Catalogue, holds: Callable[[Article], bool]) -> Article:
    """The first article of which that holds."""
    return next(article for article in catalogue.articles.values() if holds(article))


def page_of(market: str, article: Article) -> str:
    answer = requests.get(f"{market}/p/{article.asin}", timeout=10)
    assert answer.status_code == 200
    return answer.text


def text_of(html: str, opening: str, closing: str) -> str:
    """The text between two pieces of markup, without tags."""
    inner = html.partition(opening)[2].partition(closing)[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", "", inner)).split())


def ordinary_pages(catalogue: Catalogue) -> list[Article]:
    return [a for a in catalogue.articles.values() if a.page in ("product", "dead_button")]


def json_ld(html: str) -> list[Any]:
    return [json.loads(block) for block in re.findall(r'<script type="application/ld\+json">(.+?)</script>', html)]


@pytest.mark.parametrize(
    ("style", "spelled"),
    [("symbol", "$1,299.00"), ("code", "USD 1,299.00"), ("round", "$1,299"), ("split", "$1,299.00")],
)
def test_a_price_is_spelled_in_the_style_asked_for(style: str, spelled: str) -> None:
    assert spell("1299.00", style) == spelled


def test_every_product_page_shows_the_name_brand_price_and_stock_of_the_catalogue(
    market: str, catalogue: Catalogue
) -> None:
    pages = ordinary_pages(catalogue)
    assert len(pages) == 235
    for article in pages:
        html = page_of(market, article)
        assert text_of(html, "<h1>", "</h1>") == article.name
        assert text_of(html, '<p class="brand">', "</p>") == f"Visit the {article.brand} store"
        assert ("disabled>Sold out" in html) == article.sold_out
        if not article.price_shown:
            assert '<div class="amount">' not in html
            continue
        amount = html.partition('<div class="amount">')[2].partition("</div>")[0]
        shown = amount.partition('class="offscreen">' if article.price_style == "split" else 'class="price">')[2]
        digits = re.sub(r"[^0-9.]", "", shown.partition("<")[0])
        assert Decimal(digits) == Decimal(article.price), article.asin
        assert ('class="was"' in amount) == (article.was is not None)


def test_every_product_page_shows_prices_of_other_products_before_and_after_its_own(
    market: str, catalogue: Catalogue
) -> None:
    html = page_of(market, only(catalogue, lambda a: a.page == "product"))
    before, after = html.split('<div class="amount">')
    assert 'class="price"' in before
    assert after.count('class="price"') > 5


def test_structured_data_names_the_product_only_where_the_catalogue_says_so(market: str, catalogue: Catalogue) -> None:
    seen = set()
    for article in ordinary_pages(catalogue):
        blocks = json_ld(page_of(market, article))
        products = [block for block in blocks if block["@type"] == "Product"]
        listed = [entry["item"]["sku"] for block in blocks for entry in block.get("itemListElement", [])]
        seen.add(article.structured_data)
        assert article.asin not in listed
        if article.structured_data in ("none", "related_only"):
            assert products == []
            assert bool(listed) == (article.structured_data == "related_only")
            continue
        (product,) = products
        assert (product["sku"], product["name"]) == (article.asin, article.name)
        if article.price_shown:
            assert isinstance(product["offers"]["price"], float) == (article.structured_data == "number")
            assert Decimal(str(product["offers"]["price"])) == Decimal(article.price)
        else:
            assert "price" not in product["offers"]
        claims = product["offers"]["availability"].endswith("/InStock")
        assert claims == (not article.sold_out or article.structured_data == "stale")
    assert seen == {"offer", "number", "none", "related_only", "stale"}


@pytest.mark.parametrize("path", ["/p/B000000000", "/p/b0", "/p/../x", "/c/nothing", "/pictures/B000000000.svg"])
def test_what_the_marketplace_does_not_have_is_404(market: str, path: str) -> None:
    answer = requests.get(market + path, timeout=10)
    assert answer.status_code == 404
    assert 'class="not-found"' in answer.text


def test_a_robot_check_stands_in_for_the_product_and_shows_nothing_of_it(market: str, catalogue: Catalogue) -> None:
    article = only(catalogue, lambda a: a.page == "robot_check")
    html = page_of(market, article)
    assert 'class="robot-check"' in html
    assert article.name not in html
    assert 'id="add-to-cart"' not in html


def test_the_silent_page_never_answers_and_holds_up_nobody_else(
    market: str, catalogue: Catalogue, ordinary: Article
) -> None:
    silent = f"{market}/p/{only(catalogue, lambda a: a.page == 'silent').asin}"
    began = time.monotonic()
    with pytest.raises(requests.ReadTimeout):
        requests.get(silent, timeout=1)
    assert 1 <= time.monotonic() - began < 3
    with requests.get(f"{market}/p/{ordinary.asin}", timeout=2) as answer:
        assert answer.status_code == 200


def test_what_is_added_stands_in_the_cart_of_that_visitor_only(
    market: str, visitor: requests.Session, ordinary: Article
) -> None:
    added = visitor.post(
        f"{market}/cart/add",
        data={"asin": ordinary.asin, "quantity": "2"},
        headers={"Accept": "application/json"},
        timeout=10,
    )
    assert (added.status_code, added.json()) == (200, {"count": 2, "name": ordinary.name})
    mine = visitor.get(f"{market}/cart", timeout=10).text
    assert mine.count('class="cart-line"') == 1
    assert f'href="/p/{ordinary.asin}"' in mine
    assert 'name="quantity" value="2"' in mine
    assert text_of(mine, '<p class="each">', "</p>") == f"{spell(ordinary.price)} each"
    assert text_of(mine, '<p class="line-total">', "</p>") == spell(Decimal(ordinary.price) * 2)
    assert "Your cart is empty." in requests.get(f"{market}/cart", timeout=10).text


def test_a_form_without_script_leads_to_the_cart_where_quantities_change_and_zero_removes(
    market: str, visitor: requests.Session, ordinary: Article
) -> None:
    answer = visitor.post(f"{market}/cart/add", data={"asin": ordinary.asin}, timeout=10)
    assert answer.url == f"{market}/cart"
    changed = visitor.post(f"{market}/cart/change", data={"asin": ordinary.asin, "quantity": "3"}, timeout=10)
    assert 'name="quantity" value="3"' in changed.text
    assert f"<strong>{spell(Decimal(ordinary.price) * 3)}</strong>" in changed.text
    removed = visitor.post(f"{market}/cart/change", data={"asin": ordinary.asin, "quantity": "0"}, timeout=10)
    assert "Your cart is empty." in removed.text


@pytest.mark.parametrize("quantity", ["-1", "1.5", "11", "two", "٣", "100", ""])
def test_a_quantity_that_is_no_number_up_to_ten_is_refused(
    market: str, visitor: requests.Session, ordinary: Article, quantity: str
) -> None:
    answer = visitor.post(f"{market}/cart/add", data={"asin": ordinary.asin, "quantity": quantity}, timeout=10)
    assert answer.status_code == 400
    assert "Your cart is empty." in visitor.get(f"{market}/cart", timeout=10).text


@pytest.mark.parametrize(
    "holds",
    [lambda a: a.sold_out, lambda a: a.page == "dead_button", lambda a: a.page == "robot_check"],
    ids=["sold out", "dead button", "robot check"],
)
def test_what_cannot_be_bought_is_refused_by_the_cart_too(
    market: str, catalogue: Catalogue, visitor: requests.Session, holds: Callable[[Article], bool]
) -> None:
    article = only(catalogue, holds)
    answer = visitor.post(
        f"{market}/cart/add", data={"asin": article.asin}, headers={"Accept": "application/json"}, timeout=10
    )
    assert (answer.status_code, answer.json()) == (409, {"message": "This product is sold out."})
    assert "Your cart is empty." in visitor.get(f"{market}/cart", timeout=10).text


def test_no_more_than_the_stock_can_be_put_into_the_cart(
    market: str, catalogue: Catalogue, visitor: requests.Session
) -> None:
    scarce = only(catalogue, lambda a: a.page == "product" and 0 < a.stock < 5)
    for expected in [200] * scarce.stock + [409]:
        answer = visitor.post(f"{market}/cart/add", data={"asin": scarce.asin}, timeout=10)
        assert answer.status_code == expected
    assert f'name="quantity" value="{scarce.stock}"' in visitor.get(f"{market}/cart", timeout=10).text


def test_the_cookie_banner_covers_the_page_until_it_was_accepted(market: str, visitor: requests.Session) -> None:
    assert 'id="cookie-wall"' in visitor.get(market, timeout=10).text
    visitor.cookies.set("consent", "1")
    assert 'id="cookie-wall"' not in visitor.get(market, timeout=10).text


def test_departments_search_and_pages_lead_to_every_product(market: str, catalogue: Catalogue) -> None:
    found: list[str] = []
    for slug in {article.category for article in catalogue.articles.values()}:
        for page in (1, 2):
            found += re.findall(r'href="/p/(\w{10})"', requests.get(f"{market}/c/{slug}?page={page}", timeout=10).text)
    assert sorted(found) == sorted(catalogue.articles)
    some = next(iter(catalogue.articles.values()))
    assert f'href="/p/{some.asin}"' in requests.get(f"{market}/search?q={some.asin.lower()}", timeout=10).text


def test_it_runs_as_a_process_of_its_own_and_says_where() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "demo.market", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        assert requests.get(f"{address}health", timeout=10).json() == {"articles": 237}
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_a_folder_without_a_catalogue_is_refused_with_its_path(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo.market", "--port", str(free_port()), "--data", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert str(tmp_path / "catalogue.json") in done.stderr
