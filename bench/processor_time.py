"""Processor time and memory of a whole tree of processes, those that have ended included."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from workers.chrome.processes import memory_bytes

_V1: Final = Path("/sys/fs/cgroup/cpuacct")
_V2: Final = Path("/sys/fs/cgroup")
_EMPTY_S: Final = 20.0


class Meter:
    """A control group of its own: what is started in it, and whatever that starts, is counted. Needs root."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def inside(self, command: list[str]) -> list[str]:
        """A command that does the same inside the group."""
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self._folder / "cgroup.procs"), *command]

    def adopt(self, pid: int) -> None:
        """Count a process that was just started, and what it starts from now on."""
        (self._folder / "cgroup.procs").write_text(str(pid))

    def pids(self) -> list[int]:
        """Who is in the group."""
        return [int(pid) for pid in (self._folder / "cgroup.procs").read_text().split()]

    def kill(self) -> None:
        """Kill whoever is in the group."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def seconds(self) -> float:
        """Processor seconds of the group until now."""
        with suppress(FileNotFoundError):
            return int((self._folder / "cpuacct.usage").read_text()) / 1e9
        usage = dict(line.split() for line in (self._folder / "cpu.stat").read_text().splitlines())
        return int(usage["usage_usec"]) / 1e6

    def memory_bytes(self) -> int:
        """Proportional set size of all processes in the group."""
        return memory_bytes(self.pids())


@contextmanager
def meter(name: str) -> Iterator[Meter]:
    """A group that nobody is in; who stays seconds after the block, or when an exception ends it, is killed."""
    folder = (_V1 if _V1.is_dir() else _V2) / f"bench-{name}-{os.getpid()}"
    folder.mkdir()
    group, patience_s = Meter(folder), 0.0
    try:
        yield group
        patience_s = _EMPTY_S
    finally:
        deadline = time.monotonic() + patience_s
        while group.pids():
            if time.monotonic() > deadline:
                group.kill()
            time.sleep(0.1)
        folder.rmdir()
