"""How often the next product of an order is among ten that are recommended, and what counting costs.

    python -m bench.recommendations --databases sqlite mariadb
    python -m bench.recommendations --lines 1000000 --products 20000

The orders are SYNTHETIC: a few products sell most (Zipf), and every product has three partners that people like to take
with it; two lines of five are a partner of what is in the order already. So this says whether the method finds what is
there, how it compares with showing the most popular products, and nothing of how people buy in a real shop.

Of the last orders, which are never counted, one product is shown and another one of the order is to be guessed:
hit-rate@10. The *ceiling* is how often it is a partner of the one that is shown; the rest is chance. Then another order
is paid, and what that costs is told, and what ``recommend_with`` costs at its median.
Ends with 1 where a target is missed: twice the hit-rate of the most popular, 300 MB.
"""

from __future__ import annotations

import argparse
import logging
import random
import resource
import statistics
import sys
import time
from bisect import bisect
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from typing import Any, Final

import flask_migrate
from sqlalchemy import select, update

from app import create_base
from app.analytics.models.recommendations import BestSeller
from app.analytics.queries.recommendations import recommend_with
from app.analytics.rules.recommendations import SHOP_SCOPE
from app.analytics.services.best_sellers import rank_best_sellers
from app.analytics.services.recommendations import recommend_all
from app.core.extensions import db
from app.core.many_rows import driver_instant, insert_rows
from app.core.orm import table_of, utc_now
from app.core.transactions import connection, in_transaction
from app.orders.models.sales import Sale
from app.products.models.stock import Stock
from app.products.services.product_rows import insert_products
from bench.imports import server
from bench.rows import asin
from tests.servers import make_settings, private_folder, redis_server

_DAYS: Final = 80
_CHUNK: Final = 20_000
_CASES: Final = 2_000
_SHOWN: Final = 10
_MEMORY_MB: Final = 300
_TIMES: Final = 2.0
_COLUMNS: Final = (
    "created_at", "unique_key", "kind", "sold_at", "sold_on", "order_id", "product_id", "asin", "name", "quantity",
    "currency", "gross_minor", "discount_minor", "tax_minor", "shipping_minor", "net_minor", "total_minor",
)  # fmt: skip

Order = list[int]
"""Numbers of products, the first one is 0."""


def partners(product: int) -> list[int]:
    """The three products that people like to take with one."""
    return [product ^ 1, product ^ 2, product ^ 3]


def orders(products: int, lines: int) -> Iterator[Order]:
    """The same orders every time, with so many lines altogether: 3 each on average, 12 at most."""
    chosen, weights = random.Random(11), list(accumulate(1 / (rank + 20) for rank in range(products)))
    made = 0
    while made < lines:
        order = [bisect(weights, chosen.random() * weights[-1])]
        while len(order) < 12 and chosen.random() < 0.67:
            found = chosen.choice(partners(chosen.choice(order))) if chosen.random() < 0.4 else bisect(
                weights, chosen.random() * weights[-1]
            )  # fmt: skip
            order += [found] if found < products and found not in order else []
        made += len(order)
        yield order


@in_transaction
def add_products(numbers: range) -> None:
    """Add products that nobody can buy out."""
    rows = [{"asin": asin(at), "name": f"Kettle {at}", "price_minor": 990, "currency": "USD"} for at in numbers]
    insert_products(rows, utc_now(), thresholds={})
    db.session.execute(update(Stock).values(on_hand=1_000))


@in_transaction
def pay(sold: Sequence[tuple[int, datetime, Order]]) -> None:
    """Record that orders were paid."""
    rows: list[tuple[Any, ...]] = []
    for order_id, at, order in sold:
        when, day = driver_instant(connection(), at), at.date().isoformat()
        for product in order:
            key, known = f"line:{order_id}:{product}", (asin(product), "Kettle", 1, "USD", 990, 0, 0, 0, 990, 990)
            rows.append((when, key, "sale", when, day, order_id, product + 1, *known))
    insert_rows(connection(), table_of(Sale), _COLUMNS, rows)


