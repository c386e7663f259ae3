"""The guard on what a browser may reach: an exact list of host:port, each resolved and checked once.

Chrome's own resolver enforces the answer: ``MAP host:port address:port`` for what is allowed and
``MAP * ~NOTFOUND`` for everything else. The rules hold for every request the browser makes - pages, redirects, frames,
fetch, WebSocket, WebTransport, TURN over TCP - and for addresses written as numbers too. WebRTC over UDP resolves
nothing and is switched off in ``process.py``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Final

from app.core.errors import AddressRefused, NotReachable
from app.core.resolving import Lookup, Target, resolve_public
from app.rpa.rules.codes import Code
from workers.errors import TaskError

_HOST: Final = re.compile(r"^(?:[a-z0-9_][a-z0-9_.-]{0,252}|[0-9a-f:.]{2,45})$")


def resolve(
    targets: Iterable[Target], *, private: frozenset[Target], timeout_s: float, lookup: Lookup | None = None
) -> dict[Target, str]:
    """Look up every (host, port) and check all its addresses; returns the one address each may be reached at.

    ``private`` are exact (host, port) pairs whose address need not be public. ``timeout_s`` bounds all lookups
    together. Raises TaskError: NAV_DNS when a name does not resolve, ADDRESS_REFUSED when any of its addresses is not
    public.
    """
    deadline = time.monotonic() + timeout_s
    try:
        return {
            target: resolve_public(target, private=private, deadline=deadline, lookup=lookup)[0] for target in targets
        }
    except NotReachable as failure:
        raise TaskError(Code.NAV_DNS, failure.detail) from failure
    except AddressRefused as refusal:
        raise TaskError(Code.ADDRESS_REFUSED, refusal.detail) from refusal


def resolver_rules(addresses: dict[Target, str]) -> str:
    """Chrome's ``--host-resolver-rules`` for these checked addresses: they and nothing else can be reached.

    Raises ValueError for a host that could change the meaning of the rules.
    """
    rules = [f"MAP {_pattern(host)}:{port} {_literal(ip)}:{port}" for (host, port), ip in addresses.items()]
    return ", ".join([*rules, "MAP * ~NOTFOUND"])


def _pattern(host: str) -> str:
    bare = host.lower().strip("[]")
    if not _HOST.match(bare):
        raise ValueError(f"{host!r} is no host name or address")
    return _literal(bare)


def _literal(host: str) -> str:
    return f"[{host}]" if ":" in host else host
