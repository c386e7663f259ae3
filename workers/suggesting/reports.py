"""What ``suggest.js`` and the extraction script brought back from one page, every part's type checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.rpa.profiles.rules import ProfileRuleError, check_selector
from workers.storefront.page_data import PageData, as_written, shown
from workers.storefront.structured import Statement, statements

MOST_SELECTORS = 12
LONGEST_SELECTOR = 200


@dataclass(frozen=True, slots=True)
class Candidate:
    """An element that may hold a value, and the selectors that lead to it, the steadiest first."""

    text: str
    css: tuple[str, ...]
    is_meant: bool
    """Whether its id, class or itemprop says what it is."""


@dataclass(frozen=True, slots=True)
class Report:
    """One product's page."""

    raw: Mapping[str, Any]
    data: PageData
    asin: str

    @property
    def language(self) -> str:
        """The page's ``lang``, else its OpenGraph locale; empty without any."""
        return self.text("lang") or self.text("region")

    def text(self, name: str) -> str:
        """A short text of the report."""
        value = self.raw.get(name)
        return shown(value, 100) if isinstance(value, str) else ""

    def candidates(self, kind: str) -> list[Candidate]:
        """Candidates of a kind, the likeliest first; those without a selector that a profile may hold are left out."""
        return [found for entry in self.entries(kind) if (found := _candidate(entry)) is not None]

    def entries(self, kind: str) -> list[Mapping[str, Any]]:
        """The entries of a kind as the script gave them."""
        found = self.raw.get(kind)
        return [entry for entry in found[:50] if isinstance(entry, Mapping)] if isinstance(found, list) else []

    def stated(self, field: str) -> list[Statement]:
        """What the page's structured data say of this product."""
        return statements(self.data, field, self.asin)


def values_at(answer: Mapping[str, Any], key: str) -> list[str]:
    """What the extraction script read for a selector that was planned under ``key``."""
    sources = answer.get("sources")
    found = sources.get(key) if isinstance(sources, Mapping) else None
    return [as_written(text) for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _candidate(entry: Mapping[str, Any]) -> Candidate | None:
    css, text = entry.get("css"), entry.get("text")
    if not isinstance(css, list) or not isinstance(text, str):
        return None
    usable = tuple(dict.fromkeys(one for one in css[:MOST_SELECTORS] if isinstance(one, str) and _is_good(one)))
    return Candidate(shown(text, 200), usable, entry.get("meant") is True) if usable else None


def _is_good(css: str) -> bool:
    if len(css) > LONGEST_SELECTOR:
        return False
    try:
        check_selector(css)
    except ProfileRuleError:
        return False
    return True
