"""Exact knowledge about processes from /proc: who is in a group, who carries a folder's mark, what they use."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_POLL_S: Final = 0.01


class _Stat(NamedTuple):
    pid: int
    state: str
    group: int
    started: int


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """A process group known by its leader's pid and start time, so that a recycled pid is never taken for it."""

    id: int
    started: int

    @classmethod
    def led_by(cls, pid: int) -> ProcessGroup:
        """The group that a living process leads; raises ProcessLookupError."""
        stat = _stat(pid)
        if stat is None:
            raise ProcessLookupError(pid)
        return cls(pid, stat.started)

    def members(self) -> list[int]:
        """The pids alive in the group (a zombie is dead)."""
        leader = _stat(self.id)
        if leader is not None and leader.started != self.started:
            return []
        return [stat.pid for stat in _stats() if stat.group == self.id and stat.state not in "ZX"]

    def kill(self, timeout_s: float) -> list[int]:
        """SIGKILL the whole group and wait until it is gone; returns the pids that are still there."""
        deadline = time.monotonic() + timeout_s
        while members := self.members():
            with suppress(ProcessLookupError):
                os.killpg(self.id, signal.SIGKILL)
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
        return members


def marked(environment: str) -> list[int]:
    """The living processes whose environment has this ``NAME=value`` and may be read by us."""
    wanted = environment.encode()
    return [stat.pid for stat in _stats() if stat.state not in "ZX" and wanted in _environment(stat.pid)]


def kill_marked(environment: str, timeout_s: float) -> list[int]:
    """SIGKILL the ``marked`` processes and wait until they are gone; returns the pids that are still there."""
    deadline = time.monotonic() + timeout_s
    while pids := marked(environment):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    return pids


def memory_bytes(pids: list[int]) -> int:
    """Memory of these processes: the proportional set size, or what they do not share where that may not be read."""
    return sum(_memory(pid) for pid in pids)


def _memory(pid: int) -> int:
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # Chrome's sandboxed processes let nobody but root look
    try:
        resident, shared = (_PROC / str(pid) / "statm").read_text().split()[1:3]
    except OSError:
        return 0
    return (int(resident) - int(shared)) * _PAGE


def _environment(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _stats() -> Iterator[_Stat]:
    for name in os.listdir(_PROC):
        if name.isdigit() and (stat := _stat(int(name))) is not None:
            yield stat


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(pid, fields[0], int(fields[2]), int(fields[19]))
