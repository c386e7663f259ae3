"""Which products are in which categories: the only writer of ``product_category``.

A product's own row names the categories it was put into (``product.categories``); here are the rows that make "all
products of a category and of those below it" one range of an index: one for each of those, and for each above them.
Whoever gives products other categories does this, in one transaction and in this order::

    placing = share_tree(all category ids that are wanted)     # before any product is locked
    ids = placing.check(wanted ids of one product)              # refuses unknown ones by name
    ... lock the products, set product.categories = ids with history, as with any attribute ...
    put_products({product id: ids, ...}, placing)               # at most some hundred products
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Delete, Insert, delete, exists, false, func, insert, select
from sqlalchemy.orm import aliased

from app.core.errors import FieldError, Invalid
from app.core.extensions import db
from app.core.orm import count_changed
from app.products.cache import forget_lists
from app.products.models.categories import MAX_PER_PRODUCT, Category, ProductCategory
from app.products.queries.categories import find_paths
from app.products.services import category_lock

SPAN: Final = 20_000
"""Ids of products that one statement of a move is about, so that none takes as long as statements may."""


@dataclass(frozen=True, slots=True)
class Placing:
    """Some categories and what is above each; it stays true until the transaction ends that asked for it."""

    paths: Mapping[int, tuple[int, ...]]
    """Of each that exists: itself and all above it."""

    def check(self, category_ids: Sequence[int], *, pointer: str = "/categories") -> list[int]:
        """The ids as a product keeps them: ascending, each once.

        Raises Invalid, which points at each that does not exist (``/categories/3``), or for more than MAX_PER_PRODUCT.
        """
        unknown = [at for at, id_ in enumerate(category_ids) if id_ not in self.paths]
        if unknown:
            errors = tuple(FieldError(f"{pointer}/{at}", f"There is no category {category_ids[at]}.") for at in unknown)
            raise Invalid("The request breaks a rule.", errors=errors)
        found = sorted(set(category_ids))
        if len(found) > MAX_PER_PRODUCT:
            raise Invalid.field(pointer, f"must name at most {MAX_PER_PRODUCT} categories.")
        return found


UNPLACED: Final = Placing({})
"""Of who asked for no categories, and so has not taken the tree."""


def share_tree(category_ids: Iterable[int]) -> Placing:
    """Learn what is above these categories, and keep the tree as it is until the open transaction ends.

    Needed also to take products out of categories, with no ids: a move that runs at the same moment would bring their
    rows back. Any number of transactions may have the tree like this at once; a change of the tree waits for them and
    they for it, so ask before locking products. Two queries, whatever the number of ids.
    """
    category_lock.share()
    return Placing(find_paths(category_ids))


def put_products(wanted: Mapping[int, Sequence[int]], placing: Placing, *, new: bool = False) -> None:
    """Have these products, by id, be in just the categories given; those must be known to ``placing``.

    In the open transaction, which has locked the products (or, with ``new``, made them just now) and writes
    ``product.categories`` itself together with what else it changes of their rows: ids ascending, as ``Placing.check``
    gives them. Two statements, whatever the number of products; at most some hundred at once.
    """
    if wanted and not new:
        count_changed(db.session(), delete(ProductCategory).where(ProductCategory.product_id.in_(sorted(wanted))))
    rows = sorted(
        (category_id, product_id, category_id in direct)
        for product_id, direct in wanted.items()
        for category_id in {above for id_ in direct for above in placing.paths[id_]}
    )
    if rows:
        named = [dict(zip(("category_id", "product_id", "is_direct"), row, strict=True)) for row in rows]
        db.session.execute(insert(ProductCategory), named)


def move_category(category_id: int, *, lost: Sequence[int], gained: Sequence[int]) -> None:
    """Bring the rows above all products of a category and below it in line with its new place in the tree.

    ``lost`` are the categories that were above it and are no more, from below upwards; ``gained`` those that are now.
    The open transaction has the tree alone and has moved the category. For every SPAN ids of products it is one
    statement for each category that is lost and one for all that are gained.
    """
    inside = select(func.min(ProductCategory.product_id), func.max(ProductCategory.product_id))
    first, last = db.session.execute(inside.where(ProductCategory.category_id == category_id)).one()
    if first is None:
        return
    forget_lists()
    spans = [(start, start + SPAN - 1) for start in range(first, last + 1, SPAN)]
    for above in lost:  # what is above asks what is left below it
        for span in spans:
            count_changed(db.session(), _leave(category_id, above, span))
    for span in spans if gained else []:
        db.session.execute(_enter(category_id, gained, span))


def _leave(category_id: int, above: int, span: tuple[int, int]) -> Delete:
    """Take the products of a category out of one that is no longer above it, unless something else puts them there."""
    row, moved, other = aliased(ProductCategory), aliased(ProductCategory), aliased(ProductCategory)
    through_another = exists(
        select(other.product_id)
        .join(Category, Category.id == other.category_id)
        .where(Category.parent_id == above, other.product_id == row.product_id)
    )
    # a named result of its own, made unique: MySQL deletes from no table that the statement also looks at otherwise
    gone = (
        select(row.product_id)
        .join(moved, moved.product_id == row.product_id)
        .where(moved.category_id == category_id, moved.product_id.between(*span))
        .where(row.category_id == above, row.is_direct.is_(False), ~through_another)
        .distinct()
        .subquery("gone")
    )
    return delete(ProductCategory).where(
        ProductCategory.category_id == above,
        ProductCategory.product_id.between(*span),
        ProductCategory.product_id.in_(select(gone.c.product_id)),
    )


def _enter(category_id: int, gained: Sequence[int], span: tuple[int, int]) -> Insert:
    """Put the products of a category into those that are above it now, where they are not yet."""
    moved, present = aliased(ProductCategory), aliased(ProductCategory)
    is_there = exists().where(present.category_id == Category.id, present.product_id == moved.product_id)
    rows = (
        select(Category.id, moved.product_id, false())
        .join(moved, moved.category_id == category_id)
        .where(Category.id.in_(gained), moved.product_id.between(*span), ~is_there)
    )
    return insert(ProductCategory).from_select(["category_id", "product_id", "is_direct"], rows)
