"""Where each domain says what it keeps of a person, and how to erase it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Holding:
    """One domain's part: ``export(user_id)`` gives JSON values, ``erase(user_id)`` runs in the open transaction."""

    export: Callable[[int], Any]
    erase: Callable[[int], None]


_holdings: dict[str, Holding] = {}


def register(domain: str, holding: Holding) -> None:
    """Say what a domain keeps of a person; wired in create_app."""
    _holdings[domain] = holding


def export(user_id: int) -> dict[str, Any]:
    """All that is kept of a person, by domain, as plain JSON values."""
    return {domain: holding.export(user_id) for domain, holding in sorted(_holdings.items())}


def erase(user_id: int) -> None:
    """Erase or anonymise a person in every domain; must be called inside one write service."""
    for holding in _holdings.values():
        holding.erase(user_id)
