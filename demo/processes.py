"""Starts the demonstration's processes, ends them, and looks whether one is left."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from demo.errors import DemoError

MARK: Final = "CARTWRIGHT_DEMO"
"""Variable that every process of one demonstration has in its environment, with a value of its own."""
_KEPT: Final = frozenset(
    [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "XDG_RUNTIME_DIR",
        "LD_LIBRARY_PATH",
        "NO_COLOR",
        "WORKER_COUNT",
        "WORKER_USER",
        "CHROME_BINARY",
        "CHROME_FULL_BINARY",
        "CHROMEDRIVER",
        "CHROME_NO_SANDBOX",
    ]
)
"""What a demonstration takes from its own environment: never a database, a Redis or a secret."""


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Processes:
    """The processes of one demonstration; each writes its output to a log file of its own."""

    def __init__(self, root: Path, logs: Path, settings: Mapping[str, str]) -> None:
        """``root`` is the folder they run in; ``settings`` are the variables they get beside the usual ones."""
        self._root, self._logs = root, logs
        self._mark = secrets.token_hex(8)
        kept = {name: value for name, value in os.environ.items() if name in _KEPT}
        self._environ = {**kept, **settings, MARK: self._mark, "PYTHONUNBUFFERED": "1"}
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._descendants: set[psutil.Process] = set()

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process that is told to end when this one dies, in a session of its own."""
        # Ctrl-C must reach the demonstration only, which then ends the others in order.
        guard = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
        with self.log(name).open("ab") as log:
            self._started[name] = subprocess.Popen(
                [*guard, *command],
                cwd=self._root,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, name: str, command: Sequence[str], *, timeout_s: float) -> str:
        """Run a command to its end and return what it printed; raises DemoError when it fails or takes too long."""
        try:
            done = subprocess.run(
                command,
                cwd=self._root,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DemoError(f"{name} took longer than {timeout_s:g} s.") from None
        if done.returncode:
            raise DemoError(f"{name} failed:\n{(done.stdout + done.stderr)[-4000:].rstrip()}")
        return done.stdout.strip()

    def log(self, name: str) -> Path:
        """Where the process of this name writes to."""
        return self._logs / f"{name}.log"

    def check(self, name: str) -> None:
        """Raise DemoError with the log's tail when the process has ended."""
        status = self._started[name].poll()
        if status is not None:
            raise DemoError(f"{name} ended with status {status}. {self.tail(name)}")

    def tail(self, name: str, lines: int = 30) -> str:
        """The last lines of a log, with its path."""
        path = self.log(name)
        last = path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        return "\n".join([f"The end of {path}:", *(f"  {line}" for line in last)])

    def stop(self, timeout_s: float = 30, grace_s: float = 5) -> list[str]:
        """End all of them, the last started first: TERM, then KILL to the group after ``timeout_s`` seconds.

        Returns a line for each process that was left ``grace_s`` seconds later and had to be killed: none, if all is
        well.
        """
        self._descendants |= {process for started in self._started.values() for process in _tree(started.pid)}
        for started in reversed(self._started.values()):
            if started.poll() is None:
                started.send_signal(signal.SIGTERM)
                try:
                    started.wait(timeout_s)
                except subprocess.TimeoutExpired:
                    os.killpg(started.pid, signal.SIGKILL)
                    started.wait(timeout_s)
        deadline = time.monotonic() + grace_s
        while (left := self._left()) and time.monotonic() < deadline:
            time.sleep(0.1)
        lines = [_describe(process) for process in left]
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        return lines

    def _left(self) -> set[psutil.Process]:
        """What runs of our descendants, and of those that left the tree but still carry the mark."""
        return {process for process in self._descendants if _runs(process)} | set(self._marked())

    def _marked(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self._mark and _runs(process):
                    yield process
            except psutil.Error:
                continue


def _tree(pid: int) -> list[psutil.Process]:
    try:
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return str(process.pid)
