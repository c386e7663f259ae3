"""Host names and ports as people write them and as a browser compares them."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

import idna

_LABELS: Final = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*$")
_PORT: Final = re.compile(r"^[1-9][0-9]{0,4}$")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class HostError(ValueError):
    """The text is no host, port or web address; the message says why."""


def canonical_host(host: str) -> str:
    """The host as a browser compares it: lower case, international names in their ``xn--`` form, IPv4 in four parts.

    Raises HostError for anything else, IPv6 addresses and shortened or hexadecimal IPv4 included.
    """
    if ":" in host or "[" in host:
        raise HostError("IPv6 addresses are not supported; write the host's name.")
    try:
        name = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise HostError(f"{host!r} is not a host name.") from error
    if len(name) > 253 or not _LABELS.match(name) or name.endswith("\n"):
        raise HostError(f"{host!r} is not a host name.")
    if _is_number(name.rsplit(".", 1)[-1]):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError as error:
            raise HostError(f"{host!r} is not an IPv4 address.") from error
    return name


def host_and_port(entry: str, scheme: str) -> tuple[str, int]:
    """Split ``host`` or ``host:port``; without a port it is that of ``scheme`` (http 80, https 443).

    Raises HostError.
    """
    if entry.count(":") > 1 or "[" in entry:
        raise HostError("IPv6 addresses are not supported; write the host's name.")
    host, colon, port = entry.partition(":")
    if colon and not (_PORT.fullmatch(port) and int(port) <= 65535):
        raise HostError("the port must be a number from 1 to 65535.")
    return canonical_host(host), int(port) if colon else _DEFAULT_PORTS[scheme]


def address_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an absolute http or https address; raises HostError."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError as error:
        raise HostError("is not a web address.") from error
    if scheme not in _DEFAULT_PORTS or not host:
        raise HostError("must be an absolute http or https address.")
    if port == 0:
        raise HostError("the port must be a number from 1 to 65535.")
    return scheme, canonical_host(host), port or _DEFAULT_PORTS[scheme]


def _is_number(label: str) -> bool:
    """Whether a browser would take a name that ends in this label for an IPv4 address."""
    return label.isdigit() or re.fullmatch(r"0x[0-9a-f]*", label) is not None
