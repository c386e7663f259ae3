"""From the reports of one or two product pages to a profile, with how sure each part of it is. Pure.

A part is surest where the shop's own data and what is drawn agree, on both pages, under a name that says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.core.money import Money, MoneyError, exponent
from app.rpa.codes import Code
from app.rpa.product_addresses import ProductAddress
from app.rpa.profile_rules import compiled
from workers.errors import TaskError
from workers.storefront.currency_words import folded, names_of
from workers.storefront.extraction import NOT_SELLABLE
from workers.storefront.prices import read_price, read_structured_price
from workers.storefront.structured import availability_of, names_asin
from workers.suggesting.reports import Report, values_at
from workers.suggesting.words import LANGUAGES, PLACES, Words, of_language

MOST_PROBED: Final = 40
_CURRENCIES: Final = ("EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "JPY", "INR", "CAD", "AUD")
_AGREE: Final = 0.95
_STATED: Final = 0.85
_SEEN: Final = 0.6
_ONCE: Final = 0.8
"""What a page alone is worth beside two that agree."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the profile: where in it, what, and how sure that is (0 to 1) for which reason."""

    pointer: str
    value: Any
    sure: float
    reason: str
    works_on: tuple[bool, ...] = ()
    """Per page, whether it reads something usable there."""


@dataclass(slots=True)
class Proposal:
    """A profile document and what is to be known of its parts."""

    product: dict[str, Any]
    locale: str
    currency: str
    name: str
    parts: list[Part] = field(default_factory=list)
    cart: list[Part] = field(default_factory=list)
    """Parts of a cart that a profile needs more for: its line cannot be seen before something is in it."""

    def document(self, address: ProductAddress) -> dict[str, Any]:
        """The profile as POST /storefronts takes it."""
        return {
            "base_url": address.base_url,
            "allowed_hosts": [address.host],
            "locale": self.locale,
            "currency": self.currency,
            "product": self.product,
        }


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
    language, words = _language(reports)
    currency, locale, parts = _notation(reports, language)
    made = Proposal({"url": address.template}, locale, currency, reports[0].text("site") or address.host, list(parts))
    made.parts.insert(0, Part("/product/url", address.template, address.sure, address.reason))
    choose = _Chooser(reports, answers, probed)
    price = choose.sources(
        "price", lambda text: _money(text, locale, currency) is not None, _same_money(locale, currency)
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


@dataclass(slots=True)
class _Found:
    sources: list[dict[str, str]]
    sure: float = 0.0
    reason: str = ""
    works_on: tuple[bool, ...] = ()


class _Chooser:
    """Compares what selectors read on all pages with what the pages' own data state."""

    def __init__(
        self, reports: Sequence[Report], answers: Sequence[Mapping[str, Any]], probed: Mapping[str, str]
    ) -> None:
        self.reports = reports
        self.answers = answers
        self._probed = probed

    def read(self, field_name: str) -> list[tuple[str, list[list[str]]]]:
        """Each selector of a field with what it reads per page, the likeliest first."""
        keys = [key for key in self._probed if key.startswith(f"{field_name}/")]
        return [(self._probed[key], [values_at(answer, key) for answer in self.answers]) for key in keys]

    def sources(self, field_name: str, is_good: Callable[[str], bool], is_same: Callable[[str, str], bool]) -> _Found:
        """The data's statement first, then the selector that agrees with it, or works on most pages."""
        stated = [[str(one.value) for one in report.stated(field_name)] for report in self.reports]
        best, best_score = None, (0, 0)
        for css, values in self.read(field_name):
            works = tuple(len({folded(v) for v in page}) == 1 and is_good(page[0]) for page in values)
            agrees = sum(
                bool(ok and said and is_same(page[0], said[0]))
                for ok, page, said in zip(works, values, stated, strict=True)
            )
            score = (sum(works), agrees)
            if any(works) and score > best_score:
                best, best_score = (css, works), score
        return self._found(field_name, stated, best, best_score[1])

    def _found(
        self, field_name: str, stated: list[list[str]], best: tuple[str, tuple[bool, ...]] | None, agrees: int
    ) -> _Found:
        sources: list[dict[str, str]] = [{"structured": field_name}] if any(stated) else []
        if best is None:
            works = tuple(bool(one) for one in stated)
            said = "the page's own data state it; nothing that is drawn was found"
            return _Found(sources, self.worth(_STATED) if sources else 0.0, said, works)
        sources.append({"css": best[0]})
        if agrees:
            sure, reason = _AGREE, "the page's own data and what is drawn say the same"
        elif any(stated):
            sure, reason = 0.4, "the page's own data and what is drawn differ, or only one page has both"
        else:
            sure, reason = _SEEN, "it is drawn where such a thing stands; the page's own data do not state it"
        if not all(best[1]):
            sure, reason = sure * 0.6, f"{reason}; the selector reads only one of the pages"
        return _Found(sources, self.worth(sure), reason, best[1])

    def worth(self, sure: float) -> float:
        return round(sure if len(self.reports) > 1 else sure * _ONCE, 2)


_KINDS: Final = {"price": "prices", "name": "names", "brand": "brands", "availability": "stock"}


def _keep(made: Proposal, name: str, found: _Found) -> None:
    if found.sources:
        made.product[name] = found.sources
        made.parts.append(Part(f"/product/{name}", found.sources, found.sure, found.reason, found.works_on))


def _notation(reports: Sequence[Report], language: str) -> tuple[str, str, list[Part]]:
    """Currency and locale, in which every price of the pages can be read."""
    stated = [str(one.value) for report in reports for one in report.stated("currency")]
    drawn = [one.text for report in reports for one in report.candidates("prices")]
    known = [code for code in stated if _is_currency(code)]
    place = _place(reports, language)
    if known:
        currency, sure, reason = known[0], _AGREE, "the page's own data state it"
    else:
        currency, sure, reason = _drawn_currency(drawn, place), 0.6, "its sign stands beside the prices"
    places = list(dict.fromkeys([place, PLACES[language], *PLACES.values(), "de_CH", "sv_SE", "ja_JP"]))
    read = {one: sum(_money(text, one, currency) is not None for text in drawn) for one in places}
    locale = max(places, key=lambda one: read[one])
    said = f"{read[locale]} of {len(drawn)} drawn prices can be read so" if drawn else "the page's language"
    locale_sure = round(0.5 + 0.4 * read[locale] / len(drawn), 2) if drawn else 0.5
    return currency, locale, [Part("/currency", currency, sure, reason), Part("/locale", locale, locale_sure, said)]


def _language(reports: Sequence[Report]) -> tuple[str, Words]:
    """The language that the page says it is written in, else the one in which its buttons read like buying."""
    language, words = of_language(reports[0].language)
    if words is not None:
        return language, words
    texts = [one.text for report in reports for one in report.candidates("buttons")]
    spoken = {name: sum(any(word in text for word in one.buy) for text in texts) for name, one in LANGUAGES.items()}
    best = max(LANGUAGES, key=lambda name: spoken[name])
    return best, LANGUAGES[best]


def _place(reports: Sequence[Report], language: str) -> str:
    for text in (reports[0].text("region"), reports[0].text("lang")):
        match = re.fullmatch(r"([a-z]{2})[-_]([A-Za-z]{2})", text)
        if match and match[1] == language:
            return f"{match[1]}_{match[2].upper()}"
    return PLACES[language]


def _drawn_currency(drawn: Sequence[str], place: str) -> str:
    counts = {code: sum(_money(text, place, code) is not None for text in drawn) for code in _CURRENCIES}
    named = {
        code: sum(any(name in folded(text) for name in names_of(code, place)) for text in drawn) for code in counts
    }
    return max(_CURRENCIES, key=lambda code: (counts[code], named[code]))


def _brand(choose: _Chooser, words: Words) -> _Found:
    """Like a name, but a text such as "Visit the Hearth store" needs an expression to take the brand out."""
    plain = choose.sources("brand", lambda text: 0 < len(text) <= 60, lambda one, other: folded(one) == folded(other))
    if {"structured": "brand"} in plain.sources and plain.sure >= choose.worth(_AGREE):
        return plain
    for css, values in choose.read("brand"):
        for pattern in words.brand:
            works = tuple(bool(page) and compiled(pattern).search(page[0]) is not None for page in values)
            if all(works) and works:
                structured = [one for one in plain.sources if "structured" in one]
                source = {"css": css, "regex": pattern}
                return _Found(
                    [*structured, source], choose.worth(0.75), "it stands in a sentence that shops use", works
                )
    return plain


def _availability(made: Proposal, choose: _Chooser, words: Words) -> None:
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


def _money(text: str, locale: str, currency: str) -> Money | None:
    try:
        return read_price(text, locale=locale, currency=currency)
    except TaskError:
        return None


def _same_money(locale: str, currency: str) -> Callable[[str, str], bool]:
    def same(drawn: str, stated: str) -> bool:
        try:
            return _money(drawn, locale, currency) == read_structured_price(stated, locale=locale, currency=currency)
        except TaskError:
            return False

    return same


def _same_stock(words: Words) -> Callable[[str, str], bool]:
    """Whether words that are drawn and a value of schema.org say alike that it can, or cannot, be bought."""

    def same(drawn: str, stated: str) -> bool:
        seen, said = words.meaning(drawn), availability_of(stated)
        return seen is not None and said is not None and (seen in NOT_SELLABLE) == (said in NOT_SELLABLE)

    return same


def _is_currency(code: str) -> bool:
    try:
        exponent(code)
    except MoneyError:
        return False
    return True
