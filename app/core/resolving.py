"""Looking up a host once, with a deadline, and refusing every address that is not on the public internet."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable
from threading import Thread
from typing import Final

from app.core.errors import AddressRefused, NotReachable
from app.core.networks import is_public

UNRESOLVED: Final = ("did not resolve to an address.", "was not resolved in time.")
"""How the text of a NotReachable ends where it was the name, not the server, that nobody answered for."""

Target = tuple[str, int]
Lookup = Callable[[str, int], list[str]]


def resolve_public(
    target: Target, *, private: frozenset[Target], deadline: float, lookup: Lookup | None = None
) -> list[str]:
    """Every address of a (host, port), each checked; there is at least one.

    ``private`` are exact (host, port) pairs whose addresses need not be public; ``deadline`` is on the monotonic clock;
    ``lookup`` replaces the system's resolver. Raises NotReachable for a name that does not resolve in time, and
    AddressRefused when any of its addresses is not public.
    """
    host, port = target
    found = _bounded(lookup or _getaddrinfo, host.strip("[]"), port, deadline)
    if not found:
        raise NotReachable(f"{host} {UNRESOLVED[0]}")
    for text in found:
        if target not in private and not is_public(ipaddress.ip_address(text)):
            raise AddressRefused(f"{host}:{port} resolves to {text}, which is not on the internet.")
    return found


def _bounded(lookup: Lookup, host: str, port: int, deadline: float) -> list[str]:
    """The lookup's answer before the deadline: the system's resolver has no timeout of its own to set."""
    answer: list[str] = []
    thread = Thread(target=lambda: answer.extend(lookup(host, port)), name=f"resolve-{host}", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if thread.is_alive():
        raise NotReachable(f"{host} {UNRESOLVED[1]}")
    return answer


def _getaddrinfo(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return []
    return [str(entry[4][0]).partition("%")[0] for entry in found]
