"""Processor time and memory of a whole tree of processes, those that have ended included."""

from __future__ import annotations

import os
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

    def seconds(self) -> float:
        """Processor seconds of the group until now."""
        with suppress(FileNotFoundError):
            return int((self._folder / "cpuacct.usage").read_text()) / 1e9
        usage = dict(line.split() for line in (self._folder / "cpu.stat").read_text().splitlines())
        return int(usage["usage_usec"]) / 1e6

    def memory_bytes(self) -> int:
        """Proportional set size of all processes in the group."""
        return memory_bytes([int(pid) for pid in (self._folder / "cgroup.procs").read_text().split()])


@contextmanager
def meter(name: str) -> Iterator[Meter]:
    """A group that nobody is in; on leaving, its processes must end within seconds."""
    folder = (_V1 if _V1.is_dir() else _V2) / f"bench-{name}-{os.getpid()}"
    folder.mkdir()
    try:
        yield Meter(folder)
    finally:
        deadline = time.monotonic() + _EMPTY_S
        while (folder / "cgroup.procs").read_text().strip() and time.monotonic() < deadline:
            time.sleep(0.1)
        folder.rmdir()
