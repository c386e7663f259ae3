"""Who may open a connection that stays open: by session from our own pages, by ticket, by key or access token."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any, Final

from flask import Response, current_app, g, request
from werkzeug.wsgi import ClosingIterator
from wsproto.utilities import generate_accept_token

from app.analytics.errors import NotKeptOpen, NoWebSocket, OriginRefused
from app.analytics.services.tickets import redeem_ticket
from app.auth.authentication import credential_expires_at, principal_of
from app.core.api import current_principal
from app.core.orm import utc_now
from app.core.running import settings

PROTOCOL: Final = "cartwright.figures"
TICKET: Final = "ticket."
_VERSION: Final = "13"
_KEY_BYTES: Final = 16


def admit_ticket() -> None:
    """Let a handshake be done for whom its ticket was given to; raises TicketRefused."""
    g.pop("ticket_expires_at", None)
    ticket = next((name.removeprefix(TICKET) for name in _offered() if name.startswith(TICKET)), None)
    if ticket is not None and request.method == "GET":
        entrant = redeem_ticket(ticket, address=request.remote_addr, now=utc_now())
        g.principal, g.ticket_expires_at = principal_of(entrant.access), entrant.expires_at


def require_own_origin() -> None:
    """Raise OriginRefused where another site's page uses a browser's session (RFC 6455, 10.2; Fetch metadata).

    Tickets, keys and tokens are nothing that a browser sends by itself.
    """
    if "ticket_expires_at" in g or "Authorization" in request.headers:
        return
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    own = {settings().public_url, request.host_url.rstrip("/")}
    is_strange = origin is not None and origin not in own
    if is_strange or site not in {None, "same-origin"} or (origin is None and _is_handshake()):
        raise OriginRefused("Only pages of this site may use your session; others need a ticket.")


def open_stream(wire: str) -> Any:
    """The hub's new client for the current request; raises NotKeptOpen in a process without a hub."""
    hub = current_app.extensions.get("live_hub")
    if hub is None:
        raise NotKeptOpen("This process keeps no connections open; the one that is started as live does.")
    expires_at: datetime | None = g.ticket_expires_at if "ticket_expires_at" in g else credential_expires_at()
    client = hub.connect(current_principal(), socket=request.environ["live.socket"], wire=wire, expires_at=expires_at)
    request.environ["live.forget_input"]()
    return client


def require_handshake() -> str:
    """What to answer to the handshake's key; raises NoWebSocket for what is none."""
    key = request.headers.get("Sec-WebSocket-Key", "")
    try:
        is_key = len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except binascii.Error:
        is_key = False
    if not (_is_handshake() and is_key and request.headers.get("Sec-WebSocket-Version") == _VERSION):
        raise NoWebSocket("Open a WebSocket of version 13 here: this address gives nothing else.")
    return generate_accept_token(key.encode()).decode()


class Switched(Response):
    """The answer 101 with what is sent afterwards, which werkzeug would leave out."""

    def __init__(self, stream: Any, accept: str) -> None:
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
        if PROTOCOL in _offered():
            headers["Sec-WebSocket-Protocol"] = PROTOCOL
        super().__init__(stream, status=101, headers=headers)

    def get_app_iter(self, environ: Any) -> Any:
        """What is sent, whatever the status says."""
        return ClosingIterator(self.iter_encoded(), [self.close])


def _is_handshake() -> bool:
    return "websocket" in request.headers.get("Upgrade", "").lower()


def _offered() -> list[str]:
    return [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if name.strip()]
