"""From the reports of one or two product pages to a profile, with how sure each part of it is. Pure.

A part is surest where the shop's own data and what is drawn agree, on both pages, under a name that says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from app.rpa.profiles.addresses import ProductAddress
from app.rpa.profiles.rules import compiled
from app.rpa.rules.codes import Code
from workers.errors import TaskError
from workers.storefront.currency_words import folded
from workers.storefront.extraction import NOT_SELLABLE
from workers.storefront.structured import availability_of, names_asin
from workers.suggesting.choosing import AGREE, Chooser, Found
from workers.suggesting.notation import language_of, money_in, notation_of, same_money
from workers.suggesting.parts import Part, Proposal
from workers.suggesting.reports import Report
from workers.suggesting.words import Words

MOST_PROBED: Final = 40
_KINDS: Final = {"price": "prices", "name": "names", "brand": "brands", "availability": "stock"}


def probes(reports: Sequence[Report]) -> dict[str, str]:
    """Selectors to read on every page, by the key that ``values_at`` takes: ``price/3`` -> ``#price .now``."""
    found: dict[str, str] = {}
    for kind in ("price", "name", "brand", "availability"):
        report_kind = _KINDS[kind]
        ordered = [css for report in reports for one in report.candidates(report_kind) for css in one.css]
        unique = list(dict.fromkeys(ordered))[:MOST_PROBED]
        found |= {f"{kind}/{at}": css for at, css in enumerate(unique)}
    return found


def propose(reports: Sequence[Report], answers: Sequence[Mapping[str, Any]], address: ProductAddress) -> Proposal:
    """A profile for the pages; ``answers`` is what the extraction script read there for ``probes``.

    Raises TaskError(SELECTOR_MISSING) where no name or no price can be found.
    """
    probed = probes(reports)
    language, words = language_of(reports)
    currency, locale, parts = notation_of(reports, language)
    made = Proposal({"url": address.template}, locale, currency, reports[0].text("site") or address.host, list(parts))
    made.parts.insert(0, Part("/product/url", address.template, address.sure, address.reason))
    choose = Chooser(reports, answers, probed)
    price = choose.sources(
        "price", lambda text: money_in(text, locale, currency) is not None, same_money(locale, currency)
    )
    name = choose.sources("name", lambda text: bool(text.strip()), lambda one, other: folded(one) == folded(other))
    for pointer, found in (("name", name), ("price", price)):
        if not found.sources:
            raise TaskError(Code.SELECTOR_MISSING, f"Neither data nor text of the pages tell the product's {pointer}.")
    _keep(made, "name", name)
    _keep(made, "price", price)
    _keep(made, "brand", _brand(choose, words))
    if any(report.stated("currency") for report in reports):
        made.product["currency"] = [{"structured": "currency"}]
    _availability(made, choose, words)
    _identity(made, reports)
    _ready(made)
    _cart(made, reports)
    return made


def _keep(made: Proposal, name: str, found: Found) -> None:
    if found.sources:
        made.product[name] = found.sources
        made.parts.append(Part(f"/product/{name}", found.sources, found.sure, found.reason, found.works_on))


def _brand(choose: Chooser, words: Words) -> Found:
    """Like a name, but a text such as "Visit the Hearth store" needs an expression to take the brand out."""
    plain = choose.sources("brand", lambda text: 0 < len(text) <= 60, lambda one, other: folded(one) == folded(other))
    if {"structured": "brand"} in plain.sources and plain.sure >= choose.worth(AGREE):
        return plain
    for css, values in choose.read("brand"):
        for pattern in words.brand:
            works = tuple(bool(page) and compiled(pattern).search(page[0]) is not None for page in values)
            if all(works) and works:
                structured = [one for one in plain.sources if "structured" in one]
                source = {"css": css, "regex": pattern}
                return Found([*structured, source], choose.worth(0.75), "it stands in a sentence that shops use", works)
    return plain


def _availability(made: Proposal, choose: Chooser, words: Words) -> None:
    """The selector whose words have a meaning on all pages, the nearest to the product's name first."""
    is_stated = any(
        availability_of(str(one.value)) for report in choose.reports for one in report.stated("availability")
    )
    found = choose.sources("availability", lambda text: words.meaning(text) is not None, _same_stock(words))
    css = [one for one in found.sources if "css" in one]
    sources = css + ([{"structured": "availability"}] if is_stated else [])
    if not sources:
        return
    made.product["availability"] = sources
    if css:
        made.product["availability_rules"] = words.rules
    made.parts.append(Part("/product/availability", sources, found.sure, found.reason, found.works_on))


def _identity(made: Proposal, reports: Sequence[Report]) -> None:
    """Where every page names its own product; without such a place the address has to."""
    first = [(str(one.get("css")), str(one.get("attribute"))) for one in reports[0].entries("identity")]
    for css, attribute in first:
        works = tuple(
            any(
                (one.get("css"), one.get("attribute")) == (css, attribute)
                and names_asin(str(one.get("value")), report.asin)
                for one in report.entries("identity")
            )
            for report in reports
        )
        if all(works):
            made.product["identity"] = [{"css": css, "attribute": attribute}]
            sure = 0.9 if len(reports) > 1 else 0.7
            made.parts.append(Part("/product/identity", made.product["identity"], sure, "it holds the ASIN", works))
            return


def _ready(made: Proposal) -> None:
    """The page is ready when its price or its words about stock are there."""
    markers = [
        {"css": one["css"]} for name in ("price", "availability") for one in made.product.get(name, []) if "css" in one
    ]
    if markers:
        made.product["ready"] = markers


def _cart(made: Proposal, reports: Sequence[Report]) -> None:
    buttons = [one for report in reports for one in report.candidates("buttons")]
    if buttons:
        css = buttons[0].css[0]
        works = tuple(any(css in one.css for one in report.candidates("buttons")) for report in reports)
        sure = round((0.9 if all(works) and len(works) > 1 else 0.6) * (1.0 if buttons[0].is_meant else 0.8), 2)
        made.cart.append(Part("/cart/add", css, sure, f"the button reads {buttons[0].text!r}"[:200], works))
    paths: dict[str, int] = {}
    for report in reports:
        for one in report.entries("carts"):
            path = one.get("path")
            if isinstance(path, str) and re.fullmatch(r"/[A-Za-z0-9/_.~-]{1,199}", path):
                paths[path] = paths.get(path, 0) + 2 * (one.get("isPath") is True) + (one.get("isSaid") is True)
    if paths:
        path = max(paths, key=lambda one: (paths[one], -len(one)))
        sure = 0.9 if paths[path] >= 3 else 0.5
        made.cart.append(Part("/cart/url", path, sure, "links that read like the cart lead there"))


def _same_stock(words: Words) -> Callable[[str, str], bool]:
    """Whether words that are drawn and a value of schema.org say alike that it can, or cannot, be bought."""

    def same(drawn: str, stated: str) -> bool:
        seen, said = words.meaning(drawn), availability_of(stated)
        return seen is not None and said is not None and (seen in NOT_SELLABLE) == (said in NOT_SELLABLE)

    return same
