"""Finding categories by words of their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import select

from app.core.extensions import db
from app.products.models.categories import MAX_DEPTH, Category


@dataclass(frozen=True, slots=True)
class FoundCategory:
    """A category with the names of all above it, the topmost first."""

    id: int
    name: str
    above: tuple[str, ...]


def search_categories(text: str, *, limit: int) -> tuple[list[FoundCategory], int]:
    """The first ``limit`` categories whose name has every word of a text, in any case, and how many there are.

    A word may be a part of one. First come those whose name begins with the text, then by name. All categories are
    looked at, of which there are MAX_CATEGORIES at most.
    """
    words = text.casefold().split()
    rows = db.session.execute(select(Category.id, Category.parent_id, Category.name)).all()
    plain = {row.id: row.name.casefold() for row in rows}
    fits = [id_ for id_, name in plain.items() if words and all(word in name for word in words)]
    fits.sort(key=lambda id_: (not plain[id_].startswith(words[0]), plain[id_], id_))
    known = {row.id: (row.parent_id, row.name) for row in rows}
    return [FoundCategory(id_, known[id_][1], _above(id_, known)) for id_ in fits[:limit]], len(fits)


def parents_among(category_ids: Iterable[int]) -> set[int]:
    """Which of these have categories below them."""
    wanted = select(Category.parent_id).where(Category.parent_id.in_(sorted(set(category_ids)))).distinct()
    return {id_ for id_ in db.session.scalars(wanted) if id_ is not None}


def _above(category_id: int, known: Mapping[int, tuple[int | None, str]]) -> tuple[str, ...]:
    names: list[str] = []
    at = known[category_id][0]
    while at is not None and len(names) < MAX_DEPTH:
        at, name = known[at]
        names.append(name)
    return tuple(names[::-1])
