"""Pages whose button does more than to put the product into the cart."""

from __future__ import annotations

import secrets
from typing import Final

from app.rpa.rules.codes import Code
from tests.workers.hostile.page import Answer, Hostile, Visitor

_ADD: Final = """
const add = async () => {
  await fetch("/cart/add?asin=" + document.title, {method: "POST"});
  document.body.append(Object.assign(document.createElement("p"), {id: "added", textContent: "Added"}));
};
document.querySelector("#add").onclick = () => { %s };"""


def _button(click: str, *, before: str = "") -> Answer:
    def answer(visitor: Visitor) -> None:
        cookie = f"Set-Cookie: session={secrets.token_hex(8)}; Path=/"
        visitor.page(cookie, body='<button id="add">Add to cart</button>', script=before + _ADD % click)

    return answer


CLICKS: Final = (
    Hostile(
        "CLICKOPENS",
        "a button that opens windows",
        None,
        _button('for (let at = 0; at < 9; at += 1) open("/window" + at, "_blank"); add();'),
    ),
    Hostile(
        "CLICKLINKS",
        "a button that follows links into new windows",
        None,
        _button(
            'const link = Object.assign(document.createElement("a"), {href: "OTHER/stolen", target: "_blank"});'
            "document.body.append(link); link.click(); add();"
        ),
    ),
    Hostile(
        "CLICKTALKS", "a button that asks questions", None, _button('alert("a"); confirm("b"); prompt("c"); add();')
    ),
    Hostile(
        "CLICKTALK2",
        "a button that asks questions before it does anything",
        None,
        _button('if (!confirm("Sure?")) add();'),
    ),
    Hostile("CLICKPRINT", "a button that prints", None, _button("print(); add();")),
    Hostile("CLICKFILES", "a button that starts a download", None, _button('location = "/p/DOWNLOAD01"; add();')),
    Hostile(
        "STAYSHERE1",
        "a page that does not want to be left",
        None,
        _button("add();", before='addEventListener("beforeunload", (event) => event.preventDefault());'),
    ),
    Hostile(
        "CLICKAWAY1",
        "a button that leads to another host",
        Code.REDIRECTED_OFFSITE,
        _button('location = "OTHER/stolen";'),
    ),
    Hostile(
        "CLICKBUSY1", "a button that keeps the page busy for ever", Code.DRIVER_TIMEOUT, _button("while (true) {}")
    ),
    Hostile(
        "CLICKFILE1",
        "a button that starts a download and nothing else",
        Code.CART_NOT_CONFIRMED,
        _button('location = "/p/DOWNLOAD01";'),
    ),
)
