"""Asking a shop's server for its robots.txt, through the gate that all addresses pass which people typed."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from app.core.errors import AddressRefused, NotReachable
from app.core.hosts import HostError, address_of
from app.core.outgoing import Answer, fetch
from app.core.resolving import Target
from app.core.retry_after import parse_retry_after
from app.core.running import settings
from app.rpa.rules.naming import product_of
from app.rpa.rules.robots import MAX_BYTES, State, address_in, read_rules

DEADLINE_S: Final = 10.0
"""For all of it, redirects included."""
MOST_REDIRECTS: Final = 5
"""As many as a crawler should follow (RFC 9309, 2.3.1.2)."""
_MOVED: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of asking; without a ``state`` nothing is known, and ``problem`` says why."""

    state: State | None
    status: int | None = None
    body: str | None = None
    is_whole: bool = True
    problem: str | None = None
    retry_after_s: float | None = None
    delay_ms: int = 0
    """What the rules want between two visits."""


def read_robots(origin: str, allowed: Collection[Target]) -> Reading:
    """Ask a server for its robots.txt and follow its redirects as far as they stay on ``allowed``.

    Takes ten seconds at most; hold no transaction meanwhile. 2xx are rules, 4xx but 429 mean that there are none
    (RFC 9309, 2.3.1.3), everything else means that they are not known.
    """
    url, ends_at = address_in(origin), time.monotonic() + DEADLINE_S
    status = None
    try:
        for _ in range(MOST_REDIRECTS + 1):
            answer = _ask(url, max(0.1, ends_at - time.monotonic()))
            status = answer.status
            if status not in _MOVED:
                return _read(answer)
            url = urljoin(url, answer.headers["Location"])
            _, host, port = address_of(url)
            if (host, port) not in allowed:
                why = f"It sent us to {host}:{port}, which is not in allowed_hosts; add it if it is the shop's."
                return Reading(None, status, problem=why[:500])
    except AddressRefused as refused:
        return Reading(State.REFUSED, problem=refused.detail[:500])
    except NotReachable as failure:
        return Reading(None, problem=failure.detail[:500])
    except (HostError, KeyError, ValueError):
        return Reading(None, status, problem="It sent us to something that is no web address.")
    return Reading(None, status, problem=f"It sent us on more than {MOST_REDIRECTS} times.")


def _ask(url: str, deadline_s: float) -> Answer:
    found = settings()
    headers = {"User-Agent": product_of(found.farm.contact), "Accept": "text/plain,*/*;q=0.5"}
    return fetch(
        "GET", url, private=found.private_targets, deadline_s=deadline_s, largest=MAX_BYTES, headers=headers,
        excerpt=True,
    )  # fmt: skip


def _read(answer: Answer) -> Reading:
    status = answer.status
    if 400 <= status < 500 and status != 429:
        return Reading(State.NONE, status)
    if not 200 <= status < 300:
        why = f"The server answered {status}."
        asked = answer.headers.get("Retry-After")
        retry_after_s = None if asked is None else parse_retry_after(asked, time.time())
        return Reading(None, status, problem=why, retry_after_s=retry_after_s)
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        return Reading(None, status, problem="The server compressed it although nobody asked for that.")
    content = answer.body if answer.is_whole else answer.body.rpartition(b"\n")[0]
    body = content.decode("utf-8", "replace").replace("\0", "")
    return Reading(State.RULES, status, body, answer.is_whole, delay_ms=read_rules(body).delay_ms)
