"""From what the script brought back to a reading of the product, or to the reason why there is none. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from app.core.hosts import HostError, address_of
from app.core.money import Money, MoneyError, exponent
from app.rpa.codes import Code
from app.rpa.profile import Marker, Profile, Source
from app.rpa.readings import Availability, ProductReading, Read
from workers.errors import TaskError
from workers.storefront.cart_lines import count_lines, interpret_cart
from workers.storefront.currency_words import folded, names_of
from workers.storefront.page_data import PageData, says, searched, shown
from workers.storefront.plans import PRODUCT_FIELDS, SCRIPT, plan, plan_cart, plan_markers
from workers.storefront.prices import PriceAmbiguous, PriceUnparsed, read_price, read_structured_price
from workers.storefront.structured import Statement, availability_of, names_asin, statements

__all__ = [
    "SCRIPT",
    "any_marker_holds",
    "check_identity",
    "check_page",
    "check_robot_check",
    "count_lines",
    "interpret",
    "interpret_cart",
    "interpret_each",
    "plan",
    "plan_cart",
    "plan_markers",
    "raw_strings",
]

NOT_SELLABLE: Final = frozenset({Availability.OUT_OF_STOCK, Availability.DISCONTINUED})
_SOURCE_LENGTH: Final = 100


def check_page(raw: Mapping[str, Any], profile: Profile) -> None:
    """Raise TaskError when the page is none of the shop's, says no, or is an error page.

    ``raw`` is the script's answer to ``plan`` or ``plan_cart``. Its ``status`` may be replaced by the one the network
    saw; without any status only addresses and markers are looked at. Codes: RATE_LIMITED, REDIRECTED_OFFSITE, BLOCKED,
    NOT_FOUND, HTTP_4XX, HTTP_5XX.
    """
    page = PageData(raw)
    status = page.status or 0
    if status == 429:
        raise TaskError(Code.RATE_LIMITED, "The shop answered 429.")
    _check_host(page, profile)
    if any_marker_holds(raw, "blocked", profile.product.blocked):
        raise TaskError(Code.BLOCKED, "A marker of product.blocked holds.")
    if status in (401, 403, 503) and page.shows_captcha:
        raise TaskError(Code.BLOCKED, f"The shop answered {status} with a robot check.")
    if status in (404, 410) or any_marker_holds(raw, "not_found", profile.product.not_found):
        raise TaskError(Code.NOT_FOUND, f"The shop answered {status or 'a page'} that says it has no such product.")
    if status >= 400:
        raise TaskError(Code.HTTP_4XX if status < 500 else Code.HTTP_5XX, f"The shop answered {status}.")


def any_marker_holds(raw: Mapping[str, Any], group: str, markers: Sequence[Marker]) -> bool:
    """Whether any marker of a group holds; ``group`` is the name under which ``plan_markers`` asked for it."""
    page = PageData(raw)
    return any(page.marker_holds(f"{group}/{at}", marker) for at, marker in enumerate(markers))


def check_robot_check(raw: Mapping[str, Any], profile: Profile, asin: str) -> None:
    """Raise TaskError(BLOCKED) for a page of any status with a widespread robot check and nothing of the product.

    A product's page may hold one too, for its reviews or newsletter: there the product is named or has a price.
    """
    page = PageData(raw)
    if not page.shows_captcha:
        return
    fields = ("price", "identity") if profile.product.identity else ("price", "name")
    sources = [(field, at, source) for field in fields for at, source in enumerate(getattr(profile.product, field))]
    if not any(_found(page, *each, asin) for each in sources):
        raise TaskError(Code.BLOCKED, "The page is a robot check and shows no product.")


def check_identity(raw: Mapping[str, Any], profile: Profile, asin: str) -> None:
    """Raise TaskError unless the page names the product asked for.

    The first source of ``product.identity`` that has a value decides, by its first match. Codes: WRONG_PRODUCT;
    SELECTOR_MISSING when no source has a value. Without sources the final address must hold the ASIN, in its path
    if ``product.url`` has it there: a shop that sends on to another product often names the first one behind it.
    """
    page = PageData(raw)
    if not profile.product.identity:
        in_path = names_asin(urlsplit(profile.product_url(asin)).path, asin)
        if not names_asin(urlsplit(page.url).path if in_path else page.url, asin):
            raise TaskError(Code.WRONG_PRODUCT, f"The address {shown(page.url, 200)} does not hold {asin}.")
        return
    for at, source in enumerate(profile.product.identity):
        found = _found(page, "identity", at, source, asin)
        if found:
            texts = [str(statement.value) for statement in (found if source.structured else found[:1])]
            if not any(names_asin(text, asin) for text in texts):
                raise TaskError(Code.WRONG_PRODUCT, f"The page names {shown(texts[0], 100)!r}, not {asin}.")
            return
    raise TaskError(Code.SELECTOR_MISSING, "No source of product.identity has a value." + _refused(page))


def interpret(raw: Mapping[str, Any], profile: Profile, asin: str) -> ProductReading:
    """The product as the page shows it: the script's answer to ``plan(profile)``, read by the profile.

    Raises TaskError: the codes of ``check_page``, ``check_robot_check`` and ``check_identity``, SELECTOR_MISSING when
    there is no name; for a product that is for sale also PRICE_MISSING, PRICE_UNPARSED and PRICE_AMBIGUOUS. What cannot
    be sold may have no price.
    """
    check_page(raw, profile)
    check_robot_check(raw, profile, asin)
    check_identity(raw, profile, asin)
    page = PageData(raw)
    name, name_conflicts = _first_text(page, "name", profile.product.name, asin)
    if name is None:
        raise TaskError(Code.SELECTOR_MISSING, "No source of product.name has a value." + _refused(page))
    brand, brand_conflicts = _first_text(page, "brand", profile.product.brand, asin)
    availability, availability_conflicts = _availability(page, profile, asin)
    price, price_conflicts = None, False
    try:
        price, price_conflicts = _price(page, profile, asin)
    except TaskError:
        if availability is None or availability.value not in NOT_SELLABLE:
            raise
    conflicts = {
        "name": name_conflicts,
        "brand": brand_conflicts,
        "price": price_conflicts,
        "availability": availability_conflicts,
    }
    return ProductReading(
        name=name,
        brand=brand,
        price=price,
        availability=availability,
        conflicts=tuple(field for field, differs in conflicts.items() if differs),
    )


def raw_strings(raw: Mapping[str, Any], profile: Profile) -> dict[str, list[str]]:
    """What css and regex sources gave, by field, as evidence: three strings a source, 500 characters each."""
    page = PageData(raw)
    found: dict[str, list[str]] = {}
    for field in PRODUCT_FIELDS:
        for at, source in enumerate(getattr(profile.product, field)):
            values = [] if source.structured else page.values(f"{field}/{at}", source)[:3]
            if values:
                found.setdefault(field, []).extend(values)
    return found


def interpret_each(raw: Mapping[str, Any], profile: Profile, asin: str) -> dict[str, dict[str, Any]]:
    """Name, brand, price and availability, each by itself, as JSON values for who writes a profile.

    Each has ``value``, ``source`` and ``raw``, or ``code`` and ``detail`` that say why there is no value, and in
    ``sources`` what every source of the profile gave. Whether the page is the shop's and the product's own is not
    looked at, see ``check_page`` and ``check_identity``.
    """
    page, product = PageData(raw), profile.product
    readers: dict[str, Callable[[], tuple[Read[Any] | None, bool]]] = {
        "name": lambda: _first_text(page, "name", product.name, asin),
        "brand": lambda: _first_text(page, "brand", product.brand, asin),
        "price": lambda: _price(page, profile, asin),
        "availability": lambda: _availability(page, profile, asin),
    }
    given = {field: _given(page, field, getattr(product, field), asin) for field in readers}
    return {field: _explained(read) | {"sources": given[field]} for field, read in readers.items()}


def _explained(read: Callable[[], tuple[Read[Any] | None, bool]]) -> dict[str, Any]:
    try:
        found, differs = read()
    except TaskError as error:
        return dict.fromkeys(("value", "source", "raw")) | {"code": error.code, "detail": shown(error.detail)}
    if found is None:
        return dict.fromkeys(("value", "source", "raw")) | {"code": Code.SELECTOR_MISSING, "detail": "Nothing found."}
    where = {"value": str(found.value), "source": found.source, "raw": shown(found.raw)}
    return where | {"code": None, "detail": "Sources differ." if differs else None}


def _given(page: PageData, field: str, sources: Sequence[Source], asin: str) -> list[dict[str, Any]]:
    """What each source gave: three strings of 200 characters."""
    return [
        {
            "source": f"structured {source.structured}" if source.structured else _place(source),
            "values": [shown(str(each.value), 200) for each in _found(page, field, at, source, asin)[:3]],
        }
        for at, source in enumerate(sources)
    ]


def _place(source: Source) -> str:
    place = f"css {source.css}" if source.css else f"regex {source.regex}"
    return (place + (f" @{source.attribute}" if source.attribute else ""))[:_SOURCE_LENGTH]


def _check_host(page: PageData, profile: Profile) -> None:
    try:
        _, host, port = address_of(page.url)
    except HostError as error:
        raise TaskError(Code.REDIRECTED_OFFSITE, f"{shown(page.url, 200)!r} is no web address.") from error
    if (host, port) not in profile.allowed_hosts:
        raise TaskError(Code.REDIRECTED_OFFSITE, f"The browser ended on {host}:{port}.")


def _found(page: PageData, field: str, at: int, source: Source, asin: str) -> list[Statement]:
    if source.structured is None:
        place = _place(source)
        return [Statement(value, place) for value in page.values(f"{field}/{at}", source)]
    found = statements(page, source.structured, asin)
    if source.regex is None:
        return found
    return [
        Statement(value, statement.source, statement.currency)
        for statement in found
        for value in searched([str(statement.value)], source.regex)
    ]


def _first_text(page: PageData, field: str, sources: Sequence[Source], asin: str) -> tuple[Read[str] | None, bool]:
    """The first source's first text, and whether a further source says something else."""
    reads: list[Read[str]] = []
    for at, source in enumerate(sources):
        found = _found(page, field, at, source, asin)
        text = shown(str(found[0].value)) if found else ""
        if text:
            reads.append(Read(text, found[0].source, str(found[0].value)[:500]))
    return (reads[0] if reads else None), any(folded(read.value) != folded(reads[0].value) for read in reads[1:])


