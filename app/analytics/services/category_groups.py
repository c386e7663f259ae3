"""The sets of categories that sales are counted in; for who has the lock of the rollups."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import insert, select

from app.analytics.models.sales_rollups import NO_CATEGORY, CategoryGroup, CategoryGroupMember
from app.core.orm import table_of
from app.core.transactions import connection
from app.products.models.categories import ProductCategory

_GROUP: Final = table_of(CategoryGroup)
_MEMBER: Final = table_of(CategoryGroupMember)
_PRODUCT_CATEGORY: Final = table_of(ProductCategory)
_AT_ONCE: Final = 900
"""MariaDB makes a table of what is looked for among 1,000 values or more."""
_NONE: Final = (NO_CATEGORY,)


def groups_of(product_ids: Iterable[int | None]) -> tuple[dict[int | None, int], dict[int, tuple[int, ...]]]:
    """The group of each product as it is now, made where it is new, and the categories of each of these groups.

    The categories of a product are those it was put into and those above them. Raises NoTransaction.
    """
    wanted = set(product_ids)
    found: dict[int | None, list[int]] = {product_id: [] for product_id in wanted}
    named = sorted(product_id for product_id in wanted if product_id is not None)
    for part in _parts(named):
        rows = select(_PRODUCT_CATEGORY.c.product_id, _PRODUCT_CATEGORY.c.category_id)
        for product_id, category_id in connection().execute(rows.where(_PRODUCT_CATEGORY.c.product_id.in_(part))):
            found[product_id].append(category_id)
    sets = {product_id: tuple(sorted(ids)) or _NONE for product_id, ids in found.items()}
    ids = _ids_of(set(sets.values()))
    return {product_id: ids[of] for product_id, of in sets.items()}, {id_: of for of, id_ in ids.items()}


def members_of(group_ids: Iterable[int]) -> dict[int, list[int]]:
    """The categories of groups that there are."""
    found: dict[int, list[int]] = {}
    for part in _parts(sorted(set(group_ids))):
        rows = select(_MEMBER.c.group_id, _MEMBER.c.category_id).where(_MEMBER.c.group_id.in_(part))
        for group_id, category_id in connection().execute(rows):
            found.setdefault(group_id, []).append(category_id)
    return found


def _ids_of(sets: set[tuple[int, ...]]) -> dict[tuple[int, ...], int]:
    by_key = {_key_of(of): of for of in sets}
    known = _known(by_key)
    new = [key for key in by_key if by_key[key] not in known]
    if new:
        connection().execute(insert(_GROUP), [{"unique_key": key} for key in new])
        known |= _known({key: by_key[key] for key in new})
        members = [{"group_id": known[by_key[key]], "category_id": of} for key in new for of in by_key[key]]
        connection().execute(insert(_MEMBER), members)
    return known


def _known(by_key: Mapping[str, tuple[int, ...]]) -> dict[tuple[int, ...], int]:
    found: dict[tuple[int, ...], int] = {}
    for part in _parts(sorted(by_key)):
        rows = select(_GROUP.c.unique_key, _GROUP.c.id).where(_GROUP.c.unique_key.in_(part))
        found |= {by_key[key]: id_ for key, id_ in connection().execute(rows)}
    return found


def _key_of(category_ids: Sequence[int]) -> str:
    return hashlib.sha256(",".join(map(str, category_ids)).encode()).hexdigest()


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[at : at + _AT_ONCE] for at in range(0, len(values), _AT_ONCE))
