"""Reads of the order funnel: by day of the shop, and over a period."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from sqlalchemy import CompoundSelect, case, func, select, union_all

from app.analytics.models.funnel import FunnelDay, FunnelMark
from app.analytics.rules.funnel import STEPS, conversion, shares
from app.analytics.rules.periods import Period
from app.core.extensions import db

_OF_DAYS: Final = select(FunnelDay.day, *(getattr(FunnelDay, step) for step in STEPS))
_OF_MARKS: Final = select(
    FunnelMark.day, *(func.sum(case((FunnelMark.step == step, 1), else_=0)).label(step) for step in STEPS)
).group_by(FunnelMark.day)


def get_funnel(*, period: Period) -> dict[str, Any]:
    """How many came to each step in a period and on each of its days, and what came of the carts.

    ``counted_from`` is the first day on which anything was counted, whatever the period; None: nothing was yet.
    """
    counted = _counts(period)
    nothing: Mapping[str, int] = dict.fromkeys(STEPS, 0)
    days = [counted.get(day, nothing) for day in period.each_day()]
    totals: dict[str, int] = {step: sum(day[step] for day in days) for step in STEPS}
    return {
        "since": period.first_on,
        "until": period.last_on,
        "counted_from": _counted_from(),
        "conversion_percent": conversion(totals),
        "steps": shares(totals),
        "days": [
            {"day": day, **counts, "conversion_percent": conversion(counts)}
            for day, counts in zip(period.each_day(), days, strict=True)
        ],
    }


def _counts(period: Period) -> dict[date, dict[str, int]]:
    """The counts of days that have any: in one statement, so that no mark is missed or met twice while it is added."""
    parts: CompoundSelect[Any] = union_all(
        _OF_DAYS.where(FunnelDay.day.between(period.first_on, period.last_on)),
        _OF_MARKS.where(FunnelMark.day.between(period.first_on, period.last_on)),
    )
    counts: dict[date, dict[str, int]] = defaultdict(lambda: dict.fromkeys(STEPS, 0))
    for row in db.session.execute(parts):
        of_day = counts[row.day]
        for step in STEPS:
            of_day[step] += int(getattr(row, step))
    return counts


def _counted_from() -> date | None:
    first = db.session.scalar(select(func.min(FunnelDay.day)))
    fresh = db.session.scalar(select(func.min(FunnelMark.day)))
    return min((day for day in (first, fresh) if day is not None), default=None)
