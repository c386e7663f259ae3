"""Showing pictures: from the shelf, or from where they are, with few requests under way and none repeated in vain."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from app.config import Settings
from app.core.cache import cache
from app.core.errors import Refusal
from app.core.seats import Seats
from app.products.errors import ImageHostFailed, ImageRefused, ImagesBusy
from app.products.images.fetching import Picture, fetch_picture
from app.products.images.shelf import Kept, Shelf

FAILURE_S: Final = 60.0
"""For how long a picture that could not be got is not asked for again."""
PATIENCE_S: Final = 2.0
"""How long a request waits for its turn to fetch."""
_FAILURES: Final = {kind.code: kind for kind in (ImageHostFailed, ImageRefused)}


class Gallery:
    """Shows pictures by their address; safe in threads.

    At most a quarter of a process's threads fetch and a quarter wait for that, so that slow servers of others never
    take all of them.
    """

    def __init__(self, settings: Settings) -> None:
        images = settings.images
        self.shelf = Shelf(
            settings.instance_dir / "images", most_bytes=images.cache_mb * 1024**2, keep_s=images.cache_days * 86400
        )
        self._fetching = Seats(settings.web_threads)
        self._waiting = Seats(settings.web_threads, quarters=2)
        self._fetch: Callable[[str], Picture] = lambda url: fetch_picture(url, private=settings.private_targets)

    def show(self, url: str) -> Kept:
        """The picture at an address; hold no database connection meanwhile.

        One that is too old is fetched again, and shown all the same where that fails. Raises ImageRefused,
        ImageHostFailed, and ImagesBusy when too many are being fetched.
        """
        kept = self.shelf.find(url)
        if kept is not None and self.shelf.is_fresh(kept):
            return kept
        try:
            return self._renew(url)
        except Refusal:
            if kept is None:
                raise
            return kept

    def _renew(self, url: str) -> Kept:
        _raise_failure(url)
        with self._seat():
            kept = self.shelf.find(url)
            if kept is not None and self.shelf.is_fresh(kept):  # somebody else fetched it meanwhile
                return kept
            _raise_failure(url)
            try:
                return self.shelf.keep(url, self._fetch(url))
            except (ImageHostFailed, ImageRefused) as failure:
                cache().keep(_key(url), f"{failure.code} {failure.detail}".encode(), seconds=FAILURE_S)
                raise

    @contextmanager
    def _seat(self) -> Iterator[None]:
        with self._waiting.taken() as may_wait:
            if not may_wait:
                raise ImagesBusy("Too many images are being fetched; try again in a moment.")
            with self._fetching.taken(patience_s=PATIENCE_S) as may_fetch:
                if not may_fetch:
                    raise ImagesBusy("Too many images are being fetched; try again in a moment.")
                yield


def _raise_failure(url: str) -> None:
    """Raise what was raised a moment ago, without asking again."""
    known = cache().find(_key(url))
    if known is not None:
        code, _, detail = known.decode().partition(" ")
        raise _FAILURES[code](detail)


def _key(url: str) -> str:
    return f"image-failure:{hashlib.sha256(url.encode()).hexdigest()}"
