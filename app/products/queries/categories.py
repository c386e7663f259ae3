"""Reads of the category tree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import CTE, Integer, exists, func, literal, select

from app.core.cache import cache
from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.products.errors import CategoryNotFound
from app.products.models.categories import MAX_DEPTH, Category, CategoryTree, ProductCategory
from app.products.models.products import Product
from app.products.tree import Node, Tree

AT_THE_TOP: Final = 0
"""As a parent's id: what has none."""
NO_STAMP: Final = "empty"
_KEEP_S: Final = 3600
_MAX_ID: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class CategoryRecord:
    """A category with all above it, the topmost first."""

    id: int
    parent_id: int | None
    name: str
    slug: str
    ancestors: list[Category]
    version: int
    created_at: datetime
    updated_at: datetime


def find_paths(category_ids: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """For each of these categories that exists: itself and all above it, from itself upwards. One query for all."""
    wanted = sorted({id_ for id_ in category_ids if 0 < id_ <= _MAX_ID})
    if not wanted:
        return {}
    path = _paths(wanted)
    found: dict[int, tuple[int, ...]] = {}
    for start_id, id_ in db.session.execute(select(path.c.start, path.c.id).order_by(path.c.start, path.c.step)):
        found[start_id] = (*found.get(start_id, ()), id_)
    return found


def name_paths(category_ids: Iterable[int]) -> dict[int, list[str]]:
    """For each of these categories that exists: the names of all above it, the topmost first, and its own."""
    wanted = sorted(set(category_ids))
    if not wanted:
        return {}
    path = _paths(wanted)
    names = select(path.c.start, Category.name).join(Category, Category.id == path.c.id)
    found: dict[int, list[str]] = {}
    for row in db.session.execute(names.order_by(path.c.start, path.c.step.desc())):
        found.setdefault(row.start, []).append(row.name)
    return found


def get_category(category_id: int) -> CategoryRecord:
    """One category; raises CategoryNotFound."""
    path = _paths([category_id])
    found = select(Category).join(path, path.c.id == Category.id).order_by(path.c.step.desc())
    line = list(db.session.scalars(found))
    if not line:
        raise CategoryNotFound(f"There is no category {category_id}.")
    category = line[-1]
    return CategoryRecord(
        id=category.id,
        parent_id=category.parent_id,
        name=category.name,
        slug=category.slug,
        ancestors=line[:-1],
        version=category.version,
        created_at=category.created_at,
        updated_at=category.updated_at,
    )


def list_categories(*, limit: int, cursor: str | None = None, parent_id: int | None = None) -> Page[Category]:
    """All categories as they were made; with ``parent_id`` (AT_THE_TOP: without parent) those below it in their order.

    Raises CategoryNotFound for a parent that does not exist.
    """
    if parent_id is None:
        return fetch_page(select(Category), keys=[(Category.id, False)], limit=limit, cursor=cursor)
    if parent_id == AT_THE_TOP:
        wanted = select(Category).where(Category.parent_id.is_(None))
    else:
        if not db.session.scalar(select(exists().where(Category.id == parent_id))):
            raise CategoryNotFound(f"There is no category {parent_id}.")
        wanted = select(Category).where(Category.parent_id == parent_id)
    return fetch_page(wanted, keys=[(Category.position, False), (Category.id, False)], limit=limit, cursor=cursor)


def tree_stamp() -> str:
    """What names the tree as it is now; another one after every change of any category."""
    return db.session.scalar(select(CategoryTree.stamp)) or NO_STAMP


def tree_document(stamp: str) -> bytes:
    """The whole tree as JSON, at least as new as ``stamp``, which was read just before.

    What is cached stands under its stamp, so nothing has to be invalidated, and nothing stale is ever found.
    """
    key = f"category-tree:{stamp}"
    known = cache().find(key)
    if known is None:
        known = orjson.dumps({"items": _nested()})
        cache().keep(key, known, seconds=_KEEP_S)
    return known


def read_tree() -> Tree:
    """The shape of the whole tree, for who has locked it."""
    rows = db.session.execute(select(Category.id, Category.parent_id, Category.name, Category.position))
    return Tree(Node(*row) for row in rows)


def count_living(category_id: int, *, at_most: int) -> int:
    """How many products that are not deleted are in a category or below it, counted up to a limit."""
    some = (
        select(ProductCategory.product_id)
        .join(Product, Product.id == ProductCategory.product_id)
        .where(ProductCategory.category_id == category_id, Product.deleted_at.is_(None))
        .limit(at_most)
        .subquery()
    )
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def _paths(category_ids: list[int]) -> CTE:
    """Rows (start, id, parent_id, step): step 1 is the category itself, then what is above it."""
    start = select(
        Category.id.label("start"), Category.id, Category.parent_id, literal(1, Integer).label("step")
    ).where(Category.id.in_(category_ids))
    path = start.cte("path", recursive=True)
    above = select(path.c.start, Category.id, Category.parent_id, path.c.step + 1).where(
        Category.id == path.c.parent_id, path.c.step < MAX_DEPTH
    )
    return path.union_all(above)


def _nested() -> list[dict[str, Any]]:
    columns = (Category.id, Category.parent_id, Category.name, Category.slug, Category.version)
    rows = db.session.execute(select(*columns).order_by(Category.position, Category.id)).all()
    shown = {
        row.id: {"id": row.id, "name": row.name, "slug": row.slug, "version": row.version, "children": []}
        for row in rows
    }
    top: list[dict[str, Any]] = []
    for row in rows:
        (top if row.parent_id is None else shown[row.parent_id]["children"]).append(shown[row.id])
    return top
