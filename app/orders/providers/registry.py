"""Which providers there are; each is loaded by name when it is needed, so that nobody loads what is not configured."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from flask import current_app

from app.core.running import settings
from app.orders.providers.port import Provider, ProviderUnreachable

MANUAL: Final = "manual"
STRIPE: Final = "stripe"
CARD: Final = "card"
_MODULES: Final = {MANUAL: "app.orders.providers.manual", STRIPE: "app.orders.providers.stripe"}


def provider(name: str) -> Provider:
    """The provider of that name; raises LookupError for one that is not there or not configured."""
    if name not in _MODULES or (name == STRIPE and not settings().payments.stripe_secret_key):
        raise LookupError(name)
    made: dict[str, Provider] = current_app.extensions.setdefault("payment_providers", {})
    if name not in made:
        made[name] = import_module(_MODULES[name]).make()
    return made[name]


def reachable(name: str) -> Provider:
    """The same for what was begun at it before; raises ProviderUnreachable while it is not configured (any more)."""
    try:
        return provider(name)
    except LookupError:
        raise ProviderUnreachable(f"The provider {name!r} is not configured.") from None


def methods() -> tuple[str, ...]:
    """How customers may pay here: what staff collect as configured, and by card where a provider is."""
    configured = settings().payments
    return (*configured.methods, CARD) if configured.stripe_secret_key else configured.methods


def name_for(method: str) -> str:
    """The provider that takes payments by this method."""
    return STRIPE if method == CARD else MANUAL
