"""The rows of the benchmarks' catalogue, the same ones every time; made one by one, so that a million fit anywhere."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, Final

from bench.words import WORDS, ZIPF

Row = tuple[Any, ...]

BRANDS: Final = 5_000
ROOTS: Final = 10
CHILDREN: Final = 5
"""Of every category of the first and second level: 10 + 50 + 250 categories."""
_BEGIN: Final = datetime(2024, 1, 1, 6, tzinfo=UTC)
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_COLORS: Final = ("black", "white", "red", "blue", "green", "steel")


def brand(number: int) -> str:
    """The name of a brand, the largest first."""
    return f"{WORDS[300 + number].capitalize()} {('Co', 'Works', 'Goods', 'Labs')[number % 4]}"


_BRANDS: Final = [brand(number) for number in range(BRANDS)]
_BRAND_ZIPF: Final = list(accumulate(1 / rank for rank in range(1, BRANDS + 1)))


def asin(number: int) -> str:
    """The ASIN of a product: B and nine letters or digits that follow no order."""
    rest, text = number * 48_271_234_567 % 36**9, ""
    for _ in range(9):
        rest, digit = divmod(rest, 36)
        text += _DIGITS[digit]
    return f"B{text}"


def gtin(number: int) -> str:
    """A GTIN-13 with its check digit (GS1 General Specifications, 7.9)."""
    body = f"4{number:011d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
    return body + str(-total % 10)


def categories(_products: int = 0) -> Iterator[Row]:
    """A tree of three levels; the ids of a level follow those of the one above."""
    begun = _at(_BEGIN)
    for number, (parent, position) in enumerate(_places(), start=1):
        name = f"{WORDS[20 + number].capitalize()} & {WORDS[400 + number]}"
        yield number, parent, name, f"{name.lower().replace(' & ', '-')}-{number}", position, 1, begun, begun


def _places() -> Iterator[tuple[int | None, int]]:
    for position in range(ROOTS):
        yield None, position
    for parent in range(1, ROOTS + ROOTS * CHILDREN + 1):
        for position in range(CHILDREN):
            yield parent, position


_PARENTS: Final = dict(enumerate((parent for parent, _ in _places()), start=1))
_LEAVES: Final = [number for number in _PARENTS if number > ROOTS + ROOTS * CHILDREN]
_LEAF_ZIPF: Final = list(accumulate(1 / rank for rank in range(1, len(_LEAVES) + 1)))


def ancestors(category: int) -> Iterator[int]:
    """The categories above one."""
    parent = _PARENTS[category]
    while parent is not None:
        yield parent
        parent = _PARENTS[parent]


def direct_categories(product: int) -> list[int]:
    """The categories that a product is put in, ascending: one, sometimes two, rarely none."""
    chance = product * 2_654_435_761 % 2**32
    wanted = (1, 1, 1, 1, 1, 1, 1, 2, 2, 0)[chance % 10]
    found = set()
    for turn in range(wanted):
        drawn = (chance * (turn + 3) * 40_503 + 7) % 2**32 / 2**32 * _LEAF_ZIPF[-1]
        found.add(_LEAVES[min(bisect(_LEAF_ZIPF, drawn), len(_LEAVES) - 1)])
    return sorted(found)


def products(count: int) -> Iterator[Row]:
    """Products 1 to ``count``: one of 20 has no brand, one of 20 is inactive, one of 100 deleted."""
    chance = random.Random("products")
    draw, step = chance.random, timedelta(seconds=60)
    for number in range(1, count + 1):
        created = _BEGIN + number * step
        updated = created + timedelta(seconds=draw() * 40_000_000)
        name = " ".join(chance.choices(WORDS, cum_weights=ZIPF, k=3 + int(draw() * 6)))
        yield (
            number,
            name.capitalize(),
            asin(number),
            None if draw() < 0.05 else chance.choices(_BRANDS, cum_weights=_BRAND_ZIPF)[0],
            0 if draw() < 0.05 else 1,
            " ".join(chance.choices(WORDS, cum_weights=ZIPF, k=12 + int(draw() * 16))).capitalize() + ".",
            int(chance.lognormvariate(7.8, 1.1)) + 99,
            "USD",
            1,
            _at(updated) if draw() < 0.01 else None,
            _at(created),
            _at(updated),
            gtin(number) if draw() < 0.6 else None,
            _attributes(draw),
            f'["https://images.example.org/{number}.jpg"]' if draw() < 0.8 else "[]",
            "[" + ",".join(map(str, direct_categories(number))) + "]",
        )


def memberships(count: int) -> Iterator[Row]:
    """The direct categories of every product and all above them."""
    for number in range(1, count + 1):
        direct = set(direct_categories(number))
        above = {found for category in direct for found in ancestors(category)}
        for category in direct | above:
            yield category, number, 1 if category in direct else 0


def stock(count: int) -> Iterator[Row]:
    """One of ten is sold out; one of four is watched."""
    chance, begun = random.Random("stock"), _at(_BEGIN)
    for number in range(1, count + 1):
        on_hand = 0 if chance.random() < 0.1 else int(chance.expovariate(1 / 40)) + 1
        threshold = 10 if chance.random() < 0.25 else None
        yield number, on_hand, 0, threshold, int(threshold is not None and on_hand <= threshold), begun


def movements(count: int) -> Iterator[Row]:
    """How the stock of each product came in."""
    for number, on_hand, _allocated, _threshold, _low, when in stock(count):
        if on_hand:
            yield number, "received", on_hand, 0, "system", when


def _at(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%S.%f")


def _attributes(draw: Callable[[], float]) -> str:
    """JSON as the product stores it: sorted, without blanks."""
    color, weight = _COLORS[int(draw() * len(_COLORS))], int(draw() * 5000)
    return f'{{"color":"{color}","weight_g":{weight}}}' if draw() < 0.7 else "{}"


TABLES: Final[tuple[tuple[str, Sequence[str], Callable[[int], Iterator[Row]]], ...]] = (
    (
        "product",
        (
            "id", "name", "asin", "brand", "is_active", "description", "price_minor", "currency", "version",
            "deleted_at", "created_at", "updated_at", "gtin", "attributes", "images", "categories",
        ),
        products,
    ),
    (
        "category",
        ("id", "parent_id", "name", "slug", "position", "version", "created_at", "updated_at"),
        categories,
    ),
    ("product_category", ("category_id", "product_id", "is_direct"), memberships),
    ("stock", ("product_id", "on_hand", "allocated", "low_stock_threshold", "is_low", "updated_at"), stock),
    (
        "stock_movement",
        ("product_id", "kind", "on_hand_delta", "allocated_delta", "actor_kind", "created_at"),
        movements,
    ),
)  # fmt: skip
"""Tables in the order they are filled, with their columns and rows."""
