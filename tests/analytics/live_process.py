"""A process of ``python -m app.live`` on the databases of the tests, and clients of it."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests
import websocket

from app.config import Settings
from tests.faults.servers import WebServer, _wait, environment, free_port, running

API: Final = "/api/v1/analytics"
LIMIT_S: Final = 20
SOON: Final = {"LIVE_TICK_S": "0.2", "LIVE_RECHECK_S": "0.3"}


@contextlib.contextmanager
def live_server(
    settings: Settings, folder: Path, *, environ: Mapping[str, str] | None = None, port: int | None = None
) -> Iterator[WebServer]:
    """A live process that looks often, at any port that is free or at this one; gone when the block ends."""
    port = port or free_port()
    variables = {
        "HOST": "127.0.0.1",
        "LIVE_PORT": str(port),
        **environment(settings, folder),
        **SOON,
        **(environ or {}),
    }
    log = folder / f"live-{port}.log"
    with running([sys.executable, "-m", "app.live"], variables, log) as process:
        server = WebServer(port, process, log)
        _wait(server)
        yield server


def until(condition: Callable[[], Any], said: str = "it does not come true", *, limit_s: float = LIMIT_S) -> Any:
    """Wait for something to be true and give it."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, said
        time.sleep(0.05)
    return found


@dataclass
class Listener:
    """A WebSocket with the figures as its frames make them."""

    socket: websocket.WebSocket
    figures: dict[str, Any] = field(default_factory=dict)
    seq: int = -1
    kinds: list[str] = field(default_factory=list)

    def hear(self) -> dict[str, Any]:
        """The next frame; changes must follow what came before."""
        frame: dict[str, Any] = json.loads(self.socket.recv())
        if frame["kind"] == "change":
            assert frame["seq"] == self.seq + 1
        else:
            self.figures.clear()
        self.figures |= frame["figures"]
        self.seq = frame["seq"]
        self.kinds.append(frame["kind"])
        return frame

    def hear_until(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Hear frames until the figures are so."""
        deadline = time.monotonic() + LIMIT_S
        while not condition(self.figures):
            assert time.monotonic() < deadline, self.figures
            self.hear()

    def closing(self) -> tuple[int, str]:
        """Code and reason of the close frame, after whatever frames still come."""
        while True:
            opcode, data = self.socket.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return int.from_bytes(data[:2]), data[2:].decode()


@contextlib.contextmanager
def listening(server: WebServer, **options: Any) -> Iterator[Listener]:
    """An open WebSocket; ``options`` are those of ``websocket.create_connection``."""
    url = f"ws://127.0.0.1:{server.port}{API}/ws/dashboard"
    socket = websocket.create_connection(url, timeout=LIMIT_S, **({"suppress_origin": True} | options))
    try:
        yield Listener(socket)
    finally:
        socket.close()


def refusal(server: WebServer, **options: Any) -> tuple[int, str]:
    """Status and code of a handshake that is refused."""
    try:
        with listening(server, **options):
            raise AssertionError("it was let in")
    except websocket.WebSocketBadStatusException as refused:
        return refused.status_code, json.loads(refused.resp_body or b"")["code"]


def events(server: WebServer, **options: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a stream: their names and what they say."""
    url = f"http://127.0.0.1:{server.port}{API}/events/dashboard"
    with requests.get(url, stream=True, timeout=LIMIT_S, **options) as answer:
        assert answer.status_code == 200, answer.text
        name = "message"
        for line in answer.iter_lines(chunk_size=1):
            if line.startswith(b"event: "):
                name = line.removeprefix(b"event: ").decode()
            elif line.startswith(b"data: "):
                yield name, json.loads(line.removeprefix(b"data: "))
                name = "message"
