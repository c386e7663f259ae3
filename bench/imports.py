"""How many rows a second an import writes, phase by phase, and how much memory its worker needs.

    python -m bench.imports --databases mariadb sqlite
    python -m bench.imports --short

A worker process (the application without its web face, as background workers are) does to a database of its own what
four uploads ask for: all rows new, with run=true; all prices changed; nothing changed; and the dry run of the last.
Then it exports everything. Rows have nine columns, ASINs in no order, words by Zipf's law. MariaDB has a buffer pool of
512 MB and writes its log at every commit. The seconds of reading, checking and writing are those of the steps
themselves; rows a second count all of them. Memory is the peak of the worker's resident set, with all its imports.
Ends with 1 where a target is missed: 5,000 new and 2,000 changed rows a second into MariaDB, 300 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import logging
import math
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import flask_migrate

from app import create_base
from app.config import Files
from app.core.extensions import db
from app.core.files import FileStore, file_store
from app.core.orm import utc_now
from app.core.permissions import system
from app.operations.files.writing import writer_for, written
from app.operations.models import AT_WORK, Operation
from app.operations.services import leases, running
from app.operations.services.running import run_operation
from app.products.services.exports import writing as exports
from app.products.services.imports import decisions as imports
from bench.rows import asin, brand, gtin
from bench.words import WORDS, ZIPF
from tests.servers import make_settings, mariadb_server, private_folder, redis_server

LONG: Final = 1_000_000
SHORT: Final = 100_000
COLUMNS: Final = ("asin", "name", "brand", "price", "description", "is_active", "gtin", "images", "attribute:colour")
_MARIADB: Final = (
    "--innodb-buffer-pool-size=512M", "--innodb-flush-log-at-trx-commit=1", "--innodb-log-file-size=256M"
)  # fmt: skip
_TARGETS: Final = {"new": 5_000, "changed": 2_000}
_MEMORY_MB: Final = 300
_CHUNK: Final = 1_000
_UPLOADS: Final = (("new", 10, True), ("changed", 20, True), ("unchanged", 20, True), ("dry run", 30, False))


def rows(count: int, price: int) -> Iterator[tuple[str, ...]]:
    """The rows of a file; the same ones but for their prices."""
    chosen = random.Random(7)
    for number in range(count):
        words = chosen.choices(WORDS, cum_weights=ZIPF, k=14)
        yield (
            asin(number), " ".join(words[:5]).capitalize(), brand(number % 5_000), f"{number % 900 + price}.90",
            " ".join(words[5:]) + ".", "true", gtin(number), f"https://images.example/{number}.jpg", words[0],
        )  # fmt: skip


def write(path: Path, kind: str, count: int, price: int) -> None:
    """Write a file of that format."""
    made = rows(count, price)
    if kind == "csv":
        with path.open("w", newline="") as text:
            sheet = csv.writer(text)
            sheet.writerow(COLUMNS)
            sheet.writerows(made)
        return
    chunks = iter(lambda: [row for _, row in zip(range(_CHUNK), made, strict=False)], [])
    with path.open("wb") as file:
        file.writelines(written(writer_for(kind, COLUMNS), chunks))


def watch_steps() -> Counter[str]:
    """Count the seconds of every step by its state."""
    taken: Counter[str] = Counter()

    def timed(state: str, step: running.Step) -> running.Step:
        def do(work: leases.Work, clock: running.Clock) -> leases.Work | None:
            begun = time.perf_counter()
            try:
                return step(work, clock)
            finally:
                taken[state] += time.perf_counter() - begun

        return do

    for (kind, state), step in list(running._STEPS.items()):  # noqa: SLF001  # what the runner knows
        running.register_steps({(kind, state): timed(state, step)})
    return taken


def work(operation_id: int) -> Operation:
    """Do all slices of an operation, each as long as a background worker's."""
    while True:
        operation = db.session.get(Operation, operation_id, populate_existing=True)
        assert operation is not None
        if operation.state not in AT_WORK:
            return operation
        slice_no = operation.slice_no
        db.session.rollback()
        run_operation(operation_id=operation_id, slice_no=slice_no)


