"""What a row of an import would do to the catalogue, decided with plain values for the dry run and the run alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.core.money import Money
from app.core.orm import json_text
from app.core.text import TextRefused, cleaned
from app.operations.services.imports.rows import MISSING, Reason, Row
from app.products.attributes import AttributesRefused, merge
from app.products.changes import THRESHOLD, Change
from app.products.models.categories import MAX_CATEGORY_NAME, MAX_DEPTH, MAX_PER_PRODUCT
from app.products.queries import imports as queries

SEPARATOR: Final = ">"
_TEXTS: Final = ("name", "brand", "description", "gtin")
_BOOLEANS: Final = ("false", "true")


@dataclass(slots=True)
class Decision:
    """What becomes of one row."""

    row: Row
    present: Any
    """The product that has its ASIN, or None."""
    columns: dict[str, Any]
    """Columns of the product that get these values."""
    changes: list[Change]
    reasons: list[Reason]

    @property
    def outcome(self) -> str:
        """``new``, ``changed``, ``unchanged`` or ``refused``."""
        if self.reasons:
            return "refused"
        if self.present is None or self.present.deleted_at is not None:
            return "new"
        return "changed" if self.changes else "unchanged"


class Categories:
    """Categories by slug and by path, as they were when this was made."""

    def __init__(self) -> None:
        self._by_name: dict[str, int] = {}
        self._promised: list[str] = []
        rows = {id_: (parent, name, slug) for id_, parent, name, slug in queries.category_names()}
        for id_, (_parent, _name, slug) in rows.items():
            self._by_name[slug] = id_
        for id_ in rows:
            self._by_name.setdefault(_joined(_names(rows, id_)), id_)

    def find(self, name: str) -> int | None:
        """The id of a category by its slug or its path."""
        found = self._by_name.get(name)
        return self._by_name.get(_joined(name.split(SEPARATOR))) if found is None else found

    def missing(self, names: Sequence[str]) -> list[str]:
        """Those that there are not."""
        return [name for name in names if self.find(name) is None]

    def promise(self, name: str) -> bool:
        """Find a category from now on that is only to be made; False for a name that none can have."""
        path = possible_path(name)
        if path is None:
            return False
        self._promised.append(name)
        self._by_name[_joined(path)] = -len(self._promised)
        return True

    def shown(self, ids: Sequence[int]) -> list[int | str]:
        """Ids of categories; those that are only to be made by what they are called."""
        return [id_ if id_ > 0 else self._promised[-id_ - 1] for id_ in ids]


def possible_path(name: str) -> list[str] | None:
    """The names on the way to a category, ``Kitchen > Kettles``; None where no category can be called so."""
    path = name.split(SEPARATOR)
    if len(path) > MAX_DEPTH:
        return None
    try:
        return [cleaned(part, shortest=1, longest=MAX_CATEGORY_NAME) for part in path]
    except TextRefused:
        return None


def decide(
    row: Row, present: Any, *, currency: str, decimals: int, categories: Categories, threshold: int | None = None
) -> Decision:
    """What a row changes of the product that is present (None: of none), whose threshold is given."""
    values = row.values
    decision = Decision(row, present, {}, [], [])
    if present is None:
        decision.reasons += [(name, MISSING) for name in ("name", "price") if name not in values]
    _texts(decision, values, present)
    if "price" in values:
        _price(decision, values["price"], present, currency, decimals)
    if "is_active" in values:
        _flag(decision, values["is_active"], present)
    _documents(decision, values, present, categories)
    if "low_stock_threshold" in values:
        _threshold(decision, values["low_stock_threshold"], threshold, present)
    return decision


def amount(minor: int, decimals: int) -> str:
    """Minor units as ``Money.decimal_string`` writes them."""
    if not decimals:
        return str(minor)
    digits = str(minor).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def _texts(decision: Decision, values: Mapping[str, Any], present: Any) -> None:
    for name in _TEXTS:
        if name in values:
            value = values[name]
            before = None if present is None else getattr(present, name)
            if present is None or before != value:
                decision.columns[name] = value
                decision.changes.append(Change(name, before, value))


def _price(decision: Decision, minor: int, present: Any, currency: str, decimals: int) -> None:
    if present is not None and present.price_minor == minor and present.currency == currency:
        return
    decision.columns |= {"price_minor": minor, "currency": currency}
    before = None
    if present is not None and present.currency == currency:
        before = f"{amount(present.price_minor, decimals)} {currency}"
    elif present is not None:
        before = str(Money(present.price_minor, present.currency))
    decision.changes.append(Change("price", before, f"{amount(minor, decimals)} {currency}"))


def _flag(decision: Decision, value: bool, present: Any) -> None:
    if present is None or bool(present.is_active) != value:
        decision.columns["is_active"] = value
        before = None if present is None else _BOOLEANS[bool(present.is_active)]
        decision.changes.append(Change("is_active", before, _BOOLEANS[value]))


def _documents(decision: Decision, values: Mapping[str, Any], present: Any, categories: Categories) -> None:
    if "attributes" in values or "attribute" in values:
        try:
            _document(decision, "attributes", json_text(_attributes(values, present)), present)
        except AttributesRefused as refused:
            decision.reasons.append(("attributes", " ".join(refused.problems["_schema"])))
    if "images" in values:
        _document(decision, "images", json_text(values["images"]), present)
    if "categories" in values:
        ids = [categories.find(name) for name in values["categories"]]
        missing = categories.missing(values["categories"])
        if missing:
            decision.reasons.append(("categories", f"names no category that there is: {', '.join(missing)[:300]}."))
        elif len(set(ids)) > MAX_PER_PRODUCT:
            decision.reasons.append(("categories", f"must name at most {MAX_PER_PRODUCT} categories."))
        else:
            _document(decision, "categories", json_text(sorted({id_ for id_ in ids if id_ is not None})), present)


def _attributes(values: Mapping[str, Any], present: Any) -> dict[str, Any]:
    """All attributes as the row has them, or those there are; then those that it names one by one."""
    before = values.get("attributes")
    if before is None:
        before = {} if present is None else orjson.loads(present.attributes)
    return merge(before, values["attribute"]) if "attribute" in values else before


def _document(decision: Decision, name: str, text: str, present: Any) -> None:
    before = None if present is None else getattr(present, name)
    if before != text:
        decision.columns[name] = text
        decision.changes.append(Change(name, before, text))


def _threshold(decision: Decision, value: int | None, before: int | None, present: Any) -> None:
    if present is None or value != before:
        changed = Change(THRESHOLD, None if before is None else str(before), None if value is None else str(value))
        decision.changes.append(changed)


def _names(rows: Mapping[int, tuple[int | None, str, str]], id_: int | None) -> list[str]:
    found: list[str] = []
    while id_ is not None and len(found) < len(rows):
        parent, name, _slug = rows[id_]
        found.append(name)
        id_ = parent
    return found[::-1]


def _joined(names: Sequence[str]) -> str:
    """A path in one spelling; what stands in two cases is one name."""
    return f" {SEPARATOR} ".join(name.strip().casefold() for name in names)
