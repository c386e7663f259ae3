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
Reading = dict[str, str]
"""What a task read, by attribute; what the page does not show is not in it."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a job brings back: how each product's task ends, what changed, and what was read."""

    ends: dict[str, str] = field(default_factory=dict)
    """ASIN -> ``SUCCEEDED``, or state and code such as ``REFUSED NOT_FOUND``."""
    changes: frozenset[Change] = frozenset()
    readings: dict[str, Reading] = field(default_factory=dict)
    """ASIN -> what a task that succeeded read on the page, or in the cart."""

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
    readings: dict[str, Reading] = {}
    for row in master:
        asin = row["asin"]
        ends[asin] = _view_end(shelf.get(asin))
        if ends[asin] == "SUCCEEDED":
            readings[asin] = _reading(shelf[asin])
            changes |= _changes(row, readings[asin])
    return Findings(ends, frozenset(changes), readings)


def expect_carts(asins: Iterable[str], shelf: Shelf) -> Findings:
    """What an add-to-cart job of one piece each must find."""
    ends: dict[str, str] = {}
    readings: dict[str, Reading] = {}
    for asin in asins:
        ends[asin] = _cart_end(shelf.get(asin))
        if ends[asin] == "SUCCEEDED":
            price = _money(shelf[asin]["price"])
            readings[asin] = {"quantity": "1", "unit_price": price, "page_price": price}
    return Findings(ends, frozenset(), readings)


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
        f"{asin}: must read {expected.readings.get(asin)}, read {found.readings.get(asin)}"
        for asin in sorted(expected.readings.keys() | found.readings.keys())
        if expected.readings.get(asin) != found.readings.get(asin)
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


def _reading(entry: Mapping[str, Any]) -> Reading:
    shown = {"price": _money(entry["price"])} if entry["price_shown"] else {}
    availability = "IN_STOCK" if entry["stock"] else "OUT_OF_STOCK"
    return {"name": entry["name"], "brand": entry["brand"], "availability": availability, **shown}


def _changes(row: Mapping[str, str], reading: Reading) -> set[Change]:
    """A product is believed to be in stock until a page says otherwise; what a page does not show has not changed."""
    believed = {"name": row["name"], "brand": row["brand"], "price": _money(row["price"]), "availability": "IN_STOCK"}
    return {
        (row["asin"], attribute, believed[attribute], value)
        for attribute, value in reading.items()
        if believed[attribute] != value
    }


def _money(amount: str) -> str:
    return f"{Decimal(amount):.2f} USD"


def _sentence(change: Change) -> str:
    asin, attribute, before, after = change
    return f"{asin} {attribute} from {before!r} to {after!r}"
