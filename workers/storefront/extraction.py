"""From what the script brought back to a reading of the product, or to the reason why there is none. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from app.rpa.profiles.profile import Profile, Source
from app.rpa.rules import rotting
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Availability, ProductReading, Read
from workers.errors import TaskError
from workers.storefront.cart_lines import count_lines, interpret_cart
from workers.storefront.page_checks import any_marker_holds, check_identity, check_page, check_robot_check
from workers.storefront.page_data import PageData, shown
from workers.storefront.plans import PRODUCT_FIELDS, SCRIPT, plan, plan_cart, plan_markers
from workers.storefront.values import availability_seen, first_text, found_by, place_of, price_of, refused_by

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
    name, name_conflicts = first_text(page, "name", profile.product.name, asin)
    if name is None:
        detail = "No source of product.name has a value." + refused_by(page)
        raise TaskError(Code.SELECTOR_MISSING, detail, missing=rotting.NAME)
    brand, brand_conflicts = first_text(page, "brand", profile.product.brand, asin)
    availability, availability_conflicts = availability_seen(page, profile, asin)
    price, price_conflicts = None, False
    try:
        price, price_conflicts = price_of(page, profile, asin)
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
        "name": lambda: first_text(page, "name", product.name, asin),
        "brand": lambda: first_text(page, "brand", product.brand, asin),
        "price": lambda: price_of(page, profile, asin),
        "availability": lambda: availability_seen(page, profile, asin),
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
            "source": f"structured {source.structured}" if source.structured else place_of(source),
            "values": [shown(str(each.value), 200) for each in found_by(page, field, at, source, asin)[:3]],
        }
        for at, source in enumerate(sources)
    ]
