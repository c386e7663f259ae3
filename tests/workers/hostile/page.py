"""What hostile pages are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Final

from app.rpa.rules.codes import Code

DRIP_S: Final = 0.2
PRICE: Final = '<p class="price">$24.99</p>'
_PRODUCT: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{asin}</title>'
    '<link rel="canonical" href="/p/{asin}">{head}</head><body><main id="product"><h1>Kettle {asin}</h1>'
    '<p class="brand">Boil & Co</p>{price}<p class="availability">In stock</p></main>{body}'
    "<script>{script}</script></body></html>"
)

Answer = Callable[["Visitor"], None]


@dataclass(frozen=True, slots=True)
class Hostile:
    """A page, what docs/hostile-pages.md says of it, and the code of a visit; None is a reading like any other."""

    asin: str
    about: str
    code: Code | None
    answer: Answer


@dataclass(frozen=True, slots=True)
class Visitor:
    """One request for a hostile page; what is sent goes out as it stands."""

    handler: BaseHTTPRequestHandler
    asin: str
    other: str
    """Address of a server that no profile allows."""
    closing: Event
    """Set when the shop ends, for answers that never do."""

    @property
    def query(self) -> str:
        """What stands behind the question mark."""
        return self.handler.path.partition("?")[2]

    def head(self, *lines: str, status: str = "200 OK") -> None:
        """Send status and headers; it is HTML unless a line says something else."""
        if not any(line.lower().startswith("content-type") for line in lines):
            lines = ("Content-Type: text/html; charset=utf-8", *lines)
        self.send("\r\n".join([f"HTTP/1.1 {status}", *lines, "Connection: close", "", ""]))

    def send(self, data: str | bytes) -> None:
        """Send bytes; the connection ends with the answer."""
        self.handler.close_connection = True
        with suppress(OSError):
            self.handler.wfile.write(data.encode() if isinstance(data, str) else data)

    def pour(self, pieces: Iterator[bytes], *, pause_s: float = 0) -> None:
        """Send one piece after the other until the visitor or the shop has gone."""
        self.handler.close_connection = True
        with suppress(OSError):
            for piece in pieces:
                if self.closing.wait(pause_s):
                    return
                self.handler.wfile.write(piece)

    def page(self, *lines: str, price: str = PRICE, head: str = "", body: str = "", script: str = "") -> None:
        """Send a product's page; OTHER in it is the address that may not be reached."""
        self.head(*lines)
        text = product(self.asin, price=price, head=head, body=body, script=script)
        self.send(text.replace("OTHER", self.other))


def product(asin: str, *, price: str = PRICE, head: str = "", body: str = "", script: str = "") -> str:
    """A product's page of the shop."""
    return _PRODUCT.format(asin=asin, price=price, head=head, body=body, script=script)


def page(*lines: str, price: str = PRICE, head: str = "", body: str = "", script: str = "") -> Answer:
    """A product's page with these headers and parts."""
    return lambda visitor: visitor.page(*lines, price=price, head=head, body=body, script=script)


def html(text: str) -> Answer:
    """A page of its own that names no product."""

    def answer(visitor: Visitor) -> None:
        visitor.head()
        visitor.send(text)

    return answer


def status(line: str) -> Answer:
    """A status and nothing else."""
    return lambda visitor: visitor.head(status=line)


def redirect(location: str) -> Answer:
    """A redirect; OTHER in it is the address that may not be reached."""
    return lambda visitor: visitor.head(f"Location: {location.replace('OTHER', visitor.other)}", status="302 Found")


def parts(*, main: Answer, **others: Answer) -> Answer:
    """A page and what is at its own address with a query: ``?name``."""

    def answer(visitor: Visitor) -> None:
        others.get(visitor.query, main)(visitor)

    return answer
