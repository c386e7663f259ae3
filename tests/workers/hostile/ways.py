"""Hostile pages that lead the browser elsewhere."""

from __future__ import annotations

from typing import Final

from app.rpa.rules.codes import Code
from tests.workers.hostile.page import Hostile, Visitor, page, redirect

_OFFSITE: Final = Code.REDIRECTED_OFFSITE


def _counting_up(visitor: Visitor) -> None:
    visitor.head(f"Location: /p/{visitor.asin}?{int(visitor.query or 0) + 1}", status="302 Found")


def _slow_steps(visitor: Visitor) -> None:
    visitor.closing.wait(0.5)
    _counting_up(visitor)


def _goes(to: str) -> str:
    return f"location = {to};"


WAYS: Final = (
    Hostile("COUNTING01", "redirects to ever new addresses", Code.NO_DOCUMENT, _counting_up),
    Hostile("SLOWSTEPS1", "redirects that each take their time", Code.NAV_TIMEOUT, _slow_steps),
    Hostile("TOOTHER001", "a redirect to another port of the shop's host", _OFFSITE, redirect("OTHER/stolen")),
    Hostile("TOGOOD0001", "a redirect to another product", Code.WRONG_PRODUCT, redirect("/p/GOOD000002")),
    Hostile(
        "NAMED00001",
        "a redirect to another product that names the first one behind it",
        Code.WRONG_PRODUCT,
        redirect("/p/GOOD000002?instead-of=NAMED00001"),
    ),
    Hostile("TODATA0001", "a redirect to a data: address", _OFFSITE, redirect("data:text/html,<h1>Data</h1>")),
    Hostile("TOFILE0001", "a redirect to a file", _OFFSITE, redirect("file:///etc/passwd")),
    Hostile("TOSCRIPT01", "a redirect to a javascript: address", Code.NO_DOCUMENT, redirect("javascript:alert(1)")),
    Hostile("TOAPP00001", "a redirect to an app", _OFFSITE, redirect("intent://product#Intent;scheme=shop;end")),
    Hostile(
        "JSGOOD0001",
        "a script that leads to another product",
        Code.WRONG_PRODUCT,
        page(price="", script='location.replace("/p/GOOD000002")'),
    ),
    Hostile(
        "PRERENDER1",
        "another product, prepared in advance and then gone to",
        Code.WRONG_PRODUCT,
        page(
            price="",
            script="""
const rules = {prerender: [{urls: ["/p/GOOD000002"], eagerness: "immediate"}],
               prefetch: [{urls: ["OTHER/stolen"], eagerness: "immediate"}]};
document.head.append(Object.assign(document.createElement("script"),
  {type: "speculationrules", textContent: JSON.stringify(rules)}));
setTimeout(() => { location = "/p/GOOD000002"; }, 300);""",
        ),
    ),
    Hostile("JSDATA0001", "a script that leads to a data: address", None, page(script=_goes("'data:text/html,<p>'"))),
    Hostile("JSFILE0001", "a script that leads to a file", None, page(script=_goes('"file:///etc/passwd"'))),
    Hostile("JSAPP00001", "a script that leads to an app", None, page(script=_goes('"intent://product"'))),
    Hostile("JSLOAD0001", "a script that leads to a download", None, page(script=_goes('"/p/DOWNLOAD01"'))),
    Hostile("JSNOTHING1", "a script that leads to nothing (204)", None, page(script=_goes('"/p/NOCONTENT1"'))),
    Hostile(
        "JSBLANK001", "a script that leads to an empty page", _OFFSITE, page(price="", script=_goes('"about:blank"'))
    ),
    Hostile(
        "JSSRCDOC01", "a script that leads to about:srcdoc", _OFFSITE, page(price="", script=_goes('"about:srcdoc"'))
    ),
    Hostile(
        "JSBLOB0001",
        "a script that leads to a page it has written",
        _OFFSITE,
        page(price="", script=_goes('URL.createObjectURL(new Blob(["<p>Written</p>"], {type: "text/html"}))')),
    ),
    Hostile(
        "JSTEXT0001",
        "a javascript: address that puts its words in the page's place",
        Code.SELECTOR_MISSING,
        page(script="location = \"javascript:'words'\""),
    ),
    Hostile(
        "FORMOTHER1",
        "a form to another host that sends itself",
        _OFFSITE,
        page(price="", body='<form method="post" action="OTHER/stolen"></form>', script="document.forms[0].submit()"),
    ),
    Hostile(
        "METAOTHER1",
        "a refresh that leads to another host",
        _OFFSITE,
        page(price="", head='<meta http-equiv="refresh" content="0;url=OTHER/stolen">'),
    ),
    Hostile("REFRESH001", "a page that refreshes itself for ever", Code.SELECTOR_MISSING, page("Refresh: 0", price="")),
    Hostile(
        "RELOADS001",
        "a page that loads itself again for ever",
        Code.SELECTOR_MISSING,
        page(price="", script='addEventListener("load", () => location.reload())'),
    ),
)
