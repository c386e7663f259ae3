"""What one visit to a storefront brings back: plain values that workers produce and the task record keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from app.core.money import Money
from app.rpa.rules.codes import Code

T = TypeVar("T")

MAX_QUANTITY: Final = 999
"""Most pieces of one product that an errand puts into a cart."""
MAX_CLICKED: Final = 10
"""The same where the profile names no field for the quantity: one visit and one click each."""


class Availability(StrEnum):
    """Whether the shop can sell the product now, after schema.org's ItemAvailability."""

    IN_STOCK = "IN_STOCK"
    LIMITED = "LIMITED"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    PREORDER = "PREORDER"
    BACKORDER = "BACKORDER"
    DISCONTINUED = "DISCONTINUED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """One value read from a page, with where it stood and how it was spelled there."""

    value: T
    source: str
    raw: str


@dataclass(frozen=True, slots=True)
class ProductReading:
    """A product as its page shows it; a field that could not be read is None and never overwrites what is known."""

    name: Read[str] | None = None
    brand: Read[str] | None = None
    price: Read[Money] | None = None
    availability: Read[Availability] | None = None
    conflicts: tuple[str, ...] = ()
    """Fields whose sources disagreed, for the operator to look at."""


@dataclass(frozen=True, slots=True)
class CartReading:
    """The line of the asked product as the cart shows it after the errand."""

    quantity: int
    unit_price: Read[Money] | None
    """None where the cart's price was not read, or is of the line and does not divide evenly."""
    page_price: Read[Money] | None
    """The price the product page showed in the same visit; a difference is a finding, not a failure."""
    line_price: Read[Money] | None = None
    """Of all pieces together, where that is what the cart shows."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What was chosen, in the shop's words."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values that an option of a product has in the shop."""

    value: str
    is_available: bool


@dataclass(frozen=True, slots=True)
class ChoicesReading:
    """What the shop offers where it was not said what to choose, or something that it does not sell."""

    option: str
    choices: tuple[Choice, ...]
    """At most 50, in the page's order."""


Reading = ProductReading | CartReading | ChoicesReading


class Kind(StrEnum):
    """What is kept of a page beside its facts."""

    SCREENSHOT = "screenshot"
    """A JPEG of the visible part."""
    HTML = "html"
    """The document as it stood, compressed by gzip."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that was captured of a page."""

    kind: Kind
    content: bytes


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What always stays as evidence of a visit, whatever its end."""

    final_url: str | None = None
    http_status: int | None = None
    timings_ms: dict[str, int] = field(default_factory=dict)
    """Stage name (context, navigate, ready, extract, click, confirm, cart) -> milliseconds."""
    browser: str | None = None
    raw: dict[str, Any] = field(default_factory=dict)
    """Raw strings per field as the page had them, cut to 500 characters each."""
    evidence: str | None = None
    """Why a screenshot or HTML is missing that should be there."""


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """How one attempt of a task went: ``code`` None is success and then ``reading`` is there.

    With VARIANT_REQUIRED and VARIANT_UNAVAILABLE it is what the shop offers, with QUANTITY_LIMITED what the cart got.
    """

    code: Code | None
    reading: Reading | None = None
    detail: str = ""
    retry_after_s: float | None = None
    """Seconds the shop asked us to wait (Retry-After), only with RATE_LIMITED."""
    missing: str | None = None
    """Which part of the profile was not found (``app.rpa.rules.rotting``), where that is why it failed."""
    facts: PageFacts = field(default_factory=PageFacts)
    captured: tuple[Piece, ...] = ()
    """What is to be kept of the page; empty once it is, or nothing is."""
    counts: bool = True
    """Whether it uses up a budget; a shared browser that died says of none of its tasks that it was the cause."""
