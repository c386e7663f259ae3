"""What the script in the page is asked to read: built from a profile, passed to it as one JSON argument.

Selectors and words travel as arguments; no code is ever built from a profile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from app.rpa.profiles.profile import Marker, Profile, Source
from app.rpa.profiles.selectors import selector_steps

SCRIPT: Final = files("workers.storefront").joinpath("extract.js").read_text(encoding="utf-8")
"""The function expression to call in an isolated world of the page with a plan as its only argument."""

VALUE_LENGTH: Final = 500
LIMITS: Final[dict[str, int]] = {
    "total": 900_000,  # bytes of all kept strings as JSON; with keys and brackets the answer stays below 1 MB
    "value": VALUE_LENGTH,
    "url": 2_000,
    "matches": 20,
    "scanned": 200,
    "roots": 50,
    "lines": 100,
    "line_text": 2_000,
    "text": 200_000,
    "nodes": 100_000,
    "json_ld": 256_000,
    "items": 50,
    "item_nodes": 5_000,
    "properties": 200,
}
SEARCHED_LENGTH: Final = 20_000
"""Characters of an element that a source's regular expression may search; only what it finds is a value."""

_NUMBERS: Final = frozenset({"price", "quantity"})
PRODUCT_FIELDS: Final = ("identity", "name", "brand", "price", "currency", "availability")
LINE_FIELDS: Final = ("identity", "quantity", "price", "variant")


def plan(profile: Profile) -> dict[str, Any]:
    """What to read from a product page of this shop: all sources, availability rules, and the markers of refusals."""
    product = profile.product
    sources = {field: getattr(product, field) for field in PRODUCT_FIELDS}
    every = [source for group in sources.values() for source in group]
    rules = {f"availability_rules/{at}": rule.css for at, rule in enumerate(product.availability_rules)}
    return {
        **_nothing(),
        "sources": _source_plans(sources),
        "markers": {
            **_marker_plans(refusals(profile)),
            **{key: {"css": selector_steps(css), "text": None} for key, css in rules.items() if css is not None},
        },
        "structured": any(source.structured for source in every),
        "text": any(is_page_wide(source) for source in every),
    }


def plan_markers(groups: Mapping[str, Sequence[Marker]]) -> dict[str, Any]:
    """What to look for while waiting: nothing but these groups of markers, to be asked for with ``markers.first``."""
    return {**_nothing(), "markers": _marker_plans(groups)}


def plan_cart(profile: Profile, asin: str) -> dict[str, Any]:  # noqa: ARG001
    """What to read from the cart: its lines and the markers of refusals. Raises ValueError without a cart.

    The lines are not filtered in the page: which of them names ``asin`` is decided by ``interpret_cart``.
    """
    if profile.cart is None:
        raise ValueError("the profile describes no cart")
    sources = {field: getattr(profile.cart, field) for field in LINE_FIELDS}
    return {
        **_nothing(),
        "markers": _marker_plans(refusals(profile)),
        "line": {
            "css": selector_steps(profile.cart.line),
            "sources": _source_plans(sources),
            "text": any(is_page_wide(source) for group in sources.values() for source in group),
        },
    }


def refusals(profile: Profile) -> dict[str, Sequence[Marker]]:
    """The groups of markers that end a visit on any page of the shop."""
    return {"blocked": profile.product.blocked, "not_found": profile.product.not_found}


def is_page_wide(source: Source) -> bool:
    """Whether the source is a bare regular expression over the visible text."""
    return source.structured is None and source.css is None


def _nothing() -> dict[str, Any]:
    return {"limits": LIMITS, "sources": {}, "markers": {}, "line": None, "structured": False, "text": False}


def _source_plans(groups: Mapping[str, Iterable[Source]]) -> dict[str, dict[str, Any]]:
    return {
        f"{field}/{at}": {
            "css": selector_steps(source.css),
            "attribute": source.attribute,
            "number": field in _NUMBERS,
            "length": SEARCHED_LENGTH if source.regex else VALUE_LENGTH,
        }
        for field, group in groups.items()
        for at, source in enumerate(group)
        if source.css is not None
    }


def _marker_plans(groups: Mapping[str, Sequence[Marker]]) -> dict[str, dict[str, Any]]:
    return {
        f"{group}/{at}": {"css": marker.css and selector_steps(marker.css), "text": marker.text}
        for group, markers in groups.items()
        for at, marker in enumerate(markers)
        if marker.css is not None or marker.text is not None
    }
