"""The folder of one running browser: its scratch space, its process group, and the lock that says its owner lives.

``<root>/slot-<random>/`` holds ``lock`` (the owner's pid; locked as long as it lives, whatever kills it), ``group``
(leader's pid and start time), ``chrome`` (the wrapper through which Chrome starts), ``driver.log`` and ``tmp/``,
which is TMPDIR and HOME of the driver and Chrome and so the mark by which their processes are known.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from workers.chrome.processes import ProcessGroup, kill_marked

_PREFIX: Final = "slot-"
_KILL_S: Final = 5.0
_MOST_DATA_KIB: Final = 3 * 1024 * 1024
"""What each process of Chrome may have for its data: who takes more gets nothing, or dies, and the machine lives.

Chrome's own limit is 16 GiB. A page of 50 MB of text takes less than 1.5."""


class SlotError(Exception):
    """The folder for browsers cannot be used; the message says why."""


class Slot:
    """One browser's folder; made by ``create``, deleted by ``remove``."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self.scratch = folder / "tmp"
        self.log = folder / "driver.log"
        self._lock = lock

    @classmethod
    def create(cls, root: Path, run_as: str | None) -> Slot:
        """Make and lock a new folder whose scratch space belongs to ``run_as`` (or us); raises SlotError."""
        prepare(root)
        folder = root / f"{_PREFIX}{secrets.token_hex(4)}"
        with _exclusive(root):
            folder.mkdir(mode=0o711)
            lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(lock, f"{os.getpid()}\n".encode())
        slot = cls(folder, lock)
        slot.scratch.mkdir(mode=0o700)
        if run_as is not None:
            user = pwd.getpwnam(run_as)
            os.chown(slot.scratch, user.pw_uid, user.pw_gid)
        return slot

    def wrapper(self, binary: Path) -> Path:
        """Write the script that starts ``binary``: it dies with its parent, the driver, and its memory has a limit."""
        script = self.folder / "chrome"
        script.write_text(
            f"#!/bin/sh\nulimit -d {_MOST_DATA_KIB}\n"
            f'exec {shlex.quote(setpriv())} --pdeathsig KILL {shlex.quote(str(binary))} "$@"\n'
        )
        script.chmod(0o755)
        return script

    def record(self, group: ProcessGroup) -> None:
        """Note the process group for whoever sweeps after us."""
        (self.folder / "group").write_text(f"{group.id} {group.started}\n")

    def log_tail(self, size: int = 2000) -> str:
        """The end of what the driver and Chrome printed, at most ``size`` characters."""
        try:
            return self.log.read_text(errors="replace")[-size:].strip()
        except OSError:
            return ""

    def kill_processes(self) -> list[int]:
        """Kill every process of this browser and wait until they are gone; returns the pids that survived."""
        return _kill_processes(self.folder)

    def remove(self) -> None:
        """Delete the folder and give up the lock; the processes must be gone. May be called twice."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def setpriv() -> str:
    """The path of util-linux's setpriv, through which driver and Chrome start; raises SlotError when it is missing."""
    found = shutil.which("setpriv")
    if found is None:
        raise SlotError("setpriv is not on PATH; install util-linux.")
    return found


def prepare(root: Path) -> None:
    """Make the root folder where it is missing and check that it can be trusted; raises SlotError."""
    root.mkdir(parents=True, exist_ok=True, mode=0o711)
    facts = root.stat()
    if facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        raise SlotError(f"{root} must belong to the worker's user and be writable by nobody else.")
    if os.statvfs(root).f_flag & os.ST_NOEXEC:
        raise SlotError(f"{root} is on a file system mounted noexec; Chrome is started by a script in it.")


def sweep(root: Path) -> int:
    """Kill what dead owners left under ``root`` and delete their folders; returns how many folders went."""
    if not root.is_dir():
        return 0
    prepare(root)
    with _exclusive(root):
        return sum(_swept(folder) for folder in root.glob(f"{_PREFIX}*"))


def _swept(folder: Path) -> bool:
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        lock = -1
    try:
        if lock >= 0:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _kill_processes(folder)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        if lock >= 0:
            os.close(lock)
    return True


def _kill_processes(folder: Path) -> list[int]:
    """Kill the recorded group and everything else that has the folder as TMPDIR (the crash handler leaves the group).

    Returns the pids that survived.
    """
    left: list[int] = []
    with suppress(OSError, ValueError):
        leader, started = (folder / "group").read_text().split()
        left = ProcessGroup(int(leader), int(started)).kill(_KILL_S)
    return left + kill_marked(f"TMPDIR={folder / 'tmp'}", _KILL_S)


@contextmanager
def _exclusive(root: Path) -> Iterator[None]:
    """One process at a time makes or sweeps slots, so that a folder is never seen before its lock is held."""
    handle = os.open(root / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
