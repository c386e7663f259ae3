"""Which keys stand in a file twice: a table on disk, exact however many there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

_CACHE_KB: Final = 16_384
_TABLES: Final[dict[type[int | str], str]] = {
    int: "key INTEGER PRIMARY KEY, line INTEGER NOT NULL",
    str: "key TEXT PRIMARY KEY, line INTEGER",
}


class SeenKeys:
    """The keys of a file so far, each with its first line, in a file of this machine."""

    def __init__(self, path: str, kind: type[int | str]) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KB}", "locking_mode=EXCLUSIVE"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        rest = " WITHOUT ROWID" if kind is str else ""
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS seen ({_TABLES[kind]}){rest}")

    def add(self, keys: Sequence[tuple[int | str, int]]) -> dict[int, int]:
        """Note some keys with their lines; of each line whose key was there already, the line of the first."""
        before = self._connection.total_changes
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", keys)
        self._connection.execute("COMMIT")
        if self._connection.total_changes - before == len(keys):
            return {}
        asked = "SELECT line FROM seen WHERE key = ?"
        first = [self._connection.execute(asked, (key,)).fetchone()[0] for key, _ in keys]
        return {line: found for (_, line), found in zip(keys, first, strict=True) if found != line}

    def close(self) -> None:
        """Let the file be copied."""
        self._connection.close()
