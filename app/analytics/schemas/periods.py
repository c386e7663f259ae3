"""How a period is asked for."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields, post_load

from app.analytics.rules.periods import MAX_DAYS, USUAL_DAYS, period_of
from app.core.fields import StrictSchema
from app.core.orm import utc_now
from app.orders.services.sales import day_of

_FROM: Final = {
    "description": f"The first day, in the shop's time zone; by itself {USUAL_DAYS} days with the last one. "
    f"At most {MAX_DAYS} days",
    "examples": ["2026-11-01"],
}
_TO: Final = {"description": "The last day, which counts as well; by itself today", "examples": ["2026-11-21"]}


class PeriodArguments(StrictSchema):
    """Days of the shop; becomes ``period``."""

    first_on = fields.Date(data_key="from", metadata=_FROM)
    last_on = fields.Date(data_key="to", metadata=_TO)

    @post_load
    def make_period(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Replace both days by the period they make."""
        period = period_of(data.pop("first_on", None), data.pop("last_on", None), today=day_of(utc_now()))
        return data | {"period": period}
