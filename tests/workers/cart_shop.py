"""A shop on the loopback address that has every way into a cart that shops have; the ASIN says which."""

from __future__ import annotations

import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from flask import Flask, Response, redirect, request
from werkzeug.serving import WSGIRequestHandler, make_server

from app.rpa.profiles.profile import Profile

PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{asin}</title></head>
<body data-asin="{asin}"><h1>Shirt</h1><p id="price">{price}</p><p id="stock">{stock}</p>
{options}<form id="buy" method="post" action="/cart/add"><input type="hidden" name="asin" value="{asin}">
<input type="hidden" name="size" value="{size}"><input type="hidden" name="colour"><span id="many">{quantity}</span>
<span id="place">{button}</span></form><p id="said" hidden>Added</p><div id="drawer" hidden></div>
<a id="cart-icon" href="#cart">Cart</a><script>
const form = document.querySelector("#buy"), said = document.querySelector("#said");
const say = (name, value) => {{ form.elements[name].value = value; }};
const send = async (path = "/cart/add") => {{
  const answer = await fetch(path, {{method: "POST", body: new URLSearchParams(new FormData(form))}});
  said.textContent = await answer.text();
  said.hidden = false;
}};
const drawer = async () => {{
  const box = document.querySelector("#drawer");
  box.innerHTML = await (await fetch("/cart/lines")).text();
  box.hidden = false;
}};
document.querySelector("#cart-icon").addEventListener("click", () => setTimeout(drawer, 200));
const byXhr = async (event) => {{ event.preventDefault(); await send(); }};
{script}
</script></body></html>"""
BUTTON: Final = '<button id="add">Add to cart</button>'
SELECT: Final = """<label>Size <select id="size" onchange="say('size', this.value); changed()">
<option value="">Choose</option>
<option value="s-1">S</option><option value="m-1">M</option><option value="l-1">L</option>
<option value="xl-1" disabled>XL</option></select></label>"""
RADIOS: Final = (
    """<fieldset>{}</fieldset><style>input[type=radio] {{ position: absolute; opacity: 0; }}</style>""".format(
        "".join(
            f'<input type="radio" name="pick" id="r{value}" value="{value}" onchange="say(\'size\', value); changed()"'
            f'{" disabled" if value == "xl-1" else ""}><label for="r{value}"> {words} </label>'
            for value, words in (("s-1", "S"), ("m-1", "Ｍ"), ("l-1", "Large   (L)"), ("xl-1", "XL"))
        )
    )
)
SWATCHES: Final = "".join(
    f'<button type="button" class="swatch {words}" aria-label="{words}" aria-pressed="false"'
    " onclick=\"for (const b of document.querySelectorAll('.swatch')) b.setAttribute('aria-pressed', b === this);"
    f" say('colour', '{words}'); changed()\">●</button>"
    for words in ("red", "Blue", "gone")
)
LINKS: Final = '<a class="size" href="?size=xs-1" hidden>XS</a>' + "".join(
    f'<a class="size" href="?size={value}">{value[0].upper()}</a> ' for value in ("s-1", "m-1", "l-1")
)
REALLY: Final = """<div id="really" hidden style="position:fixed;inset:0;background:#fff">Continue to cart?
<button type="button" class="yes">Yes</button></div>"""

XHR: Final = 'form.addEventListener("submit", byXhr);'
LATER: Final = f"const changed = () => {{}}; {XHR}"
ONCE_CHOSEN: Final = f"""const add = document.querySelector("#add"); add.disabled = true;
const changed = () => setTimeout(() => {{ add.disabled = false; }}, 300); {XHR}"""
SCRIPTS: Final = {
    "FORM": "",
    "FORMSLOW": "",
    "FORMHALF": "",
    "FORMLATER": """form.addEventListener("submit", (event) => { event.preventDefault();
      setTimeout(() => form.submit(), 300); });""",
    "DRAWER": 'form.addEventListener("submit", async (event) => { await byXhr(event); await drawer(); });',
    "ASKING": """form.addEventListener("submit", (event) => { event.preventDefault();
      document.querySelector("#really").hidden = false; });
      document.querySelector("#really .yes").onclick = () => send();""",
    "SCROLL": XHR
    + """addEventListener("scroll", () => { if (scrollY > 1500 && !document.querySelector("#add"))
      document.querySelector("#place").innerHTML = '<button id="add">Add to cart</button>'; });""",
    "ONCECHOSEN": ONCE_CHOSEN,
    "RESETS": XHR + 'document.querySelector("#n").onchange = (event) => { event.target.value = 1; };',
    "GONESIZE": XHR
    + """const changed = () => { document.querySelector("#stock").textContent = "Sold out";
      document.querySelector("#add").remove(); };""",
    "DEAF": 'form.addEventListener("submit", (event) => event.preventDefault()); const changed = () => {};',
}
FIELDS: Final = {
    "input": '<input id="n" name="quantity" type="number" value="1" min="1" max="50">',
    "select": '<select id="n" name="quantity">' + "".join(f"<option>{n}</option>" for n in range(1, 6)) + "</select>",
    "plus": """<input id="n" name="quantity" value="1" readonly><button type="button" id="plus" onclick="
        const n = document.querySelector('#n'); n.value = Number(n.value) + 1;
        this.disabled = n.value >= 4">+</button>""",
}


