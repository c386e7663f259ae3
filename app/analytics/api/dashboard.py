"""The API of the dashboard: its figures at once, and as they change."""

from __future__ import annotations

from typing import Any, Final

import orjson
from flask import Response, current_app
from flask.views import MethodView

from app.analytics.api.connecting import Switched, admit_ticket, open_stream, require_handshake, require_own_origin
from app.analytics.rules.figures import parts_of, visible
from app.analytics.schemas.dashboard import DashboardSchema, TicketSchema
from app.analytics.services.snapshots import is_live, newest_snapshot
from app.analytics.services.tickets import TICKET_S, issue_ticket
from app.auth.authentication import credential_expires_at
from app.core.answering import tagged
from app.core.api import ApiBlueprint, current_principal
from app.core.kept import etag_of

blp = ApiBlueprint("dashboard", __name__, description="The figures of the dashboard, as they are and as they change")

_EVENT: Final = 'id: 8\ndata: {"seq":8,"at":"2026-11-21T10:00:00+00:00","kind":"change","figures":{"stock.low":4}}\n\n'
_TEXT: Final = {"schema": {"type": "string", "examples": [_EVENT]}}
_STREAM: Final = {"200": {"description": "Frames, as long as both sides stay", "content": {"text/event-stream": _TEXT}}}
_ELSEWHERE: Final = "This process keeps no connections open: poll, or connect to the one that does"


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


@blp.route("/analytics/tickets")
class Tickets(MethodView):
    """What lets a browser open one connection."""

    @blp.requires("dashboard:read")
    @blp.answers(201, TicketSchema, secret=True)
    def post(self) -> Any:
        """Get a ticket that opens one WebSocket within 30 seconds, for pages of which it is at another origin.

        It goes into `Sec-WebSocket-Protocol`, with `ticket.` before it and beside `cartwright.figures`; never into an
        address, where it would be logged.
        """
        ticket = issue_ticket(current_principal(), expires_at=credential_expires_at())
        return {"ticket": ticket, "expires_in": TICKET_S}


@blp.route("/analytics/events/dashboard")
class DashboardEvents(MethodView):
    """The figures as they change, as server-sent events."""

    @blp.requires("dashboard:read")
    @blp.answers(200)
    @blp.doc(responses=_STREAM)
    @blp.alt_response(204, description=_ELSEWHERE, success=True)
    def get(self) -> Any:
        """Get the figures as server-sent events: a full frame first, then every change, at least one in 30 seconds.

        Each is the JSON of a frame. An event `closed` says why the connection ends. Browsers are let in by their
        session on pages of the same origin. 204 where only another process keeps connections open.
        """
        require_own_origin()
        if "live_hub" not in current_app.extensions:
            return Response(status=204)  # a browser gives up at once, and without a complaint
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Connection": "close"}
        return Response(open_stream("events"), mimetype="text/event-stream", headers=headers)


@blp.route("/analytics/ws/dashboard")
class DashboardSocket(MethodView):
    """The figures as they change, by WebSocket."""

    @blp.requires("dashboard:read")
    @blp.answers(101)
    @blp.alt_response(400, description="The request is no handshake of a WebSocket")
    @blp.alt_response(503, description="This process keeps no connections open, or no more of them")
    def get(self) -> Any:
        """Open a WebSocket that sends the figures: a full frame first, then every change, at least one in 30 seconds.

        Send `{"send": "full"}` after a gap in the numbers. Browsers are let in by their session on pages of the same
        origin, or by a ticket; others send Authorization. It is closed within a minute of what let it in being ended.
        """
        require_own_origin()
        accept = require_handshake()
        return Switched(open_stream("socket"), accept)


blp.before_request(admit_ticket)
