"""The form above insights into stock: what the API takes, read by the API's own rules."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from app.analytics.queries.inventory_insights import Sort, Status
from app.analytics.schemas.inventory import InsightArguments

SORTS: Final = {Sort.COVER.value: "Gone soonest", Sort.VALUE.value: "Worth most", Sort.UNITS.value: "Sold most"}
STATUSES: Final = {
    Status.REORDER.value: "Buy again now",
    Status.USED_UP.value: "Used up",
    Status.DEAD.value: "Dead stock",
}
POLICY: Final = (
    ("days", "Demand of the last … days"),
    ("lead_days", "Days until a delivery"),
    ("order_days", "Days that it lasts"),
    ("dead_days", "Dead after … days"),
    ("service_percent", "Sure to … percent"),
)

PRODUCTS: Final = 20
"""Of a page, each of which is a card on a phone."""


class StockForm:
    """Which products, in which order, by which assumptions; what cannot be is said in ``errors`` and left out."""

    def __init__(self, asked: MultiDict[str, str]) -> None:
        """Read the address."""
        schema = InsightArguments()
        self.values = {
            name: asked[name].strip() for name in schema.fields if name != "format" and asked.get(name, "").strip()
        }
        self.errors: dict[str, str] = {}
        try:
            self.which: dict[str, Any] = schema.load(self.values)
        except ValidationError as error:
            said: Any = error.messages
            self.errors = {name: " ".join(map(str, texts)) for name, texts in said.items()}
            self.which = schema.load({name: text for name, text in self.values.items() if name not in said})
        self.which.pop("format")
        status = self.which.pop("status", None)
        if "limit" not in self.values:
            self.which["limit"] = PRODUCTS
        self.which |= {"sort": Sort(self.which["sort"]), "status": None if status is None else Status(status)}

    def value(self, name: str) -> Any:
        """What a field shows: what was typed, else what is assumed."""
        return self.values.get(name, getattr(self.which["policy"], name, ""))

    def asked(self) -> dict[str, str]:
        """What was asked for and can be, as arguments of the API."""
        return {name: text for name, text in self.values.items() if name not in self.errors and name != "cursor"}

    def status(self) -> int:
        """What a page with this form answers."""
        return 422 if self.errors else 200
