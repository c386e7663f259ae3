"""Reads of storefronts."""

from __future__ import annotations

from sqlalchemy import select

from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.rpa.errors import StorefrontNotFound
from app.rpa.models.storefronts import Storefront


def get_storefront(storefront_id: int) -> Storefront:
    """One storefront; raises StorefrontNotFound."""
    row = db.session.get(Storefront, storefront_id)
    if row is None:
        raise StorefrontNotFound("There is no such storefront.")
    return row


def find_storefront(code: str) -> Storefront | None:
    """The storefront of that code."""
    return db.session.scalar(select(Storefront).where(Storefront.code == code))


def list_storefronts(*, limit: int, cursor: str | None) -> Page[Storefront]:
    """Storefronts in the order they were made."""
    return fetch_page(select(Storefront), keys=[(Storefront.id, False)], limit=limit, cursor=cursor)
