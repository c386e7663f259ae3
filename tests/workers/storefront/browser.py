"""A real headless browser and a real shop on loopback for testing what the script reads."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import websocket

BINARY = os.environ.get("CHROME_BINARY", "/usr/lib/chromium/chromium-headless-shell")
WAIT_S = 20.0
Respond = Callable[[str], tuple[int, str]]
"""From a request's path to the status and the HTML to answer with."""


@contextmanager
def shop(respond: Respond) -> Iterator[int]:
    """Serve pages on a free loopback port, which is what this yields."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, html = respond(self.path)
            body = html.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep the test output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(WAIT_S)


class Page:
    """One tab, driven over the browser's websocket."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection
        self._count = 0
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")

    def open(self, url: str) -> None:
        """Load a page and wait for its load event."""
        self._loaded = False
        answer = self._call("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        deadline = time.monotonic() + WAIT_S
        while not self._loaded:
            self._receive(deadline)

    def run(self, function: str, argument: Any) -> Any:
        """Call a function with one JSON argument in a fresh isolated world of the page."""
        frame = self._call("Page.getFrameTree")["frameTree"]["frame"]["id"]
        world = self._call("Page.createIsolatedWorld", frameId=frame, worldName="test")["executionContextId"]
        answer = self._call(
            "Runtime.callFunctionOn",
            functionDeclaration=function,
            executionContextId=world,
            arguments=[{"value": argument}],
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def _call(self, method: str, **params: Any) -> Any:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        self._connection.send(json.dumps(message if self._session is None else {**message, "sessionId": self._session}))
        deadline = time.monotonic() + WAIT_S
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _receive(self, deadline: float) -> Any:
        self._connection.settimeout(max(0.01, deadline - time.monotonic()))
        answer = json.loads(self._connection.recv())
        if answer.get("method") == "Page.loadEventFired":
            self._loaded = True
        return answer


@contextmanager
def browser(folder: Path, shop_port: int) -> Iterator[Page]:
    """Start a headless browser for which every host name is the test shop; it ends with the block."""
    command = [
        BINARY,
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        f"--host-resolver-rules=MAP * 127.0.0.1:{shop_port}",
        "--no-first-run",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    log = folder / "browser.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        connection = websocket.create_connection(_address(log), timeout=WAIT_S, suppress_origin=True)
        try:
            yield Page(connection)
        finally:
            connection.close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(WAIT_S)


def _address(log: Path) -> str:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = re.search(r"DevTools listening on (ws://\S+)", log.read_text(errors="replace"))
        if found:
            return found.group(1)
        time.sleep(0.05)
    raise AssertionError(f"the browser did not start: {log.read_text(errors='replace')[-2000:]}")
