"""What the page of the farm's figures is made of (docs/metrics.md defines every number)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.analytics.errors import NotAddedUpYet
from app.analytics.forms.farm import FarmForm
from app.analytics.queries.farm_figures import FarmFigures, find_figures, find_summary
from app.analytics.rules.farm_buckets import Grain
from app.analytics.rules.farm_figures import FarmSummary, OutcomePoint, Which, Window
from app.analytics.rules.farm_slices import STOREFRONT, WORKER
from app.analytics.rules.farm_windows import KEPT_OF_WORKERS, are_workers_kept
from app.analytics.rules.periods import Period
from app.analytics.views.tiles import Tile, count_tile, percent_tile, time_tile
from app.core.orm import utc_now
from app.core.running import settings

_SHORT_MS: Final = 100
MOST_DAYS: Final = 120
"""Days that the page lists, the newest ones."""
MEANINGS: Final = (
    ("tasks", "Tasks", "Tasks that ended in the period, however they did."),
    (
        "rate",
        "Success rate",
        "Of the tasks that were tried, those that did not fail; a shop's no is no failure.",
    ),
    ("failed", "Failed", "Tasks of which it could not be found out, after all their attempts."),
    ("refused", "Refused", "Tasks that the shop said no to: it does not have the product, or does not sell it now."),
    ("retries", "Tried again", "Attempts after which a task was tried once more."),
    ("changes", "Changes found", "Prices, names and other values that a storefront showed otherwise than before."),
    ("half", "Half of the visits", "Half of the visits took no longer (the median), within 5 %."),
    ("most", "Almost all visits", "95 of 100 visits took no longer, within 5 %."),
    ("before", "Before", "The same number of the period of as many days just before; days are the shop's."),
)


@dataclass(frozen=True, slots=True)
class FarmPage:
    """Everything that is shown."""

    figures: FarmFigures
    tiles: list[Tile]
    days: list[OutcomePoint]
    """The newest first, MOST_DAYS at most; days on which nothing ended are not among them."""

    @property
    def days_of_workers(self) -> int:
        """For how long figures of single workers are kept."""
        return KEPT_OF_WORKERS[Grain.DAY].days

    @property
    def is_empty(self) -> bool:
        """Whether no task ended."""
        return self.figures.summary.outcomes.tasks == 0


def read_farm(form: FarmForm, which: Which) -> FarmPage | None:
    """The figures that a form asks for; None while they are added up for the first time."""
    window, before = (_window(each) for each in (form.period, form.period.before()))
    try:
        figures = find_figures(window, which, per=_told(window))
        earlier = find_summary(before, which)
    except NotAddedUpYet:
        return None
    return FarmPage(figures, tiles_of(figures.summary, earlier), figures.throughput[::-1][:MOST_DAYS])


def tiles_of(now: FarmSummary, before: FarmSummary) -> list[Tile]:
    """What a period comes to, beside the one before."""
    new, old = now.outcomes, before.outcomes
    mine, other = now.visits, before.visits
    return [
        count_tile("Tasks", "tasks", new.tasks, old.tasks),
        percent_tile("Success rate", "rate", new.success_rate, old.success_rate),
        count_tile("Failed", "failed", new.failed, old.failed, good=-1),
        count_tile("Refused", "refused", new.refused, old.refused, good=0),
        count_tile("Tried again", "retries", now.retries, before.retries, good=-1),
        count_tile("Changes found", "changes", sum(now.changes.values()), sum(before.changes.values()), good=0),
        time_tile("Half of the visits", "half", mine.p50_ms if mine else None, other.p50_ms if other else None),
        time_tile("Almost all visits", "most", mine.p95_ms if mine else None, other.p95_ms if other else None),
    ]


def seconds(ms: int) -> Decimal:
    """Milliseconds as seconds: of long ones one decimal, of very short ones all."""
    if ms < _SHORT_MS:
        return Decimal(ms) / 1000
    return (Decimal(ms) / 1000).quantize(Decimal("0.1") if ms >= 10_000 else Decimal("0.01"))


def _told(window: Window) -> tuple[str, ...]:
    return (STOREFRONT, WORKER) if are_workers_kept(window, now=utc_now()) else (STOREFRONT,)


def _window(period: Period) -> Window:
    since, until = period.instants(settings().timezone)
    return Window(since, until, Grain.DAY)
