"""Seats: how many threads of a process may be in the hands of slow clients, or of slow servers, at once."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager


class Seats:
    """A quarter of a process's threads, at least one: what may wait for others while the rest goes on working."""

    def __init__(self, threads: int, *, quarters: int = 1) -> None:
        self._free = threading.BoundedSemaphore(max(1, threads // 4) * quarters)

    @contextmanager
    def taken(self, *, patience_s: float = 0.0) -> Iterator[bool]:
        """A seat for the length of a block; False where none was free within ``patience_s`` seconds."""
        is_taken = self.take(patience_s=patience_s)
        try:
            yield is_taken
        finally:
            if is_taken:
                self.leave()

    def take(self, *, patience_s: float = 0.0) -> bool:
        """Take a seat, which the caller has to ``leave``; False where none was free."""
        return self._free.acquire(timeout=patience_s) if patience_s > 0 else self._free.acquire(blocking=False)

    def leave(self) -> None:
        """Give a seat back."""
        self._free.release()


class Seated(Iterator[bytes]):
    """Pieces of an answer that are sent from a seat, which is given back when they are closed or forgotten."""

    def __init__(self, pieces: Iterator[bytes], seats: Seats) -> None:
        self._pieces = pieces
        self._leave = weakref.finalize(self, seats.leave)

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        """Stop, and give the seat back."""
        try:
            getattr(self._pieces, "close", lambda: None)()
        finally:
            self._leave()
