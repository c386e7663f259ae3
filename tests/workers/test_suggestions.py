"""Suggested profiles: from pages in several languages, from the test shop and the demonstration's marketplace."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.config import Settings
from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.products.models.products import ProductUpdate
from app.products.services.products import create_product
from app.rpa.models.jobs import Action, JobState
from app.rpa.models.trials import Trial, TrialKind, TrialState
from app.rpa.profiles.addresses import read_addresses
from app.rpa.profiles.profile import Profile
from app.rpa.profiles.schemas import ProfileSchema
from app.rpa.rules.codes import Code
from app.rpa.services import submitting
from app.rpa.services.trials import add_trial
from demo.market import DATA, Catalogue, serve
from tests.servers import on_sqlite, private_folder
from tests.workers.allowing import allowed
from tests.workers.farm import RunningFarm
from tests.workers.shop import Shop
from workers.actions.suggest_profile import suggest_profile, visiting_profile
from workers.actions.view_product import view_product
from workers.chrome.browser import Browser
from workers.chrome.settings import BrowserSettings
from workers.errors import TaskError

A, B = "B0CW1A0001", "B0CW1A0002"
Pages = dict[str, str]
PAGE = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>Shop</title></head><body>
<header><a href="/account">Account</a> <a class="cart-link" href="{cart}">{cart_label}</a></header>
<div class="css-1x2y3z"><h1 class="sc-AbCdE">{name}</h1><p class="product-brand">Hearth</p>
<p class="text-sm"><s>{old}</s></p><div class="product-price" style="font-size:28px">{price}</div>
<p class="stock-info">{stock}</p><button class="btn add-to-basket">{button}</button></div>
<section><h2>More</h2><div class="card"><span class="card-price">{old}</span></div>
<div class="card"><span class="card-price">{other}</span></div></section></body></html>"""
LANGUAGES = {
    "en": ("$1,299.00", "$9.99", "USD", "1299.00", "In stock", "Add to cart", "Cart", "/cart"),
    "de": ("1.299,00 €", "9,99 €", "EUR", "1299.00", "Auf Lager", "In den Warenkorb", "Warenkorb", "/warenkorb"),
    "fr": ("1 299,00 €", "9,99 €", "EUR", "1299.00", "En stock", "Ajouter au panier", "Panier", "/panier"),
    "es": ("1299,00 €", "9,99 €", "EUR", "1299.00", "Disponible", "Añadir al carrito", "Carrito", "/carrito"),
    "it": ("1.299,00 €", "9,99 €", "EUR", "1299.00", "Disponibile", "Aggiungi al carrello", "Carrello", "/carrello"),
    "nl": ("€ 1.299,00", "€ 9,99", "EUR", "1299.00", "Op voorraad", "In winkelwagen", "Winkelwagen", "/winkelwagen"),
}


class PageServer:
    """Serves pages by path on the loopback address; ``asked`` are the paths that were asked for."""

    def __init__(self) -> None:
        self.pages: Pages = {}
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                body = server.pages.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write((body or "").encode())

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.address = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def pages() -> Iterator[PageServer]:
    server = PageServer()
    yield server
    server.close()


Suggest = Callable[..., dict[str, Any]]


@pytest.fixture
def suggest(settings_for: Callable[..., BrowserSettings]) -> Suggest:
    """Proposes a profile from pages of a server, which alone may be reached."""

    def do(server: Any, *paths: str) -> dict[str, Any]:
        urls = [f"{server.address}{path}" for path in paths]
        address = read_addresses(urls)
        browser = Browser(settings_for(server), visiting_profile(address))
        try:
            return suggest_profile(browser, address, urls, gap_s=0, cancelled=lambda: False)
        finally:
            browser.close()

    return do


def page(lang: str, name: str = "Copper kettle", **changes: str) -> str:
    price, other, _, _, stock, button, label, cart = LANGUAGES[lang]
    values = {"lang": lang, "name": name, "price": price, "old": other, "other": other, "stock": stock}
    return PAGE.format(**(values | {"button": button, "cart_label": label, "cart": cart} | changes))


