"""How many orders a second a product takes by our guarded UPDATE, against SELECT ... FOR UPDATE, on MariaDB.

    python -m bench.stock --seconds 4 --rounds 7

Both sides write the same rows by the same session, driver and transaction: who holds the stock, the ledger, the
counter, and a look whether the order was there before. What differs is when the counter is locked: the rival locks it
first, looks, writes and then changes it; ours writes and changes it last, by one statement that states what must hold.
Processes with threads buy one product (hot), one of 1,000 (cold), or three of 50 (three). The contenders take turns in
every round, in reversed order every other round; printed are medians of orders a second and of the rounds' own ratios,
with the lowest and the highest. Every case ends with a proof that nothing was lost or sold twice. Ends with 1 where the
ratio on one hot product is below 1.4.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import multiprocessing
import random
import statistics
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final

import flask_migrate
from sqlalchemy import insert, select, update

from app import create_base
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import Principal, system
from app.core.transactions import in_transaction
from app.products.errors import OutOfStock
from app.products.models.stock import MAX_QUANTITY, Allocation, MovementKind, Stock, StockMovement
from app.products.queries.stock import as_numbers, counters
from app.products.services.allocations import allocate
from app.products.services.ledger import Reference
from app.products.services.products import create_product
from app.products.services.stock import change_stock
from app.products.services.stock_audit import audit_stock
from tests.servers import make_settings, mariadb_server, private_folder

TARGET: Final = 1.4
PRODUCTS: Final = 1000
_MARIADB: Final = ("--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=512M", "--max-connections=300")
_CASES: Final[dict[str, Callable[[random.Random], list[int]]]] = {
    "hot": lambda _: [0],
    "cold": lambda chance: [chance.randrange(PRODUCTS)],
    "three": lambda chance: chance.sample(range(50), 3),
}
_BUYER: Final = Principal(kind="user", id=1, name="bench", permissions=frozenset(), request_id="bench")


@in_transaction
def lock_first(*, actor: Principal, now: Any, reference: Reference, items: dict[int, int]) -> None:
    """The rival: lock the counters, look, write, change them."""
    db.session.execute(
        select(Allocation.product_id).where(
            Allocation.reference_kind == reference.kind, Allocation.reference_id == reference.id
        )
    ).all()
    ids = sorted(items)
    rows = db.session.execute(counters(*ids).order_by(Stock.product_id).with_for_update()).all()
    for row in rows:
        if row.on_hand - row.allocated < items[row.product_id]:
            raise OutOfStock("there is less", stock=as_numbers(row))
    common = {"reference_kind": reference.kind, "reference_id": reference.id, "created_at": now}
    held = [{"product_id": id_, "quantity": items[id_], "label": reference.label} | common for id_ in ids]
    moved = [
        {"product_id": id_, "kind": MovementKind.ALLOCATED, "on_hand_delta": 0, "allocated_delta": items[id_]}
        | common
        | actor.attribution()
        for id_ in ids
    ]
    db.session.execute(insert(Allocation), held)
    db.session.execute(insert(StockMovement), moved)
    for row in rows:
        low = row.low_stock_threshold is not None
        values = {"allocated": row.allocated + items[row.product_id], "is_low": low, "updated_at": now}
        db.session.execute(update(Stock.__table__).where(Stock.product_id == row.product_id).values(values))  # type: ignore[arg-type]


CONTENDERS: Final[dict[str, Callable[..., None]]] = {"FOR UPDATE": lock_first, "ours": allocate}


def work(url: str, process: int, threads: int, pipe: Connection) -> None:
    """One process of buyers: runs what it is told to, and says how many orders that were."""
    app = create_base(make_settings(url, "unix:///nowhere"))
    numbers = itertools.count(process * 1_000_000_000)
    with app.app_context():
        products = list(db.session.scalars(select(Stock.product_id).order_by(Stock.product_id)))
        db.session.remove()
    while (told := pipe.recv()) is not None:
        contender, case, seconds = told
        done: list[int] = []
        buyers = [
            threading.Thread(target=buy, args=(app, CONTENDERS[contender], case, products, numbers, seconds, done))
            for _ in range(threads)
        ]
        for buyer in buyers:
            buyer.start()
        for buyer in buyers:
            buyer.join()
        pipe.send(sum(done))


def buy(
    app: Any, contender: Callable[..., None], case: str, products: list[int], numbers: Any, seconds: float, done: Any
) -> None:
    """One buyer: orders until the time is over."""
    chance, count, end = random.Random(), 0, time.monotonic() + seconds
    with app.app_context():
        while time.monotonic() < end:
            number = next(numbers)
            items = {products[place]: 1 for place in _CASES[case](chance)}
            contender(actor=_BUYER, now=utc_now(), reference=Reference("order", number, f"Order {number}"), items=items)
            count += 1
        db.session.remove()
    done.append(count)


def fill(url: str) -> None:
    """Products with more on the shelf than will be bought."""
    app = create_base(make_settings(url, "unix:///nowhere"))
    logging.disable(logging.WARNING)  # there is no Redis, and nobody misses it
    with app.app_context():
        flask_migrate.upgrade()
        for number in range(PRODUCTS):
            product = create_product(
                actor=system(), now=utc_now(), asin=f"B{number:09d}", name="Lamp", price=Money.parse("1.00", "USD")
            )
            change_stock(
                actor=system(),
                now=utc_now(),
                product_id=product.id,
                kind=MovementKind.RECEIVED,
                delta=MAX_QUANTITY if number == 0 else 1_000_000,
            )
        db.session.remove()
        db.engine.dispose()


def proof(url: str) -> int:
    """How many products do not add up."""
    with create_base(make_settings(url, "unix:///nowhere")).app_context():
        found = sum(len(differences) for _, differences in audit_stock())
        db.engine.dispose()
    return found


def rounds(pipes: list[Connection], case: str, seconds: float, count: int) -> dict[str, list[float]]:
    """Orders a second of each contender, round by round; one round before is not counted."""
    found: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for turn in range(count + 1):
        for name in list(CONTENDERS) if turn % 2 else reversed(CONTENDERS):
            for pipe in pipes:
                pipe.send((name, case, seconds if turn else min(seconds, 1)))
            orders = sum(pipe.recv() for pipe in pipes)
            if turn:
                found[name].append(orders / seconds)
    return found


def report(case: str, found: dict[str, list[float]]) -> float:
    """Print one case; the median of its ratios."""
    ratios = [ours / rival for ours, rival in zip(found["ours"], found["FOR UPDATE"], strict=True)]
    shown = ", ".join(f"{name} {statistics.median(rates):,.0f}" for name, rates in found.items())
    middle = statistics.median(ratios)
    print(f"{case:>6}: {shown} orders/s; ratio {middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)
    return middle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="of each contender in each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=12, help="of each process; it has 15 connections")
    parser.add_argument("--cases", nargs="+", choices=list(_CASES), default=list(_CASES))
    chosen = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with private_folder() as folder, mariadb_server(folder, options=_MARIADB) as url:
        fill(url)
        ends = [spawn.Pipe() for _ in range(chosen.processes)]
        processes = [
            spawn.Process(target=work, args=(url, number, chosen.threads, far), daemon=True)
            for number, (_, far) in enumerate(ends, start=1)
        ]
        for process in processes:
            process.start()
        pipes = [near for near, _ in ends]
        print(f"{chosen.processes} processes of {chosen.threads} buyers, {chosen.rounds} rounds of {chosen.seconds} s")
        ratios = {}
        for case in chosen.cases:
            ratios[case] = report(case, rounds(pipes, case, chosen.seconds, chosen.rounds))
        for pipe in pipes:
            pipe.send(None)
        for process in processes:
            process.join(30)
        different = proof(url)
        print(f"{different} products do not add up")
    if different or ratios.get("hot", TARGET) < TARGET:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
