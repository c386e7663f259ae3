"""What the farm must find, worked out from the two data files alone.

This is the demonstration's own reading of the rules in ``docs/architecture.md``; it shares no code with the farm, so
that the two can disagree.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

Change = tuple[str, str, str, str]
"""ASIN, attribute, the master's value, the marketplace's value."""
Shelf = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a job brings back: how each product's task ends, what changed, and what the carts said."""

    ends: dict[str, str] = field(default_factory=dict)
    """ASIN -> ``SUCCEEDED``, or state and code such as ``REFUSED NOT_FOUND``."""
    changes: frozenset[Change] = frozenset()
    cart_prices: dict[str, Decimal] = field(default_factory=dict)
    """ASIN -> what one piece costs in the cart, for tasks that put one there."""

    def count_ends(self) -> dict[str, int]:
        """How many tasks ended each way, most frequent first."""
        return dict(Counter(self.ends.values()).most_common())

    def count_changes(self) -> dict[str, int]:
        """How many changes there are of each attribute, most frequent first."""
        return dict(Counter(attribute for _, attribute, _, _ in self.changes).most_common())


def read_master(folder: Path) -> list[dict[str, str]]:
    """The rows of ``master.csv``, in its order."""
    with (folder / "master.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_shelf(folder: Path) -> dict[str, dict[str, Any]]:
    """The marketplace's ``catalogue.json`` by ASIN."""
    entries = json.loads((folder / "catalogue.json").read_text(encoding="utf-8"))
    return {entry["asin"]: entry for entry in entries}


def expect_views(master: Iterable[Mapping[str, str]], shelf: Shelf) -> Findings:
    """What a first view-product job over the master's rows must find."""
    ends: dict[str, str] = {}
    changes: set[Change] = set()
    for row in master:
        asin = row["asin"]
        ends[asin] = _view_end(shelf.get(asin))
        if ends[asin] == "SUCCEEDED":
            changes |= _changes(row, shelf[asin])
    return Findings(ends, frozenset(changes))


def expect_carts(asins: Iterable[str], shelf: Shelf) -> Findings:
    """What an add-to-cart job of one piece each must find."""
    ends: dict[str, str] = {}
    prices: dict[str, Decimal] = {}
    for asin in asins:
        ends[asin] = _cart_end(shelf.get(asin))
        if ends[asin] == "SUCCEEDED":
            prices[asin] = Decimal(shelf[asin]["price"])
    return Findings(ends, frozenset(), prices)


def differences(expected: Findings, found: Findings) -> list[str]:
    """One sentence for everything that was expected and not found, or found and not expected."""
    lines = [
        f"{asin}: must end {expected.ends.get(asin, 'nowhere')}, ended {found.ends.get(asin, 'nowhere')}"
        for asin in sorted(expected.ends.keys() | found.ends.keys())
        if expected.ends.get(asin) != found.ends.get(asin)
    ]
    lines += [f"missing change: {_sentence(change)}" for change in sorted(expected.changes - found.changes)]
    lines += [f"change nobody made: {_sentence(change)}" for change in sorted(found.changes - expected.changes)]
    lines += [
        f"{asin}: must cost {expected.cart_prices.get(asin)} in the cart, cost {found.cart_prices.get(asin)}"
        for asin in sorted(expected.cart_prices.keys() | found.cart_prices.keys())
        if expected.cart_prices.get(asin) != found.cart_prices.get(asin)
    ]
    return lines


def _view_end(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "REFUSED NOT_FOUND"
    return {"silent": "FAILED NAV_TIMEOUT", "robot_check": "FAILED BLOCKED"}.get(entry["page"], "SUCCEEDED")


def _cart_end(entry: Mapping[str, Any] | None) -> str:
    end = _view_end(entry)
    if entry is None or end != "SUCCEEDED":
        return end
    if entry["stock"] == 0:
        return "REFUSED OUT_OF_STOCK"
    return "FAILED CART_NOT_CONFIRMED" if entry["page"] == "dead_button" else "SUCCEEDED"


def _changes(row: Mapping[str, str], entry: Mapping[str, Any]) -> set[Change]:
    """A product is believed to be in stock until a page says otherwise; a price that is not shown is not known."""
    asin = row["asin"]
    changes = {
        (asin, attribute, row[attribute], entry[attribute])
        for attribute in ("name", "brand")
        if row[attribute] != entry[attribute]
    }
    if entry["price_shown"] and Decimal(row["price"]) != Decimal(entry["price"]):
        changes.add((asin, "price", row["price"], entry["price"]))
    if entry["stock"] == 0:
        changes.add((asin, "availability", "IN_STOCK", "OUT_OF_STOCK"))
    return changes


def _sentence(change: Change) -> str:
    asin, attribute, before, after = change
    return f"{asin} {attribute} from {before!r} to {after!r}"
