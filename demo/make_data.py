"""Make the marketplace's catalogue and the shop's product master: ``python -m demo.make_data [DIR]``.

Both start from the same 240 products; then the marketplace drifts away from the master in the ways that DRIFT lists.
The seed is fixed, so a run always writes the same two files.
"""

from __future__ import annotations

import argparse
import csv
import json
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

from demo.vocabulary import CATEGORIES, Category

Product = dict[str, Any]

SEED: Final = 20_261
DATA: Final = Path(__file__).parent / "data"
MASTER_COLUMNS: Final = ("asin", "name", "brand", "price", "description")
CART_COUNT: Final = 40
"""How many products, the first of the master, the add-to-cart job tries; DRIFT_IN_CARTS is among them."""
DRIFT_IN_CARTS: Final = (
    "dearer",
    "cheaper",
    "renamed",
    "other_brand",
    "sold_out",
    "sold_out_without_price",
    "gone",
    "dead_button",
)
DRIFT_ELSEWHERE: Final = (
    *["dearer"] * 4,
    *["cheaper"] * 4,
    "one_cent_more",
    *["renamed"] * 4,
    *["other_brand"] * 2,
    *["dearer_and_renamed"] * 2,
    "sold_out",
    "sold_out_with_stale_data",
    *["gone"] * 2,
    "silent",
    "robot_check",
)
_CENTS: Final = tuple(map(Decimal, ("0.00", "0.49", "0.90", "0.95", "0.99", "0.99")))
LATEST_POSITION: Final = 200
"""The slow pages stand before this position, so that a job does not end by waiting for them."""


def build() -> tuple[list[Product], list[Product]]:
    """Return the marketplace's catalogue (by ASIN) and the master's rows (in the order jobs take them)."""
    random = Random(SEED)
    products = _products(random)
    random.shuffle(products)
    master = [{column: product[column] for column in MASTER_COLUMNS} for product in products]
    places = random.sample(range(CART_COUNT), len(DRIFT_IN_CARTS))
    places += random.sample(range(CART_COUNT, LATEST_POSITION), len(DRIFT_ELSEWHERE))
    for place, kind in zip(places, (*DRIFT_IN_CARTS, *DRIFT_ELSEWHERE), strict=True):
        _drift(products[place], kind, random)
    dearest = max(set(range(CART_COUNT, len(products))) - set(places), key=lambda at: Decimal(products[at]["price"]))
    _drift(products[dearest], "dearer", random)
    catalogue = sorted((product for product in products if product["page"] != "gone"), key=lambda each: each["asin"])
    return catalogue, master


def write(folder: Path) -> None:
    """Write ``catalogue.json`` and ``master.csv`` into the folder, which is made when it is missing."""
    catalogue, master = build()
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(catalogue, ensure_ascii=False, indent=1) + "\n"
    (folder / "catalogue.json").write_text(text, encoding="utf-8")
    with (folder / "master.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, MASTER_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(master)


def _products(random: Random) -> list[Product]:
    """Make every article of every category in two finishes."""
    asins: set[str] = set()
    return [
        _product(category, f"{article}, {finish}", base, asin=_new_asin(random, asins), random=random)
        for category in CATEGORIES
        for article, low, high in category.articles
        for base in (random.randrange(low, high),)
        for finish in random.sample(category.finishes, 2)
    ]


def _product(category: Category, name: str, base: int, *, asin: str, random: Random) -> Product:
    """One product in one finish, at about its base price."""
    price = Decimal(base + random.randrange(4)) + random.choice(_CENTS)
    brand = random.choice(category.brands)
    return {
        "asin": asin,
        "name": name,
        "brand": brand,
        "category": category.slug,
        "price": _amount(price),
        "was": _amount(price * 5 / 4) if random.random() < 0.2 else None,
        "price_style": _price_style(price, random),
        "price_shown": True,
        "stock": random.randrange(1, 60),
        "description": f"{name}. Made by {brand}, chosen for our department {category.title}.",
        "features": random.sample(category.features, 3),
        "structured_data": random.choice(("offer", "offer", "number", "none", "related_only")),
        "page": "product",
    }


_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


def _new_asin(random: Random, taken: set[str]) -> str:
    """Draw an ASIN that is not taken yet."""
    while (asin := "B0" + "".join(random.choice(_ALPHABET) for _ in range(8))) in taken:
        pass
    taken.add(asin)
    return asin


def _amount(price: Decimal) -> str:
    return f"{price.quantize(Decimal('0.01'))}"


def _price_style(price: Decimal, random: Random) -> str:
    """How the page spells the price; only a price without cents may leave them out."""
    styles = ["symbol", "symbol", "split", "code", *(["round"] * 3 if price == int(price) else [])]
    return random.choice(styles)


def _drift(product: Product, kind: str, random: Random) -> None:
    """Change a product of the marketplace in one of the ways of DRIFT_IN_CARTS and DRIFT_ELSEWHERE."""
    price = Decimal(product["price"])
    if kind in ("dearer", "dearer_and_renamed"):
        product.update(price=_amount(price * random.randrange(104, 130) / 100), price_style="symbol", was=None)
    elif kind == "cheaper":
        product.update(price=_amount(price * random.randrange(70, 96) / 100), price_style="split", was=_amount(price))
    elif kind == "one_cent_more":
        product.update(price=_amount(price + Decimal("0.01")), price_style="code")
    elif kind == "other_brand":
        brands = next(category.brands for category in CATEGORIES if category.slug == product["category"])
        product.update(brand=random.choice([brand for brand in brands if brand != product["brand"]]))
    elif kind.startswith("sold_out"):
        product.update(stock=0, price_shown=kind != "sold_out_without_price")
        product.update(structured_data={"sold_out_with_stale_data": "stale"}.get(kind, product["structured_data"]))
    elif kind != "renamed":
        product.update(page=kind)
    if kind.endswith("renamed"):
        product.update(name=f"{product['name']} ({random.choice(('New Edition', 'Mk II', '2nd Generation'))})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    write(parser.parse_args().folder)


if __name__ == "__main__":
    main()
