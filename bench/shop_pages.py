"""The product pages that browsers are measured with: 60 KB of HTML, a style sheet, three scripts, six pictures."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from app.rpa.profiles.profile import Profile

ASIN: Final = "B0BENCH001"
PICTURES: Final = 6
_SIDE: Final = 600
_CARD: Final = '<article class="card"><h3>Item {n}</h3><p class="c{n}">{text}</p><b>${n}.99</b></article>'
_LD: Final = (
    '{"@type":"Product","name":"Bench kettle","sku":"%s","brand":{"name":"Hearth"},'
    '"offers":{"price":"24.99","priceCurrency":"USD"}}'
)
SHOWN: Final = {"name": "Bench kettle", "brand": "Hearth", "price_minor": 2499, "currency": "USD"}
"""What every page shows, as values of a product."""
_BUILD: Final = """for (let i = 0; i < 60; i += 1) {
  const card = document.createElement("article"); card.className = "card"; card.textContent = "related " + i;
  document.body.append(card);
} document.cookie = "seen=1; path=/"; localStorage.setItem("n", "1");"""


@contextmanager
def served(latency_s: float = 0.0) -> Iterator[int]:
    """Serve the pages on a free loopback port, which is what this yields, each document after ``latency_s``."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        server = multiprocessing.Process(target=_serve, args=(listener, latency_s), daemon=True)
        server.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.kill()
            server.join()


def profile_for(port: int, **changes: Any) -> Profile:
    """The profile of the pages; ``changes`` replace parts of its document."""
    return Profile.from_document(document_for(port) | changes)


def document_for(port: int) -> dict[str, Any]:
    """The document of that profile."""
    return {
        "base_url": f"http://127.0.0.1:{port}/",
        "allowed_hosts": [f"127.0.0.1:{port}"],
        "locale": "en_US",
        "currency": "USD",
        "product": {
            "url": "/p/{asin}",
            "ready": [{"css": "#product .price"}],
            "name": [{"structured": "name"}, {"css": "#product h1"}],
            "brand": [{"structured": "brand"}, {"css": "#product .brand"}],
            "price": [{"structured": "price"}, {"css": "#product .price"}],
            "availability": [{"css": "#product .stock"}],
            "availability_rules": [{"contains": "in stock", "means": "IN_STOCK"}],
        },
    }


def _serve(listener: socket.socket, latency_s: float) -> None:
    files = _files()
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                address = urlsplit(head.split(b" ", 2)[1].decode())
                if address.path.startswith("/p/"):
                    await asyncio.sleep(latency_s or float(parse_qs(address.query).get("wait", ["0"])[0]))
                writer.write(_product(files, address.path) or files.get(address.path, missing))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        async with await asyncio.start_server(handle, sock=listener) as server:
            await server.serve_forever()

    asyncio.run(main())


def _product(files: dict[str, bytes], path: str) -> bytes | None:
    """The page of the product that the path names; every ASIN is as long as ours."""
    if not path.startswith("/p/") or len(path) != len(f"/p/{ASIN}"):
        return None
    return files["/p/"].replace(ASIN.encode(), path.removeprefix("/p/").encode())


def _files() -> dict[str, bytes]:
    cards = "".join(_CARD.format(n=n, text="lorem ipsum dolor sit amet " * 12) for n in range(150))
    pictures = "".join(f'<img src="/{n}.jpg" width="{_SIDE}" height="{_SIDE}" alt="">' for n in range(PICTURES))
    page = (
        f'<!doctype html><html lang="en"><head><title>{ASIN}</title><link rel="stylesheet" href="/style.css">'
        f'<link rel="canonical" href="/p/{ASIN}"><script type="application/ld+json">{_LD % ASIN}</script></head><body>'
        '<main id="product"><h1>Bench kettle</h1><p class="brand">Hearth</p><p class="price">$24.99</p>'
        '<p class="stock">In stock</p></main>'
        f'{pictures}{cards}<script src="/a.js"></script><script src="/b.js"></script><script src="/c.js"></script>'
        "</body></html>"
    )
    padding = "/* " + "x" * 64_000 + " */"
    style = "".join(f".c{n}{{color:#{n:03d};margin:{n % 9}px}}" for n in range(1100))
    return {
        "/p/": _answer("text/html; charset=utf-8", page.encode()),
        "/style.css": _answer("text/css", style.encode()),
        "/a.js": _answer("text/javascript", (_BUILD + padding).encode()),
        "/b.js": _answer("text/javascript", b"window.b = 1;"),
        "/c.js": _answer("text/javascript", ("window.c = 1;" + padding[:42_000] + "*/").encode()),
        **{f"/{n}.jpg": _answer("image/jpeg", _picture(n)) for n in range(PICTURES)},
    }


def _picture(seed: int) -> bytes:
    """A picture of about 70 KB."""
    noise = Image.frombytes("RGB", (150, 150), random.Random(seed).randbytes(150 * 150 * 3))
    data = BytesIO()
    noise.resize((_SIDE, _SIDE)).save(data, "JPEG", quality=75)
    return data.getvalue()


def _answer(kind: str, body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
