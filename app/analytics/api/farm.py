"""The API of the farm's figures, as docs/metrics.md defines them: as JSON, as a file, or as a chart."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask.views import MethodView

from app.analytics.api.farm_tables import chart_of, table_of
from app.analytics.api.formats import FORMATS, in_format
from app.analytics.queries.farm_analytics import analyse
from app.analytics.schemas.farm import FarmAnalyticsSchema, FarmArguments
from app.core.api import ApiBlueprint

blp = ApiBlueprint("farm_figures", __name__, description="Figures of the farm: how much, how well, how quickly")


@blp.route("/rpa/analytics")
class FarmAnalytics(MethodView):
    """Any stretch of time."""

    @blp.requires("jobs:read")
    @blp.arguments(FarmArguments, location="query")
    @blp.doc(responses=FORMATS)
    @blp.answers(200, FarmAnalyticsSchema)
    @blp.alt_response(503, description="What the farm did is being added up for the first time, or again")
    def get(self, which: dict[str, Any]) -> Any:
        """Figures of the farm: tasks by how they ended, codes, how long visits took, changes found.

        Of the last hours (`hours`) or of days of the shop (`from`, `to`), by minute, hour or day. They are complete up
        to `complete_until`, which is a few seconds ago.
        """
        kind, table, chart = which.pop("format"), which.pop("table"), which.pop("chart")
        found = analyse(**which)
        return in_format(
            kind, found, name=f"farm-{table}", table=partial(table_of, name=table), chart=partial(chart_of, name=chart)
        )
