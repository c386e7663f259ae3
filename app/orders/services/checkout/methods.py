"""Ways to pay: which of them this shop offers, and who collects the money."""

from __future__ import annotations

from app.core.errors import Invalid
from app.orders.providers.registry import MANUAL, methods, name_for


def require_offered(method: str) -> None:
    """Raise Invalid, which points at ``/payment_method``, for a way to pay that is not offered."""
    _require_among(method, methods())


def require_manual(method: str) -> None:
    """Raise Invalid for a way to pay that is not offered, or that a provider has to be asked about."""
    _require_among(method, tuple(each for each in methods() if name_for(each) == MANUAL))


def _require_among(method: str, offered: tuple[str, ...]) -> None:
    if method not in offered:
        raise Invalid.field("/payment_method", f"must be one of {', '.join(offered)}.")
