"""Reads of storefronts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select

from app.core.extensions import db
from app.core.orm import database_now
from app.core.pagination import Page, fetch_page
from app.rpa.errors import StorefrontNotFound
from app.rpa.models.storefronts import Storefront
from app.rpa.rules import holds


def get_storefront(storefront_id: int) -> Storefront:
    """One storefront; raises StorefrontNotFound."""
    row = db.session.get(Storefront, storefront_id)
    if row is None:
        raise StorefrontNotFound("There is no such storefront.")
    return row


def with_standing(row: Storefront) -> Storefront:
    """A storefront with why nothing of it starts now, and the pages of this day."""
    _add_standing([row])
    return row


def find_storefront(code: str) -> Storefront | None:
    """The storefront of that code."""
    return db.session.scalar(select(Storefront).where(Storefront.code == code))


def storefront_names(storefront_ids: Collection[int]) -> dict[int, str]:
    """What these storefronts are called, by id; of at most as many as a page has."""
    if not storefront_ids:
        return {}
    rows = db.session.execute(select(Storefront.id, Storefront.name).where(Storefront.id.in_(storefront_ids)))
    return {row.id: row.name for row in rows}


def list_storefronts(*, limit: int, cursor: str | None) -> Page[Storefront]:
    """Storefronts in the order they were made, with their standing."""
    page = fetch_page(select(Storefront), keys=[(Storefront.id, False)], limit=limit, cursor=cursor)
    _add_standing(page.items)
    return page


def _add_standing(rows: Sequence[Storefront]) -> None:
    now = database_now(db.session())
    for row in rows:
        vars(row).update(waits=holds.find_hold(row, now), pages_today=holds.pages_today(row, now))
