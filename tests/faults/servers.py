"""Real processes of ours on the databases of the tests: web servers and background workers, and how they are killed."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import psutil

from app.config import Rates, Settings
from scripts.supervisor import read_procfile
from tests.faults.sizes import WEB_WORKERS

ROOT: Final = Path(__file__).resolve().parents[2]
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 15.0


@dataclass(frozen=True)
class WebServer:
    """A web server that answers on a port of 127.0.0.1."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """End it and its workers as a power cut would."""
        kill_all(self.process)

    def complaints(self) -> str:
        """What it wrote to its log."""
        return self.log.read_text()


@contextlib.contextmanager
def web_server(
    settings: Settings, folder: Path, *, application: str = "wsgi:application", **environ: str
) -> Iterator[WebServer]:
    """The command of the Procfile, at full size with two workers; gone when the block ends."""
    port = free_port()
    command = read_procfile(ROOT / "Procfile")["web"].replace("wsgi:application", application)
    variables = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WEB_WORKERS": str(WEB_WORKERS),
        **environment(settings, folder),
        **environ,
    }
    with running(["/bin/sh", "-c", f"exec {command}"], variables, folder / f"web-{port}.log") as process:
        server = WebServer(port, process, folder / f"web-{port}.log")
        _wait(server)
        yield server


@contextlib.contextmanager
def background(settings: Settings, folder: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """What ``python -m workers --background`` runs, and the dispatcher that rings for it."""
    variables = {"BACKGROUND_COUNT": "1", **environment(settings, folder), **environ}
    worker, dispatcher = [sys.executable, "-m", "workers", "--background"], [sys.executable, "-m", "workers.dispatcher"]
    with running(dispatcher, variables, folder / "dispatcher.log"):  # noqa: SIM117  # one line would be too long
        with running(worker, variables, folder / "background.log") as process:
            yield process


@contextlib.contextmanager
def running(command: Sequence[str], environ: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, which is gone when the block ends or pytest dies."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig=TERM", *command],
            cwd=ROOT,
            env=environ,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _signal(process, signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()
        _signal(process, signal.SIGKILL)


def environment(settings: Settings, folder: Path) -> dict[str, str]:
    """The variables that make a process of ours have these settings."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    payments = settings.payments
    return {
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "INSTANCE_DIR": str(folder),
        "SECRET_KEY": settings.secret_key,
        "JWT_SECRET_KEY": settings.jwt_secret_key,
        "ENCRYPTION_KEY": settings.encryption_key,
        "DATABASE_URL": settings.database_url,
        "REDIS_QUEUE_URL": settings.redis_queue_url,
        "REDIS_CACHE_URL": settings.redis_cache_url,
        **{f"{rate.name.upper()}_RATE": "1000000 per minute" for rate in fields(Rates)},
        "LOG_LEVEL": "WARNING",
        "CHECKOUT_HOLD_S": str(settings.checkout.hold_s),
        "PAYMENT_TIMEOUT_S": str(settings.payments.timeout_s),
        "STRIPE_SECRET_KEY": payments.stripe_secret_key,
        "STRIPE_WEBHOOK_SECRET": payments.stripe_webhook_secret,
        "STRIPE_URL": payments.stripe_url,
    }


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started as a power cut would."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            member.suspend()  # so that nobody starts a new one in between
        for member in family:
            member.kill()
    process.wait(STOP_TIMEOUT_S)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _wait(server: WebServer) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.client.OK:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the web server does not answer:\n{server.complaints()[-3000:]}")
        time.sleep(0.05)
