"""In which currency and locale a shop's pages write their prices, and in which language their words. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from app.core.money import Money, MoneyError, exponent
from workers.errors import TaskError
from workers.storefront.currency_words import folded, names_of
from workers.storefront.prices import read_price, read_structured_price
from workers.suggesting.choosing import AGREE
from workers.suggesting.parts import Part
from workers.suggesting.reports import Report
from workers.suggesting.words import LANGUAGES, PLACES, Words, of_language

_CURRENCIES: Final = ("EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "JPY", "INR", "CAD", "AUD")


def notation_of(reports: Sequence[Report], language: str) -> tuple[str, str, list[Part]]:
    """Currency and locale, in which every price of the pages can be read."""
    stated = [str(one.value) for report in reports for one in report.stated("currency")]
    drawn = [one.text for report in reports for one in report.candidates("prices")]
    known = [code for code in stated if _is_currency(code)]
    place = _place(reports, language)
    if known:
        currency, sure, reason = known[0], AGREE, "the page's own data state it"
    else:
        currency, sure, reason = _drawn_currency(drawn, place), 0.6, "its sign stands beside the prices"
    places = list(dict.fromkeys([place, PLACES[language], *PLACES.values(), "de_CH", "sv_SE", "ja_JP"]))
    read = {one: sum(money_in(text, one, currency) is not None for text in drawn) for one in places}
    locale = max(places, key=lambda one: read[one])
    said = f"{read[locale]} of {len(drawn)} drawn prices can be read so" if drawn else "the page's language"
    locale_sure = round(0.5 + 0.4 * read[locale] / len(drawn), 2) if drawn else 0.5
    return currency, locale, [Part("/currency", currency, sure, reason), Part("/locale", locale, locale_sure, said)]


def language_of(reports: Sequence[Report]) -> tuple[str, Words]:
    """The language that the page says it is written in, else the one in which its buttons read like buying."""
    language, words = of_language(reports[0].language)
    if words is not None:
        return language, words
    texts = [one.text for report in reports for one in report.candidates("buttons")]
    spoken = {name: sum(any(word in text for word in one.buy) for text in texts) for name, one in LANGUAGES.items()}
    best = max(LANGUAGES, key=lambda name: spoken[name])
    return best, LANGUAGES[best]


def money_in(text: str, locale: str, currency: str) -> Money | None:
    """The one price that a text shows; None where it shows none, or more."""
    try:
        return read_price(text, locale=locale, currency=currency)
    except TaskError:
        return None


def same_money(locale: str, currency: str) -> Callable[[str, str], bool]:
    """Whether a text that is drawn and the price that data state are the same amount."""

    def same(drawn: str, stated: str) -> bool:
        try:
            return money_in(drawn, locale, currency) == read_structured_price(stated, locale=locale, currency=currency)
        except TaskError:
            return False

    return same


def _place(reports: Sequence[Report], language: str) -> str:
    for text in (reports[0].text("region"), reports[0].text("lang")):
        match = re.fullmatch(r"([a-z]{2})[-_]([A-Za-z]{2})", text)
        if match and match[1] == language:
            return f"{match[1]}_{match[2].upper()}"
    return PLACES[language]


def _drawn_currency(drawn: Sequence[str], place: str) -> str:
    counts = {code: sum(money_in(text, place, code) is not None for text in drawn) for code in _CURRENCIES}
    named = {
        code: sum(any(name in folded(text) for name in names_of(code, place)) for text in drawn) for code in counts
    }
    return max(_CURRENCIES, key=lambda code: (counts[code], named[code]))


def _is_currency(code: str) -> bool:
    try:
        exponent(code)
    except MoneyError:
        return False
    return True
