"""How long figures of sales take over a million and ten million facts, and what they cost a sale that is recorded.

    python -m bench.analytics --databases mariadb sqlite
    python -m bench.analytics --sizes 50000 500000 --rounds 20

Each size has a database of its own on the same server: 5,000 products of 500 brands in 40 categories, facts of two
years up to today, two of three of them in orders of two lines, one of ten a refund. Rollups are made by ``rebuild``,
rankings by ``rank_sales``. Reads take turns between the sizes. A sale is the payment of an invoice over two lines,
recorded by the service that does so; it takes turns between the smallest database and one of that size that has no
index of the marker.
Ends with 1 where a target is missed: 30 days 5 ms, two years 20 ms, the largest 1.2 times the smallest, best products
of ranked windows 50 ms, a sale 15 % dearer.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import flask_migrate
import sqlalchemy as sa
from flask import Flask

from app import create_base
from app.analytics.services.category_groups import groups_of
from app.analytics.services.sales_folding import CHUNK, fold_some
from app.analytics.services.sales_locking import lock_rollups
from app.analytics.services.sales_ranking import rank_sales
from app.analytics.services.sales_rebuilding import rebuild
from app.config import Files
from app.core.days import beginning_of
from app.core.extensions import db
from app.core.many_rows import driver_instant, insert_rows
from app.core.orm import table_of, utc_now
from app.core.permissions import system
from app.core.running import settings
from app.core.transactions import connection, in_transaction
from app.orders.models.sales import Sale
from app.orders.services.sales import day_of
from app.products.models.categories import ProductCategory
from app.products.models.products import Product
from app.products.services.categories import create_category
from app.products.services.product_rows import insert_products
from bench.rows import asin
from bench.sales_reads import reads
from tests.orders.selling import make_goods, pay, place
from tests.servers import make_settings, mariadb_server, private_folder, redis_server

DAYS: Final = 730
PRODUCTS: Final = 5_000
BLOCK: Final = 500_000
"""Facts that are made one by one; the others are copies of them, of other products."""
_BRANDS: Final = 500
_LEAVES: Final = 32
_TOPS: Final = 8
_ROWS_AT_ONCE: Final = 10_000
_OF_FACTS: Final = 5
"""Rounds of reads that may take seconds."""
_COPIED_AT_ONCE: Final = 50_000
_MARIADB: Final = (
    "--innodb-buffer-pool-size=2G", "--innodb-flush-log-at-trx-commit=1", "--innodb-log-file-size=512M"
)  # fmt: skip
_NAMES: Final = (
    "unique_key", "kind", "sold_at", "sold_on", "order_id", "product_id", "asin", "name", "brand", "quantity",
    "currency", "gross_minor", "discount_minor", "tax_minor", "shipping_minor", "net_minor", "total_minor",
    "created_at", "uncounted", "category_group_id",
)  # fmt: skip
_SALE: Final = table_of(Sale)


def fill(facts: int, *, today: date) -> None:
    """Fill an empty database that has its tables: products, categories, and so many facts that are counted.

    Rollups and rankings are made, too.
    """
    first = _add_products()
    groups = _add_groups(first)
    block = min(facts, BLOCK)
    made = _facts(block, first, groups, today)
    while rows := list(itertools.islice(made, _ROWS_AT_ONCE)):
        _add_facts(rows=rows)
    for copy in range(1, -(-facts // block)):
        count = min(block, facts - copy * block)
        for at in range(0, count, _COPIED_AT_ONCE):
            _copy(copy=copy, at=at, count=min(_COPIED_AT_ONCE, count - at), first=first)
    rebuild(days_at_once=10)
    rank_sales(now=utc_now())
    if db.engine.dialect.name == "sqlite":
        with db.engine.connect() as opened:
            opened.exec_driver_sql("ANALYZE")


@in_transaction
def _add_products() -> int:
    rows = [
        {
            "asin": asin(at),
            "name": f"Kettle {at}",
            "brand": f"Brand {at % _BRANDS}",
            "price_minor": 990,
            "currency": "USD",
        }
        for at in range(PRODUCTS)
    ]
    insert_products(rows, utc_now(), thresholds={})
    first: int = db.session.scalars(sa.select(sa.func.min(Product.id))).one()
    return first


def _add_groups(first: int) -> list[int]:
    """Put products into categories; the groups of these, by the number of the leaf."""
    tops = [create_category(actor=system(), now=utc_now(), name=f"Top {at}").id for at in range(_TOPS)]
    leaves = [
        create_category(actor=system(), now=utc_now(), name=f"Leaf {at}", parent_id=tops[at % _TOPS]).id
        for at in range(_LEAVES)
    ]
    return _put(first=first, tops=tops, leaves=leaves)


@in_transaction
def _put(*, first: int, tops: list[int], leaves: list[int]) -> list[int]:
    lock_rollups()
    rows = []
    for at in range(PRODUCTS):
        leaf = at % _LEAVES
        rows.append({"product_id": first + at, "category_id": leaves[leaf], "is_direct": True})
        rows.append({"product_id": first + at, "category_id": tops[leaf % _TOPS], "is_direct": False})
    connection().execute(sa.insert(table_of(ProductCategory)), rows)
    of_product, _ = groups_of(range(first, first + _LEAVES))
    return [of_product[first + at] for at in range(_LEAVES)]


def _facts(count: int, first: int, groups: list[int], today: date) -> Iterator[tuple[Any, ...]]:
    """Facts day by day, those of a product the more the smaller its number."""
    chosen = random.Random(7)
    opened = db.session.connection()
    begins = [beginning_of(today - timedelta(days=DAYS - 1 - at), settings().timezone) for at in range(DAYS)]
    now = driver_instant(opened, utc_now())
    is_text = opened.dialect.name == "sqlite"
    for number in range(count):
        at = number * DAYS // count
        product = int(PRODUCTS * chosen.random() ** 2)
        sign = -1 if number % 10 == 9 else 1
        quantity, gross = sign * chosen.randint(1, 3), sign * chosen.randint(500, 9_000)
        tax, sold_on = gross // 5, today - timedelta(days=DAYS - 1 - at)
        sold_at = begins[at] + timedelta(seconds=chosen.randrange(82_000))
        yield (
            f"bench:{number}", "sale" if sign > 0 else "refund", driver_instant(opened, sold_at),
            sold_on.isoformat() if is_text else sold_on, None if number % 3 == 2 else number // 3, first + product,
            asin(product), f"Kettle {product}", f"Brand {product % _BRANDS}", quantity, "USD", gross, 0, tax, 0, gross,
            gross + tax, now, None, groups[product % _LEAVES],
        )  # fmt: skip


@in_transaction
def _add_facts(*, rows: list[tuple[Any, ...]]) -> None:
    insert_rows(connection(), _SALE, _NAMES, rows)


@in_transaction
def _copy(*, copy: int, at: int, count: int, first: int) -> None:
    """Copy facts: of other products of the same categories, in other orders."""
    other = table_of(Product).alias("other")
    shift = copy * _LEAVES * 7
    number = sa.literal_column(f"({first} + (sale.product_id - {first} + {shift}) % {PRODUCTS // _LEAVES * _LEAVES})")
    changed: dict[str, Any] = {
        "unique_key": _SALE.c.unique_key + sa.literal(f":{copy}"),
        "order_id": _SALE.c.order_id + copy * BLOCK,
        "product_id": other.c.id,
        "asin": other.c.asin,
        "name": other.c.name,
        "brand": other.c.brand,
        "uncounted": sa.null(),
    }
    begin = sa.select(sa.func.min(_SALE.c.id) + at).scalar_subquery()
    whole = sa.select(*(changed.get(name, _SALE.c[name]) for name in _NAMES))
    whole = whole.join_from(_SALE, other, other.c.id == number)
    whole = whole.where(_SALE.c.id >= begin, _SALE.c.id < begin + count, _SALE.c.unique_key.not_like("%:%:%"))
    connection().execute(sa.insert(_SALE).from_select(list(_NAMES), whole))


def measure_reads(apps: dict[int, Flask], rounds: int) -> list[str]:
    """Print the medians; returns the targets that are missed."""
    missed = []
    with next(iter(apps.values())).app_context():
        wanted = reads(day_of(utc_now()), DAYS)
    for name, (read, most) in wanted.items():
        taken: dict[int, list[float]] = {size: [] for size in apps}
        said: dict[int, object] = {}
        for _ in range(rounds if most is None or most < 2_000 else min(rounds, _OF_FACTS)):
            for size, app in apps.items():
                milliseconds, said[size] = _timed(app, read)
                taken[size].append(milliseconds)
        medians = {size: statistics.median(values) for size, values in taken.items()}
        ratio = medians[max(medians)] / medians[min(medians)]
        shown = ", ".join(f"{size:,}: {median:.2f} ms" for size, median in medians.items())
        print(f"  {name:<44} {shown}; {ratio:.2f}x{_told(said)}", flush=True)
        if most is not None and max(medians.values()) > most and not _told(said):
            missed.append(f"{name}: more than {most:g} ms")
        if most is not None and most <= 20 and ratio > 1.2:
            missed.append(f"{name}: {ratio:.2f} times the smallest")
    return missed


def _told(said: dict[int, object]) -> str:
    """Which sizes refused a read."""
    return "".join(f"; {size:,} {words}" for size, words in said.items() if isinstance(words, str))


def _timed(app: Flask, read: Callable[[], object]) -> tuple[float, object]:
    with app.app_context():
        db.session.execute(sa.text("SELECT 1"))
        begun = time.perf_counter()
        said = read()
        return (time.perf_counter() - begun) * 1_000, said


def measure_sale(marked: Flask, plain: Flask, count: int) -> list[str]:
    """Print what recording a payment takes with the marker and without it, and what counting it costs a worker."""
    goods = {}
    for app in (marked, plain):
        with app.app_context():
            goods[app] = [make_goods("12.00", now=utc_now(), on_hand=10 * count) for _ in range(2)]
    with plain.app_context(), db.engine.begin() as opened:
        behind = "" if db.engine.dialect.name == "sqlite" else " ON sale"
        opened.exec_driver_sql(f"DROP INDEX ix_sale_uncounted{behind}")
    taken: dict[Flask, list[float]] = {marked: [], plain: []}
    for _ in range(count):
        for app in (marked, plain):
            with app.app_context():
                order_id = place(dict.fromkeys(goods[app], 1), now=utc_now())
                begun = time.perf_counter()
                pay(order_id, now=utc_now())
                taken[app].append((time.perf_counter() - begun) * 1_000)
    with_marker, without = statistics.median(taken[marked]), statistics.median(taken[plain])
    print(
        f"  a sale: {with_marker:.2f} ms, without the marker {without:.2f} ms; {with_marker / without:.3f}x", flush=True
    )
    with marked.app_context():
        begun = time.perf_counter()
        folded = sum(iter(partial(fold_some, size=CHUNK), 0))
        print(f"  counting: {folded / (time.perf_counter() - begun):,.0f} facts a second ({folded})", flush=True)
    return [f"a sale: {with_marker / without:.2f} times"] if with_marker > 1.15 * without else []


@contextlib.contextmanager
def databases(kind: str, folder: Path, names: list[str]) -> Iterator[dict[str, str]]:
    """The URLs of empty databases on one server, by their names."""
    if kind == "sqlite":
        yield {name: f"sqlite:///{folder}/{name}.db" for name in names}
        return
    with mariadb_server(folder, options=_MARIADB, stop_signal="KILL") as url:
        engine = sa.create_engine(url)
        with engine.begin() as opened:
            for name in names:
                opened.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        engine.dispose()
        yield {name: sa.make_url(url).set(database=name).render_as_string(hide_password=False) for name in names}


def measure(kind: str, sizes: list[int], rounds: int, sales: int) -> list[str]:
    """Print what one database does; returns the targets that it misses."""
    print(kind, flush=True)
    names = {f"facts_{size}": size for size in sizes}
    with (
        private_folder() as folder,
        redis_server(folder) as redis_url,
        databases(kind, folder, [*names, "plain"]) as urls,
    ):
        apps = {}
        for name, url in urls.items():
            app = create_base(make_settings(url, redis_url, files=Files(url=f"file://{folder}/files")))
            with app.app_context():
                flask_migrate.upgrade()
                begun = time.perf_counter()
                fill(names.get(name, min(sizes)), today=day_of(utc_now()))
                print(f"  {name} filled in {time.perf_counter() - begun:.0f} s", flush=True)
            apps[name] = app
        missed = measure_reads({size: apps[name] for name, size in names.items()}, rounds)
        missed += measure_sale(apps[f"facts_{min(sizes)}"], apps["plain"], sales)
        for app in apps.values():
            with app.app_context():
                db.session.remove()
                db.engine.dispose()
    return [f"{kind} {each}" for each in missed]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--sales", type=int, default=300)
    parser.add_argument("--databases", nargs="+", choices=["mariadb", "sqlite"], default=["mariadb", "sqlite"])
    chosen = parser.parse_args()
    missed = [each for kind in chosen.databases for each in measure(kind, chosen.sizes, chosen.rounds, chosen.sales)]
    if missed:
        print(f"Missed: {'; '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
