"""The API of the dashboard: its figures at once, and as they change."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response
from flask.views import MethodView

from app.analytics.rules.figures import parts_of, visible
from app.analytics.schemas.dashboard import DashboardSchema
from app.analytics.services.snapshots import is_live, newest_snapshot
from app.core.answering import tagged
from app.core.api import ApiBlueprint, current_principal
from app.core.kept import etag_of

blp = ApiBlueprint("dashboard", __name__, description="The figures of the dashboard, as they are and as they change")


@blp.route("/analytics/dashboard")
class Dashboard(MethodView):
    """All figures now."""

    @blp.requires("dashboard:read")
    @blp.answers(200, DashboardSchema)
    @blp.alt_response(304, description="If-None-Match names the ETag: the figures are still the same", success=True)
    def get(self) -> Any:
        """Get the figures that your permissions show; ask with If-None-Match, every few seconds at most.

        They are read once for everybody and at most a few seconds old. Where `live` is true, connections get every
        change by themselves.
        """
        snapshot, live = newest_snapshot(), is_live()
        figures = visible(snapshot.figures, parts_of(current_principal().permissions))
        frame = {"seq": snapshot.seq, "at": snapshot.at, "kind": "full", "figures": figures, "live": live}
        answer = Response(orjson.dumps(frame), mimetype="application/json")
        answer.set_etag(etag_of(orjson.dumps([figures, live])))
        return tagged(answer)
