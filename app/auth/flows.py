"""Which log-ins by OAuth providers this browser has begun: kept in its session cookie, which is signed.

Only the browser that left for a provider can come back from it; a link with somebody else's answer does nothing
(RFC 9700, 4.7). That each works once is kept in the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import flask

from app.auth.services.oauth import LASTS, Departure
from app.auth.services.oauth_client import Errand

_KEY: Final = "oauth"
_AT_ONCE: Final = 3
"""Log-ins begun in several windows; more would not fit into a cookie of 4 KB."""
_LONGEST_TARGET: Final = 300


@dataclass(frozen=True, slots=True)
class Flow:
    """A log-in by a provider that this browser has begun."""

    provider_id: int
    errand: Errand
    target: str
    """The path to go to afterwards."""
    session_id: int | None
    """The session that connects an account; None to log in."""


def remember(departure: Departure, *, target: str, session_id: int | None, now: datetime) -> None:
    """Note in this browser's cookie that it leaves for a provider."""
    errand = departure.errand
    flows = _open_ones(now)
    for state in list(flows)[: max(0, len(flows) - _AT_ONCE + 1)]:
        del flows[state]
    flask.session[_KEY] = flows | {
        errand.state: {
            "provider": departure.provider_id,
            "nonce": errand.nonce,
            "verifier": errand.verifier,
            "target": target if len(target) <= _LONGEST_TARGET else "/",
            "session": session_id,
            "until": (now + LASTS).timestamp(),
        }
    }


def take(state: str | None, *, now: datetime) -> Flow | None:
    """The log-in that this browser has begun with this state, which its cookie forgets; None for all others."""
    flows = _open_ones(now)
    found: dict[str, Any] | None = flows.pop(state or "", None)
    flask.session[_KEY] = flows
    if found is None or state is None:
        return None
    errand = Errand(state, found["nonce"], found["verifier"])
    return Flow(found["provider"], errand, found["target"], found["session"])


def _open_ones(now: datetime) -> dict[str, Any]:
    """Oldest first."""
    known: dict[str, dict[str, Any]] = flask.session.get(_KEY, {})
    still = {state: flow for state, flow in known.items() if flow["until"] > now.timestamp()}
    return dict(sorted(still.items(), key=lambda pair: pair[1]["until"]))
