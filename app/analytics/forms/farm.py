"""The form above figures of the farm."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from wtforms import StringField

from app.analytics.forms.periods import PeriodForm
from app.analytics.rules.farm_figures import Which
from app.core.display import day_on
from app.orders.services.sales import day_of
from app.rpa.models.jobs import Action

KINDS: Final = {Action.VIEW_PRODUCT.value: "View product", Action.ADD_TO_CART.value: "Add to cart"}


class FarmForm(PeriodForm):
    """Which figures of the farm."""

    storefront = StringField("Storefront")
    kind = StringField("Kind")

    def which(self, storefronts: dict[str, int]) -> Which:
        """Of what, by the ids of storefronts; says at the field that there is no such storefront."""
        code = (self.storefront.data or "").strip()
        if code and code not in storefronts:
            self.blame("storefront", "There is no such storefront.")
        return Which(storefront_id=storefronts.get(code), action=self.kind.data if self.kind.data in KINDS else None)

    def day_of(self, begins_at: datetime) -> str:
        """The day of the shop that begins then, in words of the reader."""
        return day_on(day_of(begins_at))

    def arguments(self, which: Which) -> dict[str, Any]:
        """The same as arguments of the API."""
        found = {"storefront": which.storefront_id and self.storefront.data, "kind": which.action}
        return self.address() | {name: value for name, value in found.items() if value is not None}
