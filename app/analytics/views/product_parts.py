"""What the pages of products are made of; each part is there for whom the API would answer with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.analytics.errors import PeriodTooWide
from app.analytics.forms.products import ProductSearch
from app.analytics.queries.recommendations import recommend_with
from app.analytics.queries.sales_figures import comparison
from app.analytics.rules.periods import Period, period_of
from app.analytics.rules.recommendations import Kind
from app.analytics.rules.sales_figures import Filters
from app.analytics.views.sales_parts import MEANINGS, tiles_of
from app.analytics.views.tiles import Tile
from app.auth.queries.names import user_names
from app.core.api import current_principal
from app.core.orm import utc_now
from app.core.pagination import Page
from app.core.running import settings
from app.orders.services.sales import day_of
from app.products.changes import DELETED
from app.products.errors import ProductNotFound
from app.products.models.products import Product, ProductUpdate, Source
from app.products.queries.categories import name_paths
from app.products.queries.inventory import get_stock, list_stock
from app.products.queries.listing import list_products
from app.products.queries.products import find_products_by_asins, get_product
from app.products.queries.updates import list_history
from app.products.search.pages import search_products
from app.rpa.queries.storefronts import storefront_names

_ROWS: Final = 50
_CHANGES: Final = 20
_RECOMMENDED: Final = 6
_ATTRIBUTES: Final = {"asin": "ASIN", "gtin": "GTIN", "is_active": "For sale", "threshold": "Low below"}
_WORDS: Final = {"true": "Yes", "false": "No"}
_SOURCES: Final = {Source.API: "By hand or API", Source.IMPORT: "Import", Source.BULK: "Bulk action",
                   Source.REVERT: "Taken back"}  # fmt: skip
_SHOWN: Final = ("net", "gross", "units", "discount", "refunds", "total")


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the update history in words; None where there is no value, or nothing is known."""

    what: str
    before: str | None
    after: str | None
    source: str
    by: str | None
    task_id: int | None
    at: datetime


def find_products(form: ProductSearch) -> tuple[Page[Any], dict[int, Any]]:
    """A page of products, and by their ids what is in stock of them for whom that is shown to."""
    asked: dict[str, Any] = {"limit": _ROWS, "cursor": form.cursor}
    page = search_products(**form.which, **asked) if form.which else list_products(**asked)
    ids = [row.id for row in page.items]
    if not ids or not current_principal().may("stock:read"):
        return page, {}
    return page, {row.product_id: row for row in list_stock(limit=_ROWS, product_ids=ids).items}


def read_product(asin: str, *, cursor: str | None) -> dict[str, Any]:
    """All that the page of a product shows; ``cursor`` is of its changes. Raises ProductNotFound."""
    found = find_products_by_asins([asin])
    if asin not in found:
        raise ProductNotFound(f"There is no product with the ASIN {asin}.")
    product, may = get_product(found[asin]), current_principal().may
    period = period_of(None, None, today=day_of(utc_now()))
    changes = list_history(product.id, limit=_CHANGES, cursor=cursor)
    return {
        "product": product,
        "paths": [path for _, path in sorted(name_paths(product.categories).items())],
        "stock": get_stock(product.id) if may("stock:read") else None,
        "period": period,
        "tiles": _tiles(product, period) if may("sales:read") else None,
        "meanings_of": [each for each in MEANINGS if each[0] in _SHOWN] if may("sales:read") else [],
        "recommended": {str(kind): recommend_with(asin, kind=kind, limit=_RECOMMENDED) for kind in Kind},
        "changes": Page(_changes(changes.items), changes.next_cursor),
    }


def _tiles(product: Product, period: Period) -> list[Tile] | None:
    """The totals of the product beside those before, in the shop's currency; None where they take too long."""
    try:
        compared = comparison(period, Filters(asin=product.asin, currency=settings().currency))
    except PeriodTooWide:
        return None
    return tiles_of(compared[0])


def _changes(rows: Sequence[ProductUpdate]) -> list[Change]:
    shops = storefront_names({row.storefront_id for row in rows if row.storefront_id is not None})
    people = user_names(row.actor_id for row in rows if row.actor_kind == "user" and row.actor_id is not None)
    return [_change(row, shops, people) for row in rows]


def _change(row: ProductUpdate, shops: Mapping[int, str], people: Mapping[int, str]) -> Change:
    values: list[str | None] = [row.previous_attribute, row.current_attribute]
    what = _ATTRIBUTES.get(row.attribute, row.attribute.capitalize())
    if row.attribute == DELETED:
        what = "Deleted" if values[1] == "true" else "Added" if values[0] is None else "Brought back"
        values = [None, None]
    before, after = (_WORDS.get(each, each) if each is not None else None for each in values)
    by = people.get(row.actor_id or 0) if row.actor_kind == "user" else None
    return Change(what, before, after, _source(row, shops), by, row.task_id, row.created_at)


def _source(row: ProductUpdate, shops: Mapping[int, str]) -> str:
    if row.source != Source.FARM:
        return _SOURCES[Source(row.source)]
    shop = shops.get(row.storefront_id or 0, "a storefront")
    return f"Seen at {shop}" if row.observed_id is None else f"Taken over from {shop}"
