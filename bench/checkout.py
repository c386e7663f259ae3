"""How many orders a second a shop takes over HTTP, by invoice, and how long its customers wait.

    python -m bench.checkout --seconds 8 --rounds 5

Needs wrk. The web server is started as the Procfile does it, with two workers, on MariaDB that flushes every commit and
on SQLite. Fifty buyers at a time send carts, which were filled beforehand, one after the other: of one product (hot),
of one of 1,000 (cold), of three of 50 (three), and of one of 1,000 with an Idempotency-Key (key), as clients should.
The cases take turns in every round, in reversed order every other round; printed are medians of the rounds, with the
lowest and the highest. Every database ends with a proof that each answer was an order and that nothing was lost or sold
twice. The allocation itself is compared with SELECT ... FOR UPDATE by bench/stock.py. Ends with 1 where the 99th
percentile is more than ten times the median.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import random
import secrets
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import flask_migrate
import psutil
from sqlalchemy import func, insert, select

from app import create_base
from app.auth.visitor import hash_of_visitor
from app.cart.models import Cart, CartItem, CartState
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import system
from app.orders.models.orders import Order
from app.products.models.stock import MAX_QUANTITY, MovementKind
from app.products.services.products import create_product
from app.products.services.stock import change_stock
from bench.api_load import Request, Result, load, needs
from bench.api_servers import FIRST_PORT, Server, ours, running
from tests.faults.invariants import violations
from tests.orders.making import ADDRESS
from tests.servers import make_settings, mariadb_server, private_folder, redis_server

BUYERS: Final = 50
PRODUCTS: Final = 1000
MOST: Final = 10.0
"""How many times the median the 99th percentile may be."""
FASTEST: Final = 700
"""Orders a second for which carts are filled; a run that needs more ends the program."""
_MARIADB: Final = ("--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=512M", "--max-connections=300")
_CHUNK: Final = 5000
_LONGEST_REST_S: Final = 60


@dataclass(frozen=True)
class Case:
    """What every buyer has in the cart, as places in the catalogue, and whether they send a key."""

    choose: Callable[[random.Random], Sequence[int]]
    has_key: bool = False


CASES: Final[dict[str, Case]] = {
    "hot": Case(lambda _: [0]),
    "cold": Case(lambda chance: [chance.randrange(PRODUCTS)]),
    "three": Case(lambda chance: chance.sample(range(50), 3)),
    "key": Case(lambda chance: [chance.randrange(PRODUCTS)], has_key=True),
}


@dataclass
class Shop:
    """A shop that is open: its web server, its database and what it sells."""

    kind: str
    url: str
    server: Server
    database: psutil.Process | None
    folder: Path
    products: list[int]
    sold: int = 0
    found: dict[str, list[Result]] = field(default_factory=dict)


@contextlib.contextmanager
def opened(kind: str, port: int) -> Iterator[Shop]:
    """A shop on an empty database of this kind, with something of everything on its shelves."""
    with private_folder() as folder, redis_server(folder) as redis_url, contextlib.ExitStack() as stack:
        url = f"sqlite:///{folder / 'shop.db'}"
        if kind == "mariadb":
            url = stack.enter_context(mariadb_server(folder, options=_MARIADB))
        products = _fill(url, redis_url)
        environment = {
            "INSTANCE_DIR": str(folder),
            "DATABASE_URL": url,
            "REDIS_QUEUE_URL": f"{redis_url}?db=0",
            "REDIS_CACHE_URL": f"{redis_url}?db=1",
        }
        command, variables = ours(port, environment)
        server = stack.enter_context(running(kind, port, command, variables, folder / "web.log"))
        yield Shop(kind, url, server, _process_of(folder), folder, products)


def _process_of(folder: Path) -> psutil.Process | None:
    file = folder / "mariadb" / "mariadbd.pid"
    return psutil.Process(int(file.read_text())) if file.exists() else None


def _fill(url: str, redis_url: str) -> list[int]:
    """Migrate the database and put products with more stock than will be bought into it; their ids."""
    app = create_base(make_settings(url, redis_url))
    logging.disable(logging.WARNING)
    made = []
    with app.app_context():
        flask_migrate.upgrade()
        for number in range(PRODUCTS):
            price = Money.parse("1.00", "USD")
            product = create_product(
                actor=system(), now=utc_now(), asin=f"B{number:09d}", name=f"Lamp {number}", price=price
            )
            received = MAX_QUANTITY if number == 0 else 1_000_000
            kind = MovementKind.RECEIVED
            change_stock(actor=system(), now=utc_now(), product_id=product.id, kind=kind, delta=received)
            made.append(product.id)
        db.session.remove()
        db.engine.dispose()
    return made


def carts(shop: Shop, case: Case, count: int) -> list[Request]:
    """So many filled carts, and the requests that order them."""
    app = create_base(make_settings(shop.url, "unix:///nowhere"))
    chance, now = random.Random(count), utc_now()
    requests: list[Request] = []
    with app.app_context():
        first = (db.session.scalar(select(func.max(Cart.id))) or 0) + 1
        db.session.remove()
        for start in range(first, first + count, _CHUNK):
            rows: list[dict[str, Any]] = []
            items: list[dict[str, Any]] = []
            for cart_id in range(start, min(start + _CHUNK, first + count)):
                token, chosen = secrets.token_urlsafe(16), [shop.products[place] for place in case.choose(chance)]
                rows.append(_cart(cart_id, token, now))
                items += [_item(cart_id, product_id, now) for product_id in chosen]
                requests.append(_request(cart_id, token, len(chosen), has_key=case.has_key))
            with db.engine.begin() as connection:
                connection.execute(insert(Cart.__table__), rows)  # type: ignore[arg-type]
                connection.execute(insert(CartItem.__table__), items)  # type: ignore[arg-type]
        db.engine.dispose()
    return requests


def _cart(cart_id: int, token: str, now: Any) -> dict[str, Any]:
    expires_at = now + timedelta(days=1)
    return {"id": cart_id, "token_hash": hash_of_visitor(token), "state": CartState.OPEN, "expires_at": expires_at}


def _item(cart_id: int, product_id: int, now: Any) -> dict[str, Any]:
    seen = {"seen_price_minor": 100, "seen_is_available": True}
    return {"cart_id": cart_id, "product_id": product_id, "quantity": 1, "added_at": now, **seen}


def _request(cart_id: int, token: str, lines: int, *, has_key: bool) -> Request:
    body = {
        "cart_id": cart_id,
        "expected_total": {"amount": f"{lines}.00", "currency": "USD"},
        "email": f"buyer{cart_id}@example.org",
        "shipping_address": ADDRESS,
        "payment_method": "invoice",
    }
    key = secrets.token_hex(16) if has_key else "-"
    return Request("/api/v1/orders", "POST", json.dumps(body, separators=(",", ":")), key=key, cart=token)


def measure(shop: Shop, *, cases: Sequence[str], rounds: int, seconds: int) -> None:
    """Let the cases take turns; one round before is not counted."""
    shop.found = {name: [] for name in cases}
    for number in range(-1, rounds):
        for name in cases if number % 2 else reversed(cases):
            length = seconds if number >= 0 else min(seconds, 5)
            requests = carts(shop, CASES[name], FASTEST * length)
            result = load(
                shop.server,
                requests,
                headers={"Content-Type": "application/json"},
                seconds=length,
                database=shop.database,
                folder=shop.folder,
                connections=BUYERS,
            )
            if result.count > len(requests):
                raise SystemExit(f"{result.count} orders in {length} s: raise FASTEST")
            shop.sold += result.count
            if number >= 0:
                shop.found[name].append(result)


def report(shop: Shop) -> bool:
    """Print what was found; whether the slowest are as quick as they have to be."""
    is_quick = True
    for name, results in shop.found.items():
        rates, p50, p99, ratio = (
            [result.rate for result in results],
            [result.p50 for result in results],
            [result.p99 for result in results],
            [result.p99 / result.p50 for result in results],
        )
        is_quick &= statistics.median(ratio) <= MOST
        cpu = statistics.median(result.cpu for result in results)
        database = statistics.median(result.database_cpu for result in results)
        print(
            f"{shop.kind:>8} {name:>6}: {_spread(rates, '.0f')} orders/s; p50 {_spread(p50, '.0f')} ms, "
            f"p99 {_spread(p99, '.0f')} ms ({_spread(ratio, '.1f')} x p50); "
            f"CPU {cpu:.1f} ms an order, database {database:.1f} ms",
            flush=True,
        )
    return is_quick


def _spread(values: Sequence[float], shape: str) -> str:
    return f"{statistics.median(values):{shape}} ({min(values):{shape}} to {max(values):{shape}})"


def _orders_at_rest() -> int:
    """How many orders there are, once the server has worked off what the load left when it ended."""
    counted = -1
    for _ in range(_LONGEST_REST_S):
        db.session.rollback()
        before, counted = counted, db.session.scalar(select(func.count()).select_from(Order)) or 0
        if counted == before:
            return counted
        time.sleep(1)
    raise SystemExit(f"orders are still placed {_LONGEST_REST_S} s after the load has ended")


def proof(shop: Shop) -> bool:
    """Whether there is an order for each answer, and everything adds up."""
    with create_base(make_settings(shop.url, "unix:///nowhere")).app_context():
        orders = _orders_at_rest()
        wrong = violations(at_rest=False)
        db.session.remove()
        db.engine.dispose()
    print(f"{shop.kind:>8}: {orders} orders, {shop.sold} answers; {len(wrong)} rules do not hold {wrong[:3]}")
    return shop.sold <= orders <= shop.sold + BUYERS * len(shop.found) * 20 and not wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=8, help="of each case in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--databases", nargs="+", choices=["mariadb", "sqlite"], default=["mariadb", "sqlite"])
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    chosen = parser.parse_args()
    needs()
    is_fine = True
    print(f"{BUYERS} buyers at once, {chosen.rounds} rounds of {chosen.seconds} s; medians (lowest to highest)")
    for number, kind in enumerate(chosen.databases):
        with opened(kind, FIRST_PORT + number) as shop:
            measure(shop, cases=chosen.cases, rounds=chosen.rounds, seconds=chosen.seconds)
            is_fine &= report(shop)
            is_fine &= proof(shop)
    if not is_fine:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
