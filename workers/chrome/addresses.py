"""The guard on what a browser may reach: an exact list of host:port, each resolved and checked once.

Chrome's own resolver enforces the answer: ``MAP host:port address:port`` for what is allowed and
``MAP * ~NOTFOUND`` for everything else. The rules hold for every request the browser makes - pages, redirects, frames,
fetch, WebSocket, WebTransport, TURN over TCP - and for addresses written as numbers too. WebRTC over UDP resolves
nothing and is switched off in ``process.py``.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Callable, Iterable
from threading import Thread
from typing import Final

from app.rpa.codes import Code
from workers.errors import TaskError

Target = tuple[str, int]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str, int], list[str]]

_HOST: Final = re.compile(r"^(?:[a-z0-9_][a-z0-9_.-]{0,252}|[0-9a-f:.]{2,45})$")
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_REFUSED_IPV4: Final = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # IETF protocol assignments; some clouds answer metadata here
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays
    ipaddress.IPv4Network("168.63.129.16/32"),  # looks public, is the host of an Azure machine
)


def is_public(address: Address) -> bool:
    """Whether an address belongs to a host on the public internet; IPv4 inside IPv6 is judged as IPv4."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.sixtofour is not None or address.teredo is not None:
            return False  # tunnels that nothing serves any more: only an attacker writes these
        return address in _GLOBAL_UNICAST and address.is_global
    return address.is_global and not address.is_multicast and not any(address in net for net in _REFUSED_IPV4)


def resolve(
    targets: Iterable[Target], *, private: frozenset[Target], timeout_s: float, lookup: Lookup | None = None
) -> dict[Target, str]:
    """Look up every (host, port) and check all its addresses; returns the one address each may be reached at.

    ``private`` are exact (host, port) pairs whose address need not be public. ``timeout_s`` bounds all lookups
    together. Raises TaskError: NAV_DNS when a name does not resolve, ADDRESS_REFUSED when any of its addresses is not
    public.
    """
    deadline = time.monotonic() + timeout_s
    return {target: _checked(target, private, deadline, lookup or _getaddrinfo) for target in targets}


def resolver_rules(addresses: dict[Target, str]) -> str:
    """Chrome's ``--host-resolver-rules`` for these checked addresses: they and nothing else can be reached.

    Raises ValueError for a host that could change the meaning of the rules.
    """
    rules = [f"MAP {_pattern(host)}:{port} {_literal(ip)}:{port}" for (host, port), ip in addresses.items()]
    return ", ".join([*rules, "MAP * ~NOTFOUND"])


def _checked(target: Target, private: frozenset[Target], deadline: float, lookup: Lookup) -> str:
    host, port = target
    found = _bounded(lookup, host.strip("[]"), port, deadline)
    if not found:
        raise TaskError(Code.NAV_DNS, f"{host} did not resolve to an address.")
    for text in found:
        if target not in private and not is_public(ipaddress.ip_address(text)):
            raise TaskError(Code.ADDRESS_REFUSED, f"{host}:{port} resolves to {text}, which is not on the internet.")
    return found[0]


def _bounded(lookup: Lookup, host: str, port: int, deadline: float) -> list[str]:
    """The lookup's answer before the deadline: the system's resolver has no timeout of its own to set."""
    answer: list[str] = []
    thread = Thread(target=lambda: answer.extend(lookup(host, port)), name=f"resolve-{host}", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if thread.is_alive():
        raise TaskError(Code.NAV_DNS, f"{host} was not resolved in time.")
    return answer


def _getaddrinfo(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return []
    return [str(entry[4][0]).partition("%")[0] for entry in found]


def _pattern(host: str) -> str:
    bare = host.lower().strip("[]")
    if not _HOST.match(bare):
        raise ValueError(f"{host!r} is no host name or address")
    return _literal(bare)


def _literal(host: str) -> str:
    return f"[{host}]" if ":" in host else host
