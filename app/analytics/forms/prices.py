"""The forms above prices of storefronts."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from werkzeug.datastructures import MultiDict
from wtforms import StringField

from app.analytics.forms.periods import PeriodForm
from app.analytics.queries.price_differences import Direction
from app.core.errors import Invalid
from app.core.fields import Text
from app.products.models.products import MAX_BRAND

DIRECTIONS: Final = {
    Direction.BOTH.value: "Both",
    Direction.CHEAPER.value: "Cheaper",
    Direction.DEARER.value: "Dearer",
}


class PricesForm(PeriodForm):
    """The days that indexes are of, and which differences are listed."""

    storefront = StringField("Storefront")
    brand = StringField("Brand")
    direction = StringField("Which")

    def __init__(self, asked: MultiDict[str, str], *, today: date) -> None:
        """Read the address; ``today`` is the shop's day."""
        super().__init__(asked, today=today)
        self._brand = self.cleaned("brand", Text(longest=MAX_BRAND))

    def differences(self) -> dict[str, Any]:
        """Which differences, as the query of them takes it."""
        direction = self.direction.data if self.direction.data in DIRECTIONS else Direction.BOTH.value
        shop = (self.storefront.data or "").strip()
        return {"direction": direction, "storefront": shop or None, "brand": self._brand}

    def show(self, refusal: Invalid) -> None:
        """Say at its field what a query refused."""
        for error in refusal.errors:
            self.blame(error.pointer.strip("/"), error.detail)
