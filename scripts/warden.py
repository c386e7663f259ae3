"""The warden: a process that outlives its founder just long enough to end everything the founder started.

The kernel's parent-death signal reaches the founder's own children, not theirs: a web server's workers or a browser in
a session of its own live on. What all of them inherit is an environment variable, so that is what the warden looks for.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Final

import psutil

MARK: Final = "CARTWRIGHT_RUN"


def marked_processes(mark: str) -> list[psutil.Process]:
    """Return every living process, except the caller, whose environment carries ``mark`` under MARK."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # gone meanwhile, a zombie, or not ours to read
    return found


def kill_marked(mark: str, *, timeout_s: float) -> list[psutil.Process]:
    """Kill every process that carries ``mark`` and return those that are still there after ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while (left := marked_processes(mark)) and time.monotonic() < deadline:
        for process in left:
            try:
                process.kill()
            except (psutil.Error, OSError):
                continue
        psutil.wait_procs(left, timeout=0.2)
    return left


def found_warden(mark: str, *, keep_open: int) -> None:
    """Fork the warden; it kills all that carries ``mark`` when this process ends in whatever way.

    ``keep_open`` is a file descriptor that the warden holds until then: the lock of the instance, so that nobody takes
    the instance over while its former processes still run. Call it before any thread is started, and set MARK only in
    the environment of the children. A regular end makes the warden find nothing.
    """
    alive, life_line = os.pipe()  # neither is inherited across exec: the writing end lives in this process only
    if os.fork():
        os.close(alive)
        return
    try:
        os.setsid()
        for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)
        os.close(life_line)
        _leave_only(alive, keep_open)
        while os.read(alive, 1):
            pass
        kill_marked(mark, timeout_s=10)
    finally:
        os._exit(0)


def _leave_only(*kept: int) -> None:
    """Close every other descriptor; the terminal or pipe of the founder must not stay open because of the warden."""
    quiet = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(quiet, standard)
    low = 3
    for descriptor in sorted(kept):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
