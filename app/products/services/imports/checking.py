"""The dry run of an import of products: what each row would change in the catalogue as it is now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from app.core.extensions import db
from app.core.money import exponent
from app.core.orm import json_text
from app.core.running import settings
from app.operations.files.table import Cells
from app.operations.services.imports import checking
from app.operations.services.imports.rows import Reason, Row, Values
from app.operations.services.leases import Work
from app.operations.services.running import Clock
from app.products.checking import RowChecker
from app.products.queries import imports as queries
from app.products.services.imports.rows import Categories, Decision, decide

MAX_NEW_CATEGORIES: Final = 1_000
_TEXT_SHOWN: Final = 200


def check_rows(work: Work, clock: Clock) -> Work | None:
    """Check rows until all are, or time is up."""
    return checking.check_rows(work, clock, _Examiner)


class _Examiner(checking.Examiner):
    """What rows would do to the catalogue; with categories that are only to be made treated as if they were there."""

    key = "asin"
    key_type = int

    def __init__(self, work: Work) -> None:
        self._currency = settings().currency
        self._decimals = exponent(self._currency)
        columns = work.report["columns"]
        self._checker = RowChecker(
            targets=[column["target"] for column in columns],
            names=[column["name"] for column in columns],
            currency=self._currency,
            decimals=self._decimals,
            private=settings().private_targets,
        )
        self._categories = Categories()
        self._makes_categories = bool(work.arguments.get("create_categories"))
        self._new_categories: list[str] = []
        for name in work.report.get("new_categories", ()) if checking.is_begun(work) else ():
            self._new_categories.append(name)
            self._categories.promise(name)

    def check(self, cells: Cells) -> tuple[Values, list[Reason]]:
        return self._checker.check(cells)

    def number(self, value: Any) -> int:
        """An ASIN as the number that it is to base 36."""
        return int(value, 36)

    def decide(self, rows: list[Row]) -> Iterator[Decision]:
        present = queries.find_by_asins([row.values["asin"] for row in rows])
        thresholds = {}
        if any("low_stock_threshold" in row.values for row in rows):
            thresholds = queries.find_thresholds([product.id for product in present.values()])
        db.session.rollback()
        for row in rows:
            if self._makes_categories:
                self._promise(row)
            product = present.get(row.values["asin"])
            yield decide(
                row,
                product,
                currency=self._currency,
                decimals=self._decimals,
                categories=self._categories,
                threshold=None if product is None else thresholds.get(product.id),
            )

    def show(self, decision: Decision) -> dict[str, Any]:
        changes = [
            {"attribute": change.attribute, "previous": _cut(change.previous), "current": _cut(change.current)}
            for change in decision.changes
        ]
        for change in changes:
            if change["attribute"] == "categories":
                change["current"] = json_text(self._categories.shown(orjson.loads(decision.columns["categories"])))
        return {"line": decision.row.line, "asin": decision.row.values["asin"], "changes": changes}

    def report(self) -> dict[str, Any]:
        return {"new_categories": self._new_categories}

    def _promise(self, row: Row) -> None:
        """Treat categories that will be made as if they were there."""
        for name in self._categories.missing(row.values.get("categories", ())):
            if len(self._new_categories) < MAX_NEW_CATEGORIES and self._categories.promise(name):
                self._new_categories.append(name)


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _TEXT_SHOWN else text[:_TEXT_SHOWN] + "..."
