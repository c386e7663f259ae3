"""Stored files: uploads, results of long work and exports, in a local folder or wherever FILES_URL says (fsspec).

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

from app.config import Settings
from app.core.errors import Unavailable

CHUNK_BYTES: Final = 1024 * 1024
MIN_FREE_BYTES: Final = 512 * 1024 * 1024
"""What stays free on the disk of a local store: the database may live on it, too."""
_FOLDER: Final = re.compile(r"[0-9a-f]{32}")
_KEY: Final = re.compile(r"[a-z]+/[a-z0-9-]+(/[a-z0-9.-]+)?")


class StorageFull(Unavailable):
    """The disk of the file store has no room for it."""

    code = "STORAGE_FULL"


class FileStore:
    """The files of one installation, by key (``operations/4f0c2a9b/upload``)."""

    def __init__(self, settings: Settings) -> None:
        options: dict[str, Any] = {"auto_mkdir": True} if settings.files_url.startswith("file:") else {}
        self._fs, self._root = fsspec.core.url_to_fs(settings.files_url, **options)
        self._is_local = settings.files_url.startswith("file:")

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
        self._fs.invalidate_cache()
        try:
            paths = self._fs.ls(f"{self._root}/{kind}", detail=False)
        except FileNotFoundError:
            return
        for name in (path.rstrip("/").rpartition("/")[2] for path in paths):
            key = f"{kind}/{name}"
            if _FOLDER.fullmatch(name) and (changed := self._changed_at(key)) is not None and changed < before:
                yield key

    def _changed_at(self, key: str) -> datetime | None:
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
