"""From what the script brought back to the value of each field, by the sources of a profile. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.core.money import Money, MoneyError, exponent
from app.rpa.profiles.profile import Profile, Source
from app.rpa.rules import rotting
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Availability, Read
from workers.errors import TaskError
from workers.storefront.currency_words import folded, names_of
from workers.storefront.page_data import PageData, says, searched, shown
from workers.storefront.prices import PriceAmbiguous, PriceUnparsed, read_price, read_structured_price
from workers.storefront.structured import Statement, availability_of, statements

_SOURCE_LENGTH: Final = 100


def found_by(page: PageData, field: str, at: int, source: Source, asin: str) -> list[Statement]:
    """What the source in place ``at`` of a field gives; a structured one only what the page states of ``asin``."""
    if source.structured is None:
        place = place_of(source)
        return [Statement(value, place) for value in page.values(f"{field}/{at}", source)]
    found = statements(page, source.structured, asin)
    if source.regex is None:
        return found
    return [
        Statement(value, statement.source, statement.currency)
        for statement in found
        for value in searched([str(statement.value)], source.regex)
    ]


def first_text(page: PageData, field: str, sources: Sequence[Source], asin: str) -> tuple[Read[str] | None, bool]:
    """The first source's first text, and whether a further source says something else."""
    reads: list[Read[str]] = []
    for at, source in enumerate(sources):
        found = found_by(page, field, at, source, asin)
        text = shown(str(found[0].value)) if found else ""
        if text:
            reads.append(Read(text, found[0].source, str(found[0].value)[:500]))
    return (reads[0] if reads else None), any(folded(read.value) != folded(reads[0].value) for read in reads[1:])


def price_of(page: PageData, profile: Profile, asin: str) -> tuple[Read[Money], bool]:
    """The first price source that has a value, and whether a further source that can be read shows another price.

    Raises TaskError: PRICE_MISSING, PRICE_UNPARSED, PRICE_AMBIGUOUS.
    """
    currency = _currency(page, profile, asin)
    chosen: Read[Money] | None = None
    for at, source in enumerate(profile.product.price):
        found = found_by(page, "price", at, source, asin)
        if not found:
            continue
        if chosen is None:
            chosen = _one_price(found, profile.locale, currency)
        elif _shows_another(chosen.value, found, profile.locale, currency):
            return chosen, True
    if chosen is None:
        detail = "No source of product.price has a value." + refused_by(page)
        raise TaskError(Code.PRICE_MISSING, detail, missing=rotting.PRICE)
    return chosen, False


def availability_seen(page: PageData, profile: Profile, asin: str) -> tuple[Read[Availability] | None, bool]:
    """What a person sees, else what the data states, and whether they disagree; UNKNOWN for words without meaning."""
    words: list[Statement] = []
    stated: list[Read[Availability]] = []
    for at, source in enumerate(profile.product.availability):
        found = found_by(page, "availability", at, source, asin)
        if not source.structured:
            words.extend(found)
            continue
        for statement in found:
            text = str(statement.value)
            meaning = availability_of(text) or _meaning(profile, [statement])
            if meaning is not None:
                stated.append(Read(meaning, statement.source, text[:500]))
    seen = _seen(page, profile, words)
    kinds = {read.value for read in stated}
    if seen is not None:
        return seen, any(kind != seen.value for kind in kinds)
    if len(kinds) == 1:
        return stated[0], False
    if stated or words:
        where, text = (stated[0].source, stated[0].raw) if stated else (words[0].source, str(words[0].value)[:500])
        return Read(Availability.UNKNOWN, where, text), len(kinds) > 1
    return None, False


def place_of(source: Source) -> str:
    """A css or regex source as readings name it."""
    place = f"css {source.css}" if source.css else f"regex {source.regex}"
    return (place + (f" @{source.attribute}" if source.attribute else ""))[:_SOURCE_LENGTH]


def refused_by(page: PageData) -> str:
    """A sentence to go on with about selectors that the browser did not take; empty where it took all."""
    refused = page.refused_selectors
    return f" The browser refused {', '.join(refused[:3])}." if refused else ""


def _currency(page: PageData, profile: Profile, asin: str) -> str:
    """The currency the page states, else the profile's; raises PriceUnparsed for words that are no currency."""
    for at, source in enumerate(profile.product.currency):
        for statement in found_by(page, "currency", at, source, asin)[:1]:
            text = str(statement.value).strip()
            if folded(text) in names_of(profile.currency, profile.locale):
                return profile.currency
            if _is_currency(text):
                return text
            raise PriceUnparsed(f"the page's currency {shown(text, 50)!r} is not a code or the profile's currency")
    return profile.currency


def _is_currency(text: str) -> bool:
    try:
        exponent(text)
    except MoneyError:
        return False
    return True


def _one_price(found: Sequence[Statement], locale: str, currency: str) -> Read[Money]:
    reads = [Read(_money(each, locale, currency), each.source, str(each.value)[:500]) for each in found]
    if len({read.value for read in reads}) > 1:
        raise PriceAmbiguous("The page shows " + ", ".join(sorted({read.raw[:40] for read in reads})[:5]) + ".")
    return reads[0]


def _money(statement: Statement, locale: str, currency: str) -> Money:
    if statement.currency is not None and folded(statement.currency) not in names_of(currency, locale):
        raise PriceUnparsed(f"the structured price is in {shown(statement.currency, 50)!r}, not in {currency}")
    if statement.source.startswith(("css ", "regex ")):
        return read_price(statement.value, locale=locale, currency=currency)
    return read_structured_price(statement.value, locale=locale, currency=currency)


def _shows_another(price: Money, found: Sequence[Statement], locale: str, currency: str) -> bool:
    """Whether a further source can be read and says something else; what cannot be read says nothing."""
    try:
        return _one_price(found, locale, currency).value != price
    except TaskError:
        return False


def _seen(page: PageData, profile: Profile, words: Sequence[Statement]) -> Read[Availability] | None:
    """The first rule that holds for what is visible."""
    for at, rule in enumerate(profile.product.availability_rules):
        if rule.css is not None and page.saw(f"availability_rules/{at}"):
            return Read(rule.means, f"css {rule.css}"[:_SOURCE_LENGTH], "")
        for statement in words:
            if rule.contains is not None and says(str(statement.value), rule.contains):
                return Read(rule.means, statement.source, str(statement.value)[:500])
    return None


def _meaning(profile: Profile, words: Sequence[Statement]) -> Availability | None:
    for rule in profile.product.availability_rules:
        if rule.contains is not None and any(says(str(statement.value), rule.contains) for statement in words):
            return rule.means
    return None
