"""Reading buckets of the farm; every statement is made once for each shape of question."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select, union_all

from app.analytics.models.farm import FarmBucket
from app.analytics.rules.farm_buckets import ALL, OUTCOMES
from app.analytics.rules.farm_figures import Window
from app.analytics.rules.farm_slices import STOREFRONT, Slice
from app.core.orm import table_of

COUNTS: Final = tuple(outcome.lower() for outcome in OUTCOMES)
"""The columns of how tasks ended, in this order."""
_BUCKET: Final = table_of(FarmBucket)


def read_buckets(asked: Connection, pieces: Sequence[Window], of: Slice, columns: Sequence[str]) -> Any:
    """These columns of all buckets that make up some stretches of time, each in buckets of its grain."""
    return asked.execute(_rows(tuple(columns), *_shape(pieces, of)), _values(pieces, of)).all()


def read_groups(asked: Connection, pieces: Sequence[Window], of: Slice, per: str, most: int) -> Any:
    """The counts of each storefront or worker, behind its number; those with the most tasks first."""
    return asked.execute(_groups(_column(per), *_shape(pieces, of)), {**_values(pieces, of), "most": most})


def read_details(asked: Connection, pieces: Sequence[Window], of: Slice, per: str, ids: Sequence[int]) -> Any:
    """All other counts of some storefronts or workers, each behind its number, bucket by bucket."""
    query = _some((_column(per), "detail"), _column(per), *_shape(pieces, of))
    return asked.execute(query, {**_values(pieces, of), "ids": ids}).all()


def _column(per: str) -> str:
    return "storefront_id" if per == STOREFRONT else "worker_id"


def _shape(pieces: Sequence[Window], of: Slice) -> tuple[int, bool, bool]:
    return len(pieces), of.storefront_id is None, of.worker_id is None


def _values(pieces: Sequence[Window], of: Slice) -> dict[str, Any]:
    found: dict[str, Any] = {
        "storefront_id": of.storefront_id or ALL, "worker_id": of.worker_id or ALL, "kinds": of.kinds,
    }  # fmt: skip
    for at, piece in enumerate(pieces):
        found |= {f"grain_{at}": piece.grain, f"since_{at}": piece.since, f"until_{at}": piece.until}
    return found


@lru_cache(maxsize=64)
def _rows(columns: tuple[str, ...], pieces: int, each_shop: bool, each_worker: bool) -> Any:
    parts = [_piece(columns, at, each_shop, each_worker) for at in range(pieces)]
    return parts[0] if pieces == 1 else union_all(*parts)


@lru_cache(maxsize=64)
def _some(columns: tuple[str, ...], of: str, pieces: int, each_shop: bool, each_worker: bool) -> Any:
    is_one = _BUCKET.c[of].in_(bindparam("ids", expanding=True))
    parts = [_piece(columns, at, each_shop, each_worker).where(is_one) for at in range(pieces)]
    return parts[0] if pieces == 1 else union_all(*parts)


@lru_cache(maxsize=64)
def _groups(of: str, pieces: int, each_shop: bool, each_worker: bool) -> Select[Any]:
    buckets = _rows((of, *COUNTS), pieces, each_shop, each_worker).subquery()
    sums = [func.sum(buckets.c[name]) for name in COUNTS]
    key = buckets.c[of]
    return (
        select(key, *sums).group_by(key).order_by(sum(sums[1:], sums[0]).desc(), key).limit(bindparam("most"))
    )  # fmt: skip


def _piece(columns: tuple[str, ...], at: int, each_shop: bool, each_worker: bool) -> Select[Any]:
    column = _BUCKET.c
    return select(*(column[name] for name in columns)).where(
        column.grain == bindparam(f"grain_{at}"),
        _is(column.worker_id, is_each=each_worker),
        _is(column.storefront_id, is_each=each_shop),
        column.action.in_(bindparam("kinds", expanding=True)),
        column.at >= bindparam(f"since_{at}"),
        column.at < bindparam(f"until_{at}"),
    )


def _is(column: Any, *, is_each: bool) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column != ALL if is_each else column == bindparam(column.name)
    return found
