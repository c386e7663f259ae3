"""How many rows a second an import of sales checks, adds and takes back, and how much memory its worker needs.

    python -m bench.sales_imports --databases mariadb sqlite
    python -m bench.sales_imports --rows 10000000 --new-only

A worker process does to a database of its own what people ask for: all rows new, with run=true, which also adds them to
the figures; the dry run of the same file, of which nothing is new any more; its run; and the undo of the first, which
takes them out of the figures again. With --new-only it ends after the first. Rows have nine columns and are of 5,000
ASINs, of which a fifth are products; one of ten is a refund. The machine and what is measured are as in bench.imports;
the worker's own processor time is told as well, for machines that have other things to do.
Ends with 1 where a target is missed: 3,000 rows a second in every part, 300 MB.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import math
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import flask_migrate

from app import create_base
from app.config import Files
from app.core.files import FileStore, file_store
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.orders.services.sales_imports.decisions import create_import
from app.orders.services.sales_imports.undoing import submit_undo
from app.products.services.product_rows import insert_products
from bench.imports import LONG, server, tell, watch_steps, work
from bench.rows import asin
from tests.servers import make_settings, private_folder, redis_server

COLUMNS: Final = ("external_id", "sold_at", "asin", "name", "quantity", "gross", "discount", "tax", "shipping")
_ASINS: Final = 5_000
_KNOWN: Final = 1_000
_LEAST: Final = 3_000
_MEMORY_MB: Final = 300
_BEGUN: Final = datetime(2021, 1, 1, tzinfo=UTC)


def write(path: Path, count: int) -> None:
    """Write a file of sales of five years."""
    chosen = random.Random(7)
    with path.open("w", newline="") as text:
        sheet = csv.writer(text)
        sheet.writerow(COLUMNS)
        for number in range(count):
            product, sign = chosen.randrange(_ASINS), "-" if number % 10 == 9 else ""
            sold = _BEGUN + timedelta(seconds=number * (5 * 365 * 86400 // count))
            sheet.writerow((
                f"{sold:%Y}-{number:08}-1", sold.isoformat(), asin(product), f"Kettle of the kind {product}",
                f"{sign}{chosen.randrange(1, 4)}", f"{sign}{chosen.randrange(1, 300)}.90", f"{sign}0.50",
                f"{sign}{chosen.randrange(0, 20)}.19", f"{sign}4.90",
            ))  # fmt: skip


@in_transaction
def add_products() -> None:
    """Add the products that some of the sales are of."""
    rows = [{"asin": asin(at), "name": f"Kettle {at}", "price_minor": 990, "currency": "USD"} for at in range(_KNOWN)]
    insert_products(rows, utc_now(), thresholds={})


def done(operation_id: int, taken: Counter[str]) -> dict[str, Any]:
    """Do an operation; what is said of it."""
    taken.clear()
    begun = time.process_time()
    found = work(operation_id)
    counts = {name: getattr(found, f"{name}_count") for name in ("new", "changed", "unchanged", "refused")}
    processor_s = time.process_time() - begun
    return {"state": found.state, "seconds": dict(taken), "processor_s": processor_s, "counts": counts}


def child(url: str, redis_url: str, folder: Path, count: int, *, is_new_only: bool) -> None:
    """What the worker process does; prints a line of JSON for each part."""
    logging.disable(logging.INFO)
    app = create_base(make_settings(url, redis_url, files=Files(url=f"file://{folder}/files")))
    with app.app_context():
        flask_migrate.upgrade()
        add_products()
        taken, path, first = watch_steps(), folder / "sales.csv", 0
        for name, run in (("new", True), ("dry run", False), ("unchanged", True)):
            subprocess.run([sys.executable, "-m", "bench.sales_imports", "--write", str(path), str(count)], check=True)
            key, size = FileStore.new_folder("operations"), path.stat().st_size
            file_store().keep(str(path), f"{key}/upload")
            named: dict[str, Any] = {"folder": key, "filename": path.name, "size": size, "limit": 2**31}
            made = create_import(actor=system(), now=utc_now(), run=run, tax_included=False, **named)
            first = first or made.id
            tell(name, done(made.id, taken))
            file_store().delete(key)
            if is_new_only:
                return
        tell("undo", done(submit_undo(actor=system(), now=utc_now(), import_id=first).id, taken))


def measure(database: str, count: int, more: list[str]) -> list[str]:
    """Print what one database does; returns the targets that it misses."""
    missed = []
    with private_folder() as folder, redis_server(folder) as redis_url, server(database, folder) as url:
        command = [sys.executable, "-m", "bench.sales_imports", "--child", url, redis_url, str(folder), str(count)]
        command += more
        print(f"{database}, {count:,} rows", flush=True)
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        for line in worker.stdout:
            found = json.loads(line)
            seconds = sum(found["seconds"].values())
            rate = count / seconds if seconds else math.nan
            phases = ", ".join(f"{state.lower()} {took:.1f} s" for state, took in found["seconds"].items())
            print(f"  {found['name']:>10}: {rate:8,.0f} rows/s ({phases}); peak {found['memory_mb']} MB", flush=True)
            own = f"{count / found['processor_s']:,.0f} rows a second of the worker's processor time"
            print(f"  {'':>10}  {found['state']} {found['counts']}; {own}", flush=True)
            if rate < _LEAST or found["memory_mb"] > _MEMORY_MB:
                missed.append(f"{database} {found['name']}")
        if worker.wait():
            missed.append(f"{database} failed")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=LONG)
    parser.add_argument("--databases", nargs="+", choices=["mariadb", "sqlite"], default=["mariadb", "sqlite"])
    parser.add_argument("--new-only", action="store_true", help="the first import only")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.write:
        write(Path(chosen.write[0]), int(chosen.write[1]))
        return 0
    if chosen.child:
        url, redis_url, folder, count = chosen.child
        child(url, redis_url, Path(folder), int(count), is_new_only=chosen.new_only)
        return 0
    more = ["--new-only"] if chosen.new_only else []
    missed = [each for database in chosen.databases for each in measure(database, chosen.rows, more)]
    if missed:
        print(f"Missed: {'; '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
