"""Stored files: uploads, exports, what browsers saw; in a local folder or wherever FILES_URL says (fsspec).

Keys are made by the program, never by who sends a file, and never reused: a file is written once and then only read or
deleted. All processes must reach the same store: on several machines that is a shared folder or an object store.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any, Final, cast

import fsspec
from flask import current_app

from app.core.errors import Unavailable

CHUNK_BYTES: Final = 1024 * 1024
MIN_FREE_BYTES: Final = 512 * 1024 * 1024
"""What stays free on the disk of a local store: the database may live on it, too."""
_FOLDER: Final = re.compile(r"[0-9a-f]{32}")
_PART: Final = r"[a-z0-9-]+(\.[a-z0-9]+)*"
_KEY: Final = re.compile(rf"[a-z]+(/{_PART}){{1,4}}")
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "file": {"auto_mkdir": True},
    "s3": {"config_kwargs": {"connect_timeout": 5, "read_timeout": 20, "retries": {"max_attempts": 2}}},
}


class StorageFull(Unavailable):
    """The disk of the file store has no room for it."""

    code = "STORAGE_FULL"


class FileStore:
    """The files of one installation, by key (``operations/4f0c2a9b/upload``)."""

    def __init__(self, url: str) -> None:
        """Raises ImportError where what this kind of store needs is not installed."""
        self._url, self._protocol = url, url.partition(":")[0]
        self._is_local = self._protocol == "file"
        fsspec.get_filesystem_class(self._protocol)
        self._opened: tuple[int, Any, str] | None = None

    @property
    def _fs(self) -> Any:
        return self._open()[1]

    @property
    def _root(self) -> str:
        return self._open()[2]

    def _open(self) -> tuple[int, Any, str]:
        """The file system of this process, and our folder in it: connections to object stores do not survive a fork."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), *fsspec.core.url_to_fs(self._url, **_OPTIONS.get(self._protocol, {})))
        return self._opened

    @staticmethod
    def new_folder(kind: str) -> str:
        """The key of a folder that nothing is in, and that nobody can guess."""
        return f"{kind}/{secrets.token_hex(16)}"

    @contextlib.contextmanager
    def writing(self, key: str) -> Iterator[IO[bytes]]:
        """Write a file from its beginning; what was under the key is gone. A block that fails leaves no file."""
        path = self._path(key)
        try:
            with self._fs.open(path, "wb") as stream:
                yield stream
        except BaseException:
            self.delete(key)
            raise

    @contextlib.contextmanager
    def reading(self, key: str) -> Iterator[IO[bytes]]:
        """Read a file; raises FileNotFoundError."""
        with self._fs.open(self._path(key), "rb") as stream:
            yield stream

    def pieces(self, key: str) -> Iterator[bytes]:
        """The bytes of a file, some at a time."""
        with self.reading(key) as stream:
            while piece := stream.read(CHUNK_BYTES):
                yield piece

    def size(self, key: str) -> int:
        """How many bytes a file has; raises FileNotFoundError."""
        return int(self._fs.size(self._path(key)))

    def delete(self, key: str) -> None:
        """Delete a file, or a folder with all that is in it; what is not there is gone already."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm(self._path(key), recursive=True)

    def folders(self, kind: str, *, before: datetime) -> Iterator[str]:
        """The keys of folders that were made by ``new_folder``, and that no file was added to since ``before``."""
        for name in self.names(kind):
            key = f"{kind}/{name}"
            if _FOLDER.fullmatch(name) and (changed := self._filled_at(key)) is not None and changed < before:
                yield key

    def names(self, kind: str) -> list[str]:
        """The names of the folders of a kind."""
        self._fs.invalidate_cache()
        try:
            paths = self._fs.ls(f"{self._root}/{kind}", detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def files(self, key: str) -> list[str]:
        """The keys of all files in a folder and below."""
        found = self._fs.find(self._path(key))
        return sorted(path[len(self._root) + 1 :] for path in found)

    def changed_at(self, key: str) -> datetime | None:
        """When a file was written; None when it is gone."""
        try:
            return cast("datetime", self._fs.modified(self._path(key)))
        except FileNotFoundError:
            return None

    def prune(self, key: str, *, before: datetime) -> None:
        """Delete the empty folders in and at a folder that nothing was put into since; object stores have none."""
        if not self._is_local:
            return
        for path, _, _ in os.walk(self._path(key), topdown=False):
            with contextlib.suppress(OSError):  # it is not empty, or gone
                if os.stat(path).st_mtime < before.timestamp():
                    os.rmdir(path)

    def _filled_at(self, key: str) -> datetime | None:
        """When a file was last added to a folder; None when it is gone. Only local folders know it themselves."""
        path = self._path(key)
        try:
            if self._is_local:
                return cast("datetime", self._fs.modified(path))
            return max((self._fs.modified(file) for file in self._fs.ls(path, detail=False)), default=None)
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def as_local(self, key: str) -> Iterator[str]:
        """The path of a file on this machine: its own, or for the time of the block a copy's."""
        if self._is_local:
            yield self._path(key)
            return
        with tempfile.NamedTemporaryFile() as copy:
            self._fs.get_file(self._path(key), copy.name)
            yield copy.name

    @contextlib.contextmanager
    def scratch(self, key: str, *, copy_of: str | None = None) -> Iterator[str]:
        """The path of a file of this machine that is gone after the block; it may begin as a copy of a stored one.

        Beside a local store it lies where there is room, and goes with its folder when the process dies.
        """
        if self._is_local:
            path = self._path(key)
            os.makedirs(os.path.dirname(path), exist_ok=True)
        else:
            path = os.path.join(tempfile.gettempdir(), secrets.token_hex(16))
        try:
            if copy_of is not None:
                self._fs.get_file(self._path(copy_of), path)
            yield path
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def keep(self, path: str, key: str) -> None:
        """Copy a file of this machine into the store."""
        with open(path, "rb") as source, self.writing(key) as target:
            shutil.copyfileobj(source, target, CHUNK_BYTES)

    def require_room(self, size: int) -> None:
        """Raise StorageFull where ``size`` more bytes would leave a local disk without its reserve."""
        if not self._is_local:
            return
        self._fs.makedirs(self._root, exist_ok=True)
        if shutil.disk_usage(self._root).free - size < MIN_FREE_BYTES:
            raise StorageFull("There is not enough room to store this file. Try again later, or ask the operator.")

    def _path(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise ValueError(key)
        return f"{self._root}/{key}"


def file_store() -> FileStore:
    """The file store of the current application."""
    found: FileStore = current_app.extensions["files"]
    return found


def evidence_store() -> FileStore:
    """Where the current application keeps what browsers saw."""
    found: FileStore = current_app.extensions["evidence"]
    return found
