"""A storefront profile as values: how to visit a shop that nobody programmed for.

The document that people write is described and checked by ``profile_schemas.py``; this module only holds what a
checked document says, for the workers. Every regular expression in it is RE2 syntax.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

from app.core.hosts import host_and_port
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Availability


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place to read a value from.

    Exactly one of ``structured`` (a field of the page's JSON-LD, microdata or OpenGraph data), ``css`` or a bare
    ``regex`` (over the page's visible text) is set.
    """

    structured: str | None = None
    css: str | None = None
    attribute: str | None = None
    """Attribute of the css match; None reads its visible text."""
    regex: str | None = None
    """Over what was read (or the visible text): the first group, or the whole match, becomes the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Something that tells what a page is; every part that is set must hold."""

    css: str | None = None
    text: str | None = None
    """Words in the css match, or anywhere in the visible text; upper and lower case are the same."""
    url: str | None = None
    """Regular expression searched in the page's final address."""
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailabilityRule:
    """``contains`` (words in what the availability sources read) or ``css`` (an element that is there) -> meaning."""

    means: Availability
    contains: str | None = None
    css: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A marker after the click that says why the shop does not sell."""

    marker: Marker
    code: Code


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductPage:
    """Where a product's page is and how to read it; ``url`` holds ``{asin}``."""

    url: str
    ready: tuple[Marker, ...]
    dismiss: tuple[str, ...]
    identity: tuple[Source, ...]
    name: tuple[Source, ...]
    brand: tuple[Source, ...]
    price: tuple[Source, ...]
    currency: tuple[Source, ...]
    availability: tuple[Source, ...]
    availability_rules: tuple[AvailabilityRule, ...]
    not_found: tuple[Marker, ...]
    blocked: tuple[Marker, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A choice to make before the click; ``css`` matches a select element or every choice."""

    name: str
    css: str
    required: bool = True
    unavailable: str | None = None
    chosen: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityField:
    """Where the number of pieces is said; exactly one is set."""

    input: str | None = None
    select: str | None = None
    plus: str | None = None
    parameter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MiniCart:
    """The cart as a part of another page: what opens it, and how it looks when it is there."""

    open: str | None
    ready: tuple[Marker, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CartPage:
    """How to put a product into the cart and how to find it there; sources of a line are relative to the line."""

    add: str
    options: tuple[Option, ...] = ()
    quantity_field: QuantityField | None = None
    proceed: tuple[str, ...] = ()
    mini: MiniCart | None = None
    variant: tuple[Source, ...] = ()
    confirm: tuple[Marker, ...]
    refuse: tuple[Refusal, ...]
    url: str
    line: str
    identity: tuple[Source, ...]
    quantity: tuple[Source, ...]
    price: tuple[Source, ...]
    price_is: str
    """``each`` or ``line`` (quantity times each)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits in seconds; the defaults were chosen in docs/architecture.md."""

    start_s: float = 30
    page_load_s: float = 30
    ready_s: float = 10
    script_s: float = 10
    confirm_s: float = 20
    view_task_s: float = 90
    cart_task_s: float = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often the shop is visited: milliseconds between two starts, and visits at once over all workers."""

    gap_ms: int = 5000
    concurrency: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudget:
    """How often a task is tried and how long it waits in between."""

    attempts: int = 3
    losses: int = 2
    rate_limited: int = 10
    backoff_s: tuple[float, ...] = (10, 30, 90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A whole storefront profile."""

    base_url: str
    allowed_hosts: tuple[tuple[str, int], ...]
    """Every (host, port) the browser may reach, the base URL's own included."""
    locale: str
    currency: str
    product: ProductPage
    cart: CartPage | None = None
    engine: str = "shell"
    """``shell`` (chrome-headless-shell) or ``chrome`` (full Chrome in headless mode)."""
    frames: str = "on_demand"
    """``on_demand`` (a product's page is not drawn, where the engine can do without) or ``always``."""
    load_images: bool = False
    page_bytes: int = 20_000_000
    timeouts: Timeouts = field(default_factory=Timeouts)
    pace: Pace = field(default_factory=Pace)
    retry: RetryBudget = field(default_factory=RetryBudget)

    @property
    def draws(self) -> bool:
        """Whether pages that are only read are drawn, too; full Chrome cannot do without."""
        return self.frames == "always" or self.engine == "chrome"

    def product_url(self, asin: str) -> str:
        """The absolute address of a product's page."""
        return urljoin(self.base_url, self.product.url.replace("{asin}", quote(asin, safe="")))

    def buying_url(self, asin: str, quantity: int) -> str:
        """The address of a product's page that is to put so many pieces into the cart."""
        url = self.product_url(asin)
        field = None if self.cart is None else self.cart.quantity_field
        if field is None or field.parameter is None:
            return url
        parts = urlsplit(url)
        others = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != field.parameter]
        return parts._replace(query=urlencode([*others, (field.parameter, quantity)])).geturl()

    def cart_url(self) -> str:
        """The absolute address of the cart; raises ValueError when the profile describes none."""
        if self.cart is None:
            raise ValueError("the profile describes no cart")
        return urljoin(self.base_url, self.cart.url)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Profile:
        """Build a Profile from a document that ``profile_schemas.ProfileSchema`` has accepted."""
        product, cart = document["product"], document.get("cart")
        limits, pace, retry = (document.get(key) or {} for key in ("timeouts", "pace", "retry"))
        return cls(
            base_url=document["base_url"],
            allowed_hosts=tuple(_host_port(entry, document["base_url"]) for entry in document["allowed_hosts"]),
            locale=document["locale"],
            currency=document["currency"],
            engine=document.get("engine", "shell"),
            frames=document.get("frames", "on_demand"),
            load_images=document.get("load_images", False),
            page_bytes=document.get("page_bytes", 20_000_000),
            product=_product_page(product),
            cart=None if cart is None else _cart_page(cart),
            timeouts=Timeouts(**limits),
            pace=Pace(**pace),
            retry=RetryBudget(
                **{**retry, **({"backoff_s": tuple(retry["backoff_s"])} if "backoff_s" in retry else {})}
            ),
        )


@lru_cache(maxsize=256)
def read_profile(text: str) -> Profile:
    """The profile that the text of an accepted document says; the same text again costs nothing."""
    return Profile.from_document(json.loads(text))


def _host_port(entry: str, base_url: str) -> tuple[str, int]:
    """Split ``host`` or ``host:port``; without a port it is that of the base URL's scheme."""
    return host_and_port(entry, urlsplit(base_url).scheme)


def _sources(entries: list[dict[str, Any]] | None) -> tuple[Source, ...]:
    return tuple(Source(**entry) for entry in entries or ())


def _markers(entries: list[dict[str, Any]] | None) -> tuple[Marker, ...]:
    return tuple(Marker(**entry) for entry in entries or ())


def _product_page(part: Mapping[str, Any]) -> ProductPage:
    return ProductPage(
        url=part["url"],
        ready=_markers(part.get("ready")),
        dismiss=tuple(part.get("dismiss") or ()),
        identity=_sources(part.get("identity")),
        name=_sources(part["name"]),
        brand=_sources(part.get("brand")),
        price=_sources(part["price"]),
        currency=_sources(part.get("currency")),
        availability=_sources(part.get("availability")),
        availability_rules=tuple(
            AvailabilityRule(**{**rule, "means": Availability(rule["means"])})
            for rule in part.get("availability_rules") or ()
        ),
        not_found=_markers(part.get("not_found")),
        blocked=_markers(part.get("blocked")),
    )


def _cart_page(part: Mapping[str, Any]) -> CartPage:
    return CartPage(
        add=part["add"],
        options=tuple(Option(**entry) for entry in part.get("options") or ()),
        quantity_field=QuantityField(**part["quantity_field"]) if part.get("quantity_field") else None,
        proceed=tuple(part.get("proceed") or ()),
        mini=_mini_cart(part.get("mini")),
        variant=_sources(part.get("variant")),
        confirm=_markers(part.get("confirm")),
        refuse=tuple(
            Refusal(code=Code(entry["code"]), marker=Marker(**{k: v for k, v in entry.items() if k != "code"}))
            for entry in part.get("refuse") or ()
        ),
        url=part["url"],
        line=part["line"],
        identity=_sources(part["identity"]),
        quantity=_sources(part["quantity"]),
        price=_sources(part["price"]),
        price_is=part.get("price_is", "each"),
    )


def _mini_cart(part: Mapping[str, Any] | None) -> MiniCart | None:
    return None if part is None else MiniCart(open=part.get("open"), ready=_markers(part["ready"]))
