"""How many product pages a second the bare browser loop views: no queue, no database, a fresh context per page.

    python -m bench.browser_loop --processes 1 2 --seconds 6 --repeats 5

Every process has one warm browser and calls ``view_product`` again and again on a page of about 60 KB with a style
sheet and three scripts. Prints the minimum, median and maximum of the repeats; compare numbers of one run only.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from app.rpa.profile import Profile
from workers.actions.view_product import view_product
from workers.chrome.browser import Browser
from workers.chrome.settings import BrowserSettings

ASIN: Final = "B0BENCH001"
_CARD: Final = '<article class="card"><h3>Item {n}</h3><p class="c{n}">{text}</p><b>${n}.99</b></article>'
_LD: Final = '{"@type":"Product","name":"Bench kettle","sku":"%s","offers":{"price":"24.99","priceCurrency":"USD"}}'
_BUILD: Final = """for (let i = 0; i < 60; i += 1) {
  const card = document.createElement("article"); card.className = "card"; card.textContent = "related " + i;
  document.body.append(card);
} document.cookie = "seen=1; path=/"; localStorage.setItem("n", "1");"""


def answers() -> dict[str, bytes]:
    """The server's files by path."""
    cards = "".join(_CARD.format(n=n, text="lorem ipsum dolor sit amet " * 12) for n in range(150))
    page = (
        f'<!doctype html><html lang="en"><head><title>{ASIN}</title><link rel="stylesheet" href="/style.css">'
        f'<link rel="canonical" href="/p/{ASIN}"><script type="application/ld+json">{_LD % ASIN}</script></head><body>'
        f'<main id="product"><h1>Bench kettle</h1><p class="price">$24.99</p><p class="stock">In stock</p></main>'
        f'{cards}<script src="/a.js"></script><script src="/b.js"></script><script src="/c.js"></script></body></html>'
    )
    padding = "/* " + "x" * 64_000 + " */"
    return {
        f"/p/{ASIN}": _answer("text/html; charset=utf-8", page),
        "/style.css": _answer("text/css", "".join(f".c{n}{{color:#{n:03d};margin:{n % 9}px}}" for n in range(1100))),
        "/a.js": _answer("text/javascript", _BUILD + padding),
        "/b.js": _answer("text/javascript", "window.b = 1;"),
        "/c.js": _answer("text/javascript", "window.c = 1;" + padding[:42_000] + "*/"),
    }


def _answer(kind: str, body: str) -> bytes:
    data = body.encode()
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def serve(listener: socket.socket) -> None:
    """Answer requests until killed."""
    files = answers()
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                writer.write(files.get(head.split(b" ", 2)[1].decode(), missing))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        async with await asyncio.start_server(handle, sock=listener) as server:
            await server.serve_forever()

    asyncio.run(main())


def view_for(seconds: float, settings: BrowserSettings, profile: Profile, result: Connection) -> None:
    """View pages with one browser after two to warm up; send how many succeeded and how long they took."""
    browser = Browser(settings, profile)
    try:
        for _ in range(2):
            view_product(browser, profile, ASIN, cancelled=lambda: False)
        result.send("ready")
        result.recv()
        started, count = time.monotonic(), 0
        while time.monotonic() - started < seconds:
            outcome = view_product(browser, profile, ASIN, cancelled=lambda: False)
            if outcome.code is not None:
                raise RuntimeError(f"a page was not read: {outcome}")
            count += 1
        result.send((count, time.monotonic() - started))
    finally:
        browser.close()


def pages_per_second(processes: int, seconds: float, settings: BrowserSettings, profile: Profile) -> float:
    """One measurement with so many processes."""
    pipes = [multiprocessing.Pipe() for _ in range(processes)]
    workers = [
        multiprocessing.Process(target=view_for, args=(seconds, settings, profile, theirs)) for _, theirs in pipes
    ]
    for worker in workers:
        worker.start()
    for ours, _ in pipes:
        ours.recv()
    for ours, _ in pipes:
        ours.send("go")
    counts: list[tuple[int, float]] = [ours.recv() for ours, _ in pipes]
    for worker in workers:
        worker.join()
    return sum(count / spent for count, spent in counts)


def profile_for(port: int, engine: str) -> Profile:
    """The profile of the bench's page."""
    return Profile.from_document(
        {
            "base_url": f"http://127.0.0.1:{port}/",
            "allowed_hosts": [f"127.0.0.1:{port}"],
            "locale": "en_US",
            "currency": "USD",
            "engine": engine,
            "product": {
                "url": "/p/{asin}",
                "ready": [{"css": "#product .price"}],
                "name": [{"structured": "name"}, {"css": "#product h1"}],
                "price": [{"structured": "price"}, {"css": "#product .price"}],
                "availability": [{"css": "#product .stock"}],
                "availability_rules": [{"contains": "in stock", "means": "IN_STOCK"}],
            },
        }
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engine", choices=["shell", "chrome"], default="shell")
    parser.add_argument("--run-as", default="cartwright" if os.geteuid() == 0 else None)
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryDirectory(prefix="cw-bench-") as root:
        port = listener.getsockname()[1]
        Path(root).chmod(0o711)
        settings = BrowserSettings(
            chrome_shell=Path(os.environ.get("CHROME_BINARY", "/usr/lib/chromium/chromium-headless-shell")),
            chrome_full=Path("/usr/lib/chromium/chromium"),
            chromedriver=Path(os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver")),
            root=Path(root),
            run_as=options.run_as,
            private_targets=frozenset({("127.0.0.1", port)}),
        )
        server = multiprocessing.Process(target=serve, args=(listener,), daemon=True)
        server.start()
        profile = profile_for(port, options.engine)
        rates: dict[int, list[float]] = {count: [] for count in options.processes}
        for _ in range(options.repeats):
            for count, measured in rates.items():
                measured.append(pages_per_second(count, options.seconds, settings, profile))
        server.terminate()
    for count, measured in rates.items():
        low, middle, high = min(measured), statistics.median(measured), max(measured)
        print(f"{count} process(es): {middle:.2f} pages/s (min {low:.2f}, max {high:.2f}, {len(measured)} runs)")


if __name__ == "__main__":
    main()
