"""A small shop on the loopback address with ordinary and hostile product pages, for tests of the browser."""

from __future__ import annotations

import secrets
import socket
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from app.rpa.profiles.profile import Profile
from tests.workers.hostile import ANSWER_OF, Visitor

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{asin}</title>
<link rel="canonical" href="/p/{asin}"></head><body>
<main id="product"><h1>Kettle {asin}</h1><p class="brand">Boil & Co</p><p class="price">{price}</p>
<p class="availability">{availability}</p>{button}</main><div id="added" hidden>Added to your cart</div>
<script>{script}</script></body></html>"""
ADD = """
const button = document.querySelector("#add");
if (button) button.addEventListener("click", async () => {
  await fetch("/cart/add?asin=%s", {method: "POST"});
  document.querySelector("#added").hidden = false;
});"""
BUTTON = '<button id="add">Add to cart</button>'
BANNER = '<div id="banner" style="position:fixed;inset:0;background:#fff"><button id="accept">OK</button></div>'
CLOSE_BANNER = 'document.querySelector("#accept").onclick = () => document.querySelector("#banner").remove();'
LATE = (
    'const late = document.querySelector("#product"); late.remove(); setTimeout(() => document.body.append(late), 300);'
)
STORAGE = """<script>const n = Number(localStorage.getItem("n") || 0) + 1; localStorage.setItem("n", n);
document.title = n + "|" + document.cookie;</script>"""

_SHOW = 'document.querySelector(".later").className = "price"'
_ONE = 'document.querySelector("#product h1")'
FRAME_SCRIPTS = {
    "RAFPRICE01": f"requestAnimationFrame(() => {{ {_SHOW}; }});",
    "RAFTWICE01": f"requestAnimationFrame(() => requestAnimationFrame(() => {{ {_SHOW}; }}));",
    "INVIEW0001": f"new IntersectionObserver(() => {{ {_SHOW}; }}).observe({_ONE});",
    "RESIZED001": f"new ResizeObserver(() => {{ {_SHOW}; }}).observe({_ONE});",
    "SCROLLED01": 'document.body.style.height = "3000px"; scrollTo(0, 9);'
    f'addEventListener("scroll", () => {{ {_SHOW}; }});',
    "TRANSITION": f"document.startViewTransition(() => {{ {_SHOW}; }});",
}
"""Pages that have no price until a frame has run."""
SCRIPTS = FRAME_SCRIPTS | {
    "RAFVALUE01": """document.querySelector(".price").textContent = "$1.00";
        requestAnimationFrame(() => { document.querySelector(".price").textContent = "$24.99"; });""",
    "RAFBUSY001": "requestAnimationFrame(() => { while (true) {} });",
    "LEAVES0001": 'requestAnimationFrame(() => { location.replace("/p/GOOD000001"); });',
    "ALERT00001": 'alert("Welcome");',
    "BANNER0001": CLOSE_BANNER,
    "BIGDOM0001": r'document.body.prepend(document.createComment("\u00e9\ud83d".repeat(3_000_000)));',
    "BUSY000001": "while (true) {}",
    "BUSYLATER1": 'addEventListener("load", () => setTimeout(() => { while (true) {} }, 0));',
    "JSOFFSITE1": 'location.replace("http://127.0.0.1:{other}/offsite");',
    "LATE000001": LATE,
    "POPUP00001": 'for (let i = 0; i < 3; i += 1) window.open("/popup" + i);',
    "UNLOAD0001": 'addEventListener("beforeunload", (event) => event.preventDefault());',
}


class Shop:
    """Runs until ``close``; ``requests`` holds (path, headers) of everything that was asked for."""

    def __init__(
        self,
        *,
        family: socket.AddressFamily = socket.AF_INET,
        other_port: int = 9,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.carts: dict[str, dict[str, int]] = defaultdict(dict)
        self.closing = threading.Event()
        self.gate = threading.Event()
        """While it is not set, pages whose ASIN begins with HELD are not answered."""
        self.gate.set()
        self.on_kills: Callable[[], None] = lambda: None
        """Called where a page is asked for whose ASIN begins with KILLS."""
        self.robots: tuple[int, bytes, dict[str, str]] = (404, b"", {})
        """What the shop answers where its robots.txt is asked for: status, body, headers."""
        self.other_port = other_port
        self.given: tuple[str, dict[str, str]] = ("", {})
        """What ``/given`` answers: a page and headers."""
        self._server = _Server(self, family)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._server.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [path for path, _ in self.requests]

    def close(self) -> None:
        """End every hanging answer and the server."""
        self.closing.set()
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def profile(self, **changes: Any) -> Profile:
        """The shop's profile with short limits; ``changes`` replace parts of the document."""
        return Profile.from_document(self.document(**changes))

    def document(self, **changes: Any) -> dict[str, Any]:
        """The profile as its author writes it."""
        document: dict[str, Any] = {
            "base_url": f"{self.address}/",
            "allowed_hosts": [f"127.0.0.1:{self.port}"],
            "locale": "en_US",
            "currency": "USD",
            "product": {
                "url": "/p/{asin}",
                "ready": [{"css": "#product .price"}],
                "dismiss": ["#accept"],
                "identity": [{"css": "link[rel=canonical]", "attribute": "href"}],
                "name": [{"css": "#product h1"}],
                "brand": [{"css": "#product .brand"}],
                "price": [{"css": "#product .price"}],
                "availability": [{"css": "#product .availability"}],
                "availability_rules": [
                    {"contains": "sold out", "means": "OUT_OF_STOCK"},
                    {"contains": "in stock", "means": "IN_STOCK"},
                ],
                "blocked": [{"text": "are you a robot"}],
            },
            "cart": {
                "add": "#add",
                "confirm": [{"css": "#added"}],
                "refuse": [{"css": ".availability", "text": "sold out", "code": "OUT_OF_STOCK"}],
                "url": "/cart",
                "line": ".line",
                "identity": [{"css": "a", "attribute": "href"}],
                "quantity": [{"css": "input", "attribute": "value"}],
                "price": [{"css": ".each"}],
            },
            "timeouts": {"page_load_s": 3, "ready_s": 1, "script_s": 2, "confirm_s": 1},
            "page_bytes": 1_000_000,
        }
        return document | changes


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, shop: Shop, family: socket.AddressFamily) -> None:
        self.shop = shop
        self.address_family = family
        super().__init__(("::1" if family is socket.AF_INET6 else "127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that was killed leaves broken connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        shop = self.server.shop
        shop.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        path = urlsplit(self.path).path
        if path == "/robots.txt":
            status, body, headers = shop.robots
            self._answer(body, {"Content-Type": "text/plain"} | headers, HTTPStatus(status))
        elif path.startswith("/p/"):
            self._product(path[3:])
        elif path == "/cart/add":
            cart = shop.carts[self._session()]
            asin = urlsplit(self.path).query.removeprefix("asin=")
            cart[asin] = cart.get(asin, 0) + 1
            self._answer("added")
        elif path == "/cart":
            self._answer(self._cart_page())
        elif path == "/storage":
            self._answer(STORAGE, {"Set-Cookie": f"visitor={secrets.token_hex(4)}"})
        elif path == "/given":
            self._answer(*shop.given)
        elif path == "/to":
            to = unquote(self.path.partition("?")[2]).encode().decode("latin-1")
            self._answer("", {"Location": to}, HTTPStatus.FOUND)
        else:
            self._answer("<h1>Hello</h1>")

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Be quiet."""

    def _product(self, asin: str) -> None:
        if (hostile := ANSWER_OF.get(asin)) is not None:
            shop = self.server.shop
            hostile(Visitor(self, asin, f"http://127.0.0.1:{shop.other_port}", shop.closing))
            return
        special = getattr(self, f"_page_{asin.lower()}", None)
        if special is not None:
            special()
            return
        shown = "B000000000" if asin == "WRONG00001" else asin
        if asin.startswith("HELD"):
            self.server.shop.gate.wait(60)
        if asin.startswith("KILLS"):
            self.server.shop.on_kills()
        script = SCRIPTS.get(asin, "").replace("{other}", str(self.server.shop.other_port))
        button = "" if asin == "SOLDOUT001" else BUTTON
        if asin == "DISABLED01":
            button = '<button id="add" disabled>Add to cart</button>'
        page = PAGE.format(
            asin=shown,
            price="$24.99" if asin != "NEVERREADY" else "",
            availability="Sold out" if asin.startswith("SOLDOUT") else "In stock",
            button=button,
            script=script + (ADD % shown if asin not in {"DEADBUTTON", "SOLDOUT003"} else ""),
        )
        if asin in FRAME_SCRIPTS:
            page = page.replace('class="price"', 'class="later"')
        if asin == "NEVERREADY":
            page = page.replace('class="price"', "")
        if asin in {"BANNER0001", "COVERED001"}:
            page = page.replace("<main", BANNER + "<main")
        self._answer(page, {"Set-Cookie": f"session={self._session()}; Path=/"})

    def _session(self) -> str:
        cookie = self.headers.get("Cookie", "")
        found = [part.strip().removeprefix("session=") for part in cookie.split(";") if "session=" in part]
        return found[0] if found else secrets.token_hex(8)

    def _cart_page(self) -> str:
        lines = "".join(
            f'<li class="line"><a href="/p/{asin}">Kettle</a><input value="{quantity}">'
            f'<span class="each">{"$26.50" if asin == "DIFFERS001" else "$24.99"}</span></li>'
            for asin, quantity in self.server.shop.carts[self._session()].items()
        )
        return f"<!doctype html><h1>Your cart</h1><ul>{lines}</ul>"

    def _answer(
        self, body: str | bytes, headers: dict[str, str] | None = None, status: HTTPStatus = HTTPStatus.OK
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {"Content-Type": "text/html; charset=utf-8", **(headers or {})}.items():
            self.send_header(name, value)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(data)

    def _page_hang000001(self) -> None:
        self.server.shop.closing.wait(60)

    def _page_half000001(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b'<!doctype html><main id="product"><h1>Half</h1><p class="price">$1.00</p>')
        self.wfile.flush()
        self.server.shop.closing.wait(60)

    def _page_gone000404(self) -> None:
        self._answer("<h1>No such page</h1>", status=HTTPStatus.NOT_FOUND)

    def _page_empty00404(self) -> None:
        self._answer("", status=HTTPStatus.NOT_FOUND)

    def _page_limit00429(self) -> None:
        self._answer("slow down", {"Retry-After": "120"}, HTTPStatus.TOO_MANY_REQUESTS)

    def _page_broken0503(self) -> None:
        self._answer("<h1>Sorry</h1>", status=HTTPStatus.SERVICE_UNAVAILABLE)

    def _page_login00401(self) -> None:
        self._answer("<h1>Log in</h1>", {"WWW-Authenticate": 'Basic realm="shop"'}, HTTPStatus.UNAUTHORIZED)

    def _page_offsite001(self) -> None:
        location = f"http://127.0.0.1:{self.server.shop.other_port}/offsite"
        self._answer("", {"Location": location}, HTTPStatus.FOUND)

    def _page_loop000001(self) -> None:
        self._answer("", {"Location": self.path}, HTTPStatus.FOUND)

    def _page_download01(self) -> None:
        headers = {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment; filename=x.bin"}
        self._answer(b"\0" * 1000, headers)

    def _page_nocontent1(self) -> None:
        self._answer("", status=HTTPStatus.NO_CONTENT)

    def _page_robot00001(self) -> None:
        self._answer("<h1>Are you a robot?</h1>")

    def _page_huge000001(self) -> None:
        self._answer("<!doctype html><h1>Huge</h1>" + "<p>much</p>" * 200_000)

    def _page_reset00001(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
