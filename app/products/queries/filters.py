"""Reads of saved filters."""

from __future__ import annotations

from sqlalchemy import select

from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.products.errors import FilterNotFound
from app.products.models.filters import ProductFilter


def get_filter(filter_id: int) -> ProductFilter:
    """One saved filter; raises FilterNotFound."""
    row = db.session.get(ProductFilter, filter_id)
    if row is None:
        raise FilterNotFound(f"There is no saved filter {filter_id}.")
    return row


def list_filters(*, limit: int, cursor: str | None) -> Page[ProductFilter]:
    """Saved filters by their names."""
    return fetch_page(
        select(ProductFilter), keys=[(ProductFilter.name, False), (ProductFilter.id, False)], limit=limit, cursor=cursor
    )
