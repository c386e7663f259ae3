"""What people did with products since an operation added them or brought them back: reasons not to delete them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Select, func, or_, select

from app.core.extensions import db
from app.operations.models import Operation
from app.products import kinds
from app.products.models.products import ProductUpdate, Source
from app.products.models.stock import Allocation, StockMovement
from app.products.queries.stock import counters

_MAX_CHAIN: Final = 1000
"""Undos of undos that are followed; beyond it a change counts as somebody's own."""


def find_uses(added: Sequence[ProductUpdate]) -> dict[int, str]:
    """Why products must not be deleted that rows of the history say were added or brought back, by product.

    Not counted are what the farm saw, and changes of the operation itself and of what undid it or did it again. Stock
    that lay there already counts for an import, which is where people expect a product without any. In the open
    transaction, which has locked the products and their counters where it writes.
    """
    if not added:
        return {}
    found: dict[int, list[str]] = {update.product_id: [] for update in added}
    _note_changes(found, added)
    _note_stock(found, added)
    return {product_id: "; ".join(reasons) for product_id, reasons in found.items() if reasons}


def say_change(update: ProductUpdate) -> str:
    """Who made a change: ``by user 7 (product update 77)``."""
    actor = update.actor_kind if update.actor_id is None else f"{update.actor_kind} {update.actor_id}"
    return f"by {actor} (product update {update.id})"


def _note_changes(found: Mapping[int, list[str]], added: Sequence[ProductUpdate]) -> None:
    later = (
        select(func.max(ProductUpdate.id))
        .where(ProductUpdate.product_id.in_(found), ProductUpdate.id > min(update.id for update in added))
        .where(ProductUpdate.is_of_master())
        .group_by(ProductUpdate.product_id)
    )
    own = _own_operations(found, added)
    later = later.where(or_(ProductUpdate.operation_id.is_(None), ProductUpdate.operation_id.not_in(own)))
    newest = {row.product_id: row for row in _by_id(ProductUpdate, later)}
    for update in added:
        since = newest.get(update.product_id)
        if since is not None and since.id > update.id:
            found[update.product_id].append(f"changed since {say_change(since)}")


def _own_operations(product_ids: Collection[int], added: Sequence[ProductUpdate]) -> list[int]:
    """The operations behind these rows, and those of later rows that undid them or did them again."""
    of_products = select(ProductUpdate.operation_id).distinct()
    of_products = of_products.where(
        ProductUpdate.product_id.in_(product_ids),
        ProductUpdate.id >= min(update.id for update in added),
        ProductUpdate.operation_id.is_not(None),
    )
    begun = {id_: _root(id_) for id_ in db.session.scalars(of_products) if id_ is not None}
    roots = {begun[update.operation_id] for update in added if update.operation_id is not None}
    return [id_ for id_, root in begun.items() if root in roots]


def _root(operation_id: int) -> int:
    """The operation that an undo, an undo of an undo and so on goes back to."""
    for _ in range(_MAX_CHAIN):
        row = db.session.execute(
            select(Operation.kind, Operation.arguments).where(Operation.id == operation_id)
        ).one_or_none()
        if row is None or row.kind != kinds.UNDO:
            break
        operation_id = row.arguments["undoes"]
    return operation_id


def _note_stock(found: Mapping[int, list[str]], added: Sequence[ProductUpdate]) -> None:
    newest = (
        select(func.max(StockMovement.id))
        .where(StockMovement.product_id.in_(found))
        .group_by(StockMovement.product_id)
    )  # fmt: skip
    moved = {row.product_id: row for row in _by_id(StockMovement, newest)}
    present = {row.product_id: row for row in db.session.execute(counters(*found))}
    promised = _promised([product_id for product_id, row in present.items() if row.allocated])
    for update in added:
        row, movement = present[update.product_id], moved.get(update.product_id)
        is_new = update.previous_attribute is None
        has_moved = movement is not None and (is_new or movement.created_at >= update.created_at)
        if row.on_hand and (has_moved or update.source == Source.IMPORT):
            found[update.product_id].append(f"has stock of {row.on_hand}")
        elif movement is not None and has_moved:
            found[update.product_id].append(f"its stock has moved since (stock movement {movement.id})")
        if row.allocated:
            to = promised.get(update.product_id)
            found[update.product_id].append(f"{row.allocated} of it are promised" + (f", last to {to}" if to else ""))


def _promised(product_ids: Collection[int]) -> dict[int, str]:
    """To whom products were promised last."""
    newest = select(func.max(Allocation.id)).where(Allocation.product_id.in_(product_ids))
    return {row.product_id: row.label for row in _by_id(Allocation, newest.group_by(Allocation.product_id))}


def _by_id(model: type[Any], ids: Select[Any]) -> Sequence[Any]:
    named = list(db.session.scalars(ids))
    return db.session.scalars(select(model).where(model.id.in_(named))).all() if named else []
