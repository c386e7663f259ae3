"""Which products a job is over, as they are at its submission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select

from app.core.extensions import db
from app.products.errors import FilterNotFound
from app.products.models.products import Product
from app.products.queries.categories import find_paths
from app.products.queries.filters import get_filter
from app.products.queries.products import find_fitting_ids, find_products_by_asins
from app.rpa.errors import NothingToDo
from app.rpa.models.jobs import Job, Task, TaskState
from app.rpa.rules.selection import report, sort_asins

MAX_TASKS: Final = 200_000
_PART: Final = 1_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """The ids of some products, how they were asked for, and what was merged or left out."""

    products: list[int]
    over: dict[str, Any]
    report: dict[str, Any] = field(default_factory=dict)


def choose(
    *,
    asins: Sequence[str] | None = None,
    products: Mapping[str, Any] | None = None,
    product_filter_id: int | None = None,
    file: str | None = None,
) -> Chosen:
    """The products of a list of ASINs (of a ``file``, where they stood in one), a filter, or a saved filter.

    Raises NothingToDo, with a pointer to which of them names no product, too many, or something that does not exist.
    """
    if asins is not None:
        found = sort_asins(asins)
        known = find_products_by_asins(found.asins)
        over: dict[str, Any] = {"asins": len(found.asins)} if file is None else {"file": file}
        chosen = Chosen([known[asin] for asin in found.asins if asin in known], over, report(found, known))
        pointer = "/asins" if file is None else "/file"
    elif product_filter_id is not None:
        pointer, over = "/product_filter_id", {"product_filter_id": product_filter_id}
        chosen = Chosen(_fitting(_saved(product_filter_id), pointer), over)
    else:
        pointer, over = "/products", {"products": dict(products or {})}
        chosen = Chosen(_fitting(products or {}, f"{pointer}/category"), over)
    if not chosen.products:
        raise NothingToDo.field(pointer, "names no product of the master.")
    if len(chosen.products) > MAX_TASKS:
        raise NothingToDo.field(pointer, f"is more than {MAX_TASKS} products.")
    return chosen


def products_of(job: Job, states: Sequence[TaskState] | None = None) -> list[int]:
    """The products of a job in its order, or those whose task ended so; what is deleted meanwhile is left out.

    Tasks that were never made count as what became of the job: cancelled, or skipped at its deadline.
    """
    session = db.session()
    # Before the tasks: it is there until the last of them is made, so that none is missed in between.
    selection = session.scalar(select(Job.selection).where(Job.id == job.id)) or []
    if states is None and selection:
        return _present(selection)
    wanted = select(Task.seq, Task.product_id, Task.state).where(Task.job_id == job.id)
    rows = session.execute(wanted.order_by(Task.seq)).all()
    ids = [product_id for _, product_id, state in rows if states is None or state in states]
    if states is not None and selection and _unmade(job, [state for _, _, state in rows]) in states:
        ids += selection[len(rows) :]
    return _present(ids)


def _unmade(job: Job, made: Sequence[str]) -> TaskState:
    """As what those tasks count that were never made: what the job's counters have more than its tasks."""
    return TaskState.SKIPPED if job.skipped_count > made.count(TaskState.SKIPPED) else TaskState.CANCELLED


def _present(ids: Sequence[int]) -> list[int]:
    present: set[int] = set()
    for start in range(0, len(ids), _PART):
        part = select(Product.id).where(Product.id.in_(ids[start : start + _PART]), Product.deleted_at.is_(None))
        present.update(db.session.scalars(part))
    return [id_ for id_ in ids if id_ in present]


def _saved(filter_id: int) -> Mapping[str, Any]:
    try:
        return get_filter(filter_id).which
    except FilterNotFound:
        raise NothingToDo.field("/product_filter_id", "names no saved filter.") from None


def _fitting(which: Mapping[str, Any], pointer: str) -> list[int]:
    category = which.get("category")
    if category is not None and category not in find_paths([category]):
        raise NothingToDo.field(pointer, f"There is no category {category}.")
    return find_fitting_ids(which, limit=MAX_TASKS + 1)
