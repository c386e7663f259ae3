"""Counting facts: they are added to the rollups, and not marked any more, some thousands in one transaction.

The timetable does it several times a minute, and so does a slice of an import of sales at its end. Until then reads add
them by themselves, so figures are never late.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import wraps
from typing import Any, Final

from sqlalchemy import and_, delete, select, update

from app.analytics.models.sales_rollups import HOURS_KEPT
from app.analytics.queries.sales_sources import COUNTED, SALE, UNCOUNTED
from app.analytics.services.category_groups import groups_of, members_of
from app.analytics.services.sales_adding import COLUMNS, HOUR, add_facts
from app.analytics.services.sales_locking import lock_rollups
from app.core.extensions import db
from app.core.many_rows import is_among
from app.core.orm import count_changed, database_now
from app.core.transactions import connection, in_transaction
from app.operations.models import OperationState
from app.operations.services.leases import Work
from app.operations.services.running import Clock, Step
from app.orders.events import ImportedSalesUndone

FOLD: Final = "fold_sales"
PURGE: Final = "purge_sales_hours"
CHUNK: Final = 4_000
_AT_A_TIME_S: Final = 20.0
_AT_ONCE: Final = 900


def fold_sales(*, most_s: float = _AT_A_TIME_S) -> int:
    """Count facts until all are, or for some seconds; returns how many. Two at once take turns."""
    done, until = 0, time.monotonic() + most_s
    while True:
        count = fold_some()
        done += count
        if count < CHUNK or time.monotonic() > until:
            return done


def folding(steps: Mapping[tuple[str, OperationState], Step]) -> dict[tuple[str, OperationState], Step]:
    """The same steps of operations, each of which counts at its end what it has added."""
    return {key: _folded(step) if key[1] is OperationState.RUNNING else step for key, step in steps.items()}


def _folded(step: Step) -> Step:
    @wraps(step)
    def done(work: Work, clock: Clock) -> Work | None:
        following = step(work, clock)
        fold_sales()
        return following

    return done


@in_transaction
def fold_some(*, size: int = CHUNK) -> int:
    """Count so many facts, the oldest days first; returns how many."""
    if not _is_any():
        return 0
    now = lock_rollups()
    found = select(*COLUMNS).where(UNCOUNTED).order_by(SALE.c.sold_on, SALE.c.id).limit(size)
    facts = connection().execute(found).all()
    of_product, categories = groups_of(fact.product_id for fact in facts)
    grouped = [(*fact[:2], of_product[fact.product_id], *fact[3:]) for fact in facts]
    add_facts(grouped, categories, hours_from=now - HOURS_KEPT)
    _mark(grouped)
    return len(facts)


def forget_imported(event: ImportedSalesUndone) -> None:
    """Take facts that an undo deletes out of the rollups, in its transaction."""
    now = lock_rollups()
    gone = and_(SALE.c.operation_id == event.operation_id, SALE.c.id <= event.last_id, COUNTED)
    facts = connection().execute(select(*COLUMNS).where(gone)).all()
    add_facts(facts, members_of(fact.category_group_id for fact in facts), hours_from=now - HOURS_KEPT, sign=-1)


@in_transaction
def purge_hours() -> int:
    """Delete the sums of hours that are not shown any more; returns how many."""
    before = database_now(db.session()) - HOURS_KEPT
    return count_changed(db.session(), delete(HOUR).where(HOUR.c.sold_from < before))


def _is_any() -> bool:
    """Whether there is anything to count, asked before anybody waits for the lock."""
    return connection().execute(select(SALE.c.id).where(UNCOUNTED).limit(1)).first() is not None


def _mark(facts: Iterable[Any]) -> None:
    """Note facts as counted, with the categories they were counted in."""
    by_group: dict[int, list[int]] = {}
    for id_, _, group, *_ in facts:
        by_group.setdefault(group, []).append(id_)
    for group, ids in sorted(by_group.items()):
        for at in range(0, len(ids), _AT_ONCE):
            some = is_among(SALE.c.id, ids[at : at + _AT_ONCE])
            connection().execute(update(SALE).where(some).values(uncounted=None, category_group_id=group))
