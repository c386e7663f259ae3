"""Pages that show something else than they seem to hold."""

from __future__ import annotations

from typing import Final

from app.rpa.rules.codes import Code
from tests.workers.hostile.page import PRICE, Hostile, html, page, parts


def _shadow(mode: str) -> str:
    return f'<p class="price">$9.99<template shadowrootmode="{mode}"><b>$24.99</b></template></p>'


SIGHTS: Final = (
    Hostile(
        "SHADOWOPEN",
        "the price in an open shadow root, and another that nobody sees",
        None,
        page(price=_shadow("open")),
    ),
    Hostile(
        "SHADOWSHUT",
        "the price in a closed shadow root, and another that nobody sees",
        Code.PRICE_MISSING,
        page(price=_shadow("closed")),
    ),
    Hostile(
        "FRAMEPRICE",
        "the price in a frame, and another for browsers without frames",
        None,
        parts(main=page(price='<iframe class="price" src="?frame">$9.99</iframe>'), frame=html(PRICE)),
    ),
    Hostile(
        "FRAMEALIEN",
        "the price in a frame of another origin, and another for browsers without frames",
        Code.PRICE_MISSING,
        parts(main=page(price='<iframe class="price" sandbox src="?frame">$9.99</iframe>'), frame=html(PRICE)),
    ),
    Hostile(
        "SHADOWLIES",
        "the price in a shadow root, and others there that nobody sees",
        None,
        page(
            price='<div class="price"><template shadowrootmode="open"><s>$30.00</s><b hidden>$9.99</b>'
            '<b style="visibility:hidden">$8.88</b><slot></slot></template>$24.99<b slot="nowhere">$7.77</b></div>'
        ),
    ),
    Hostile(
        "SHADOWDEEP",
        "shadow roots 500 deep around the price",
        None,
        page(
            price='<div class="price">$24.99</div>',
            script="""const price = document.querySelector(".price");
let at = price.attachShadow({mode: "open"});
for (let depth = 0; depth < 500; depth += 1) {
  const next = document.createElement("div");
  at.append(next);
  at = next.attachShadow({mode: "open"});
}
at.append("$24.99");""",
        ),
    ),
    Hostile(
        "SLOTLIES01",
        "elements that are only called slots and frames",
        None,
        page(price=f"<svg><slot></slot><iframe></iframe><select></select></svg><div><slot>{PRICE}</slot></div>"),
    ),
    Hostile(
        "CANVAS0001",
        "the price drawn, and another for browsers that cannot draw",
        Code.PRICE_MISSING,
        page(price='<canvas class="price">$9.99</canvas>'),
    ),
    Hostile(
        "SLOTTED001",
        "the price put into a shadow root, where everybody sees it",
        None,
        page(price=f'<div><template shadowrootmode="open">Now <slot></slot></template>{PRICE}</div>'),
    ),
    Hostile(
        "FARDOWN001",
        "the price so far down that it is not drawn yet",
        None,
        page(price=f'<div style="height:50000px"></div><div style="content-visibility:auto">{PRICE}</div>'),
    ),
    Hostile(
        "CAPTCHA200",
        "a robot check with status 200 that no marker knows",
        Code.BLOCKED,
        html('<title>Hello</title><form action="/validateCaptcha">Type the characters <input name="c"></form>'),
    ),
    Hostile(
        "CAPTCHAOK1",
        "a product's page with a robot check for its reviews",
        None,
        page(body='<form action="/captcha/review">Your review <input name="review"></form>'),
    ),
    Hostile("SOFT404001", "status 200 for what is not there", Code.NOT_FOUND, html("<h1>Page not found</h1>")),
    Hostile("SOFT404002", "the same in words that no marker knows", Code.SELECTOR_MISSING, html("<h1>Ay, no!</h1>")),
)
