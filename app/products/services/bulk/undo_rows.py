"""Taking rows of the update history back, many at once: decided alike for the dry run and the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import func, select

from app.core.extensions import db
from app.products.bulk import RowRefused
from app.products.changes import ATTRIBUTES, DELETED, THRESHOLD, Change, as_text, from_text
from app.products.errors import shown
from app.products.models.products import ProductUpdate
from app.products.services.bulk.many import Present, read_products
from app.products.services.bulk.rows import Chunk, RowResult, check_categories, place
from app.products.services.bulk.undo_since import find_uses, say_change
from app.products.services.memberships import share_tree

_REVERTIBLE: Final = frozenset({*ATTRIBUTES, DELETED, THRESHOLD}) - {"asin"}


class _MovedOn(RowRefused):
    """Somebody has changed it since."""


def examine_updates(updates: Sequence[ProductUpdate], *, lock: bool) -> Chunk:
    """What taking back some rows does, the newest first; with ``lock`` their products stay as they are until then."""
    chunk = Chunk()
    attributes = {update.attribute for update in updates} & _REVERTIBLE
    if lock and "categories" in attributes:
        share_tree(())
    chunk.present = read_products({update.product_id for update in updates}, attributes, lock=lock)
    if "categories" in attributes:
        named = [from_text("categories", row.previous_attribute) for row in updates if row.attribute == "categories"]
        present = [each.values["categories"] for each in chunk.present.values()]
        chunk.placing = place((), [*named, *present])
    uses = find_uses([update for update in updates if update.attribute == DELETED and _previous(update)])
    moved = [at for at, update in enumerate(updates) if not _take_back(chunk, update, uses)]
    if moved:
        _say_who(chunk, updates, moved)
    return chunk


def _take_back(chunk: Chunk, update: ProductUpdate, uses: Mapping[int, str]) -> bool:
    """Decide one row; False when somebody has changed the value since."""
    present = chunk.present[update.product_id]
    named: dict[str, Any] = {
        "product_id": present.product_id, "asin": present.asin, "attribute": update.attribute
    }  # fmt: skip
    try:
        before = present.values.get(update.attribute)
        wanted = _wanted(chunk, update, present, uses)
    except RowRefused as refused:
        chunk.results.append(RowResult(**named, result="refused", reason=str(refused)))
        return not isinstance(refused, _MovedOn)
    change = Change(update.attribute, as_text(before), as_text(wanted))
    result = "unchanged" if change.previous == change.current else "changed"
    chunk.results.append(RowResult(**named, result=result, previous=change.previous, current=change.current))
    if result == "changed":
        present.values[update.attribute] = wanted
        chunk.new.setdefault(present.product_id, {})[update.attribute] = wanted
        chunk.changes.setdefault(present.product_id, []).append(change)
        chunk.reverts[present.product_id, update.attribute] = update.id
    return True


def _wanted(chunk: Chunk, update: ProductUpdate, present: Present, uses: Mapping[int, str]) -> Any:
    """The value to go back to; raises RowRefused."""
    if update.attribute not in _REVERTIBLE:
        raise RowRefused(f"{update.attribute} is not taken back together with others.")
    wanted = _previous(update)
    has = as_text(present.values[update.attribute])
    if has == as_text(wanted):
        return wanted
    if has != update.current_attribute:
        raise _MovedOn(
            f"{update.attribute} is {shown(has)} now and no longer {shown(update.current_attribute)}: changed since"
        )
    if present.is_deleted and update.attribute != DELETED:
        raise RowRefused("The product is deleted; restore it first.")
    _check(chunk, update, present, wanted)
    if update.attribute == DELETED and wanted and update.product_id in uses:
        raise RowRefused(f"The product is not deleted: {uses[update.product_id]}.")
    return wanted


def _previous(update: ProductUpdate) -> Any:
    """What an attribute was before; before it was created, a product was as if deleted."""
    text = update.previous_attribute
    if update.attribute == DELETED:
        return text is None or text == "true"
    if update.attribute == THRESHOLD:
        return None if text is None else int(text)
    return from_text(update.attribute, text)


def _check(chunk: Chunk, update: ProductUpdate, present: Present, wanted: Any) -> None:
    if update.attribute == "price" and wanted.currency != present.values["price"].currency:
        raise RowRefused(f"The price was in {wanted.currency} and is in {present.values['price'].currency}.")
    if update.attribute == "categories":
        check_categories(wanted, chunk.placing.paths)


def _say_who(chunk: Chunk, updates: Sequence[ProductUpdate], moved: Sequence[int]) -> None:
    """Complete the reasons of what was changed since by who did that."""
    latest = _latest([updates[at] for at in moved])
    for at in moved:
        row, update = chunk.results[at], updates[at]
        since = latest.get((update.product_id, update.attribute))
        said = "." if since is None else f" {say_change(since)}."
        chunk.results[at] = RowResult(
            product_id=row.product_id,
            asin=row.asin,
            result=row.result,
            attribute=row.attribute,
            reason=f"{row.reason}{said}",
        )


def _latest(updates: Sequence[ProductUpdate]) -> Mapping[tuple[int, str], ProductUpdate]:
    """The last change of the master by product and attribute, behind the given ones."""
    newest = (
        select(func.max(ProductUpdate.id))
        .where(ProductUpdate.product_id.in_({update.product_id for update in updates}))
        .where(ProductUpdate.attribute.in_({update.attribute for update in updates}))
        .where(ProductUpdate.id > min(update.id for update in updates), ProductUpdate.is_of_master())
        .group_by(ProductUpdate.product_id, ProductUpdate.attribute)
    )
    ids = list(db.session.scalars(newest))
    rows = db.session.scalars(select(ProductUpdate).where(ProductUpdate.id.in_(ids)))
    given = {(update.product_id, update.attribute): update.id for update in updates}
    found = {(row.product_id, row.attribute): row for row in rows}
    return {key: row for key, row in found.items() if row.id > given.get(key, row.id)}