def import_file(path: Path, *, run: bool, taken: Counter[str]) -> dict[str, Any]:
    """Import a file and say what became of it."""
    folder = FileStore.new_folder("operations")
    file_store().keep(str(path), f"{folder}/upload")
    taken.clear()
    made = imports.create_import(
        actor=system(), now=utc_now(), folder=folder, filename=path.name, size=path.stat().st_size, limit=2**31, run=run
    )
    found = work(made.id)
    counts = {name: getattr(found, f"{name}_count") for name in ("new", "changed", "unchanged", "refused")}
    result = {"state": found.state, "seconds": dict(taken), "counts": counts}
    file_store().delete(folder)
    return result


def child(url: str, redis_url: str, folder: Path, kind: str, count: int) -> None:
    """What the worker process does; prints a line of JSON for each part."""
    logging.disable(logging.INFO)
    app = create_base(make_settings(url, redis_url, files=Files(url=f"file://{folder}/files")))
    with app.app_context():
        flask_migrate.upgrade()
        taken = watch_steps()
        path = folder / f"rows.{kind}"
        for name, price, run in _UPLOADS:
            command = [sys.executable, "-m", "bench.imports", "--write", str(path), kind, str(count), str(price)]
            subprocess.run(command, check=True)
            tell(name, import_file(path, run=run, taken=taken))
        taken.clear()
        made = exports.create_export(actor=system(), now=utc_now(), format=kind, which={})
        found = work(made.id)
        tell("export", {"state": found.state, "seconds": dict(taken), "counts": {"exported": found.done_count}})


def tell(name: str, result: dict[str, Any]) -> None:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"name": name, "memory_mb": memory, **result}), flush=True)


def measure(database: str, kind: str, count: int) -> list[str]:
    """Print what one database does; returns the targets that it misses."""
    missed = []
    with private_folder() as folder, redis_server(folder) as redis_url, server(database, folder) as url:
        command = [sys.executable, "-m", "bench.imports", "--child", url, redis_url, str(folder), kind, str(count)]
        print(f"{database}, {count:,} rows, {kind}", flush=True)
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        for line in worker.stdout:
            found = json.loads(line)
            seconds = sum(found["seconds"].values())
            rate = count / seconds if seconds else math.nan
            phases = ", ".join(f"{state.lower()} {took:.1f} s" for state, took in found["seconds"].items())
            print(f"  {found['name']:>10}: {rate:8,.0f} rows/s ({phases}); peak {found['memory_mb']} MB", flush=True)
            print(f"  {'':>10}  {found['state']} {found['counts']}", flush=True)
            if database == "mariadb" and rate < _TARGETS.get(found["name"], 0):
                missed.append(f"{found['name']} {rate:,.0f} rows/s")
            if found["memory_mb"] > _MEMORY_MB:
                missed.append(f"{found['name']} {found['memory_mb']} MB")
        if worker.wait():
            missed.append(f"{database} failed")
    return missed


@contextlib.contextmanager
def server(database: str, folder: Path) -> Iterator[str]:
    if database == "mariadb":
        with mariadb_server(folder, options=_MARIADB) as url:
            yield url
    else:
        yield f"sqlite:///{folder}/bench.db"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=LONG)
    parser.add_argument("--short", action="store_true", help=f"{SHORT:,} rows")
    parser.add_argument("--databases", nargs="+", choices=["mariadb", "sqlite"], default=["mariadb", "sqlite"])
    parser.add_argument("--format", choices=["csv", "tsv", "xlsx", "jsonl"], default="csv")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.write:
        path, kind, count, price = chosen.write
        write(Path(path), kind, int(count), int(price))
        return 0
    if chosen.child:
        url, redis_url, folder, kind, count = chosen.child
        child(url, redis_url, Path(folder), kind, int(count))
        return 0
    count = SHORT if chosen.short else chosen.rows
    missed = [each for database in chosen.databases for each in measure(database, chosen.format, count)]
    if missed:
        print(f"Missed: {'; '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
