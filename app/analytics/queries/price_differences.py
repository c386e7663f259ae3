"""Where storefronts' prices differ most from ours, page by page.

There are two walks along one index: from the end where storefronts are cheapest, and from that where they are dearest.
What both are asked for is merged. A page looks at MAX_LOOKED_AT rows of each walk at most: with filters that hardly
anything fits it may be short, or empty, and still say where it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, exists, select

from app.analytics.models.prices import PriceGap
from app.analytics.queries.price_index import storefront_id_of
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.money import Money
from app.core.pagination import Page, behind, make_cursor, read_cursor
from app.products.models.categories import Category, ProductCategory
from app.products.models.products import Product
from app.rpa.models.storefronts import Storefront

MAX_LOOKED_AT: Final = 10_000


class Direction(StrEnum):
    """Which differences: where the storefront is cheaper than we are, where it is dearer, or both."""

    CHEAPER = "cheaper"
    DEARER = "dearer"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class _Walk:
    """One way along the index, away from the largest difference."""

    is_down: bool
    """Through positive ratios: the storefront is dearer."""

    @property
    def keys(self) -> list[tuple[Any, bool]]:
        """What it is ordered by: all the same way, so that it is the index itself or its reverse."""
        return [(column, self.is_down) for column in (PriceGap.log_ratio, PriceGap.product_id, PriceGap.storefront_id)]

    @property
    def bound(self) -> ColumnElement[bool]:
        """Which part of the index is its own."""
        return PriceGap.log_ratio > 0 if self.is_down else PriceGap.log_ratio < 0

    def position(self, key: Sequence[int]) -> tuple[int, ...]:
        """Where a row stands in the merged order, small ones first; of equal differences cheaper ones."""
        ratio, product_id, shop_id = key
        if self.is_down:
            return -ratio, 1, -product_id, -shop_id
        return ratio, 0, product_id, shop_id

    def from_position(self, key: Sequence[int]) -> ColumnElement[bool]:
        """What of it comes behind a row of either walk."""
        ratio = key[0]
        if (ratio > 0) == self.is_down:
            return behind(self.keys, key)
        return PriceGap.log_ratio <= -ratio if self.is_down else PriceGap.log_ratio > -ratio


_WALKS: Final = {
    Direction.CHEAPER: (_Walk(is_down=False),),
    Direction.DEARER: (_Walk(is_down=True),),
    Direction.BOTH: (_Walk(is_down=False), _Walk(is_down=True)),
}
_CURSOR: Final = _Walk(is_down=False).keys
_OF_MASTER: Final = ("name", "brand", "our_price", "difference")
_Found = tuple[tuple[int, ...], tuple[int, int, int]]
"""The position of a row, and its key."""


def list_price_differences(
    *,
    direction: str,
    limit: int,
    shows_master: bool,
    cursor: str | None = None,
    storefront: str | None = None,
    brand: str | None = None,
    category_id: int | None = None,
) -> Page[dict[str, Any]]:
    """Products at storefronts by how far the prices are apart, the largest difference first; equal ones are not in it.

    ``category_id`` is a category with all below it. What the product master says is None unless ``shows_master``.
    Raises StorefrontUnknown, and Invalid for an unknown category.
    """
    conditions = [] if storefront is None else [PriceGap.storefront_id == storefront_id_of(storefront)]
    checks = _checks(brand, category_id)
    behind_key = read_cursor(cursor, _CURSOR) if cursor else None
    found: list[_Found] = []
    ends: list[_Found] = []
    for walk in _WALKS[Direction(direction)]:
        rows, end = _look(walk, conditions, checks, behind_key, limit)
        found += rows
        ends += [] if end is None else [end]
    end = min(ends, default=None)
    reached = sorted(row for row in found if end is None or row <= end)
    items = _items([key for _, key in reached[:limit]], shows_master=shows_master)
    if len(reached) > limit:
        return Page(items, make_cursor(reached[limit - 1][1], _CURSOR))
    return Page(items, None if end is None else make_cursor(end[1], _CURSOR))


def _checks(brand: str | None, category_id: int | None) -> list[ColumnElement[bool]]:
    """What of a row's product is checked."""
    checks: list[ColumnElement[bool]] = []
    if brand is not None:
        checks.append(exists().where(Product.id == PriceGap.product_id, Product.brand == brand))
    if category_id is not None:
        if db.session.get(Category, category_id) is None:
            raise Invalid.field("/category_id", "There is no such category.", place="query")
        mine = ProductCategory.product_id == PriceGap.product_id, ProductCategory.category_id == category_id
        checks.append(exists().where(*mine))
    return checks


def _look(
    walk: _Walk,
    conditions: list[ColumnElement[bool]],
    checks: list[ColumnElement[bool]],
    behind_key: Sequence[int] | None,
    limit: int,
) -> tuple[list[_Found], _Found | None]:
    """The next rows of a walk that fit, and the last row that was looked at; None where that was all there is."""
    most = MAX_LOOKED_AT if checks else limit + 1
    columns = [column for column, _ in walk.keys]
    order = [column.desc() if down else column.asc() for column, down in walk.keys]
    fits = case((and_(*checks), 1), else_=0) if checks else case((walk.bound, 1), else_=0)
    part = select(*columns, fits.label("fits")).where(walk.bound, *conditions)
    if behind_key is not None:
        part = part.where(walk.from_position(behind_key))
    seen = db.session.execute(part.order_by(*order).limit(most)).all()
    rows = [_found(walk, row) for row in seen if row.fits]
    return rows, _found(walk, seen[-1]) if len(seen) == most else None


def _found(walk: _Walk, row: Any) -> _Found:
    key = (row.log_ratio, row.product_id, row.storefront_id)
    return walk.position(key), key


def _items(keys: Sequence[tuple[int, int, int]], *, shows_master: bool) -> list[dict[str, Any]]:
    """What is shown of these rows, in their order."""
    if not keys:
        return []
    named = (
        select(
            PriceGap, Product.asin, Product.name, Product.brand,
            Storefront.code.label("storefront"), Storefront.name.label("storefront_name"),
        )
        .join(Product, Product.id == PriceGap.product_id)
        .join(Storefront, Storefront.id == PriceGap.storefront_id)
        .where(PriceGap.product_id.in_({key[1] for key in keys}), PriceGap.storefront_id.in_({key[2] for key in keys}))
    )  # fmt: skip
    by_key = {(row.PriceGap.product_id, row.PriceGap.storefront_id): row for row in db.session.execute(named)}
    items = [_item(by_key[key[1:]]) for key in keys if key[1:] in by_key]
    return items if shows_master else [item | dict.fromkeys(_OF_MASTER) for item in items]


def _item(row: Any) -> dict[str, Any]:
    gap: PriceGap = row.PriceGap
    ours, theirs = Money(gap.our_minor, gap.currency), Money(gap.their_minor, gap.their_currency)
    return {
        "product_id": gap.product_id,
        "asin": row.asin,
        "name": row.name,
        "brand": row.brand,
        "storefront": row.storefront,
        "storefront_name": row.storefront_name,
        "currency": gap.currency,
        "our_price": gap.our_minor,
        "their_price": gap.their_minor,
        "difference": gap.their_minor - gap.our_minor,
        "difference_percent": str(ours.percent_change_to(theirs)),
        "observed_at": gap.observed_at,
    }
