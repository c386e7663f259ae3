"""The run of an import of sales: checked rows become facts, many in a transaction, together with how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection

from app.core.extensions import db
from app.core.many_rows import driver_instant, insert_rows
from app.core.orm import table_of, utc_now
from app.core.running import settings
from app.core.transactions import in_transaction
from app.operations.services import leases
from app.operations.services.imports.rows import RefusedRow, Row, checked_rows, counts_so_far, end_of, refuse
from app.operations.services.leases import Work
from app.operations.services.running import Clock
from app.orders.models.sales import Sale
from app.orders.queries.sales_imports import PREFIX
from app.orders.sales_rows import instant_of
from app.orders.services.sales_imports.facts import AMOUNTS, Decider, Decision

CHUNK: Final = 900
"""Rows of a transaction. MariaDB makes a table of what is looked for among 1,000 values or more."""
_NAMES: Final = (
    "unique_key", "kind", "sold_at", "sold_on", "operation_id", "product_id", "asin", "name", "brand", "quantity",
    "currency", *(f"{name}_minor" for name in AMOUNTS), "created_at",
)  # fmt: skip


@dataclass(slots=True)
class _Run:
    """What one slice of a run works with."""

    work: Work
    decider: Decider
    currency: str
    counts: dict[str, int]


def write_rows(work: Work, clock: Clock) -> Work | None:
    """Write checked rows until all are, or time is up."""
    currency = settings().currency
    run = _Run(work, Decider(currency), currency, counts_so_far(work))
    cursor = dict(work.cursor)
    for rows, behind in checked_rows(work, CHUNK):
        cursor["at"] = behind
        run.counts = write_chunk(run=run, rows=rows, cursor=cursor, now=utc_now())
        if clock():
            leases.hand_over(work=work)
            return None
    return leases.move_on(work=work, state=end_of(run.counts), now=utc_now())


@in_transaction
def write_chunk(*, run: _Run, rows: list[Row], cursor: dict[str, Any], now: datetime) -> dict[str, int]:
    """Write some rows and how far the import is then, in one transaction; returns the counts.

    What was imported meanwhile is compared again. Nobody else adds facts under the same keys: only operations that have
    the slot of sales do. Raises OperationStopped.
    """
    decisions = list(run.decider.decide(rows))
    _insert(run, [each for each in decisions if each.outcome == "new"], now)
    refuse(run.work, [_refused(each) for each in decisions if each.reasons])
    counts = dict(run.counts)
    for each in decisions:
        counts[each.outcome] += 1
    leases.save_progress(run.work, done=sum(counts.values()), counts=counts, cursor=cursor)
    return counts


def _insert(run: _Run, decisions: Sequence[Decision], now: datetime) -> None:
    if not decisions:
        return
    connection = db.session.connection()
    made = driver_instant(connection, now)
    rows = [(*_values(run, each, connection), made) for each in decisions]
    insert_rows(connection, table_of(Sale), _NAMES, rows)


def _values(run: _Run, decision: Decision, connection: Connection) -> tuple[Any, ...]:
    values = decision.row.values
    is_text = connection.dialect.name == "sqlite"  # which keeps instants and days as the texts that rows have
    sold_at = values["sold_at"] if is_text else driver_instant(connection, instant_of(values["sold_at"]))
    return (
        f"{PREFIX}{values['external_id']}",
        values["kind"],
        sold_at,
        values["sold_on"] if is_text else date.fromisoformat(values["sold_on"]),
        run.work.id,
        decision.product.id if decision.product else None,
        values["asin"],
        decision.name,
        decision.brand,
        values["quantity"],
        run.currency,
        *(values[name] for name in AMOUNTS),
    )


def _refused(decision: Decision) -> RefusedRow:
    return RefusedRow(
        row=decision.row,
        reasons=decision.reasons,
        product_id=decision.product.id if decision.product else None,
        asin=decision.row.values["asin"],
    )
