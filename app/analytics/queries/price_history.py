"""What storefronts asked for a product day by day, beside what we asked.

Days are days of the shop as long as single visits are kept (OBSERVATION_DAYS). Before that there is only what the
visits of each day of UTC came to; the answer says until when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from app.analytics.rules.periods import Period
from app.analytics.rules.price_days import PriceDay, days_of, with_changes
from app.core.days import beginning_of
from app.core.extensions import db
from app.core.money import Money
from app.core.running import settings
from app.orders.services.sales import day_of
from app.products.errors import ProductNotFound
from app.products.models.products import Product, ProductUpdate
from app.rpa.models.observations import Observation, ObservationDay, ObservationFold
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.changes import money_of

MAX_DAYS: Final = 1_100
"""Three years."""
MAX_VISITS: Final = 20_000
"""The newest of a product that are looked at one by one; what is older comes from the days that are summed up."""
MAX_DAY_ROWS: Final = 20_000
MAX_CHANGES: Final = 5_000
"""The newest changes of our own price."""


def get_price_history(asin: str, *, period: Period, shows_master: bool, now: datetime) -> dict[str, Any]:
    """The prices of a product on every storefront, by storefront and day, with the days marked on which they changed.

    ``own`` are the changes of our own price, None unless ``shows_master``. ``utc_until``: up to and with this day, days
    are of UTC; None where all are of the shop. Raises ProductNotFound.
    """
    product = db.session.scalar(select(Product).where(Product.asin == asin, Product.deleted_at.is_(None)))
    if product is None:
        raise ProductNotFound(f"There is no product with the ASIN {asin}.")
    visited, utc_until = _visits(product.id, period, now)
    series = _summed_up(product.id, period, utc_until)
    for shop_id, days in visited.items():
        series[shop_id] += days
    return {
        "product_id": product.id,
        "asin": product.asin,
        "since": period.first_on,
        "until": period.last_on,
        "utc_until": utc_until,
        "storefronts": _named(series),
        "own": _own(product, period) if shows_master else None,
    }


def _visits(product_id: int, period: Period, now: datetime) -> tuple[dict[int, list[PriceDay]], date | None]:
    """The days of which every visit is there, by storefront, and the last day of the period that is none of them."""
    zone = settings().timezone
    start, end = period.instants(zone)
    kept_from = day_of(now - timedelta(days=settings().evidence.observation_days)) + timedelta(days=1)
    newest = (
        select(Observation.storefront_id, Observation.observed_at, Observation.price_minor, Observation.currency)
        .where(Observation.product_id == product_id, Observation.price_minor.is_not(None))
        .where(Observation.observed_at >= max(start, beginning_of(kept_from, zone)), Observation.observed_at < end)
        .order_by(Observation.observed_at.desc(), Observation.id.desc())
    )
    rows = db.session.execute(newest.limit(MAX_VISITS)).all()
    if len(rows) == MAX_VISITS:  # the day of the oldest one may not be whole
        kept_from = max(kept_from, day_of(rows[-1].observed_at) + timedelta(days=1))
    by_shop: dict[int, list[tuple[date, int, str]]] = defaultdict(list)
    for row in reversed(rows):
        day = day_of(row.observed_at)
        if day >= kept_from:
            by_shop[row.storefront_id].append((day, row.price_minor, row.currency))
    utc_until = min(kept_from - timedelta(days=1), period.last_on)
    days = {shop_id: days_of(visits) for shop_id, visits in by_shop.items()}
    return days, utc_until if utc_until >= period.first_on else None


def _summed_up(product_id: int, period: Period, until: date | None) -> dict[int, list[PriceDay]]:
    """The days of UTC up to and with ``until`` that were summed up, by storefront."""
    found: dict[int, list[PriceDay]] = defaultdict(list)
    if until is None:
        return found
    folded = db.session.scalar(select(ObservationFold.until))
    days = (
        select(ObservationDay)
        .where(ObservationDay.product_id == product_id, ObservationDay.last_minor.is_not(None))
        .where(ObservationDay.day >= period.first_on, ObservationDay.day <= until)
        .where(ObservationDay.day < (date.min if folded is None else folded.astimezone(UTC).date()))
        .order_by(ObservationDay.storefront_id, ObservationDay.day)
    )
    for row in db.session.scalars(days.limit(MAX_DAY_ROWS)):
        found[row.storefront_id].append(_day(row))
    return found


def _day(row: ObservationDay) -> PriceDay:
    """A day that was summed up and on which a price was seen."""
    first, last, lowest, highest = (
        int(minor or 0) for minor in (row.first_minor, row.last_minor, row.lowest_minor, row.highest_minor)
    )
    return PriceDay(row.day, str(row.currency), first, last, lowest, highest, row.priced_count)


def _named(series: dict[int, list[PriceDay]]) -> list[dict[str, Any]]:
    """The series with the storefronts' names, by code."""
    shops = select(Storefront.id, Storefront.code, Storefront.name).where(Storefront.id.in_(series))
    return [
        {"storefront": shop.code, "storefront_name": shop.name, "days": with_changes(series[shop.id])}
        for shop in db.session.execute(shops.order_by(Storefront.code))
    ]


def _own(product: Product, period: Period) -> list[dict[str, Any]]:
    """Our own price at the beginning of the period or of the product, and each change of it, the first one first."""
    start, end = period.instants(settings().timezone)
    of_price = select(ProductUpdate).where(
        ProductUpdate.product_id == product.id, ProductUpdate.attribute == "price", ProductUpdate.is_of_master()
    )
    newest = of_price.where(ProductUpdate.created_at >= start).order_by(ProductUpdate.id.desc()).limit(MAX_CHANGES)
    changes = list(db.session.scalars(newest))[::-1]
    first_at = max(start, product.created_at)
    before = money_of(changes[0].previous_attribute or "") if changes else product.price
    is_known = before is not None and first_at < end and len(changes) < MAX_CHANGES
    points = [_own_point(before, first_at)] if before is not None and is_known else []
    return points + _changed([change for change in changes if change.created_at < end])


def _changed(changes: Sequence[ProductUpdate]) -> list[dict[str, Any]]:
    prices = [(money_of(change.current_attribute or ""), change.created_at) for change in changes]
    return [_own_point(price, at) for price, at in prices if price is not None]


def _own_point(price: Money, at: datetime) -> dict[str, Any]:
    return {"at": at, "day": day_of(at), "price": price.minor, "currency": price.currency}
