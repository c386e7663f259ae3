"""What it takes to compare storefronts' prices with ours, and to read what comes of it.

    python -m bench.prices --databases sqlite mariadb
    python -m bench.prices --products 100000 --storefronts 10

Prices are those that storefronts showed last, one per product and storefront, within a fifth of ours; a tenth of them
is in another currency. The comparison is run once on nothing, once where nothing has changed, once where one product of
a hundred was visited and found at another price, once where we have changed that many prices ourselves, and once over
all again, as the first time of a day; reads are told at their median.
"""

from __future__ import annotations

import argparse
import logging
import random
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import flask_migrate
from sqlalchemy import func, select

from app import create_base
from app.analytics.queries.price_differences import list_price_differences
from app.analytics.queries.price_index import get_price_index, get_price_index_series
from app.analytics.rules.periods import Period
from app.analytics.services.price_comparing import compare_prices
from app.core.extensions import db
from app.core.many_rows import driver_instant, insert_rows, upsert
from app.core.money import Money
from app.core.orm import table_of, utc_now
from app.core.permissions import system
from app.core.transactions import connection, in_transaction
from app.orders.services.sales import day_of
from app.products.models.products import Product
from app.products.services.product_rows import insert_products
from app.products.services.products import update_product
from app.rpa.models.jobs import Action, Job, JobState, Task
from app.rpa.models.observations import Observation, ObservationCurrent
from app.rpa.services.storefronts import create_storefront
from bench.imports import server
from bench.rows import asin, brand
from tests.rpa.conftest import profile
from tests.servers import make_settings, private_folder, redis_server

_CHUNK: Final = 20_000
_READS: Final = 20
_PRICE: Final = 10_000
_COLUMNS: Final = ("product_id", "storefront_id", "attribute", "value", "observed_at", "task_id")
_TASK: Final = (
    "job_id", "seq", "storefront_id", "product_id", "asin", "state", "not_before", "finished_at", "created_at",
    "updated_at", "release_no", "attempt_count", "loss_count", "rate_limited_count",
)  # fmt: skip
_VISIT: Final = ("task_id", "product_id", "storefront_id", "observed_at", "price_minor", "currency", "sources")


@in_transaction
def add_products(numbers: range) -> None:
    """Add products of a hundred brands."""
    about = {"price_minor": _PRICE, "currency": "USD"}
    rows = [{"asin": asin(at), "name": f"Kettle {at}", "brand": brand(at % 100), **about} for at in numbers]
    insert_products(rows, utc_now(), thresholds={})


@in_transaction
def show(shop_id: int, product_ids: range, now: datetime) -> None:
    """Have a storefront show a price of these products."""
    chosen, at = random.Random(shop_id), driver_instant(connection(), now)
    rows = []
    for product_id in product_ids:
        price, currency = chosen.randint(8_000, 12_000), "EUR" if chosen.random() < 0.1 else "USD"
        rows.append((product_id, shop_id, "price", f"{price // 100}.{price % 100:02} {currency}", at, 1))
    insert_rows(connection(), table_of(ObservationCurrent), _COLUMNS, rows)


@in_transaction
def visit_some(shop_id: int, product_ids: range, now: datetime) -> None:
    """Have a job visit some products of a storefront and find them at another price."""
    job = Job(
        name="check", action=Action.VIEW_PRODUCT, lane="batch", state=JobState.COMPLETED, storefront_id=shop_id,
        total_count=len(product_ids), deadline_at=now, last_released_at=now, finished_at=now, actor_kind="system",
    )  # fmt: skip
    db.session.add(job)
    db.session.flush()
    at, first = driver_instant(connection(), now), (db.session.scalar(select(func.max(Task.id))) or 0) + 1
    tasks = [
        (job.id, seq, shop_id, product_id, asin(product_id), "SUCCEEDED", at, at, at, at, 1, 1, 0, 0)
        for seq, product_id in enumerate(product_ids)
    ]
    visits = [(first + seq, product_id, shop_id, at, 7700, "USD", "{}") for seq, product_id in enumerate(product_ids)]
    insert_rows(connection(), table_of(Task), _TASK, tasks)
    insert_rows(connection(), table_of(Observation), _VISIT, visits)
    known = table_of(ObservationCurrent)
    upsert(connection(), known, [
        {"product_id": product_id, "storefront_id": shop_id, "attribute": "price", "value": "77.00 USD",
         "observed_at": now, "task_id": first + seq} for seq, product_id in enumerate(product_ids)
    ])  # fmt: skip


