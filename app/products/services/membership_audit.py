"""Whether the rows of ``product_category`` say what the products and the tree say, and making them say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select

from app.core import audit
from app.core.errors import Conflict
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.products.cache import forget_lists
from app.products.changes import Change, as_text
from app.products.events import ProductChange
from app.products.models.categories import ProductCategory
from app.products.models.products import Product, Source
from app.products.queries.categories import find_paths, read_tree, tree_stamp
from app.products.services import category_lock
from app.products.services.memberships import Placing, put_products
from app.products.services.recording import record_changes

CHUNK: Final = 1000

_Rows = frozenset[tuple[int, bool]]
"""Of one product: (category, whether it was put there itself)."""


class TreeHasLoops(Conflict):
    """From some categories no way leads up to the top, so that nobody can say what is above a product."""

    code = "CATEGORY_TREE_HAS_LOOPS"


@dataclass(frozen=True, slots=True)
class Wrong:
    """A product whose rows, or whose own list of categories, are not what they should be."""

    product_id: int
    unknown: list[int]
    """Categories that its own list names and that do not exist."""
    missing: list[int]
    surplus: list[int]
    """Categories whose row it lacks, or has and should not have, or has with the wrong mark of being direct."""


def audit_memberships(*, actor: Principal, now: datetime, repair: bool) -> Iterator[tuple[int, list[Wrong]]]:
    """Compare every product's rows with what its own list of categories and the tree demand, CHUNK products at a time.

    Yields how many products were looked at and what is wrong with them. The list is the truth, because it has a
    history; with ``repair`` the rows are made anew from it, and categories that do not exist are struck from it, with
    history. What looks wrong is looked at again under locks, so writes that happen meanwhile are no findings. Raises
    TreeHasLoops.
    """
    after, stamp, paths = 0, "", dict[int, list[int]]()
    while True:
        if stamp != (current := tree_stamp()):
            stamp, paths = current, _all_paths()
        products = select(Product.id, Product.categories).where(Product.id > after).order_by(Product.id).limit(CHUNK)
        listed = {row.id: row.categories for row in db.session.execute(products)}
        if not listed:
            return
        rows = _rows_of(list(listed))
        suspects = [id_ for id_, ids in listed.items() if not _is_right(ids, rows[id_], paths)]
        db.session.rollback()
        wrong = _settle(actor=actor, now=now, product_ids=suspects, repair=repair) if suspects else []
        yield len(listed), wrong
        after = max(listed)


@in_transaction
def _settle(*, actor: Principal, now: datetime, product_ids: list[int], repair: bool) -> list[Wrong]:
    category_lock.share()
    locked = select(Product).where(Product.id.in_(product_ids)).order_by(Product.id).with_for_update()
    products = list(db.session.scalars(locked))
    placing = Placing(find_paths({id_ for product in products for id_ in product.categories}))
    rows = _rows_of([product.id for product in products])
    suspects = [product for product in products if not _is_right(product.categories, rows[product.id], placing.paths)]
    wrong = [_describe(product.id, product.categories, rows[product.id], placing.paths) for product in suspects]
    if repair and suspects:
        _repair(suspects, placing, actor=actor, now=now)
        after = {"products": len(suspects), "from": suspects[0].id, "to": suspects[-1].id}
        audit.record(actor=actor, action="category.repair", subject=("category", None), after=after)
    return wrong


def _repair(products: Sequence[Product], placing: Placing, *, actor: Principal, now: datetime) -> None:
    changed = []
    for product in products:
        known = sorted({id_ for id_ in product.categories if id_ in placing.paths})
        if known != product.categories:
            change = Change("categories", as_text(product.categories), as_text(known))
            changed.append(ProductChange(product.id, product.asin, (change,)))
            product.categories = known
            product.version += 1
            product.updated_at = now
    db.session.flush()
    put_products({product.id: product.categories for product in products}, placing)
    forget_lists()
    record_changes(changed, actor=actor, now=now, source=Source.API)


def _all_paths() -> dict[int, list[int]]:
    tree = read_tree()
    if loops := tree.loops():
        shown = ", ".join(str(id_) for id_ in loops[:20])
        raise TreeHasLoops(
            f"From these categories no way leads up to the top: {shown}. Give them another parent first."
        )
    return {id_: tree.path(id_) for id_ in tree}


def _rows_of(product_ids: Sequence[int]) -> dict[int, _Rows]:
    columns = (ProductCategory.product_id, ProductCategory.category_id, ProductCategory.is_direct)
    found: dict[int, set[tuple[int, bool]]] = {id_: set() for id_ in product_ids}
    for row in db.session.execute(select(*columns).where(ProductCategory.product_id.in_(product_ids))):
        found[row.product_id].add((row.category_id, row.is_direct))
    return {id_: frozenset(rows) for id_, rows in found.items()}


def _wanted(ids: Sequence[int], paths: Mapping[int, Sequence[int]]) -> _Rows:
    return frozenset((above, above in ids) for id_ in ids for above in paths.get(id_, ()))


def _is_right(ids: Sequence[int], rows: _Rows, paths: Mapping[int, Sequence[int]]) -> bool:
    return list(ids) == sorted({id_ for id_ in ids if id_ in paths}) and rows == _wanted(ids, paths)


def _describe(product_id: int, ids: Sequence[int], rows: _Rows, paths: Mapping[int, Sequence[int]]) -> Wrong:
    wanted = _wanted(ids, paths)
    return Wrong(
        product_id,
        unknown=sorted(id_ for id_ in ids if id_ not in paths),
        missing=sorted(id_ for id_, _ in wanted - rows),
        surplus=sorted(id_ for id_, _ in rows - wanted),
    )
