"""Measure the live dashboard: memory of a connection, how long a change takes to all of them, plain calls meanwhile.

``python bench/live_clients.py [--clients 2000] [--changes 20]`` starts a live process on an SQLite file and a Redis of
its own, opens as many connections to it as were asked for, first as server-sent events and then as WebSockets, and
records sales. It needs about twice as many open files as clients, and says so where the system allows fewer.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import resource
import selectors
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import flask_migrate  # noqa: E402
import psutil  # noqa: E402
import requests  # noqa: E402

from app import create_app  # noqa: E402
from app.auth.services.roles import restore_built_in  # noqa: E402
from app.core.orm import utc_now  # noqa: E402
from tests.analytics.live_process import API, live_server  # noqa: E402
from tests.analytics.test_dashboard import add_sale, headers_of  # noqa: E402
from tests.servers import make_settings, redis_server  # noqa: E402

LIMITS: Final = {"events": 30, "ws": 50}
"""KB of each connection, at most."""
P99_MS: Final = 300
_HANDSHAKE: Final = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
_ENDS: Final = {"events": b"\n\n\r\n", "ws": b"}}"}
_PATIENCE_S: Final = 30.0


@dataclasses.dataclass
class Measured:
    """What one way of sending costs."""

    kb: float
    fan_out_ms: list[float]
    calls_ms: list[float]


def main() -> int:
    """Print a line for each way of sending; returns 1 where a limit was not met."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--clients", type=int, default=2000)
    asked.add_argument("--changes", type=int, default=20)
    options = asked.parse_args()
    _raise_limit(options.clients + 200)
    with tempfile.TemporaryDirectory(prefix="cartwright-bench-") as name, redis_server(Path(name)) as redis_url:
        settings = make_settings(f"sqlite:///{name}/cartwright.db", redis_url)
        app = create_app(settings)
        with app.app_context():
            flask_migrate.upgrade()
            restore_built_in(now=utc_now())
        headers = headers_of(app, "dashboard:read", "sales:read", "jobs:read")
        many = str(options.clients + 10)
        is_met = True
        for way in ("events", "ws"):
            limits = {"LIVE_MAX_CLIENTS": many, "LIVE_USER_CLIENTS": many, "LIVE_RECHECK_S": "20"}
            with live_server(settings, Path(name), environ=limits) as server:
                found = _measure(app, server, way, headers, options.clients, options.changes)
            is_met = _report(way, options.clients, found) and is_met
    return 0 if is_met else 1


def _report(way: str, clients: int, found: Measured) -> bool:
    p99 = _percentile(found.fan_out_ms, 99)
    print(
        f"{way}: {clients} clients, {found.kb:.1f} KB each (at most {LIMITS[way]}); a change is with a client after "
        f"p50 {_percentile(found.fan_out_ms, 50):.0f} ms, p99 {p99:.0f} ms from the first one's (at most {P99_MS}); "
        f"GET /healthz meanwhile p50 {statistics.median(found.calls_ms):.1f} ms, most {max(found.calls_ms):.1f} ms"
    )
    return found.kb <= LIMITS[way] and p99 <= P99_MS


def _measure(app, server, way, headers, clients, changes) -> Measured:  # noqa: ANN001
    process = psutil.Process(server.process.pid)
    first = _open(server.port, way, headers)
    _read_frame([first], way)
    before = process.memory_full_info().uss
    sockets = [_open(server.port, way, headers) for _ in range(clients)]
    _read_frame(sockets, way)
    used = process.memory_full_info().uss - before
    fan_out, calls = [], []
    for at in range(changes):
        with app.app_context():
            add_sale(sold_at=utc_now(), total_minor=100, key=f"{way}:{at}")
        began = time.perf_counter()
        requests.get(f"http://127.0.0.1:{server.port}/healthz", timeout=10)
        calls.append((time.perf_counter() - began) * 1000)
        arrived = _read_frame(sockets, way)
        fan_out += [(each - arrived[0]) * 1000 for each in arrived]
    for each in [first, *sockets]:
        each.close()
    return Measured(used / clients / 1000, fan_out, calls)


def _open(port: int, way: str, headers: dict[str, str]) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    lines += _HANDSHAKE if way == "ws" else ""
    connection.sendall(f"GET {API}/{way}/dashboard HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{lines}\r\n".encode())
    return connection


def _read_frame(sockets: list[socket.socket], way: str) -> list[float]:
    """Read of each socket until a whole frame has come; when each had it, the first one first."""
    with selectors.DefaultSelector() as selector:
        for each in sockets:
            selector.register(each, selectors.EVENT_READ, bytearray())
        arrived: list[float] = []
        while selector.get_map():
            ready = selector.select(_PATIENCE_S)
            if not ready:
                raise TimeoutError(f"{len(selector.get_map())} clients got nothing")
            for key, _ in ready:
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                if not data:
                    raise ConnectionError(bytes(key.data[:300]).decode(errors="replace"))
                key.data.extend(data)
                if b'"figures"' in key.data and key.data.endswith(_ENDS[way]):
                    arrived.append(time.perf_counter())
                    selector.unregister(key.fileobj)
        return sorted(arrived)


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _raise_limit(wanted: int) -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        sys.exit(f"{wanted} open files are needed and the system allows {hard}: ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    sys.exit(main())
