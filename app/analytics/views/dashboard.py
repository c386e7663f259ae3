"""The dashboard: what has happened today and how the farm does, kept up to date while one looks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from flask import render_template, request

from app.analytics.queries.dashboard import find_beginnings
from app.analytics.rules.figures import parts_of, visible
from app.analytics.services.snapshots import is_live, newest_snapshot
from app.analytics.views.figures import shown
from app.core.api import current_principal
from app.core.headers import allow_connections
from app.core.pages import PageBlueprint
from app.core.running import settings
from app.environment import is_origin

pages = PageBlueprint("dashboard_pages", __name__)


@pages.get("/admin")
@pages.requires("dashboard:read")
def index() -> Any:
    """Show the figures that the reader may see, and what a new shop still lacks."""
    principal, snapshot = current_principal(), newest_snapshot()
    figures = visible(snapshot.figures, parts_of(principal.permissions))
    begun = {name: is_there for name, is_there in find_beginnings().items() if principal.may(name)}
    live = {"origin": _allow_live(), "is_live": is_live()}
    read_at = datetime.fromisoformat(snapshot.at)
    values: Mapping[str, Any] = {"figures": figures, "shown": shown, "begun": begun, "live": live, "read_at": read_at}
    return render_template("analytics/dashboard.html", seq=snapshot.seq, **values)


def _allow_live() -> str:
    """Where connections are kept open; the page may connect to there, and to nowhere else but its own origin."""
    configured, own = settings().live, request.host_url.rstrip("/")
    origin = configured.url or (_at_port(own, configured.port) if configured.port else own)
    if not is_origin(origin):
        return own
    socket = origin.replace("http", "ws", 1)
    allow_connections(*([socket] if origin == own else [origin, socket]))
    return origin


def _at_port(origin: str, port: int) -> str:
    parts = urlsplit(origin)
    host = parts.netloc.removesuffix(f":{parts.port}")
    return f"{parts.scheme}://{host}:{port}"
