"""Reads of the category tree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Integer, literal, select

from app.core.extensions import db
from app.products.models.categories import MAX_DEPTH, Category

_MAX_ID: Final = 2**63 - 1


def find_paths(category_ids: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """For each of these categories that exists: itself and all above it, from itself upwards. One query for all."""
    wanted = sorted({id_ for id_ in category_ids if 0 < id_ <= _MAX_ID})
    if not wanted:
        return {}
    start = select(
        Category.id.label("start"), Category.id, Category.parent_id, literal(1, Integer).label("step")
    ).where(Category.id.in_(wanted))
    below = start.cte("path", recursive=True)
    above = select(below.c.start, Category.id, Category.parent_id, below.c.step + 1).where(
        Category.id == below.c.parent_id, below.c.step < MAX_DEPTH
    )
    path = below.union_all(above)
    found: dict[int, tuple[int, ...]] = {}
    for start_id, id_ in db.session.execute(select(path.c.start, path.c.id).order_by(path.c.start, path.c.step)):
        found[start_id] = (*found.get(start_id, ()), id_)
    return found
