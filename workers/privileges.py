"""Giving up root: the pool becomes a system user where it can, and Chrome never runs as root at all."""

from __future__ import annotations

import ctypes
import logging
import os
import pwd
import signal
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG: Final = 1


class NoSuchUser(Exception):
    """The system user that browsers are to run as does not exist."""


def drop_root(user: str, *, needs: list[Path], owns: list[Path]) -> str | None:
    """Become ``user`` when started as root, provided that it can enter ``needs``; ``owns`` are given to it first.

    Returns the user that browsers must be started as: None when this process is not root (any more), ``user`` when it
    has to stay root because, for instance, the checkout is in root's home. Raises NoSuchUser.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise NoSuchUser(
            f"Started as root, browsers run as the system user {user!r}, which does not exist. Create it "
            f"(useradd --system --no-create-home --shell /usr/sbin/nologin {user}) or name another in WORKER_USER."
        ) from None
    barred = _barred(entry, needs)
    if barred is not None:
        log.warning("the pool stays root, because %s cannot use %s; browsers run as %s", user, barred, user)
        return user
    for path in owns:
        if path.exists():
            os.chown(path, entry.pw_uid, entry.pw_gid)
    _become(entry)
    os.environ["HOME"] = "/nonexistent"
    return None


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that forked it ends, however that happens (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _become(entry: pwd.struct_passwd) -> None:
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def _barred(entry: pwd.struct_passwd, needs: list[Path]) -> Path | None:
    """The first path that the user cannot read or enter, found out by a child that has become the user."""
    for path in needs:
        child = os.fork()
        if child == 0:
            _become(entry)
            os._exit(0 if os.access(path, os.R_OK | (os.X_OK if os.path.isdir(path) else 0)) else 1)
        if os.waitpid(child, 0)[1] != 0:
            return path
    return None
