"""The servers that bench/api.py compares, each in processes of its own on the same database."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

ROOT: Final = Path(__file__).resolve().parent.parent
BIN: Final = Path(sys.executable).parent
FIRST_PORT: Final = int(os.environ.get("BENCH_PORT", "8140"))
WORKERS: Final = 2
THREADS: Final = int(os.environ.get("WEB_THREADS", "16"))
JWT_SECRET: Final = "the key of tokens while it is measured"
OURS: Final = {
    "SECRET_KEY": "the key of sessions while it is measured",
    "JWT_SECRET_KEY": JWT_SECRET,
    "ENCRYPTION_KEY": "the key of secrets while it is measured",
    "JWT_ACCESS_MINUTES": "1440",
    "WRITE_RATE": "1000000000 per minute",
    "LOG_LEVEL": "WARNING",
}
_START_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class Server:
    """A running server and its processes."""

    name: str
    port: int
    process: psutil.Process

    def cpu_s(self) -> float:
        """CPU seconds of all its processes up to now."""
        return sum(sum(one.cpu_times()[:2]) for one in self._all())

    def workers(self) -> list[psutil.Process]:
        """The processes that answer."""
        return self.process.children()

    def _all(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def granian(app: str, port: int) -> list[str]:
    """The command of the Procfile for any application."""
    command = [str(BIN / "granian"), "--interface", "wsgi", "--http", "1", "--no-ws", "--port", str(port)]
    return [*command, "--workers", str(WORKERS), "--blocking-threads", str(THREADS), "--log-level", "error", app]


def ours(port: int, environment: Mapping[str, str]) -> tuple[Sequence[str], dict[str, str]]:
    """Our application as the Procfile starts it, with two workers."""
    web = {"PORT": str(port), "WEB_WORKERS": str(WORKERS), "WEB_THREADS": str(THREADS)}
    line = next(line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("web: "))
    return ["/bin/sh", "-c", f"exec {line.removeprefix('web: ')}"], {**OURS, **web, **environment}


def fastapi(port: int, database_url: str) -> tuple[Sequence[str], dict[str, str]]:
    """FastAPI on uvicorn with uvloop and httptools, two workers."""
    command = [str(BIN / "uvicorn"), "bench.rivals.fastapi_app:app", "--port", str(port), "--workers", str(WORKERS)]
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return [*command, *options], {"RIVAL_DATABASE_URL": database_url, "RIVAL_JWT_SECRET": JWT_SECRET}


def flask(port: int, answers: Path) -> tuple[Sequence[str], dict[str, str]]:
    """Bare Flask under the same granian as ours."""
    served = granian("bench.rivals.flask_app:application", port)
    return served, {"RIVAL_BYTES": str(answers), "RIVAL_JWT_SECRET": JWT_SECRET}


@contextlib.contextmanager
def running(
    name: str, port: int, command: Sequence[str], environment: Mapping[str, str], log: Path
) -> Iterator[Server]:
    """Start a server and wait until it answers; it is gone when the block ends."""
    inherited = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**inherited, "PATH": path, "PYTHONPATH": str(ROOT), **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait(process, port, log)
        yield Server(name, port, psutil.Process(process.pid))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{process.args!r} does not answer:\n{log.read_text()[-3000:]}") from error
            time.sleep(0.1)
        else:
            return
