"""The dry run of an import of sales: which rows are facts, and which of these are new."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.core.extensions import db
from app.core.fields import utc_text
from app.core.money import decimal_text
from app.core.orm import utc_now
from app.core.running import settings
from app.operations.files.table import Cells
from app.operations.services.imports import checking
from app.operations.services.imports.rows import Reason, Row, Values
from app.operations.services.leases import Work
from app.operations.services.running import Clock
from app.orders.sales_rows import SaleChecker, instant_of
from app.orders.services.sales_imports.facts import AMOUNTS, Decider, Decision


def check_rows(work: Work, clock: Clock) -> Work | None:
    """Check rows until all are, or time is up."""
    return checking.check_rows(work, clock, _Examiner)


class _Examiner(checking.Examiner):
    """What rows would add to the facts that there are now."""

    key = "external_id"
    key_type = str

    def __init__(self, work: Work) -> None:
        self._currency = settings().currency
        self._decider = Decider(self._currency)
        columns = work.report["columns"]
        self._checker = SaleChecker(
            targets=[column["target"] for column in columns],
            names=[column["name"] for column in columns],
            currency=self._currency,
            tax_included=work.arguments["tax_included"],
            zone=settings().timezone,
            now=utc_now(),
        )

    def check(self, cells: Cells) -> tuple[Values, list[Reason]]:
        return self._checker.check(cells)

    def number(self, value: Any) -> str:
        return str(value)

    def decide(self, rows: list[Row]) -> Iterable[Decision]:
        decisions = list(self._decider.decide(rows))
        db.session.rollback()
        return decisions

    def show(self, decision: Decision) -> dict[str, Any]:
        values = decision.row.values
        shown = {name: values[name] for name in ("external_id", "kind", "sold_on", "asin", "quantity")}
        amounts = {name: decimal_text(values[name], self._currency) for name in AMOUNTS}
        return shown | amounts | {
            "line": decision.row.line,
            "sold_at": utc_text(instant_of(values["sold_at"])),
            "product_id": decision.product.id if decision.product else None,
            "name": decision.name,
            "brand": decision.brand,
            "currency": self._currency,
        }  # fmt: skip

    def report(self) -> dict[str, Any]:
        return {}
