"""What a row of an import of sales would add, decided alike for the dry run and the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any, Final

from app.core.money import decimal_text
from app.operations.services.imports.rows import MISSING, Reason, Row
from app.orders.queries import sales_imports as queries
from app.orders.sales_rows import instant_text

AMOUNTS: Final = ("gross", "discount", "tax", "shipping", "net", "total")
_SAME: Final = ("kind", "asin", "quantity")
_ONLY_WHERE_SAID: Final = ("name", "brand")
"""What a fact has of its product where the row does not say it; so it may differ by now."""
_MAX_PRODUCTS: Final = 50_000
_amounts_of = itemgetter(*AMOUNTS)
_amounts_in = attrgetter(*(f"{name}_minor" for name in AMOUNTS))


@dataclass(slots=True)
class Decision:
    """What becomes of one row."""

    row: Row
    product: Any
    """The product that has its ASIN, or None."""
    present: Any
    """The fact that was imported under its id, or None."""
    reasons: list[Reason]

    @property
    def outcome(self) -> str:
        """``new``, ``unchanged`` or ``refused``: a fact is never changed."""
        if self.reasons:
            return "refused"
        return "new" if self.present is None else "unchanged"

    @property
    def name(self) -> str | None:
        """What the product was called, as the row says it, else as it is called now."""
        return self.row.values.get("name") or (self.product.name if self.product else None)

    @property
    def brand(self) -> str | None:
        """Likewise, of its brand."""
        return self.row.values.get("brand") or (self.product.brand if self.product else None)


class Decider:
    """Decides about rows; one for a slice, because it remembers products."""

    def __init__(self, currency: str) -> None:
        self._currency = currency
        self._products: dict[str, Any] = {}

    def decide(self, rows: Sequence[Row]) -> Iterator[Decision]:
        """What rows would add now, in their order."""
        self._look_up({row.values["asin"] for row in rows})
        present = queries.find_imported([row.values["external_id"] for row in rows])
        for row in rows:
            decision = Decision(row, self._products[row.values["asin"]], present.get(row.values["external_id"]), [])
            if decision.present is not None:
                self._compare(decision)
            elif decision.name is None:
                decision.reasons.append(("name", f"{MISSING} There is no product with this ASIN to have it from."))
            yield decision

    def _look_up(self, asins: set[str]) -> None:
        """Learn what is not known yet of products; those that there are not, too."""
        unknown = asins - self._products.keys()
        if unknown:
            if len(self._products) > _MAX_PRODUCTS:
                self._products.clear()
                unknown = asins
            self._products |= dict.fromkeys(unknown) | queries.find_products(unknown)

    def _compare(self, decision: Decision) -> None:
        values, present = decision.row.values, decision.present
        differing = [name for name in _SAME if values[name] != getattr(present, name)]
        if _amounts_of(values) != _amounts_in(present):
            differing += [name for name in AMOUNTS if values[name] != getattr(present, f"{name}_minor")]
        differing += [name for name in _ONLY_WHERE_SAID if values.get(name) not in {None, getattr(present, name)}]
        if values["sold_at"] != instant_text(present.sold_at):
            differing.append("sold_at")
        if present.currency != self._currency:
            differing.append("currency")
        if differing:
            told = "; ".join(self._told(name, values, present) for name in differing)
            where = f" by the import {present.operation_id}" if present.operation_id else ""
            said = f"was imported{where} already, otherwise: {told}. Facts are not changed: undo that import first."
            decision.reasons.append(("external_id", said[:500]))

    def _told(self, name: str, values: dict[str, Any], present: Any) -> str:
        if name in AMOUNTS:
            before = decimal_text(getattr(present, f"{name}_minor"), present.currency)
            return f"{name} {before}, not {decimal_text(values[name], self._currency)}"
        if name == "currency":
            return f"currency {present.currency}, not {self._currency}"
        before = instant_text(present.sold_at) if name == "sold_at" else getattr(present, name)
        return f"{name} {before}, not {values[name]}"
