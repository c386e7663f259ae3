"""Reads of suspicious changes."""

from __future__ import annotations

from sqlalchemy import select

from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.rpa.models.observations import ObservedChange
from app.rpa.models.storefronts import Storefront


def list_observed_changes(
    *, state: str | None, storefront: str | None, product_id: int | None, limit: int, cursor: str | None
) -> Page[ObservedChange]:
    """Suspicious changes, the newest first; ``storefront`` is a code."""
    query = select(ObservedChange)
    if state is not None:
        query = query.where(ObservedChange.state == state)
    if product_id is not None:
        query = query.where(ObservedChange.product_id == product_id)
    if storefront is not None:
        shop = db.session.scalar(select(Storefront.id).where(Storefront.code == storefront))
        if shop is None:
            return Page([], None)
        query = query.where(ObservedChange.storefront_id == shop)
    return fetch_page(query, keys=[(ObservedChange.id, True)], limit=limit, cursor=cursor)
