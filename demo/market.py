"""Tidewick Market, a small shop to send the farm to: ``python -m demo.market [--port N] [--data DIR]``.

It has what makes real shops hard to read: other products' prices on every page, old prices struck through, a banner
that covers the page, several spellings of a price, structured data on some pages only, a page that never answers,
one behind a robot check and one whose button does nothing. A person can use it in a browser as well.
"""

from __future__ import annotations

import argparse
import json
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from flask import Flask, Response, abort, jsonify, redirect, render_template, request, session, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Response as BaseResponse

from demo.vocabulary import CATEGORIES

DATA: Final = Path(__file__).parent / "data"
DEFAULT_PORT: Final = 8090
SILENCE_S: Final = 120
"""How long the page that never answers keeps a visitor waiting; longer than any visitor of ours waits."""
PAGE_SIZE: Final = 24
MOST_LINES: Final = 50
MOST_OF_ONE: Final = 10
DEPARTMENTS: Final = {category.slug: category.title for category in CATEGORIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One product as the marketplace sells and shows it; see ``make_data.py`` for what the fields may hold."""

    asin: str
    name: str
    brand: str
    category: str
    price: str
    was: str | None
    price_style: str
    price_shown: bool
    stock: int
    description: str
    features: list[str]
    structured_data: str
    page: str

    @property
    def sold_out(self) -> bool:
        return self.stock == 0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything the marketplace sells, in the order its lists show."""

    articles: dict[str, Article]

    @classmethod
    def load(cls, folder: Path) -> Catalogue:
        """Read ``catalogue.json`` of the folder; raises OSError, ValueError or TypeError when it is no catalogue."""
        entries = json.loads((folder / "catalogue.json").read_text(encoding="utf-8"))
        return cls({entry["asin"]: Article(**entry) for entry in entries})

    def of_department(self, slug: str) -> list[Article]:
        return [article for article in self.articles.values() if article.category == slug]

    def search(self, words: str) -> list[Article]:
        wanted = words.casefold().split()
        return [
            article
            for article in self.articles.values()
            if all(word in f"{article.name} {article.brand} {article.asin}".casefold() for word in wanted)
        ]

    def related(self, article: Article, count: int = 6) -> list[Article]:
        """The articles that follow this one in its department, round about."""
        peers = self.of_department(article.category)
        at = peers.index(article)
        return [each for each in (peers[at + 1 :] + peers[:at])[:count] if each.price_shown]


def spell(amount: str | Decimal, style: str = "symbol") -> str:
    """Spell an amount of US dollars the way a page does: ``$1,299.00``, ``USD 1,299.00`` or ``$1,299``."""
    if style == "code":
        return f"USD {Decimal(amount):,.2f}"
    return f"${Decimal(amount):,.0f}" if style == "round" else f"${Decimal(amount):,.2f}"


def structured_data(article: Article, related: Iterable[Article]) -> list[dict[str, Any]]:
    """The page's JSON-LD blocks: the product in one of several spellings, and the related products beside it."""
    if article.structured_data == "none":
        return []
    others = {
        "@context": "https://schema.org",
        "@type": "ItemList",
        "itemListElement": [
            {"@type": "ListItem", "position": at, "item": _product_data(each, each.price)}
            for at, each in enumerate(related, 1)
        ],
    }
    if article.structured_data == "related_only":
        return [others]
    # Many shops write the price as a JSON number; that is all a float is for here.
    price = float(article.price) if article.structured_data == "number" else article.price
    claims_stock = not article.sold_out or article.structured_data == "stale"
    product = _product_data(article, price if article.price_shown else None, claims_stock=claims_stock)
    return [{"@context": "https://schema.org", **product}, others]


def _product_data(article: Article, price: str | float | None, *, claims_stock: bool = True) -> dict[str, Any]:
    offer = {
        "@type": "Offer",
        "priceCurrency": "USD",
        "availability": "https://schema.org/" + ("InStock" if claims_stock else "OutOfStock"),
    }
    return {
        "@type": "Product",
        "sku": article.asin,
        "name": article.name,
        "brand": {"@type": "Brand", "name": article.brand},
        "url": url_for("product", asin=article.asin, _external=True),
        "offers": offer if price is None else {**offer, "price": price},
    }


def cart_lines(catalogue: Catalogue) -> list[dict[str, Any]]:
    """The visitor's cart, as the session cookie holds it, with the prices of now."""
    return [
        {"article": article, "quantity": quantity, "total": Decimal(article.price) * quantity}
        for asin, quantity in session.get("cart", {}).items()
        if (article := catalogue.articles.get(asin))
    ]


def asked_quantity() -> int:
    """The form's quantity; aborts with 400 when it is no number from 0 to MOST_OF_ONE."""
    text = request.form.get("quantity", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and int(text) <= MOST_OF_ONE):
        abort(400, f"The quantity must be a number up to {MOST_OF_ONE}.")
    return int(text)


def create_market(catalogue: Catalogue) -> Flask:
    """Make the marketplace as a WSGI application; carts live in its signed cookies."""
    market = Flask(__name__)
    market.secret_key = secrets.token_bytes(32)
    market.config.update(SESSION_COOKIE_SAMESITE="Lax", MAX_CONTENT_LENGTH=10_000, SESSION_COOKIE_NAME="tidewick")
    market.jinja_env.filters["spell"] = spell
    _add_browsing(market, catalogue)
    _add_product_page(market, catalogue)
    _add_cart(market, catalogue)

    @market.context_processor
    def header() -> dict[str, Any]:
        return {
            "departments": DEPARTMENTS,
            "cart_count": sum(session.get("cart", {}).values()),
            "asks_for_consent": "consent" not in request.cookies,
        }

    @market.after_request
    def harden(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @market.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> tuple[str | Response, int]:
        status = error.code or 500
        if request.accept_mimetypes.best == "application/json":
            return jsonify(message=error.description), status
        return render_template("refused.html", status=status, message=error.description), status

    return market


def _add_browsing(market: Flask, catalogue: Catalogue) -> None:
    """Home page, departments, search, pictures."""
    everything = list(catalogue.articles.values())

    def listing(title: str, found: list[Article]) -> str:
        page = max(request.args.get("page", 1, type=int), 1)
        shown = found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        return render_template(
            "listing.html",
            title=title,
            articles=shown,
            count=len(found),
            page=page,
            last=len(found) <= page * PAGE_SIZE,
        )

    @market.get("/")
    def home() -> str:
        return render_template("home.html", articles=everything[::20])

    @market.get("/c/<slug>")
    def department(slug: str) -> str:
        if slug not in DEPARTMENTS:
            abort(404, "There is no such department.")
        return listing(DEPARTMENTS[slug], catalogue.of_department(slug))

    @market.get("/search")
    def search() -> str:
        words = request.args.get("q", "")[:100]
        return listing(f"Results for “{words}”", catalogue.search(words))

    @market.get("/pictures/<asin>.svg")
    def picture(asin: str) -> Response:
        article = catalogue.articles.get(asin) or abort(404)
        drawing = render_template("picture.svg", article=article, hue=int(asin[2:], 36) % 360)
        return Response(drawing, mimetype="image/svg+xml", headers={"Cache-Control": "max-age=3600"})

    @market.get("/health")
    def health() -> Response:
        return jsonify(articles=len(everything))


def _add_product_page(market: Flask, catalogue: Catalogue) -> None:
    """A product's page, or what some products have instead of one."""

    @market.get("/p/<asin>")
    def product(asin: str) -> str:
        article = catalogue.articles.get(asin) or abort(404, "We are sorry, this page has gone from our shelves.")
        if article.page == "silent":
            threading.Event().wait(SILENCE_S)
            abort(504)
        if article.page == "robot_check":
            return render_template("robot_check.html")
        related = catalogue.related(article)
        return render_template(
            "product.html",
            article=article,
            related=related,
            bundle=sum((Decimal(each.price) for each in related[:2]), Decimal(0)),
            blocks=structured_data(article, related),
        )


def _add_cart(market: Flask, catalogue: Catalogue) -> None:
    """The cart: see it, add to it, change a quantity."""

    @market.get("/cart")
    def cart() -> str:
        lines = cart_lines(catalogue)
        total = sum((line["total"] for line in lines), Decimal(0))
        return render_template("cart.html", lines=lines, total=total, also=list(catalogue.articles.values())[7:240:40])

    @market.post("/cart/add")
    def add_to_cart() -> BaseResponse:
        article = catalogue.articles.get(request.form.get("asin", "")) or abort(404, "There is no such product.")
        wanted = {**session.get("cart", {})}
        wanted[article.asin] = wanted.get(article.asin, 0) + max(asked_quantity(), 1)
        if article.page != "product" or article.sold_out:
            abort(409, "This product is sold out.")
        if wanted[article.asin] > min(article.stock, MOST_OF_ONE):
            abort(409, f"We can sell you no more than {min(article.stock, MOST_OF_ONE)} of these.")
        if len(wanted) > MOST_LINES:
            abort(409, "The cart is full.")
        session["cart"] = wanted
        if request.accept_mimetypes.best == "application/json":
            return jsonify(count=sum(wanted.values()), name=article.name)
        return redirect(url_for("cart"))

    @market.post("/cart/change")
    def change_cart() -> BaseResponse:
        wanted = {**session.get("cart", {})}
        asin, quantity = request.form.get("asin", ""), asked_quantity()
        if asin not in wanted:
            abort(404, "This product is not in the cart.")
        session["cart"] = {**wanted, asin: quantity} if quantity else {k: v for k, v in wanted.items() if k != asin}
        return redirect(url_for("cart"))


class _Connection(WSGIRequestHandler):
    """A visitor's connection, kept open between requests as real shops do, for 30 idle seconds at most."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Stay quiet: a demonstration makes thousands of requests."""


def serve(catalogue: Catalogue, port: int = 0) -> BaseWSGIServer:
    """Listen on a loopback port (0: any free one) with one thread per connection.

    The caller runs ``serve_forever()``. Raises SystemExit when the port is taken.
    """
    return make_server("127.0.0.1", port, create_market(catalogue), threaded=True, request_handler=_Connection)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes any free port (default %(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of catalogue.json (default %(default)s)")
    arguments = parser.parse_args()
    try:
        catalogue = Catalogue.load(arguments.data)
    except (OSError, ValueError, TypeError, KeyError) as error:
        parser.exit(2, f"{arguments.data / 'catalogue.json'} is no catalogue: {error}\n")
    server = serve(catalogue, arguments.port)
    print(f"Tidewick Market is open at http://127.0.0.1:{server.port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
