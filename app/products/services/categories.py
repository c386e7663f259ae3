"""Writes of the category tree, one at a time (services/category_lock.py), so that none meets another half done."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update

from app.core import audit
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal
from app.core.text import TextRefused, cleaned
from app.core.transactions import in_transaction
from app.products.errors import (
    CategoryChanged,
    CategoryCycle,
    CategoryNameTaken,
    CategoryNotEmpty,
    CategoryNotFound,
    CategorySlugTaken,
    CategoryTooDeep,
    TooManyCategories,
)
from app.products.models.categories import MAX_CATEGORIES, MAX_CATEGORY_NAME, MAX_DEPTH, Category
from app.products.queries.categories import CategoryRecord, count_living, get_category, read_tree
from app.products.services import category_lock
from app.products.services.emptying import take_out_deleted
from app.products.services.memberships import move_category
from app.products.slugs import first_free, slug_of
from app.products.tree import Node, Tree

COUNTED: Final = 1000
"""Products of a category that is not empty are counted up to this many."""


@in_transaction
def create_category(
    *,
    actor: Principal,
    now: datetime,
    name: str,
    slug: str | None = None,
    parent_id: int | None = None,
    position: int | None = None,
) -> CategoryRecord:
    """Add a category below ``parent_id`` (None: at the top), at ``position`` among its siblings (None: behind them).

    Without a slug it gets one made from its name. Raises Invalid for a name that none can have, a parent that does not
    exist or a position behind the last, CategoryNameTaken, CategorySlugTaken, CategoryTooDeep, TooManyCategories.
    """
    name = _checked_name(name)
    category_lock.take()
    tree = read_tree()
    if len(tree) >= MAX_CATEGORIES:
        raise TooManyCategories(f"There are {MAX_CATEGORIES} categories, which is the most there may be.")
    _check_parent(tree, parent_id)
    _check_depth(len(tree.path(parent_id)) + 1)
    siblings = tree.children(parent_id)
    _require_free_name(siblings, name)
    category = Category(name=name, slug=_free_slug(slug, name), parent_id=parent_id, created_at=now, updated_at=now)
    category.position = _make_room(siblings, position)
    db.session.add(category)
    db.session.flush()
    category_lock.touch(now)
    audit.record(actor=actor, action="category.create", subject=("category", category.id), after=_audited(category))
    return get_category(category.id)


@in_transaction
def update_category(
    *, actor: Principal, now: datetime, category_id: int, expected_version: int, **values: Any
) -> CategoryRecord:
    """Give a category new ``values``: any of name, slug (None: made from the name), parent_id, position.

    Another parent moves it with all below it; without a position it is then behind its new siblings. The products
    below it are found below its new parents at once, and are not changed themselves. Versions of the categories below
    count up with its own, because they are shown with what is above them. Raises CategoryNotFound, CategoryChanged,
    CategoryCycle and what ``create_category`` raises.
    """
    category_lock.take()
    category = _get_for_change(category_id, expected_version)
    tree = read_tree()
    before, at_before = _audited(category), _index(tree, category)
    _place(tree, category, values)
    siblings = [node for node in tree.children(category.parent_id) if node.id != category.id]
    category.name = _checked_name(values["name"]) if "name" in values else category.name
    _require_free_name(siblings, category.name)
    if "slug" in values and values["slug"] != category.slug:
        category.slug = _free_slug(values["slug"], category.name, but=category.id)
    after = _audited(category)
    at = values.get("position", at_before if after["parent_id"] == before["parent_id"] else len(siblings))
    is_elsewhere = at != at_before or after["parent_id"] != before["parent_id"]
    if after == before and not is_elsewhere:
        return get_category(category.id)
    if is_elsewhere:
        category.position = _make_room(siblings, at)
    _count_up(tree, category, now, with_below=after != before)
    audit.record(
        actor=actor,
        action="category.update",
        subject=("category", category.id),
        before=before | {"position": at_before},
        after=after | {"position": at},
    )
    return get_category(category.id)


@in_transaction
def delete_category(*, actor: Principal, now: datetime, category_id: int, expected_version: int) -> None:
    """Delete a category that is empty; products that were deleted are taken out of it, which their history notes.

    Raises CategoryNotFound, CategoryChanged, and CategoryNotEmpty, which says what is in it.
    """
    category_lock.take()
    category = _get_for_change(category_id, expected_version)
    children = len(read_tree().children(category.id))
    if children or not take_out_deleted(category.id, actor=actor, now=now):
        raise _not_empty(children, count_living(category.id, at_most=COUNTED))
    audit.record(actor=actor, action="category.delete", subject=("category", category.id), before=_audited(category))
    db.session.delete(category)
    category_lock.touch(now)


def _get_for_change(category_id: int, expected_version: int) -> Category:
    category = db.session.get(Category, category_id)
    if category is None:
        raise CategoryNotFound(f"There is no category {category_id}.")
    if category.version != expected_version:
        raise CategoryChanged(f"The category has version {category.version}; this was based on {expected_version}.")
    return category


def _place(tree: Tree, category: Category, values: dict[str, Any]) -> None:
    """Move the category below another parent where ``values`` say so, and with it what is above its products."""
    parent_id = values.get("parent_id", category.parent_id)
    if parent_id == category.parent_id:
        return
    _check_parent(tree, parent_id)
    above, was_above = tree.path(parent_id), tree.path(category.parent_id)
    if category.id in above:
        raise CategoryCycle.at("/parent_id", "A category cannot be below itself or below what is below it.")
    _check_depth(len(above) + len(tree.levels(category.id)))
    category.parent_id = parent_id
    db.session.flush()
    move_category(
        category.id,
        lost=[id_ for id_ in was_above if id_ not in above],
        gained=[id_ for id_ in above if id_ not in was_above],
    )


def _count_up(tree: Tree, category: Category, now: datetime, *, with_below: bool) -> None:
    category.version += 1
    category.updated_at = now
    db.session.flush()
    below = [id_ for level in tree.levels(category.id)[1:] for id_ in level] if with_below else []
    if below:
        counted = update(Category).where(Category.id.in_(below))
        values = {"version": Category.version + 1, "updated_at": Category.updated_at}
        count_changed(db.session(), counted.values(values))
    category_lock.touch(now)


def _check_parent(tree: Tree, parent_id: int | None) -> None:
    if parent_id is not None and parent_id not in tree:
        raise Invalid.field("/parent_id", f"There is no category {parent_id}.")


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise CategoryTooDeep.at("/parent_id", f"The tree may have {MAX_DEPTH} levels; this would make {depth}.")


def _checked_name(name: str) -> str:
    try:
        return cleaned(name, shortest=1, longest=MAX_CATEGORY_NAME)
    except TextRefused as refused:
        raise Invalid.field("/name", str(refused)) from refused


def _require_free_name(siblings: list[Node], name: str) -> None:
    for node in siblings:
        if node.name.casefold() == name.casefold():
            raise CategoryNameTaken.at("/name", f"Category {node.id} with the same parent has the name {node.name}.")


def _free_slug(slug: str | None, name: str, *, but: int | None = None) -> str:
    """The slug if it is free; without one the first free one that the name gives."""
    wanted = slug or slug_of(name)
    others = select(Category.id, Category.slug).where(Category.slug.startswith(wanted, autoescape=True))
    taken = {row.slug: row.id for row in db.session.execute(others) if row.id != but}
    if slug is not None and slug in taken:
        raise CategorySlugTaken.at("/slug", f"Category {taken[slug]} has the slug {slug}.")
    return first_free(wanted, taken)


def _index(tree: Tree, category: Category) -> int:
    return [node.id for node in tree.children(category.parent_id)].index(category.id)


def _make_room(siblings: list[Node], at: int | None) -> int:
    """The value of ``position`` that puts a category at place ``at`` among its siblings, who step aside for it."""
    if at is None or at == len(siblings):
        return siblings[-1].position + 1 if siblings else 0
    if not 0 <= at < len(siblings):
        raise Invalid.field("/position", f"must be 0 to {len(siblings)}: so many categories have the same parent.")
    behind = update(Category).where(Category.id.in_([node.id for node in siblings[at:]]))
    values = {"position": Category.position + 1, "updated_at": Category.updated_at}
    count_changed(db.session(), behind.values(values))
    return siblings[at].position


def _not_empty(children: int, products: int) -> CategoryNotEmpty:
    many = f"at least {products}" if products == COUNTED else str(products)
    held = f"{children} {'category' if children == 1 else 'categories'}"
    goods = f"{many} {'product' if products == 1 else 'products'}"
    detail = f"It holds {held} and {goods}: move them out of it first."
    return CategoryNotEmpty(detail, categories=children, products=products)


def _audited(category: Category) -> dict[str, Any]:
    return {"name": category.name, "slug": category.slug, "parent_id": category.parent_id}
