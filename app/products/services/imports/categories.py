"""Making the categories that rows of an import name, where that was asked for: as many as a dry run would promise."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from app.core.errors import Refusal
from app.core.orm import utc_now
from app.core.permissions import Principal
from app.operations.services.imports.reading import BEAT_S
from app.operations.services.imports.rows import Row
from app.products.errors import TooManyCategories
from app.products.services import categories as service
from app.products.services.imports.checking import MAX_NEW_CATEGORIES
from app.products.services.imports.rows import SEPARATOR, Categories, possible_path


class CategoryMaker:
    """Makes what is missing, each name tried once; a name that cannot be made is left to refuse its rows.

    ``made`` is how many names were made before, ``beat`` is called while it takes long.
    """

    def __init__(self, actor: Principal, *, made: int, beat: Callable[[], None]) -> None:
        self.made = made
        self._actor, self._beat = actor, beat
        self._refused: set[str] = set()
        self._is_full = False

    def make(self, rows: Sequence[Row], known: Categories) -> Categories:
        """Make what these rows name and there is not; returns the categories that there are then."""
        beaten = time.monotonic()
        for name in dict.fromkeys(name for row in rows for name in row.values.get("categories", ())):
            path = possible_path(name)
            if path is None or name in self._refused or self._is_full or self.made >= MAX_NEW_CATEGORIES:
                continue
            if known.find(name) is None:
                known = self._make(name, path, known)
            if time.monotonic() - beaten > BEAT_S:
                self._beat()
                beaten = time.monotonic()
        return known

    def _make(self, name: str, path: list[str], known: Categories) -> Categories:
        try:
            self._make_path(path, known)
            self.made += 1
        except TooManyCategories:
            self._is_full = True
        except Refusal:
            self._refused.add(name)
        return Categories()  # also after a refusal: part of the path may be made, or somebody else has just made it

    def _make_path(self, path: list[str], known: Categories) -> None:
        parent_id = None
        for depth, name in enumerate(path, start=1):
            found = known.find(f" {SEPARATOR} ".join(path[:depth]))
            if found is None:
                found = service.create_category(actor=self._actor, now=utc_now(), name=name, parent_id=parent_id).id
            parent_id = found
