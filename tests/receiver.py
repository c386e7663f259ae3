"""A server that receives what our server sends to others, and answers as a test says."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

WAIT_S: Final = 30.0


@dataclass(frozen=True)
class Request:
    """One request that came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


class Receiver:
    """Listens on a free port of 127.0.0.1; ``reply`` says how it answers, at first with an empty 200.

    ``context`` makes it speak TLS.
    """

    def __init__(self, *, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.reply: Callable[[Any], None] = lambda handler: answer(handler, 200)
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        self._server = _Server(self, context)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def target(self) -> tuple[str, int]:
        """The (host, port) that it listens on."""
        return "127.0.0.1", self.port

    @property
    def url(self) -> str:
        """Where it is, by plain HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop listening; requests under way are not waited for."""
        self._server.shutdown()
        self._server.server_close()

    def wait(self, count: int) -> list[Request]:
        """The requests, once there are so many of them."""
        ends_at = time.monotonic() + WAIT_S
        while len(self.requests) < count:
            assert time.monotonic() < ends_at, f"{len(self.requests)} of {count} requests came"
            time.sleep(0.01)
        return self.requests

    def handle(self, handler: Any) -> None:
        """Keep a request and answer it."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        with self._lock:
            self.requests.append(Request(handler.command, handler.path, handler.headers, body))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            with suppress(OSError):  # who asked may be gone
                self.reply(handler)
        finally:
            with self._lock:
                self.at_once -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, receiver: Receiver, context: ssl.SSLContext | None) -> None:
        self._context = context

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # http.server's name
                receiver.handle(self)

            do_POST = do_GET  # noqa: N815  # likewise

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # likewise
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        with suppress(OSError):  # who does not trust the certificate hangs up
            wrapped = self._context.wrap_socket(request, server_side=True) if self._context else request
            super().finish_request(wrapped, client_address)
            if self._context:
                wrapped.close()


def answer(handler: Any, status: int, body: bytes = b"", **headers: str) -> None:
    """A whole answer."""
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def trickle(handler: Any) -> None:
    """A byte of an answer now and then, without an end."""
    handler.send_response(200)
    handler.end_headers()
    _drip(handler)


def trickle_headers(handler: Any) -> None:
    """The same with the head of the answer."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    _drip(handler)


def _drip(handler: Any) -> None:
    ends_at = time.monotonic() + WAIT_S
    while time.monotonic() < ends_at:
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)
