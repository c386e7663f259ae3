"""The port of search: what is asked, what is answered, and what a backend has to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from app.products.search.text import Words

CANDIDATES: Final = 1_000
"""How many products that have all words are ranked: the newest ones."""
RARE: Final = 1_000
"""A word in more products than this is common: not looked up in the full text index of the database."""
WINDOW: Final = 10_000
"""Where only common words are asked for: how many products are looked at, from the newest on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which products are looked at; prices in minor units, both ends included."""

    brand: str | None = None
    category: int | None = None
    """An id; what is below it belongs to it."""
    price_min: int | None = None
    price_max: int | None = None
    in_stock: bool | None = None
    is_active: bool | None = None
    asin: str | None = None
    gtin: str | None = None


NO_FILTERS: Final = Filters()


class Candidate(NamedTuple):
    """A product that has all words."""

    product_id: int
    title: str
    brand: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """The newest products that have all words and fit the filters."""

    rows: Sequence[Candidate]
    is_capped: bool
    """Whether there may be further ones."""


@dataclass(frozen=True, slots=True)
class Found:
    """The ids of what was found, the best first."""

    ids: list[int]
    is_capped: bool = False
    """Whether there may be more: only the newest CANDIDATES with all words are ranked, and of common words alone
    only WINDOW products, from the newest on, are looked at."""
    corrected: str | None = None
    """What was looked for instead, where what was typed found (nearly) nothing."""
    answered_by: str = "database"
    """``elasticsearch``, ``database``, or ``fallback``: the database, because the search server does not answer."""


Progress = Callable[[int], None]
"""Called with how many further products are done."""


class Backend(Protocol):
    """Something that knows the products' texts."""

    def candidates(self, words: Words, filters: Filters) -> Candidates:
        """The newest products that have all words (the last one may be a beginning) and fit the filters."""

    def refresh(self, product_ids: Sequence[int]) -> None:
        """Know of these products what the product master says now, and forget those that are gone."""

    def rebuild(self, progress: Progress) -> None:
        """Know all products anew; while it runs, searches are answered from what was known before."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: text as it was typed, and filters."""

    text: str
    filters: Filters = field(default_factory=Filters)
