"""The gate for requests that our server sends to addresses which people typed in: webhooks, pictures of products.

A host is resolved once, all its addresses are checked by the rule that browsers of the farm obey, and the connection
goes to a checked address, so that a name which means another machine a moment later changes nothing; TLS and the Host
header still use the name. Redirects are not followed, proxies and credentials of the environment not used.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException, HTTPResponse
from io import BufferedReader
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import quote, urlsplit

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from app.core.cutting import Cutter
from app.core.errors import AddressRefused, NotReachable
from app.core.hosts import HostError, address_of
from app.core.networks import is_public
from app.core.resolving import Lookup, Target, resolve_public

MAX_URL: Final = 2000
"""Characters; what every server takes."""
CONNECT_S: Final = 3.0
"""For one address of a host, before the next one is tried."""
_PIECE: Final = 16 * 1024
_MAX_LINE: Final = 64 * 1024
"""Bytes of a line of an answer's head, of a chunk's size, of a trailer."""
_AGENT: Final = "Cartwright"
_PLAIN: Final = "/?%:@!$&'()*+,;=~"
"""What stands in a path or a query as it is (RFC 3986, 3.3 and 3.4), beside letters and digits."""


@dataclass(frozen=True, slots=True)
class Address:
    """A checked web address, in parts."""

    scheme: str
    host: str
    port: int
    path: str
    """With the query, as it stands in a request."""

    @property
    def target(self) -> Target:
        """The (host, port) that it leads to."""
        return self.host, self.port


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """By name, in any case."""
    body: bytes
    """As it was sent: an answer that is compressed in spite of us stays so (Content-Encoding)."""
    is_whole: bool
    """False for an excerpt of a larger answer."""


def check_url(url: str, *, private: frozenset[Target]) -> Address:
    """The parts of a web address that may be asked, as far as can be said without asking anybody.

    Raises AddressRefused for other schemes than http and https, credentials, odd characters, IPv6 and unusual
    spellings of IPv4, and for addresses of this machine or a private network unless ``private`` names the exact
    (host, port). What a name resolves to is checked whenever it is asked.
    """
    if len(url) > MAX_URL:
        raise AddressRefused(f"has more than {MAX_URL} characters.")
    if not url.isprintable() or " " in url or "\\" in url:
        raise AddressRefused("must be a web address without spaces, backslashes or control characters.")
    try:
        scheme, host, port = address_of(url)
    except HostError as error:
        raise AddressRefused(str(error)) from None
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise AddressRefused("must not hold a user or a password.")
    if (host, port) not in private and is_inside(host):
        raise AddressRefused(f"{host}:{port} is not on the internet.")
    query = f"?{quote(parts.query, safe=_PLAIN)}" if parts.query else ""
    return Address(scheme, host, port, quote(parts.path or "/", safe=_PLAIN) + query)


def is_inside(host: str) -> bool:
    """Whether a host is known, without asking anybody, to be this machine or one of a private network."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, 6.3
        return True
    try:
        return not is_public(ip_address(host))
    except ValueError:
        return False


def fetch(
    method: str,
    url: str,
    *,
    private: frozenset[Target],
    deadline_s: float,
    largest: int,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    excerpt: bool = False,
    lookup: Lookup | None = None,
) -> Answer:
    """Send one request and read the answer, all within ``deadline_s`` seconds; any status is an answer.

    ``private`` are the (host, port) pairs that need not be public: ``settings().private_targets``. An answer of more
    than ``largest`` bytes is refused, or with ``excerpt`` cut off there. ``lookup`` replaces the system's resolver.
    Hold no transaction meanwhile. Raises AddressRefused when the address may not be asked, NotReachable when there is
    no whole answer in time.
    """
    address = check_url(url, private=private)
    with Cutter(deadline_s) as cutter:
        found = resolve_public(address.target, private=private, deadline=cutter.ends_at, lookup=lookup)
        connection = _connection(address, found, cutter)
        try:
            connection.request(
                method, address.path, body, {"User-Agent": _AGENT, "Connection": "close", **(headers or {})},
                preload_content=False, decode_content=False,
            )  # fmt: skip
            with closing(connection.getresponse()) as response:
                content, is_whole = _read(response, largest, excerpt=excerpt)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            raise NotReachable(_reason(address, error, cutter, deadline_s)) from error
        finally:
            connection.close()
        if cutter.is_over and is_whole:  # cut off, an answer without a length looks whole
            raise NotReachable(_reason(address, None, cutter, deadline_s))
    return Answer(response.status, response.headers, content, is_whole)


class Bounded(BufferedReader):
    """What comes from a server, never read to its end at once: neither a chunk of size -1 nor a line without end."""

    def read(self, size: int | None = -1, /) -> bytes:
        """At most ``size`` bytes; raises ValueError where no size is given."""
        if size is None or size < 0:
            raise ValueError("the answer has a part without a size")
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        """A line; raises ValueError for one that has no end."""
        line = super().readline(_MAX_LINE + 1 if size is None or size < 0 else size)
        if len(line) > _MAX_LINE:
            raise ValueError(f"the answer has a line of more than {_MAX_LINE} bytes")
        return line


class BoundedResponse(HTTPResponse):
    """The ``response_class`` of connections to servers that nobody vouches for."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = Bounded(self.fp.detach())


def _read(response: BaseHTTPResponse, largest: int, *, excerpt: bool) -> tuple[bytes, bool]:
    content = bytearray()
    for piece in response.stream(_PIECE, decode_content=False):
        content += piece
        if len(content) > largest and excerpt:
            return bytes(content[:largest]), False
        if len(content) > largest:
            raise ValueError(f"the answer has more than {largest} bytes")
    return bytes(content), True


def _reason(address: Address, error: Exception | None, cutter: Cutter, deadline_s: float) -> str:
    if cutter.is_over or isinstance(error, TimeoutError):  # the socket's own patience is the same deadline
        return f"{address.host}:{address.port} did not answer within {deadline_s:g} s."
    return f"{address.host}:{address.port} cannot be asked: {error}"[:500]


def _connection(address: Address, found: list[str], cutter: Cutter) -> HTTPConnection:
    """A connection that goes to the addresses that were found, whatever the host's name means by then."""

    def opened() -> socket.socket:
        made = _open(address.port, found, cutter)
        cutter.watch(made)
        return made

    class Plain(HTTPConnection):
        response_class = BoundedResponse

        def _new_conn(self) -> socket.socket:
            return opened()

    class Secure(HTTPSConnection):
        response_class = BoundedResponse

        def _new_conn(self) -> socket.socket:
            return opened()

    if address.scheme == "http":
        return Plain(address.host, address.port, timeout=cutter.left_s)
    return Secure(address.host, address.port, timeout=cutter.left_s, ssl_context=_tls())


def _open(port: int, found: list[str], cutter: Cutter) -> socket.socket:
    """A connection to the first of these addresses that takes it."""
    failure: OSError = TimeoutError("there was no time to connect")
    for ip in dict.fromkeys(found):
        if cutter.ends_at <= time.monotonic():
            break
        try:
            made = socket.create_connection((ip, port), timeout=min(CONNECT_S, cutter.left_s))
        except OSError as error:
            failure = error
        else:
            made.settimeout(cutter.left_s)
            return made
    raise failure


@cache
def _tls() -> ssl.SSLContext:
    """Certificates are checked against the system's authorities (SSL_CERT_FILE adds one's own) and Mozilla's."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