def held_back(every: Iterator[Order], products: int) -> list[tuple[int, int]]:
    """Of the rest of the orders: a product to show, and one to guess."""
    chosen = random.Random(13)
    pairs = ((*chosen.sample(order, 2),) for order in every if len(order) > 1)
    return list(islice(((shown, hidden) for shown, hidden in pairs if max(shown, hidden) < products), _CASES))


def hit_rates(cases: Sequence[tuple[int, int]]) -> dict[str, float]:
    """How often the product to guess is among those shown: by what is recommended, and the most popular ones."""
    best = select(BestSeller.product_id).where(BestSeller.scope == SHOP_SCOPE).order_by(BestSeller.position)
    popular = [product_id - 1 for product_id in db.session.scalars(best)]
    hits, took = {"recommended": 0, "most popular": 0, "ceiling": 0}, []
    for shown, hidden in cases:
        begun = time.perf_counter()
        found = [each.product.id - 1 for each in recommend_with(asin(shown), limit=_SHOWN)]
        took.append(time.perf_counter() - begun)
        db.session.rollback()
        hits["recommended"] += hidden in found
        hits["most popular"] += hidden in [each for each in popular if each != shown][:_SHOWN]
        hits["ceiling"] += hidden in partners(shown)
    print(f"  an answer takes {statistics.median(took) * 1000:.1f} ms at its median", flush=True)
    return {name: count / len(cases) for name, count in hits.items()}


def timed(name: str, lines: int = 0, **how: Any) -> None:
    """Count what there is, and print what that costs."""
    begun, processor = time.perf_counter(), time.process_time()
    recommend_all(clock=utc_now, **how)
    took, own = time.perf_counter() - begun, time.process_time() - processor
    rate = f", {lines / took:,.0f} lines a second" if lines else ""
    print(f"  {name}: {took:.2f} s, {own:.2f} s of them the program's own{rate}", flush=True)


def measure(database: str, products: int, lines: int) -> list[str]:
    """Print what one database does; returns the targets that it misses."""
    print(f"{database}: {lines:,} lines, {products:,} products, synthetic", flush=True)
    with private_folder() as folder, redis_server(folder) as redis_url, server(database, folder) as url:
        app = create_base(make_settings(url, redis_url))
        with app.app_context():
            flask_migrate.upgrade()
            for begin in range(0, products, _CHUNK):
                add_products(range(begin, min(products, begin + _CHUNK)))
            every = orders(products, lines + lines // 20 + 10 * _CASES)
            counted, first_at, made, order_id = 0, utc_now() - timedelta(days=_DAYS), 0, 0
            while made < lines:
                some: list[tuple[int, datetime, Order]] = []
                while counted < _CHUNK and made < lines:
                    order, order_id = next(every), order_id + 1
                    some.append((order_id, first_at + timedelta(days=_DAYS * made / lines), order))
                    counted, made = counted + len(order), made + len(order)
                pay(some)
                counted = 0
            before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            timed("counting all", made)
            pay([(order_id + 1, datetime.now(UTC), [0, 1, 2])])
            timed("counting one order more")
            timed("counting all anew", made, anew=True)
            begun = time.perf_counter()
            rank_best_sellers(now=utc_now())
            print(f"  ranking the best sellers: {time.perf_counter() - begun:.2f} s", flush=True)
            memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            rates = hit_rates(held_back(every, products))
            db.session.remove()
            db.engine.dispose()
    print(f"  memory: {memory_mb} MB at most, {before_mb} MB before counting")
    print("  hit-rate@10: " + ", ".join(f"{name} {rate:.1%}" for name, rate in rates.items()), flush=True)
    missed = [] if rates["recommended"] >= _TIMES * rates["most popular"] else [f"{database} hit-rate"]
    return missed + ([] if memory_mb <= _MEMORY_MB else [f"{database} memory"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--products", type=int, default=20_000)
    parser.add_argument("--databases", nargs="+", choices=["mariadb", "sqlite"], default=["sqlite", "mariadb"])
    chosen = parser.parse_args()
    logging.disable(logging.INFO)
    missed = [each for database in chosen.databases for each in measure(database, chosen.products, chosen.lines)]
    if missed:
        print(f"Missed: {'; '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