def reprice_some(product_ids: range) -> None:
    """Ask another price for these products."""
    for product_id in product_ids:
        update_product(
            actor=system(), now=utc_now(), product_id=product_id, expected_version=1, price=Money(9_900, "USD")
        )


def compared(name: str, **how: bool) -> None:
    """Compare, and print what that takes."""
    begun, processor = time.perf_counter(), time.process_time()
    compare_prices(now=utc_now(), **how)
    took, own = time.perf_counter() - begun, time.process_time() - processor
    print(f"  comparing, {name}: {took:.2f} s, {own:.2f} s of them the program's own", flush=True)


def read(name: str, work: Callable[[], Any]) -> Any:
    """Read some times, and print what that takes; the last answer."""
    took: list[float] = []
    found: Any = None
    for _ in range(_READS):
        begun = time.perf_counter()
        found = work()
        took.append(time.perf_counter() - begun)
        db.session.rollback()
    print(f"  {name}: {statistics.median(took) * 1000:.1f} ms", flush=True)
    return found


def measure(database: str, products: int, storefronts: int) -> None:
    """Print what one database does."""
    print(f"{database}: {products:,} products, {storefronts} storefronts", flush=True)
    with private_folder() as folder, redis_server(folder) as redis_url, server(database, folder) as url:
        app = create_base(make_settings(url, redis_url))
        with app.app_context():
            flask_migrate.upgrade()
            shops, first = fill(products, storefronts)
            some = range(first, first + products // 100)
            compared("all of them new")
            compared("nothing changed")
            for shop_id in shops:
                visit_some(shop_id, some, utc_now())
            compared("one of a hundred visited")
            reprice_some(some)
            compared("one of a hundred of our prices changed")
            compared("all of them again", anew=True)
            today = day_of(utc_now())
            read("the index", lambda: get_price_index(on=None))
            month = Period(today - timedelta(days=29), today)
            read("a month of it", lambda: get_price_index_series(period=month, storefront=None))
            about: dict[str, Any] = {"direction": "both", "limit": 50, "shows_master": True}
            page = read("the largest differences", lambda: list_price_differences(**about))
            read("their next page", lambda: list_price_differences(cursor=page.next_cursor, **about))
            read("those of one storefront", lambda: list_price_differences(storefront="shop-1", **about))
            read("those of one brand", lambda: list_price_differences(brand=brand(7), **about))
            db.session.remove()
            db.engine.dispose()


def fill(products: int, storefronts: int) -> tuple[list[int], int]:
    """Make the products, the storefronts, and what these have shown; the storefronts, and the first product."""
    for begin in range(0, products, _CHUNK):
        add_products(range(begin, min(products, begin + _CHUNK)))
    first = db.session.scalars(select(Product.id).order_by(Product.id).limit(1)).one()
    db.session.rollback()
    shops: list[int] = []
    for number in range(1, storefronts + 1):
        code = f"shop-{number}"
        shop = create_storefront(actor=system(), now=utc_now(), code=code, name=code, profile=profile())
        shops.append(shop_id := shop.id)
        for begin in range(first, first + products, _CHUNK):
            show(shop_id, range(begin, min(first + products, begin + _CHUNK)), utc_now())
    return shops, first


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--storefronts", type=int, default=5)
    parser.add_argument("--databases", nargs="+", choices=["mariadb", "sqlite"], default=["sqlite", "mariadb"])
    chosen = parser.parse_args()
    logging.disable(logging.INFO)
    for database in chosen.databases:
        measure(database, chosen.products, chosen.storefronts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
