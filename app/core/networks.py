"""Network addresses: as limits count them, and which of them belong to the public internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_REFUSED_IPV4: Final = (
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments; some clouds answer metadata here
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("168.63.129.16/32"),  # looks public, is the host of an Azure machine
)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to a host on the public internet; IPv4 inside IPv6 is judged as IPv4."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.sixtofour is not None or address.teredo is not None:
            return False  # tunnels that nothing serves any more: only an attacker writes these
        return address in _GLOBAL_UNICAST and address.is_global
    return address.is_global and not address.is_multicast and not any(address in net for net in _REFUSED_IPV4)


def network_of(address: str | None) -> str:
    """The network that one client has to itself: an IPv4 address, or the /64 of an IPv6 one; ``unknown`` for others."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return "unknown"
    return str(found) if found.version == 4 else str(ip_network((found, 64), strict=False))
