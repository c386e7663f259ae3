"""Pictures kept on disk by the hash of their address, at most so many bytes: those not shown for longest go first."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.products.images.fetching import Picture

_FORMAT: Final = b"1"
_NOTED_EVERY_S: Final = 3600.0
"""How exactly it is noted when a picture was last shown."""
_ABANDONED_S: Final = 3600.0
"""How old a file is that nobody will finish."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture with what tells it from any other, and since when it is kept."""

    picture: Picture
    etag: str
    fetched_at: float


class Shelf:
    """Several processes may share its folder."""

    def __init__(self, folder: Path, *, most_bytes: int, keep_s: float) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._keep_s = keep_s
        self._unchecked = most_bytes  # the first one that is kept has all of them counted
        self._purging = threading.Lock()

    def find(self, url: str) -> Kept | None:
        """The picture that is kept of an address, fresh or not."""
        path = self._path(url)
        try:
            with path.open("rb") as file:
                head = file.readline(200).split()
                if len(head) != 4 or head[0] != _FORMAT:
                    return None
                kept = Kept(Picture(head[1].decode(), file.read()), head[2].decode(), float(head[3]))
                used_at = os.fstat(file.fileno()).st_mtime
        except (OSError, ValueError):
            return None
        if time.time() - used_at > _NOTED_EVERY_S:
            with suppress(OSError):
                os.utime(path)
        return kept

    def keep(self, url: str, picture: Picture) -> Kept:
        """Keep a picture; where the disk does not take it, it is only given back."""
        kept = Kept(picture, hashlib.sha256(picture.content).hexdigest()[:32], time.time())
        head = b"%s %s %s %r\n" % (_FORMAT, picture.kind.encode(), kept.etag.encode(), kept.fetched_at)
        path = self._path(url)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".")
            with open(handle, "wb") as file:
                file.write(head + picture.content)
            os.replace(unfinished, path)
        except OSError as error:
            log.warning("an image cannot be kept: %s", error)
            return kept
        self._unchecked += len(head) + len(picture.content)
        if self._unchecked > self._most_bytes // 10:
            self.purge()
        return kept

    def is_fresh(self, kept: Kept) -> bool:
        """Whether a picture need not be fetched again yet."""
        return time.time() - kept.fetched_at < self._keep_s

    def purge(self) -> int:
        """Delete what was not shown for as long as pictures are kept, and what is too much; how many files that was."""
        if not self._purging.acquire(blocking=False):
            return 0
        try:
            self._unchecked = 0
            return self._purge()
        finally:
            self._purging.release()

    def _purge(self) -> int:
        now, room, deleted = time.time(), self._most_bytes, 0
        for path, used_at, size in sorted(self._files(), key=lambda found: found[1], reverse=True):
            keep_s = _ABANDONED_S if path.name.startswith(".") else self._keep_s
            room -= size
            if room < 0 or now - used_at > keep_s:
                with suppress(OSError):  # another process was faster
                    path.unlink()
                    deleted += 1
                    room += size
        return deleted

    def _files(self) -> list[tuple[Path, float, int]]:
        found = []
        for path in self._folder.glob("??/*"):
            with suppress(OSError):
                status = path.stat()
                found.append((path, status.st_mtime, status.st_size))
        return found

    def _path(self, url: str) -> Path:
        name = hashlib.sha256(url.encode()).hexdigest()
        return self._folder / name[:2] / name