def _currency(page: PageData, profile: Profile, asin: str) -> str:
    """The currency the page states, else the profile's; raises PriceUnparsed for words that are no currency."""
    for at, source in enumerate(profile.product.currency):
        for statement in _found(page, "currency", at, source, asin)[:1]:
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


def _price(page: PageData, profile: Profile, asin: str) -> tuple[Read[Money], bool]:
    """The first price source that has a value, and whether a further source that can be read shows another price."""
    currency = _currency(page, profile, asin)
    chosen: Read[Money] | None = None
    for at, source in enumerate(profile.product.price):
        found = _found(page, "price", at, source, asin)
        if not found:
            continue
        if chosen is None:
            chosen = _one_price(found, profile.locale, currency)
        elif _shows_another(chosen.value, found, profile.locale, currency):
            return chosen, True
    if chosen is None:
        raise TaskError(Code.PRICE_MISSING, "No source of product.price has a value." + _refused(page))
    return chosen, False


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


def _availability(page: PageData, profile: Profile, asin: str) -> tuple[Read[Availability] | None, bool]:
    """What a person sees, else what the data states, and whether they disagree; UNKNOWN for words without meaning."""
    words: list[Statement] = []
    stated: list[Read[Availability]] = []
    for at, source in enumerate(profile.product.availability):
        found = _found(page, "availability", at, source, asin)
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


def _refused(page: PageData) -> str:
    refused = page.refused_selectors
    return f" The browser refused {', '.join(refused[:3])}." if refused else ""
