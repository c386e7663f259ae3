"""The figures of the dashboard: what each is called, who may see it, and what differs between two readings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

Figures = Mapping[str, Any]
"""Values by name (``sales.today.total``), as JSON has them."""

PERMISSIONS: Final[dict[str, str]] = {
    "sales": "sales:read",
    "orders": "orders:read",
    "stock": "stock:read",
    "farm": "jobs:read",
    "alerts": "storefronts:read",
}
"""Which permission shows a part; the name of a figure begins with that of its part."""
CAP: Final = 10_000
"""Rows are counted up to here, so that no list makes the dashboard slow; this number means so many or more."""


def parts_of(permissions: Iterable[str]) -> frozenset[str]:
    """The parts that somebody with these permissions sees."""
    held = frozenset(permissions)
    return frozenset(part for part, needed in PERMISSIONS.items() if needed in held)


def visible(figures: Figures, parts: frozenset[str]) -> dict[str, Any]:
    """The figures of these parts."""
    return {name: value for name, value in figures.items() if name.partition(".")[0] in parts}


def changed(before: Figures, after: Figures) -> dict[str, Any]:
    """The figures that are new or have another value."""
    return {name: value for name, value in after.items() if name not in before or before[name] != value}
