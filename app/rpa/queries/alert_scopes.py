"""Which products a rule is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from app.products.errors import FilterNotFound
from app.products.queries.categories import find_paths
from app.products.queries.filters import get_filter
from app.products.queries.products import find_fitting_among
from app.rpa.errors import AlertScopeUnknown, StorefrontUnknown
from app.rpa.queries.storefronts import find_storefront


class Scope(Protocol):
    """What a rule is about: one storefront or all; some products, or those of a category or a saved filter, or all."""

    @property
    def storefront(self) -> str | None:
        """The code of the only storefront."""

    @property
    def asins(self) -> list[str] | None:
        """The only products."""

    @property
    def category_id(self) -> int | None:
        """Products in this category or below it."""

    @property
    def product_filter_id(self) -> int | None:
        """Products that fit this saved filter."""


def check_scope(scope: Scope) -> None:
    """Raise StorefrontUnknown or AlertScopeUnknown for what does not exist."""
    if scope.storefront is not None and find_storefront(scope.storefront) is None:
        raise StorefrontUnknown.field("/storefront", "names no storefront.")
    if scope.category_id is not None and scope.category_id not in find_paths([scope.category_id]):
        raise AlertScopeUnknown.field("/category_id", f"There is no category {scope.category_id}.")
    if scope.product_filter_id is not None and _saved(scope.product_filter_id) is None:
        raise AlertScopeUnknown.field("/product_filter_id", "names no saved filter.")


def find_watched(scope: Scope, products: Mapping[int, str]) -> set[int]:
    """Those of some products (id -> ASIN) that a rule is about, as they are now."""
    if scope.asins is not None:
        return {id_ for id_, asin in products.items() if asin in scope.asins}
    if scope.category_id is not None:
        return find_fitting_among({"category": scope.category_id}, products)
    if scope.product_filter_id is not None:
        which = _saved(scope.product_filter_id)
        return set() if which is None else find_fitting_among(which, products)
    return set(products)


def _saved(filter_id: int) -> Mapping[str, Any] | None:
    try:
        return get_filter(filter_id).which
    except FilterNotFound:
        return None