class CartShop:
    """Runs until ``close``. ``clicks`` are the requests to add, each with its form."""

    def __init__(self) -> None:
        self.clicks: list[dict[str, str]] = []
        self.carts: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
        self.is_one_cart_for_all = False
        self.closing = threading.Event()
        self._server = make_server("127.0.0.1", 0, self._app(), threaded=True, request_handler=_Quiet)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every slow answer and the server."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        """Begin a day without carts and clicks."""
        self.clicks.clear()
        self.carts.clear()
        self.is_one_cart_for_all = False

    def profile(self, **cart: Any) -> Profile:
        """The shop's profile; ``cart`` replaces parts of its cart."""
        document = {
            "base_url": f"http://127.0.0.1:{self.port}/",
            "allowed_hosts": [f"127.0.0.1:{self.port}"],
            "locale": "en_US",
            "currency": "USD",
            "product": {
                "url": "/p/{asin}",
                "ready": [{"css": "#price"}],
                "identity": [{"css": "body", "attribute": "data-asin"}],
                "name": [{"css": "h1"}],
                "price": [{"css": "#price"}],
                "availability": [{"css": "#stock"}],
                "availability_rules": [{"contains": "sold out", "means": "OUT_OF_STOCK"}],
            },
            "cart": {
                "add": "#add",
                "confirm": [{"css": "#said", "text": "added"}, {"url": "/cart$"}],
                "refuse": [{"css": "#said", "text": "no more than", "code": "QUANTITY_LIMITED"}],
                "url": "/cart",
                "line": ".line",
                "identity": [{"css": ":scope", "attribute": "data-asin"}],
                "quantity": [{"css": ".n"}],
                "price": [{"css": ".each"}],
            }
            | cart,
            "timeouts": {"page_load_s": 8, "ready_s": 5, "script_s": 10, "confirm_s": 3},
        }
        return Profile.from_document(document)

    def _app(self) -> Flask:
        app = Flask(__name__)

        @app.get("/p/<asin>")
        def product(asin: str) -> Response:
            answer = Response(self._product(asin))
            answer.set_cookie("session", request.cookies.get("session") or secrets.token_hex(8))
            return answer

        @app.post("/cart/add")
        def add() -> Any:
            return self._add(request.form.to_dict())

        @app.get("/cart")
        def cart() -> str:
            return f"<!doctype html><h1>Your cart</h1><ul>{self._lines()}</ul>"

        @app.get("/cart/lines")
        def lines() -> str:
            return f"<h2>In your cart</h2>{self._lines()}"

        return app

    def _product(self, asin: str) -> str:
        kind = asin.rstrip("0123456789")
        options = {"SELECT": SELECT, "RADIOS": RADIOS, "SWATCHES": SELECT + SWATCHES, "LINKS": LINKS, "DEAF": SELECT}
        options |= {
            "ONCECHOSEN": SELECT,
            "OTHERSIZE": SELECT,
            "GONESIZE": SELECT,
            "ASKING": REALLY,
            "SOLDOUTNOW": SELECT,
        }
        options |= {"SCROLL": '<div style="height: 5000px"></div>'}
        field = {"SELECTN": "select", "PLUS": "plus"}.get(kind, "input")
        size = request.args.get("size", "")
        return PAGE.format(
            asin=asin,
            price="$24.99" if size != "l-1" else "$29.99",
            stock="Sold out" if kind == "SOLDOUTNOW" else "In stock",
            options=options.get(kind, ""),
            size=size,
            quantity=FIELDS[field].replace('value="1"', f'value="{request.args.get("quantity", "1")}"', 1),
            button="" if kind in ("SCROLL", "SOLDOUTNOW") else BUTTON,
            script=SCRIPTS.get(kind, LATER),
        )

    def _add(self, form: dict[str, str]) -> Any:
        self.clicks.append(form)
        asin = form["asin"]
        wanted, kind = int(form.get("quantity") or 1), asin.rstrip("0123456789")
        if kind == "SLOWTOADD":
            self.closing.wait(4)
        cart, key = self.carts[self._session()], (asin, f"Size: {form['size']}, colour: {form['colour']}")
        if kind == "OTHERSIZE":
            key = (asin, "Size: XS")
        most = 3 if kind in ("CLAMPS", "TELLS") else 1000
        cart[key] = min(cart.get(key, 0) + wanted * (2 if kind == "DOUBLES" else 1), most)
        if kind in ("FORMSLOW", "FORMLATER"):
            self.closing.wait(60)
        if kind == "FORMHALF":
            return Response(self._half(), mimetype="text/html")
        if kind == "TELLS" and wanted > most:
            return f"You can have no more than {most}."
        return redirect("/cart", 303) if kind in ("FORM", "FORMSLOW", "FORMLATER") else "Added to your cart"

    def _half(self) -> Iterator[str]:
        """A page whose end does not come while anybody waits for it."""
        yield "<!doctype html><title>Thank you</title><p>Added" + " " * 2000
        self.closing.wait(60)

    def _session(self) -> str:
        return "everybody" if self.is_one_cart_for_all else request.cookies.get("session", "nobody")

    def _lines(self) -> str:
        time.sleep(0.05)
        return "".join(_line(asin, variant, n) for (asin, variant), n in self.carts[self._session()].items())


def _line(asin: str, variant: str, count: int) -> str:
    each = 2650 if asin.startswith("DIFFERS") else 2499
    total = each * count - (1 if asin.startswith("UNEVEN") else 0)
    values = {"variant": variant, "n": str(count), "each": f"${each / 100:.2f}", "total": f"${total / 100:.2f}"}
    parts = " ".join(f'<span class="{name}">{value}</span>' for name, value in values.items())
    return f'<li class="line" data-asin="{asin}">Shirt {parts}</li>'


class _Quiet(WSGIRequestHandler):
    """Says nothing of requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Be quiet."""
