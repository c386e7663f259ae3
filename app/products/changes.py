"""Which attributes of a product change, decided with plain values and written as the update history keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import orjson

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
    differing = [name for name in ATTRIBUTES if name in after and _differ(before[name], after[name])]
    return [Change(name, as_text(before[name]), as_text(after[name])) for name in differing]


def as_text(value: str | bool | int | Money | list[Any] | dict[str, Any] | None) -> str | None:
    """A value as the history keeps it: ``true``/``false``, ``1299.90 USD``, JSON, or the text itself."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json_text(value)
    return None if value is None else str(value)


def from_text(attribute: str, text: str | None) -> Any:
    """The value of one of ATTRIBUTES that ``as_text`` made this text of."""
    if text is None:
        return None
    if attribute == "price":
        amount, currency = text.split(" ")
        return Money.of(Decimal(amount), currency)
    if attribute == "is_active":
        return text == "true"
    return orjson.loads(text) if attribute in _JSON else text


_JSON: Final = frozenset({"attributes", "images", "categories"})


def _differ(before: Any, after: Any) -> bool:
    if isinstance(after, list | dict):  # to Python, 1 and true are the same
        return json_text(before) != json_text(after)
    return bool(before != after)
