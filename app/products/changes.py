"""Which attributes of a product change, decided with plain values and written as the update history keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.core.money import Money
from app.core.orm import json_text

ATTRIBUTES: Final = (
    "asin", "name", "brand", "price", "description", "is_active", "gtin", "attributes", "images", "categories"
)  # fmt: skip
DELETED: Final = "is_deleted"
"""The attribute under which creating, deleting and bringing back stand in the history."""
THRESHOLD: Final = "threshold"
"""The attribute under which the low-stock threshold stands in the history."""


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute with its values before and after, as texts; None where there is no value."""

    attribute: str
    previous: str | None
    current: str | None


CREATED: Final = Change(DELETED, None, "false")


def decide_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The attributes of ``after`` that differ from ``before``, in the order of ATTRIBUTES."""
    return [
        Change(name, as_text(before[name]), as_text(after[name]))
        for name in ATTRIBUTES
        if name in after and before[name] != after[name]
    ]


def as_text(value: str | bool | int | Money | list[Any] | dict[str, Any] | None) -> str | None:
    """A value as the history keeps it: ``true``/``false``, ``1299.90 USD``, JSON, or the text itself."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json_text(value)
    return None if value is None else str(value)
