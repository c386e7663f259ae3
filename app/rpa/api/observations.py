"""The API of the time series."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.core.api import ApiBlueprint
from app.rpa.queries.observations import list_days, list_observations
from app.rpa.schemas.observations import ObservationDayPage, ObservationPage, SeriesArguments

blp = ApiBlueprint("observations", __name__, description="What storefronts showed of a product over time")


@blp.route("/products/<int:product_id>/observations")
class Observations(MethodView):
    """Visit by visit."""

    @blp.requires("jobs:read")
    @blp.arguments(SeriesArguments, location="query")
    @blp.answers(200, ObservationPage)
    def get(self, which: dict[str, Any], product_id: int) -> Any:
        """List what each visit to a storefront saw of a product, newest first; kept for OBSERVATION_DAYS."""
        return list_observations(product_id, **which)


@blp.route("/products/<int:product_id>/observations/days")
class ObservationDays(MethodView):
    """Day by day."""

    @blp.requires("jobs:read")
    @blp.arguments(SeriesArguments, location="query")
    @blp.answers(200, ObservationDayPage)
    def get(self, which: dict[str, Any], product_id: int) -> Any:
        """List what the visits of each day (UTC) come to: the price history of a product, newest first, for ever."""
        return list_days(product_id, **which)
