"""Runs named processes in the foreground: shows what they say, starts them again when they die, ends them all."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

_LONGEST_LINE: Final = 16_384
_LINES_KEPT: Final = 30
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_STEADY_S: Final = 60.0
"""A process that ran this long is started again after the first pause, whatever happened before."""

_DIES_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
"""Makes the kernel end a child with us, also one that overwrites its environment and so hides from the warden."""

_PROCFILE_LINE: Final = re.compile(r"^([A-Za-z0-9_-]+):\s*(\S.*)$")


class ProcessDiedError(Exception):
    """A process ended (or was not ready) while the system was starting; ``last_lines`` is what it said."""

    def __init__(self, name: str, reason: str, last_lines: Sequence[str]) -> None:
        self.name, self.reason, self.last_lines = name, reason, list(last_lines)
        super().__init__(f"{name} {reason}")


def read_procfile(path: Path) -> dict[str, str]:
    """Return the commands of a Procfile by name, in its order; raises ValueError for a line that is none."""
    commands = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _PROCFILE_LINE.match(line)
        if match is None:
            raise ValueError(f"{path.name}, line {number}: expected 'name: command'")
        commands[match[1]] = match[2]
    return commands


class _Process:
    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name, self.command = name, list(command)
        self.running: subprocess.Popen[bytes] | None = None
        self.output: int | None = None
        """Descriptor of what it prints; None once that has ended."""
        self.unfinished = b""
        self.last_lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self.started_at = 0.0
        self.pause_s = _FIRST_PAUSE_S
        self.start_again_at: float | None = None


class Supervisor:
    """Owns processes; single-threaded, so call ``watch`` often enough that their output is read.

    ``say(name, line)`` is called for every line of output. Signals INT, TERM and HUP set ``asked_to_stop``.
    """

    def __init__(self, environ: Mapping[str, str], *, cwd: Path, say: Callable[[str, str], None]) -> None:
        self.asked_to_stop = False
        self._environ, self._cwd, self._say = dict(environ), cwd, say
        self._processes: dict[str, _Process] = {}
        self._settled = False
        self._selector = selectors.DefaultSelector()
        self._waker, waker = os.pipe()
        os.set_blocking(self._waker, False)
        os.set_blocking(waker, False)
        self._selector.register(self._waker, selectors.EVENT_READ)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start ``command`` (a list of arguments) under ``name``, in a session of its own."""
        process = self._processes[name] = _Process(name, command)
        self._launch(process)

    def settled(self) -> None:
        """Say that the start is over: from now on a process that dies is started again."""
        self._settled = True

    def require(self, name: str, ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait until ``ready()``; raises ProcessDiedError after ``timeout_s`` seconds or when any process dies."""
        deadline = time.monotonic() + timeout_s
        while not self.asked_to_stop and not ready():
            if time.monotonic() > deadline:
                raise ProcessDiedError(name, f"was not ready after {timeout_s:g} s", self._processes[name].last_lines)
            self.watch(0.1)

    def run(self, name: str, command: Sequence[str], *, timeout_s: float) -> None:
        """Run ``command`` to its end; raises ProcessDiedError when it fails or takes longer than ``timeout_s``."""
        process = _Process(name, command)
        running = self._launch(process)
        deadline = time.monotonic() + timeout_s
        while running.poll() is None and time.monotonic() < deadline and not self.asked_to_stop:
            self.watch(0.1)
        if running.poll() is None:
            _signal_group(running, signal.SIGKILL)
            running.wait(timeout=10)
        self._drain(process)
        if running.returncode and not self.asked_to_stop:
            raise ProcessDiedError(name, _how_it_ended(running.returncode), process.last_lines)

    def watch(self, timeout_s: float) -> None:
        """Pass on output and look after the processes for at most ``timeout_s`` seconds.

        Before ``settled`` it raises ProcessDiedError when a process dies; afterwards it starts that process again.
        """
        for key, _ in self._selector.select(timeout_s):
            if key.fd == self._waker:
                os.read(self._waker, 4096)
            else:
                self._read(key.data)
        for process in self._processes.values():
            self._look_after(process)

    def stop(self, names: Sequence[str], *, timeout_s: float) -> None:
        """End ``names``: TERM to each, and KILL to the whole session of those left after ``timeout_s`` seconds."""
        chosen = [process for name, process in self._processes.items() if name in names]
        for process in chosen:
            process.start_again_at = None
            if process.running is not None and process.running.poll() is None:
                process.running.terminate()
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and any(p.running is not None and p.running.poll() is None for p in chosen):
            for key, _ in self._selector.select(0.1):
                if key.fd != self._waker:
                    self._read(key.data)
        for process in chosen:
            if process.running is None:
                continue
            if process.running.poll() is None:
                self._say("run", f"{process.name} did not end within {timeout_s:g} s and is killed")
            _signal_group(process.running, signal.SIGKILL)
            process.running.wait(timeout=10)
            self._drain(process)

    def names(self) -> list[str]:
        """Return the names of all processes, in the order of their start."""
        return list(self._processes)

    def _launch(self, process: _Process) -> subprocess.Popen[bytes]:
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        running = process.running = subprocess.Popen(
            [*_DIES_WITH_US, *process.command],
            cwd=self._cwd,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            start_new_session=True,
        )
        os.close(writer)
        process.started_at = time.monotonic()
        process.start_again_at = None
        process.output = reader
        self._selector.register(reader, selectors.EVENT_READ, process)
        return running

    def _look_after(self, process: _Process) -> None:
        now = time.monotonic()
        if process.running is None:
            if process.start_again_at is not None and now >= process.start_again_at:
                self._launch(process)
            return
        if self.asked_to_stop or process.running.poll() is None:
            return
        how = _how_it_ended(process.running.returncode)
        _signal_group(process.running, signal.SIGKILL)  # what it left behind would stand in its successor's way
        self._drain(process)
        if not self._settled:
            raise ProcessDiedError(process.name, how, process.last_lines)
        if now - process.started_at > _STEADY_S:
            process.pause_s = _FIRST_PAUSE_S
        self._say("run", f"{process.name} {how}; it is started again in {process.pause_s:g} s")
        process.running = None
        process.start_again_at = now + process.pause_s
        process.pause_s = min(process.pause_s * 2, _LONGEST_PAUSE_S)

    def _read(self, process: _Process) -> bool:
        """Pass on what ``process`` has said; False when there is nothing more now."""
        if process.output is None:
            return False
        try:
            data = os.read(process.output, 65_536)
        except BlockingIOError:
            return False
        *lines, process.unfinished = (process.unfinished + data).split(b"\n")
        if process.unfinished and (not data or len(process.unfinished) > _LONGEST_LINE):
            lines.append(process.unfinished)
            process.unfinished = b""
        for line in lines:
            text = line[:_LONGEST_LINE].decode(errors="replace").rstrip("\r")
            process.last_lines.append(text)
            self._say(process.name, text)
        if not data:
            self._let_go(process)
        return bool(data)

    def _drain(self, process: _Process) -> None:
        """Read what a dead process has still said; a grandchild may hold the pipe open, so do not wait for its end."""
        while self._read(process):
            pass
        self._let_go(process)

    def _let_go(self, process: _Process) -> None:
        if process.output is not None:
            self._selector.unregister(process.output)
            os.close(process.output)
            process.output = None

    def _on_signal(self, *_: object) -> None:
        self.asked_to_stop = True


def _signal_group(running: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody of that session is left
        os.killpg(running.pid, number)


def _how_it_ended(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with exit code {returncode}"
