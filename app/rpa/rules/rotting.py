"""Whether the selectors of a storefront's profile still find their fields, counted in visits. Plain values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.rpa.rules.readings import CartReading, ProductReading, TaskOutcome

NEEDED: Final = 6
"""Visits in a row that did not find a field, until its selectors are said to be rotten."""

READY: Final = "product.ready"
IDENTITY: Final = "product.identity"
NAME: Final = "product.name"
PRICE: Final = "product.price"
CART_ADD: Final = "cart.add"
CART_MINI: Final = "cart.mini"
CART_PRICE: Final = "cart.price"
CART_QUANTITY: Final = "cart.quantity_field"

_IN_ORDER: Final = (READY, IDENTITY, NAME)
"""Who misses something else has found these."""
_OF_CARTS: Final = (CART_ADD, CART_MINI, CART_QUANTITY)
_OPTIONAL: Final = ("brand", "availability")
"""A visit succeeds without them; that is a miss only of a product of which the storefront showed them before."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The parts of the profile that a visit found, and those that it looked for in vain."""

    found: frozenset[str] = frozenset()
    missed: frozenset[str] = frozenset()


def fields_of(outcome: TaskOutcome, seen: Collection[str]) -> Fields:
    """What a visit says of the selectors; ``seen`` are attributes that the storefront showed of the product before."""
    reading = outcome.reading
    if outcome.code is not None:
        if outcome.missing is None:
            return Fields()
        before = _IN_ORDER.index(outcome.missing) if outcome.missing in _IN_ORDER else len(_IN_ORDER)
        return Fields(frozenset(_IN_ORDER[:before]), frozenset({outcome.missing}))
    if isinstance(reading, ProductReading):
        read = {name for name in ("price", *_OPTIONAL) if getattr(reading, name) is not None}
        gone = {name for name in _OPTIONAL if name in seen and name not in read}
        return Fields(frozenset(_IN_ORDER) | _of_product(read), _of_product(gone))
    if isinstance(reading, CartReading):
        has_price = reading.unit_price is not None or reading.line_price is not None
        return Fields(frozenset({*_IN_ORDER, *_OF_CARTS, *([CART_PRICE] if has_price else [])}))
    return Fields()


def count(misses: Mapping[str, Any] | None, fields: Fields, task_id: int) -> dict[str, Any]:
    """A storefront's misses after a visit, by field with ``count`` and the last ``task_id``.

    What was found begins anew. More than NEEDED are not counted, so that a rotten profile costs no further writes.
    """
    now = {name: miss for name, miss in (misses or {}).items() if name not in fields.found}
    for name in fields.missed:
        before = now.get(name, {}).get("count", 0)
        if before < NEEDED:
            now[name] = {"count": before + 1, "task_id": task_id}
    return now


def rotten(misses: Mapping[str, Any] | None) -> dict[str, int]:
    """The fields that NEEDED visits in a row did not find, with the task of the last of these."""
    return {name: miss["task_id"] for name, miss in sorted((misses or {}).items()) if miss["count"] >= NEEDED}


def _of_product(names: Collection[str]) -> frozenset[str]:
    return frozenset(f"product.{name}" for name in names)
