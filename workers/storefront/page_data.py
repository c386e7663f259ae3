"""What the script brought back from a page, with every part's type checked: pages are strangers."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from app.rpa.profiles.profile import Marker, Source
from app.rpa.profiles.rules import compiled
from workers.storefront.currency_words import folded
from workers.storefront.plans import LIMITS, VALUE_LENGTH, is_page_wide


@dataclass(frozen=True, slots=True)
class PageData:
    """The answer of ``extract.js``; what is missing or of a wrong type reads as not found."""

    raw: Mapping[str, Any]

    @property
    def url(self) -> str:
        """The page's final address, empty when unknown."""
        return _string(self.raw.get("url"))

    @property
    def status(self) -> int | None:
        """The HTTP status, None when unknown."""
        status = self.raw.get("status")
        return status if isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599 else None

    @property
    def shows_captcha(self) -> bool:
        """Whether the page holds a visible robot check of a widespread kind."""
        return self.raw.get("captcha") is True

    @property
    def refused_selectors(self) -> tuple[str, ...]:
        """Selectors that the browser did not take."""
        return tuple(_strings(self.raw.get("refused")))

    def saw(self, key: str) -> bool:
        """Whether the marker planned under ``key`` (its css and text) was there."""
        return _mapping(self.raw.get("markers")).get(key) is True

    def marker_holds(self, key: str, marker: Marker) -> bool:
        """Whether every part of the marker that was planned under ``key`` holds."""
        if marker.status is not None and marker.status != self.status:
            return False
        if marker.url is not None and compiled(marker.url).search(self.url) is None:
            return False
        return (marker.css is None and marker.text is None) or self.saw(key)

    def values(self, key: str, source: Source) -> list[str]:
        """What a css or bare regex source planned under ``key`` reads: cleaned, not empty, at most 20."""
        if is_page_wide(source):
            return searched([_string(self.raw.get("text"), LIMITS["text"])], source.regex)
        return searched(_strings(_mapping(self.raw.get("sources")).get(key)), source.regex)

    def json_ld(self) -> list[str]:
        """The page's JSON-LD blocks as text."""
        return _strings(self.raw.get("json_ld"))

    def microdata(self) -> list[Any]:
        """The page's top microdata items as JSON-LD would write them."""
        items = self.raw.get("microdata")
        return items if isinstance(items, list) else []

    def meta(self) -> dict[str, str]:
        """The page's OpenGraph properties in lower case; the first of a name counts."""
        found: dict[str, str] = {}
        pairs = self.raw.get("meta")
        for pair in pairs if isinstance(pairs, list) else ():
            if isinstance(pair, list) and len(pair) == 2:
                name, content = map(_string, pair)
                found.setdefault(name.strip().lower(), content)
        return found

    def lines(self) -> list[PageData]:
        """The lines of the cart, each read like a small page of its own."""
        lines = self.raw.get("lines")
        return [PageData(_mapping(line)) for line in lines] if isinstance(lines, list) else []


def shown(text: str, length: int = VALUE_LENGTH) -> str:
    """Text fit to be kept: NFKC, one blank for any white space, no control or format characters, cut to ``length``."""
    plain = "".join(
        " " if c.isspace() else c
        for c in unicodedata.normalize("NFKC", text[: 4 * length])
        if c.isspace() or unicodedata.category(c) not in ("Cc", "Cs", "Cf")
    )
    return " ".join(plain.split())[:length].strip()


def as_written(text: str, length: int = VALUE_LENGTH) -> str:
    """Text as the page had it, without what a database refuses (control characters, lone surrogates)."""
    return "".join(c for c in text[:length] if c.isspace() or unicodedata.category(c) not in ("Cc", "Cs"))


def says(text: str, words: str) -> bool:
    """Whether ``words`` stand in ``text``; case, width and white space do not matter."""
    return folded(words) in folded(text)


def searched(texts: list[str], pattern: str | None) -> list[str]:
    """The texts, or what the RE2 pattern finds in them: cleaned, not empty, at most 20."""
    if pattern is None:
        found = texts
    else:
        expression = compiled(pattern)
        group = 1 if expression.groups else 0
        matches = (match for text in texts for match in expression.finditer(text))
        found = [value for match in islice(matches, LIMITS["matches"]) if (value := match.group(group)) is not None]
    return [kept for text in found[: LIMITS["matches"]] if (kept := as_written(text)).strip()]


def _string(value: object, length: int = LIMITS["total"]) -> str:
    """Only text that UTF-8 can carry: lone surrogates become question marks."""
    return value[:length].encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""


def _strings(value: object) -> list[str]:
    return [_string(item) for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
