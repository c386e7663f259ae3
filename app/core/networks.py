"""Network addresses as limits count them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network


def network_of(address: str | None) -> str:
    """The network that one client has to itself: an IPv4 address, or the /64 of an IPv6 one; ``unknown`` for others."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return "unknown"
    return str(found) if found.version == 4 else str(ip_network((found, 64), strict=False))
