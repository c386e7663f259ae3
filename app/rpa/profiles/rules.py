"""What a storefront profile may say, where a length or a range does not tell it all. Pure; raises ProfileRuleError."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import cssselect
import re2
from babel import Locale, UnknownLocaleError

from app.core.hosts import HostError, address_of, host_and_port
from app.core.money import MoneyError, exponent

REGEX_LENGTH: Final = 500
REGEX_STEPS: Final = 2_000
"""Instructions of a compiled expression; the time of a search is at most their number times the text's length."""

_SAMPLE_ASIN: Final = "B000000000"
_PSEUDO_CLASSES: Final = frozenset(
    "active any-link autofill checked default defined dir disabled empty enabled first-child first-of-type focus "  # noqa: SIM905
    "focus-visible focus-within fullscreen has host hover in-range indeterminate invalid is lang last-child "
    "last-of-type link modal not nth-child nth-last-child nth-last-of-type nth-of-type only-child only-of-type open "
    "optional out-of-range placeholder-shown popover-open read-only read-write required root scope target "
    "user-invalid user-valid valid visited where".split()
)
_OPERATORS: Final = frozenset({"exists", "=", "~=", "|=", "^=", "$=", "*="})


class ProfileRuleError(ValueError):
    """A value breaks a rule of profiles; the message is a sentence for its author.

    ``path`` leads from the checked value to the part that is wrong (empty: the value itself).
    """

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message)
        self.path = path


def check_text(value: str) -> None:
    """Refuse control characters, lone surrogates and text of blanks only."""
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise ProfileRuleError("Must not hold control characters.")
    if not value.strip():
        raise ProfileRuleError("Must not be blank.")


def check_selector(value: str) -> None:
    """Refuse what ``querySelectorAll`` would not take: bad CSS, pseudo-elements, jQuery's and XPath's own notations."""
    try:
        selectors = cssselect.parse(value)
    except RecursionError as error:
        raise ProfileRuleError("The CSS selector is nested too deeply.") from error
    except cssselect.SelectorError as error:
        raise ProfileRuleError(f"Not a CSS selector: {error}.") from error
    for selector in selectors:
        if selector.pseudo_element is not None:
            raise ProfileRuleError("A pseudo-element (::before, ::text) has no text or attribute to read.")
        for part in _parts(selector.parsed_tree):
            _check_selector_part(part)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re2._Regexp[str]:
    """The RE2 expression for a pattern, with bounded memory and running time; raises ProfileRuleError."""
    if len(pattern) > REGEX_LENGTH:
        raise ProfileRuleError(f"A regular expression has at most {REGEX_LENGTH} characters.")
    options = re2.Options()
    options.max_mem = 1 << 20
    options.log_errors = False
    try:
        expression = re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise ProfileRuleError(f"Not an RE2 regular expression: {reason}.") from error
    if expression.programsize > REGEX_STEPS:
        raise ProfileRuleError("The regular expression is too large; use smaller repetitions.")
    return expression


def check_regex(value: str) -> None:
    """Refuse what RE2 does not take (look-around, back references) and what would search for too long."""
    compiled(value)


def check_base_url(value: str) -> None:
    """Refuse anything but a plain absolute http or https address."""
    _check_plain_address(value)
    parts = urlsplit(value)
    if "{" in value or "}" in value:
        raise ProfileRuleError("Must not hold braces.")
    if "?" in value:
        raise ProfileRuleError("Must not hold a query.")
    try:
        address_of(value)
    except HostError as error:
        raise ProfileRuleError(_sentence(error)) from error
    if parts.scheme != value[: len(parts.scheme)]:
        raise ProfileRuleError("Must begin with http:// or https:// in lower case.")


def check_page_address(value: str) -> None:
    """Refuse what cannot be the address of a page of the shop, absolute or relative to the base URL."""
    _check_plain_address(value)
    if "{" in value or "}" in value:
        raise ProfileRuleError("Must not hold braces.")


def check_product_address(value: str) -> None:
    """Refuse a product address that does not hold ``{asin}`` exactly once, or holds other braces."""
    if value.count("{asin}") != 1:
        raise ProfileRuleError("Must hold {asin} exactly once.")
    check_page_address(value.replace("{asin}", _SAMPLE_ASIN))


def check_host(value: str) -> None:
    """Refuse what is no ``host`` or ``host:port``."""
    try:
        host_and_port(value, "https")
    except HostError as error:
        raise ProfileRuleError(_sentence(error)) from error


def check_locale(value: str) -> None:
    """Refuse a locale that CLDR does not know."""
    try:
        Locale.parse(value.replace("-", "_"))
    except (ValueError, UnknownLocaleError) as error:
        raise ProfileRuleError(f"{value!r} is not a known locale such as en_US.") from error