def parts(result: dict[str, Any]) -> dict[str, Any]:
    return {part["pointer"]: part for part in (*result["parts"], *result["cart"])}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_page_in_any_of_the_languages_is_read_by_what_is_suggested_from_it(
    suggest: Suggest, pages: PageServer, lang: str
) -> None:
    _, _, currency, amount, _, button, _, cart = LANGUAGES[lang]
    pages.pages = {f"/p/{A}": page(lang), f"/p/{B}": page(lang, "Tea pot")}
    result = suggest(pages, f"/p/{A}", f"/p/{B}")
    profile = result["storefront"]["profile"]
    assert ProfileSchema().load(profile)
    assert (profile["currency"], profile["product"]["url"]) == (currency, "/p/{asin}")
    for read, name in zip(result["read"], ("Copper kettle", "Tea pot"), strict=True):
        values = {field: one["value"] for field, one in read["fields"].items()}
        assert values == {
            "name": name, "brand": "Hearth", "price": f"{amount} {currency}", "availability": "IN_STOCK"
        }  # fmt: skip
    found = parts(result)
    assert found["/product/price"]["value"] == [{"css": ".product-price"}]
    assert (found["/cart/add"]["value"], found["/cart/url"]["value"]) == (".add-to-basket", cart)
    assert button.lower() in found["/cart/add"]["reason"]
    assert all(0 <= part["sure"] <= 1 and part["reason"] for part in found.values())


def test_selectors_that_a_machine_made_or_that_count_are_never_suggested(suggest: Suggest, pages: PageServer) -> None:
    pages.pages = {f"/p/{A}": page("en").replace("product-price", "css-9f8a7b").replace("stock-info", "sc-kDTinF x1")}
    text = json.dumps(suggest_or_none(suggest, pages, f"/p/{A}"))
    assert not any(bad in text for bad in ("css-", "sc-", "x1", "nth-", "AbCdE"))


def suggest_or_none(suggest: Suggest, server: Any, *paths: str) -> dict[str, Any] | None:
    try:
        return suggest(server, *paths)
    except TaskError as error:
        if error.code is not Code.SELECTOR_MISSING:
            raise
        return None


def test_what_works_on_one_of_two_pages_only_says_so_and_is_less_sure(suggest: Suggest, pages: PageServer) -> None:
    gone = page("en", "Tea pot", price="", stock="Sold out")
    pages.pages = {f"/p/{A}": page("en"), f"/p/{B}": gone}
    result = suggest(pages, f"/p/{A}", f"/p/{B}")
    price = parts(result)["/product/price"]
    assert (price["works_on"], price["value"]) == ((True, False), [{"css": ".product-price"}])
    assert price["sure"] < 0.5
    assert result["read"][1]["fields"]["availability"]["value"] == "OUT_OF_STOCK"


def test_what_the_data_state_goes_first_and_is_surest_where_the_page_agrees(
    suggest: Suggest, pages: PageServer
) -> None:
    def stated(asin: str, price: str) -> str:
        offer = {"@type": "Offer", "price": price, "priceCurrency": "USD", "availability": "https://schema.org/InStock"}
        data = {"@type": "Product", "name": "Copper kettle", "sku": asin, "brand": "Hearth", "offers": offer}
        return page("en").replace("</head>", f'<script type="application/ld+json">{json.dumps(data)}</script></head>')

    pages.pages = {f"/p/{asin}": stated(asin, "1299.00") for asin in (A, B)}
    found = parts(suggest(pages, f"/p/{A}", f"/p/{B}"))
    assert found["/product/price"]["value"] == [{"structured": "price"}, {"css": ".product-price"}]
    assert found["/product/price"]["sure"] >= 0.9
    pages.pages = {f"/p/{asin}": stated(asin, "5.00") for asin in (A, B)}
    assert parts(suggest(pages, f"/p/{A}", f"/p/{B}"))["/product/price"]["sure"] <= 0.5


def test_a_page_without_a_price_suggests_nothing(suggest: Suggest, pages: PageServer) -> None:
    pages.pages = {f"/p/{A}": "<!doctype html><h1>About us</h1><p>Since 1900.</p>"}
    with pytest.raises(TaskError) as refused:
        suggest(pages, f"/p/{A}")
    assert refused.value.code is Code.SELECTOR_MISSING


def test_a_hostile_page_gets_no_selector_and_no_word_of_its_own_into_the_profile(
    suggest: Suggest, pages: PageServer
) -> None:
    hostile = page("en", name="<b>x</b>{{7*7}}$(id)").replace(
        "product-price", 'product-price" id="a,script,*{}:has(x)" data-price="\'];alert(1)//'
    )
    flood = "<p class='stock-info'>In stock</p>" * 3000 + "<span>$1.00</span>" * 3000
    pages.pages = {f"/p/{A}": hostile.replace("</body>", f"{flood}</body>")}
    result = suggest_or_none(suggest, pages, f"/p/{A}")
    assert result is not None
    assert ProfileSchema().load(result["storefront"]["profile"])
    assert not any(bad in json.dumps(result["storefront"]) for bad in ("alert", "script", ":has", "7*7", "$("))
    assert len(json.dumps(result)) < 100_000


