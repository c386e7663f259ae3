"""What a proposal is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.rpa.profiles.addresses import ProductAddress


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the profile: where in it, what, and how sure that is (0 to 1) for which reason."""

    pointer: str
    value: Any
    sure: float
    reason: str
    works_on: tuple[bool, ...] = ()
    """Per page, whether it reads something usable there."""


@dataclass(slots=True)
class Proposal:
    """A profile document and what is to be known of its parts."""

    product: dict[str, Any]
    locale: str
    currency: str
    name: str
    parts: list[Part] = field(default_factory=list)
    cart: list[Part] = field(default_factory=list)
    """Parts of a cart that a profile needs more for: its line cannot be seen before something is in it."""

    def document(self, address: ProductAddress) -> dict[str, Any]:
        """The profile as POST /storefronts takes it."""
        return {
            "base_url": address.base_url,
            "allowed_hosts": [address.host],
            "locale": self.locale,
            "currency": self.currency,
            "product": self.product,
        }