def check_currency(value: str) -> None:
    """Refuse what is no ISO 4217 code."""
    try:
        exponent(value)
    except MoneyError as error:
        raise ProfileRuleError(str(error)) from error


def check_source(source: Mapping[str, Any]) -> None:
    """A source reads one place: structured data, a CSS selector, or (a bare regex) the visible text."""
    places = [name for name in ("structured", "css") if name in source]
    if len(places) > 1:
        raise ProfileRuleError("Say either structured or css, not both.")
    if not places and "regex" not in source:
        raise ProfileRuleError("Say one of structured, css or regex.")
    if "attribute" in source and "css" not in source:
        raise ProfileRuleError("Only a css source has an attribute.", "attribute")


def check_marker(marker: Mapping[str, Any]) -> None:
    """A marker without a part would hold on every page."""
    if not any(part in marker for part in ("css", "text", "url", "status")):
        raise ProfileRuleError("Say at least one of css, text, url or status.")


def check_availability_rule(rule: Mapping[str, Any]) -> None:
    """A rule looks at one thing."""
    if ("contains" in rule) == ("css" in rule):
        raise ProfileRuleError("Say exactly one of contains and css.")


def check_quantity_field(field: Mapping[str, Any]) -> None:
    """There is one way to say how many."""
    if len(field) != 1:
        raise ProfileRuleError("Say exactly one of input, select, plus and parameter.")


def check_option_names(cart: Mapping[str, Any]) -> None:
    """Jobs name options, so no two may have the same name."""
    names = [option["name"] for option in cart.get("options", ())]
    if len(set(names)) < len(names):
        raise ProfileRuleError("Two options have the same name.", "options")


def check_addresses(profile: Mapping[str, Any]) -> None:
    """Every page of the profile must lie on a host that the browser may reach; the first that does not is refused."""
    base_url = profile["base_url"]
    scheme = urlsplit(base_url).scheme
    allowed = {host_and_port(entry, scheme) for entry in profile["allowed_hosts"]}
    product_url = profile["product"]["url"].replace("{asin}", _SAMPLE_ASIN)
    pages: list[tuple[str, Sequence[str]]] = [(base_url, ("base_url",)), (product_url, ("product", "url"))]
    if "cart" in profile:
        pages.append((profile["cart"]["url"], ("cart", "url")))
    for page, path in pages:
        try:
            _, host, port = address_of(urljoin(base_url, page))
        except (HostError, ValueError) as error:
            raise ProfileRuleError(_sentence(error), *path) from error
        if (host, port) not in allowed:
            raise ProfileRuleError(f"{host}:{port} is not in allowed_hosts.", *path)


def check_time_limits(timeouts: Mapping[str, float]) -> None:
    """One page must be able to load within the errand's own limit."""
    for name in ("view_task_s", "cart_task_s"):
        if timeouts.get(name, 600) < timeouts.get("page_load_s", 0):
            raise ProfileRuleError("Must not be shorter than page_load_s.", name)


def _check_plain_address(value: str) -> None:
    if any(character.isspace() or unicodedata.category(character)[0] == "C" for character in value):
        raise ProfileRuleError("Must not hold blanks or control characters.")
    if "\\" in value:
        raise ProfileRuleError("Must not hold a backslash.")
    if "#" in value:
        raise ProfileRuleError("Must not hold a fragment (#).")
    try:
        parts = urlsplit(value)
        userinfo = "@" in parts.netloc
    except ValueError as error:
        raise ProfileRuleError("Not a web address.") from error
    if userinfo:
        raise ProfileRuleError("Must not hold a user name or password.")
    if parts.scheme not in ("", "http", "https"):
        raise ProfileRuleError("Must be an http or https address.")


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


def _parts(tree: Any) -> Iterator[Any]:
    """Every node of a parsed selector, the lists within :is(), :not(), :where() and :has() included."""
    pending = [tree]
    while pending:
        part = pending.pop()
        yield part
        inside = (getattr(part, "selector", None), getattr(part, "subselector", None))
        pending.extend(inner for inner in inside if inner is not None)
        pending.extend(getattr(part, "selector_list", ()))
        if isinstance(part, cssselect.parser.Relation):
            pending.extend(inner.parsed_tree for _, inner in part.arguments)


def _check_selector_part(part: Any) -> None:
    if isinstance(part, cssselect.parser.Pseudo | cssselect.parser.Function):
        name = part.ident if isinstance(part, cssselect.parser.Pseudo) else part.name
        if name not in _PSEUDO_CLASSES:
            raise ProfileRuleError(f"Browsers do not know the pseudo-class :{name}.")
    if isinstance(part, cssselect.parser.Attrib) and part.operator not in _OPERATORS:
        raise ProfileRuleError(f"Browsers do not know the attribute operator {part.operator}.")
    if getattr(part, "namespace", None):
        raise ProfileRuleError("A selector cannot name a namespace.")
