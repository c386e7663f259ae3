"""How long searches and facets take on a catalogue of a million products.

    python -m bench.search [--short] [--database mariadb --database sqlite]

Every query is asked with others in turn (no two of a kind in a row), first once to warm up, then ROUNDS times; what is
measured is the whole of ``find`` and ``count_facets`` in this process, with all statements and the ranking, not HTTP.
Targets: search p95 50 ms on MariaDB and SQLite, facets p95 150 ms. Ends with 1 when one is missed.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from app import create_base
from app.core.extensions import db
from app.core.orm import utc_now
from app.products.models.products import Product
from app.products.models.search import SearchWord
from app.products.search import indexing, upkeep
from app.products.search.facets import count_all, count_facets
from app.products.search.finding import find
from app.products.search.port import Filters, Query
from bench.catalogue import LONG, SHORT, catalogue
from tests.servers import make_settings

ROUNDS: Final = 10
EACH: Final = 12
"""Queries of a kind."""
SEARCH_MS: Final = 50.0
FACETS_MS: Final = 150.0
FILTERED: Final = "filtered (no target)"

Deed = Callable[[], object]
console = Console(width=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help=f"{SHORT:,} products")
    parser.add_argument("--database", action="append", choices=["mariadb", "sqlite", "postgresql"])
    chosen = parser.parse_args()
    missed = [
        f"{kind}: {name}"
        for kind in chosen.database or ["mariadb", "sqlite"]
        for name in measure_database(kind, SHORT if chosen.short else LONG)
    ]
    if missed:
        raise SystemExit("missed: " + ", ".join(missed))


def measure_database(kind: str, products: int) -> list[str]:
    """Measure one database; the kinds of queries that missed their target."""
    with catalogue(kind, products) as found:
        app = create_base(make_settings(found.url, "unix:///nowhere"))
        logging.disable(logging.INFO)
        with app.app_context():
            try:
                _index(kind)
                deeds = _deeds()
                times = _measure(deeds)
            finally:
                db.session.remove()
                db.engine.dispose()
    return _report(f"{kind}, {products:,} products, load {os.getloadavg()[0]:.1f}", times)


def _index(kind: str) -> None:
    """Index what is not indexed yet, and count all products."""
    done = indexing.count_documents()
    present = db.session.scalar(select(func.count()).select_from(Product).where(Product.deleted_at.is_(None))) or 0
    db.session.rollback()
    if done < present or indexing.last_rebuilt():
        began = time.monotonic()
        upkeep.rebuild_database(lambda _more: None, now=utc_now)
        took = time.monotonic() - began
        more = indexing.count_documents() - done
        console.print(f"{kind}: indexed {more:,} products in {took:.1f} s, {more / took:,.0f} a second")
        _analyze()
    began = time.monotonic()
    count_all(now=utc_now())
    console.print(f"{kind}: counted all facets in {time.monotonic() - began:.1f} s")


def _analyze() -> None:
    words = "TABLE search_document, search_posting, search_word" if db.engine.dialect.name == "mysql" else ""
    with db.engine.connect() as connection:
        connection.exec_driver_sql(f"ANALYZE {words}").close()


def _deeds() -> dict[str, list[Deed]]:
    """What is measured, by kind."""
    chance = random.Random("search")
    common, middle, rare = _words(50_000, 10**9), _words(3_000, 20_000), _words(3, 300)
    for words in (common, middle, rare):
        chance.shuffle(words)
    brands = db.session.scalars(select(Product.brand).where(Product.brand.is_not(None)).limit(EACH)).all()
    asins = db.session.scalars(select(Product.asin).where(Product.deleted_at.is_(None)).limit(EACH)).all()
    db.session.rollback()
    long = [word for word in middle if len(word) > 4]
    texts: dict[str, Sequence[str]] = {
        "common word": [f"{word} " for word in common],
        "middling word": [f"{word} " for word in middle],
        "rare word": [f"{word} " for word in rare],
        "two common words": [f"{one} {other} " for one, other in pairwise(common)],
        "two middling words": [f"{one} {other} " for one, other in pairwise(middle)],
        "common and rare": [f"{one} {other} " for one, other in zip(common * 9, rare, strict=False)],
        "common and prefix": [f"{one} {other[:3]}" for one, other in zip(common * 9, middle, strict=False)],
        "prefix of 1": list("bcklmst"),
        "prefix of 2": [word[:2] for word in middle],
        "prefix of 3": [word[:3] for word in middle],
        "prefix of 4": [word[:4] for word in long],
        "misspelt": [f"{word[:2]}{word[3]}{word[2]}{word[4:]}" for word in long if word[2] != word[3]],
        "ASIN": asins,
        "beginning of an ASIN": [asin[:5] for asin in asins],
    }
    deeds: dict[str, list[Deed]] = {
        name: [partial(_find, text) for text in some[:EACH]] for name, some in texts.items()
    }
    filters = [Filters(brand=brands[0]), Filters(category=1), Filters(in_stock=False), Filters(price_max=2000)]
    deeds[FILTERED] = [partial(_find, text, one) for text in texts["common word"][:3] for one in filters]
    facets: list[dict[str, Any]] = [{}, {"brand": brands[0]}, {"category": 1}, {"category": 100}]
    facets += [{"is_active": False}, {"in_stock": True}, {"price_max": 2000}, {"category": 5, "is_active": False}]
    facets += [{"q": text} for text in (*texts["common word"][:2], *texts["rare word"][:2])]
    deeds |= {f"facets, {' '.join(map(str, one)) or 'all'}": [] for one in facets}
    for one in facets:
        deeds[f"facets, {' '.join(map(str, one)) or 'all'}"].append(partial(_facets, one))
    return deeds


def _words(low: int, high: int) -> list[str]:
    wanted = select(SearchWord.word).where(SearchWord.documents.between(low * _scale(), high), SearchWord.length > 3)
    return list(db.session.scalars(wanted.order_by(SearchWord.documents.desc(), SearchWord.word).limit(200)))


def _scale() -> float:
    return (db.session.scalar(select(func.max(Product.id))) or 1) / LONG


def _find(text: str, filters: Filters | None = None) -> None:
    find(Query(text, filters or Filters()))
    db.session.rollback()


def _facets(chosen: dict[str, Any]) -> None:
    count_facets(**chosen)
    db.session.rollback()


def _measure(deeds: dict[str, list[Deed]]) -> dict[str, list[float]]:
    """Milliseconds of each deed by kind."""
    times: dict[str, list[float]] = defaultdict(list)
    order = [(name, deed) for name, some in deeds.items() for deed in some]
    chance = random.Random("order")
    for turn in range(ROUNDS + 1):
        chance.shuffle(order)
        for name, deed in order:
            began = time.perf_counter()
            deed()
            if turn:
                times[name].append((time.perf_counter() - began) * 1000)
    return {name: times[name] for name in deeds if times[name]}


def _report(title: str, times: dict[str, list[float]]) -> list[str]:
    table = Table("what", "p50 ms", "p95 ms", "max ms", "target p95", "", title=title)
    missed = []
    for name, some in times.items():
        target = FACETS_MS if name.startswith("facets") else None if name == FILTERED else SEARCH_MS
        p95 = sorted(some)[math.ceil(len(some) * 0.95) - 1]
        kept = target is None or p95 <= target
        missed += [] if kept else [name]
        shown = ("-", "") if target is None else (f"{target:.0f}", "ok" if kept else "MISSED")
        table.add_row(name, f"{statistics.median(some):.1f}", f"{p95:.1f}", f"{max(some):.1f}", *shown)
    console.print(table)
    return missed


if __name__ == "__main__":
    main()
