"""The dashboard: what has happened today and how the farm does, kept up to date while one looks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import render_template

from app.analytics.queries.dashboard import find_beginnings
from app.analytics.rules.figures import parts_of, visible
from app.analytics.services.snapshots import newest_snapshot
from app.analytics.views.figures import shown
from app.core.api import current_principal
from app.core.pages import PageBlueprint

pages = PageBlueprint("dashboard_pages", __name__)


@pages.get("/admin")
@pages.requires("dashboard:read")
def index() -> Any:
    """Show the figures that the reader may see, and what a new shop still lacks."""
    principal, snapshot = current_principal(), newest_snapshot()
    figures = visible(snapshot.figures, parts_of(principal.permissions))
    begun = {name: is_there for name, is_there in find_beginnings().items() if principal.may(name)}
    read_at = datetime.fromisoformat(snapshot.at)
    values: Mapping[str, Any] = {"figures": figures, "shown": shown, "begun": begun, "read_at": read_at}
    return render_template("analytics/dashboard.html", seq=snapshot.seq, **values)
