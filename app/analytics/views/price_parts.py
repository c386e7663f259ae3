"""What the pages of prices are made of (docs/metrics.md, "Prices of storefronts")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from app.analytics.forms.prices import PricesForm
from app.analytics.queries.price_differences import list_price_differences
from app.analytics.queries.price_index import get_price_index
from app.analytics.rules.periods import Period
from app.analytics.rules.price_days import PriceDay
from app.analytics.rules.price_index import STALE_DAYS
from app.core.api import current_principal
from app.core.errors import Invalid
from app.core.pagination import Page

_ROWS: Final = 50
MOST_DAYS: Final = 60
"""Days of a storefront that a page lists, the newest ones."""
INDEX_MEANINGS: Final = (
    (
        "index",
        "Index",
        "100 × the geometric mean of their price ÷ ours over all that is compared; below 100 they are cheaper.",
    ),
    (
        "compared",
        "Compared",
        f"Products that we sell and whose price was seen there in the last {STALE_DAYS} days, in our currency.",
    ),
    ("coverage", "Coverage", "Compared ÷ all products that we sell: the index says something of these only."),
    (
        "rest",
        "Not compared",
        "Never seen there, seen too long ago, shown in another currency, or free on one of the sides.",
    ),
    ("difference", "Difference", "Their price less ours, and that in percent of ours."),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a storefront's prices stand against ours on the period's last day, and how its index was on the first."""

    now: Mapping[str, Any]
    before: Decimal | None
    before_on: date | None

    @property
    def index(self) -> Decimal | None:
        """None where nothing is compared."""
        return None if self.now["index"] is None else Decimal(self.now["index"])

    @property
    def moved(self) -> Decimal | None:
        """By how many points the index has moved; None where one of both is missing."""
        return None if self.index is None or self.before is None else self.index - self.before

    @property
    def rest(self) -> list[tuple[int, str]]:
        """How many products are not compared, and why."""
        reasons = {
            "not_seen": "never seen", "stale": "seen too long ago", "other_currency": "in another currency",
            "free": "free",
        }  # fmt: skip
        return [(self.now[name], words) for name, words in reasons.items() if self.now[name]]


@dataclass(frozen=True, slots=True)
class Indexes:
    """The indexes of all storefronts."""

    as_of: date | None
    computed_at: Any
    standings: list[Standing]


@dataclass(frozen=True, slots=True)
class History:
    """A storefront's prices of one product."""

    code: str
    name: str
    days: list[PriceDay]
    """The newest first, MOST_DAYS at most."""
    count: int
    """How many there are."""
    newest: PriceDay
    lowest: int
    highest: int
    changes: int


def read_indexes(period: Period) -> Indexes:
    """How storefronts stand at the end of a period, beside its beginning."""
    now = get_price_index(on=period.last_on)
    before = get_price_index(on=period.first_on)
    was = {each["storefront"]: each for each in before["storefronts"]}
    standings = [_standing(each, was.get(each["storefront"])) for each in now["storefronts"]]
    return Indexes(now["as_of"], now["computed_at"], standings)


def find_differences(form: PricesForm, *, cursor: str | None) -> Page[dict[str, Any]]:
    """A page of differences; none where a filter names what there is not, which the form then says."""
    may_see = current_principal().may("products:read")
    try:
        return list_price_differences(limit=_ROWS, shows_master=may_see, cursor=cursor, **form.differences())
    except Invalid as refusal:
        if cursor and not refusal.errors:
            raise
        form.show(refusal)
        return Page([], None)


def histories_of(found: Mapping[str, Any]) -> list[History]:
    """Of each storefront what a page says."""
    return [_history(each) for each in found["storefronts"]]


def _standing(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> Standing:
    if before is None or before["index"] is None or before["day"] == now["day"]:
        return Standing(now, None, None)
    return Standing(now, Decimal(before["index"]), before["day"])


def _history(series: Mapping[str, Any]) -> History:
    days: list[PriceDay] = series["days"]
    same = [day for day in days if day.currency == days[-1].currency]
    return History(
        code=series["storefront"],
        name=series["storefront_name"],
        days=days[::-1][:MOST_DAYS],
        count=len(days),
        newest=days[-1],
        lowest=min(day.lowest for day in same),
        highest=max(day.highest for day in same),
        changes=sum(day.is_change for day in days),
    )