def test_nothing_but_the_pages_host_is_reached(suggest: Suggest, pages: PageServer, other_shop: Shop) -> None:
    away = f'<img src="{other_shop.address}/picture"><script src="{other_shop.address}/script.js"></script>'
    pages.pages = {f"/p/{A}": page("en").replace("</body>", f"{away}</body>")}
    before = len(other_shop.requests)
    suggest(pages, f"/p/{A}")
    assert len(other_shop.requests) == before
    pages.pages = {f"/p/{A}": f'<script>location.href = "{other_shop.address}/p/{A}"</script>'}
    with pytest.raises(TaskError):
        suggest(pages, f"/p/{A}")
    assert len(other_shop.requests) == before


def test_the_test_shop_is_read_by_its_suggested_profile(
    suggest: Suggest, shop: Shop, settings_for: Callable[..., BrowserSettings]
) -> None:
    result = suggest(shop, "/p/GOOD000001", "/p/GOOD000002")
    browser = Browser(settings_for(shop), Profile.from_document(result["storefront"]["profile"]))
    try:
        outcome = view_product(browser, browser.profile, "GOOD000003", cancelled=lambda: False)
    finally:
        browser.close()
    assert outcome.code is None, outcome.detail
    reading: Any = outcome.reading
    assert (reading.name.value, reading.price.value) == ("Kettle GOOD000003", Money(2499, "USD"))
    assert parts(result)["/cart/add"]["value"] == "#add"


@pytest.fixture
def market() -> Iterator[tuple[Catalogue, int]]:
    catalogue = Catalogue.load(DATA)
    server = serve(catalogue, port=0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield catalogue, server.server_port
    server.shutdown()
    thread.join(timeout=10)


@on_sqlite
def test_a_farm_reads_the_marketplace_by_a_profile_that_it_suggested_itself(
    context: Flask, settings: Settings, market: tuple[Catalogue, int], tmp_path: Path
) -> None:
    catalogue, port = market
    plain = [one for one in catalogue.articles.values() if one.page == "product" and one.stock > 5][:10]
    for one in plain:
        create_product(
            actor=permissions.system(), now=utc_now(), asin=one.asin, name=one.name, brand=one.brand,
            price=Money.parse(one.price, "USD"),
        )  # fmt: skip
    with private_folder() as folder:
        farm = RunningFarm(context, settings, folder, port)
        try:
            farm.start_all()
            urls = [f"http://127.0.0.1:{port}/p/{one.asin}" for one in plain[:2]]
            suggested = _suggest(farm, urls)
            assert suggested.state == TrialState.DONE, (suggested.detail, farm.last_words())
            assert suggested.result is not None
            document = suggested.result["storefront"]["profile"] | {"pace": {"gap_ms": 0, "concurrency": 4}}
            path = tmp_path / "market.json"
            path.write_text(json.dumps(document))
            run = context.test_cli_runner().invoke
            with allowed(port):
                made = run(args=["storefront", "create", str(path), "--code", "market"])
            assert made.exit_code == 0, made.output
            tried = run(args=["storefront", "try", "market", plain[2].asin])
            assert tried.exit_code == 0, (tried.output, farm.last_words())
            job = submitting.submit_job(
                actor=permissions.system(), action=Action.VIEW_PRODUCT, storefront="market", name="all",
                asins=[one.asin for one in plain],
            )  # fmt: skip
            done = farm.finished(job)
            assert (done.state, done.succeeded_count) == (JobState.COMPLETED, len(plain)), farm.last_words()
            assert db.session.scalar(select(func.count()).where(ProductUpdate.task_id.is_not(None))) == 0
        finally:
            farm.stop()


def _suggest(farm: RunningFarm, urls: list[str]) -> Trial:
    """Ask for a suggestion as a worker would get it: the address is private, and only the farm is told that it may."""

    @in_transaction
    def add() -> int:
        return add_trial(permissions.system(), TrialKind.SUGGEST, None, {"urls": urls}, None).id

    id_ = add()
    farm.until(lambda: _state(id_) not in (TrialState.WAITING, TrialState.RUNNING), "a suggestion", seconds=100)
    return db.session.get_one(Trial, id_, populate_existing=True)


def _state(id_: int) -> str | None:
    return db.session.scalar(select(Trial.state).where(Trial.id == id_))
