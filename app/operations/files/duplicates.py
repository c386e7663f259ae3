"""Which ASINs stand in a file twice: a table of numbers on disk, exact, because an ASIN is a number to base 36."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

_CACHE_KB: Final = 16_384


class SeenAsins:
    """The ASINs of a file so far, each with its first line, in a file of this machine."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KB}", "locking_mode=EXCLUSIVE"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._connection.execute("CREATE TABLE IF NOT EXISTS seen (asin INTEGER PRIMARY KEY, line INTEGER NOT NULL)")

    def add(self, asins: Sequence[tuple[str, int]]) -> dict[int, int]:
        """Note some ASINs with their lines; of each line whose ASIN was there already, the line of the first."""
        numbered = [(int(asin, 36), line) for asin, line in asins]
        before = self._connection.total_changes
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", numbered)
        self._connection.execute("COMMIT")
        if self._connection.total_changes - before == len(numbered):
            return {}
        asked = "SELECT line FROM seen WHERE asin = ?"
        first = [self._connection.execute(asked, (asin,)).fetchone()[0] for asin, _ in numbered]
        return {line: found for (_, line), found in zip(numbered, first, strict=True) if found != line}

    def close(self) -> None:
        """Let the file be copied."""
        self._connection.close()
