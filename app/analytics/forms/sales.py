"""The forms of figures of sales: a period, and of what; and which categories there are to choose."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from werkzeug.datastructures import MultiDict
from wtforms import Form, StringField

from app.analytics.forms.periods import PeriodForm
from app.analytics.queries.sales_figures import Grouping
from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import Filters
from app.core.display import span_on
from app.core.fields import Asin, Text
from app.products.models.categories import MAX_CATEGORY_NAME
from app.products.models.products import MAX_BRAND

_DAYS_BY_DAY: Final = 62
_DAYS_BY_WEEK: Final = 366
_KEPT: Final = frozenset({"from", "to", "days", "currency", "brand", "asin", "by"})
_LARGEST_ID: Final = 2**63 - 1


class SalesForm(PeriodForm):
    """Which figures of sales; a filter that cannot be is said at its field and left out."""

    currency = StringField("Currency")
    category = StringField("Category")
    brand = StringField("Brand")
    asin = StringField("ASIN")
    by = StringField("By")

    kept: dict[str, Any]
    """What was asked for but a category, as parameters of an address."""
    narrower: dict[str, str] | None = None
    """The days that are known to be answered where those that were asked for take too long."""
    category_id: int | None = None
    """The category whose number was given; ``lack_category`` takes it back where there is none."""

    def __init__(self, asked: MultiDict[str, str], *, today: date) -> None:
        """Read the address; ``today`` is the shop's day."""
        super().__init__(asked, today=today)
        self.kept = _kept(asked)
        self._brand = self.cleaned("brand", Text(longest=MAX_BRAND))
        self._asin = self.cleaned("asin", Asin())
        self.category_id = self._read_category()

    @property
    def grouping(self) -> Grouping:
        """The one that was chosen, else what suits the period."""
        if (self.by.data or "") in set(Grouping):
            return Grouping(self.by.data)
        if self.period.days <= _DAYS_BY_DAY:
            return Grouping.DAY
        return Grouping.WEEK if self.period.days <= _DAYS_BY_WEEK else Grouping.MONTH

    def filters(self, currency: str | None = None) -> Filters:
        """Of which facts."""
        return Filters(currency=currency, category_id=self.category_id, brand=self._brand, asin=self._asin)

    def arguments(self, currency: str | None = None) -> dict[str, Any]:
        """The same as arguments of the API."""
        found = {"currency": currency, "category_id": self.category_id, "brand": self._brand, "asin": self._asin}
        return self.address() | {name: value for name, value in found.items() if value is not None}

    def choose(self, known: list[str], own: str) -> str:
        """The currency that is shown: the one asked for where there is any of it, else the shop's, else the first."""
        asked = (self.currency.data or "").upper()
        return next((code for code in (asked, own) if code in known), known[0])

    def lack_category(self) -> None:
        """There is no such category."""
        self.category_id = None
        self.blame("category", "There is no such category any more.")

    def part(self, part: Period) -> str:
        """A day, week or month of the period in words of the reader."""
        return span_on(part.first_on, part.last_on)

    def _read_category(self) -> int | None:
        text = (self.category.data or "").strip()
        found = _id_of(text)
        if text and found is None:
            self.blame("category", "There is no such category.")
        return found


class CategoryForm(Form):
    """Which categories are listed to choose among: those below ``parent``, or those with the words ``q``."""

    q = StringField("Name")
    parent_id: int | None
    """None for those at the top, also where what was given is no number."""

    def __init__(self, asked: MultiDict[str, str]) -> None:
        """Read the address; what is no category there is left out."""
        super().__init__(asked)
        self.kept = _kept(asked)
        self.words = (self.q.data or "").strip()[:MAX_CATEGORY_NAME]
        self.parent_id = _id_of(asked.get("parent", "").strip())


def _kept(asked: MultiDict[str, str]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name in _KEPT and value}


def _id_of(text: str) -> int | None:
    found = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    return found if 1 <= found <= _LARGEST_ID else None
