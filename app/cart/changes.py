"""What a line of a cart is like now, and what is no longer as the customer last saw it. Knows no database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final


class Availability(StrEnum):
    """Whether a line could be bought as it is."""

    AVAILABLE = "AVAILABLE"
    FEWER = "FEWER"
    """There are some, but not as many as are asked for."""
    OUT_OF_STOCK = "OUT_OF_STOCK"
    NOT_SOLD = "NOT_SOLD"
    """The shop does not sell it any more."""


PRICE: Final = "PRICE"
CHANGES: Final = (PRICE, *(each.value for each in Availability))
"""Kinds of changes: another price, or what the availability has become."""
_COUNTED: Final = {Availability.AVAILABLE, Availability.FEWER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A product as it is offered now."""

    product_id: int
    asin: str
    name: str
    brand: str | None
    price_minor: int
    currency: str
    is_there: bool
    """False for one that was deleted."""
    is_sold: bool
    """Whether it is there, active, and priced in the shop's currency."""
    available: int
    """Nobody's, or held by this cart's own checkout; units."""

    def to_holder(self, held: int) -> Offer:
        """The offer to whose own checkout holds so many of them already."""
        return replace(self, available=self.available + held)

    def availability(self, quantity: int) -> Availability:
        """Whether so many of it could be bought."""
        if not self.is_sold:
            return Availability.NOT_SOLD
        if self.available >= quantity:
            return Availability.AVAILABLE
        return Availability.FEWER if self.available > 0 else Availability.OUT_OF_STOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A row of the cart."""

    product_id: int
    quantity: int
    added_at: datetime
    seen_price_minor: int
    seen_is_available: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing about a product that is not as the customer last saw it."""

    product_id: int
    asin: str
    kind: str
    currency: str
    price_from: int | None = None
    price_to: int | None = None
    left: int | None = None
    """With FEWER: how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the cart as it is now; amounts in minor units."""

    product_id: int
    asin: str
    name: str
    brand: str | None
    quantity: int
    currency: str
    unit_price: int
    subtotal: int
    availability: Availability
    left: int | None
    """With FEWER: how many there are; else it is nobody's business."""
    added_at: datetime
    changes: tuple[Change, ...]

    @property
    def is_counted(self) -> bool:
        """Whether the line is a part of the cart's subtotal."""
        return self.availability in _COUNTED


def line_of(item: Item, offer: Offer) -> Line:
    """A line by what is in the cart and what is offered now."""
    availability = offer.availability(item.quantity)
    left = offer.available if availability is Availability.FEWER else None
    return Line(
        product_id=item.product_id,
        asin=offer.asin,
        name=offer.name,
        brand=offer.brand,
        quantity=item.quantity,
        currency=offer.currency,
        unit_price=offer.price_minor,
        subtotal=offer.price_minor * item.quantity,
        availability=availability,
        left=left,
        added_at=item.added_at,
        changes=_changes(item, offer, availability, left),
    )


def _changes(item: Item, offer: Offer, availability: Availability, left: int | None) -> tuple[Change, ...]:
    about = {"product_id": item.product_id, "asin": offer.asin, "currency": offer.currency}
    found = []
    if offer.is_sold and offer.price_minor != item.seen_price_minor:
        prices = {"price_from": item.seen_price_minor, "price_to": offer.price_minor}
        found.append(Change(kind=PRICE, **about, **prices))  # type: ignore[arg-type]  # of several types
    if item.seen_is_available != (availability is Availability.AVAILABLE):
        found.append(Change(kind=availability, left=left, **about))  # type: ignore[arg-type]  # likewise
    return tuple(found)
