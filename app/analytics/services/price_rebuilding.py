"""Computing the price index of earlier days anew: from the single visits that are kept, and the history of our prices.

What is rebuilt is the end of each day exactly; what the timetable wrote was up to a quarter of an hour before it. A
change that people accepted counts from the next visit that saw it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select

from app.analytics.models.prices import PriceIndexDay
from app.analytics.rules.periods import Period
from app.analytics.rules.price_index import STALE_AFTER, STALE_DAYS, Comparison, compare, log_ratio
from app.analytics.rules.price_rewinding import Offer, Seen, Undone, rewind
from app.analytics.services.price_comparing import SUMMED, compare_prices
from app.core.days import end_of
from app.core.extensions import db
from app.core.many_rows import upsert
from app.core.money import Money
from app.core.orm import table_of
from app.core.running import settings
from app.core.transactions import connection, in_transaction
from app.orders.services.sales import day_of
from app.products.changes import DELETED
from app.products.models.products import Product, ProductUpdate
from app.rpa.models.observations import Observation, ObservationDay
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.changes import money_of

CHUNK: Final = 50
"""Products at once: of each there are at most some thousand visits."""
_ATTRIBUTES: Final = ("price", "is_active", DELETED)
_COLUMNS: Final = {
    Comparison.STALE: "stale", Comparison.OTHER_CURRENCY: "other_currency", Comparison.FREE: "free",
    Comparison.COMPARED: "compared",
}  # fmt: skip
_Sums = dict[tuple[date, int], Counter[str]]


def rebuild_prices(*, now: datetime, progress: Callable[[int], object] = int) -> int:
    """Compute every day anew of which all visits are kept, and today; returns how many days before today.

    Earlier days stay as they are. ``progress`` is told how many products more are done.
    """
    kept_from = day_of(now - timedelta(days=settings().evidence.observation_days)) + timedelta(days=1)
    period = Period(kept_from + timedelta(days=STALE_DAYS), day_of(now) - timedelta(days=1))
    days = period.each_day()
    sums: _Sums = defaultdict(Counter)
    sold: Counter[date] = Counter()
    after = 0
    while products := _next_products(after):
        _count(products, days, sums, sold)
        after = products[-1].id
        progress(len(products))
    _write(days=days, sums=sums, sold=sold, now=now)
    compare_prices(now=now, anew=True)
    return len(days)


def _next_products(after: int) -> Sequence[Any]:
    db.session.rollback()  # each chunk is a read of its own
    columns = (Product.id, Product.price_minor, Product.currency, Product.is_active, Product.deleted_at)
    some = select(*columns, Product.created_at).where(Product.id > after).order_by(Product.id).limit(CHUNK)
    return db.session.execute(some).all()


def _count(products: Sequence[Any], days: Sequence[date], sums: _Sums, sold: Counter[date]) -> None:
    """Add what these products come to on each day."""
    zone = settings().timezone
    ends = [end_of(day, zone) for day in reversed(days)]
    ids = [product.id for product in products]
    changes, seen = _changes(ids, ends[-1]), _seen(ids, ends[-1] - STALE_AFTER)
    for product in products:
        offers = rewind(_offer(product), changes.get(product.id, ()), ends)
        for day, end, offer in zip(reversed(days), ends, offers, strict=True):
            if offer.is_sold and product.created_at < end:
                sold[day] += 1
                for shop_id, of_shop in seen.get(product.id, {}).items():
                    _add(sums[day, shop_id], offer.price, of_shop.before(end))


def _add(counts: Counter[str], ours: Money, theirs: tuple[Money, timedelta] | None) -> None:
    if theirs is None:
        return
    price, age = theirs
    prices = {"our_minor": ours.minor, "their_minor": price.minor}
    verdict = compare(currency=ours.currency, their_currency=price.currency, age=age, **prices)
    counts[_COLUMNS[verdict]] += 1
    if verdict is Comparison.COMPARED:
        ratio = log_ratio(price.minor, ours.minor)
        counts["log_sum"] += ratio
        counts["cheaper"] += ratio < 0
        counts["dearer"] += ratio > 0


def _offer(product: Any) -> Offer:
    price = Money(product.price_minor, product.currency)
    return Offer(price, is_active=product.is_active, is_deleted=product.deleted_at is not None)


def _changes(ids: Sequence[int], since: datetime) -> dict[int, list[Undone]]:
    """What changed of our offers since an instant, by product, the newest first."""
    updates = (
        select(ProductUpdate.product_id, ProductUpdate.attribute, ProductUpdate.previous_attribute)
        .add_columns(ProductUpdate.created_at)
        .where(ProductUpdate.product_id.in_(ids), ProductUpdate.attribute.in_(_ATTRIBUTES))
        .where(ProductUpdate.created_at >= since, ProductUpdate.is_of_master())
        .order_by(ProductUpdate.id.desc())
    )
    found: dict[int, list[Undone]] = defaultdict(list)
    for row in db.session.execute(updates):
        found[row.product_id].append(_undone(row))
    return found


def _undone(row: Any) -> Undone:
    if row.attribute == "price":
        return Undone(row.created_at, price=money_of(row.previous_attribute or ""))
    before = None if row.previous_attribute is None else row.previous_attribute == "true"
    if row.attribute == DELETED:
        return Undone(row.created_at, is_deleted=before)
    return Undone(row.created_at, is_active=before)


def _seen(ids: Sequence[int], since: datetime) -> dict[int, dict[int, Seen]]:
    """The prices that storefronts showed since an instant, by product and storefront."""
    visits = (
        select(Observation.product_id, Observation.storefront_id, Observation.observed_at)
        .add_columns(Observation.price_minor, Observation.currency)
        .where(Observation.product_id.in_(ids), Observation.price_minor.is_not(None), Observation.observed_at >= since)
        .order_by(Observation.observed_at, Observation.id)
    )
    shown: dict[tuple[int, int], list[tuple[datetime, Money]]] = defaultdict(list)
    for row in db.session.execute(visits):
        price = Money(row.price_minor, row.currency)
        shown[row.product_id, row.storefront_id].append((row.observed_at, price))
    before = _seen_before(ids, day_of(since))
    found: dict[int, dict[int, Seen]] = defaultdict(dict)
    for product_id, shop_id in shown.keys() | before:
        visited = shown.get((product_id, shop_id), [])
        times, prices = [at for at, _ in visited], [price for _, price in visited]
        found[product_id][shop_id] = Seen(times, prices, (product_id, shop_id) in before)
    return found


def _seen_before(ids: Iterable[int], day: date) -> set[tuple[int, int]]:
    """Products and storefronts that had shown a price of them before a day."""
    first = (
        select(ObservationDay.product_id, ObservationDay.storefront_id)
        .where(ObservationDay.product_id.in_(ids), ObservationDay.priced_count > 0)
        .group_by(ObservationDay.product_id, ObservationDay.storefront_id)
        .having(func.min(ObservationDay.day) < day)
    )
    return {(row.product_id, row.storefront_id) for row in db.session.execute(first)}


@in_transaction
def _write(*, days: Sequence[date], sums: _Sums, sold: Counter[date], now: datetime) -> None:
    """Write the days of every storefront that was there."""
    shops = db.session.execute(select(Storefront.id, Storefront.created_at).order_by(Storefront.id)).all()
    nothing: Counter[str] = Counter()
    for day in days:
        rows = [
            {"day": day, "storefront_id": shop.id, "products": sold[day], "computed_at": now}
            | {name: sums.get((day, shop.id), nothing)[name] for name in SUMMED}
            for shop in shops
            if day_of(shop.created_at) <= day or (day, shop.id) in sums
        ]
        if rows:
            upsert(connection(), table_of(PriceIndexDay), rows)
