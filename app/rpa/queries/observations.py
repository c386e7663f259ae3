"""Reads of the time series: what a storefront showed of a product, visit by visit or by day, newest first."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import Select, select

from app.core.extensions import db
from app.core.pagination import Page, fetch_page, make_cursor, read_cursor
from app.products.errors import ProductNotFound
from app.products.models.products import Product
from app.rpa.errors import StorefrontUnknown
from app.rpa.models.observations import Observation, ObservationDay, ObservationFold
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.series import day_of, fold, new_day

MOST: Final = 10_000
"""Observations that are not summed up yet and are looked at for one page: of one product, some days' worth."""
_DAYS: Final = [(ObservationDay.day, True)]


def list_observations(
    product_id: int, *, storefront: str, since: datetime | None, until: datetime | None, limit: int, cursor: str | None
) -> Page[Observation]:
    """Single observations from ``since`` on and before ``until``; raises ProductNotFound, StorefrontUnknown."""
    query = _of(product_id, _storefront_id(product_id, storefront))
    if since is not None:
        query = query.where(Observation.observed_at >= since)
    if until is not None:
        query = query.where(Observation.observed_at < until)
    return fetch_page(query, keys=[(Observation.id, True)], limit=limit, cursor=cursor)


def list_days(
    product_id: int, *, storefront: str, since: datetime | None, until: datetime | None, limit: int, cursor: str | None
) -> Page[ObservationDay]:
    """Days (UTC) from that of ``since`` on to that before ``until``; raises as ``list_observations``.

    Days that are not summed up yet are so for the answer.
    """
    shop_id = _storefront_id(product_id, storefront)
    folded = db.session.scalar(select(ObservationFold.until))
    first = date.min if since is None else day_of(since)
    last = date.max if until is None else day_of(until - timedelta(microseconds=1))
    after = read_cursor(cursor, _DAYS)[0] if cursor else date.max
    fresh = [day for day in _fresh(product_id, shop_id, folded) if first <= day.day <= last and day.day < after]
    if len(fresh) >= limit:
        return Page(fresh[:limit], make_cursor([fresh[limit - 1].day], _DAYS))
    if folded is None:
        return Page(fresh, None)
    kept = select(ObservationDay).where(
        ObservationDay.product_id == product_id, ObservationDay.storefront_id == shop_id,
        ObservationDay.day >= first, ObservationDay.day <= last, ObservationDay.day < day_of(folded),
    )  # fmt: skip
    page = fetch_page(kept, keys=_DAYS, limit=limit - len(fresh), cursor=cursor)
    return Page([*fresh, *page.items], page.next_cursor)


def _fresh(product_id: int, shop_id: int, folded: datetime | None) -> list[ObservationDay]:
    """The days that are not summed up yet, newest first."""
    query = _of(product_id, shop_id)
    if folded is not None:
        query = query.where(Observation.observed_at >= folded)
    rows = list(db.session.scalars(query.order_by(Observation.id.desc()).limit(MOST)))
    days: dict[date, ObservationDay] = {}
    for row in sorted(rows, key=lambda row: (row.observed_at, row.id)):
        fold(days.setdefault(day_of(row.observed_at), new_day(row)), row)
    return sorted(days.values(), key=lambda day: day.day, reverse=True)


def _of(product_id: int, shop_id: int) -> Select[Observation]:
    return select(Observation).where(Observation.product_id == product_id, Observation.storefront_id == shop_id)


def _storefront_id(product_id: int, code: str) -> int:
    if db.session.scalar(select(Product.id).where(Product.id == product_id)) is None:
        raise ProductNotFound(f"There is no product {product_id}.")
    shop_id = db.session.scalar(select(Storefront.id).where(Storefront.code == code))
    if shop_id is None:
        raise StorefrontUnknown.field("/storefront", "There is no such storefront.", place="query")
    return shop_id
