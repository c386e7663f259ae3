"""A shop of some two hundred products, made by hand, for searches with known answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pytest
from sqlalchemy import insert, select

from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.products.models.categories import Category, ProductCategory
from app.products.models.products import Product
from app.products.models.search import SearchWord
from app.products.models.stock import Stock
from app.products.search import indexing, matching, mysql, postgresql, queue, upkeep

BY_HAND: Final = (
    ("Copper kettle, 1.7 l", "Kettles & Co."),
    ("Kettle", "Lumo"),
    ("Kettle descaler, 500 ml", "Lumo"),
    ("Electric kettle with a whistle", "Brühwerk"),
    ("Whistle for dogs", None),
    ("Reading lamp", "Lumo"),
    ("Lamp oil, 500ml", "Lumo"),
    ("Desk lamp with USB-C port", "Helle"),
    ("USB-C cable, 2 m", "Volt"),
    ("USB C charger 65W", "Volt"),
    ("Cable tie, 100 pieces", "Binder"),
    ("HDMI cable 4K", "Volt"),
    ("Noise cancelling headphones WH-1000XM5", "Sony"),
    ("Headphones stand", "Helle"),
    ("Headphone adapter", "Volt"),
    ("Sony headphones case", "Koffer"),
    ("Wireless keyboard", "Tasten"),
    ("Keyboard cover", "Tasten"),
    ("The Who: Live at Leeds", None),
    ("To be or not to be, a poster", None),
    ("Café au lait bowl", "Émile"),
    ("Cafetière, 8 cups", "Émile"),
    ("Straße sign", None),
    ("Łódź city map", None),
    ("Smørrebrød board", "Ægir"),
    ("L'Oréal shampoo", "L'Oréal"),
    ("Children's book", None),
    ("猫のおもちゃ", "ねこや"),
    ("猫砂 5kg", "ねこや"),
    ("犬のおもちゃ", "いぬや"),
    ("東京タワーの模型", "模型社"),
    ("京都の地図", None),
    ("Чайник медный", "Самовар"),
    ("Настольная лампа", None),
    ("Κανάτα", None),
    ("กาต้มน้ำ", None),
    ("Ｆｕｌｌｗｉｄｔｈ mug", None),
    ("Mug 🐱 with a cat", "Lumo"),
    ("C++ in ten lessons", None),
    ("100% cotton towel", "Weich"),
    ("Towel rail", "Weich"),
    ("AND OR NOT: logic for all", None),
    ("x", None),
    ("Vitamin B12 tablets", "Vita"),
    ("Vitamin C tablets", "Vita"),
    ("T-shirt, red, XL", "Weich"),
    ("Shirt, red", "Weich"),
    ("Red shirt for children", "Weich"),
    ("R2-D2 figure", None),
    ("Bose speaker", "Bose"),
)
_COLOURS: Final = ("red", "blue", "green", "black", "white")
_THINGS: Final = ("chair", "table", "shelf", "drawer", "cupboard", "bench", "stool", "mirror", "frame", "vase")
_SIZES: Final = ("small", "middling", "large")
ALL: Final[tuple[tuple[str, str | None], ...]] = (
    *BY_HAND,
    *((f"{size} {colour} {thing}", "Holz") for size in _SIZES for colour in _COLOURS for thing in _THINGS),
)


def asin(number: int) -> str:
    """The ASIN of the product with this place on the shelf."""
    return f"B0SHELF{number:03d}"


@in_transaction
def add(products: Iterable[tuple[str, str | None]], *, start: int = 0, **values: Any) -> list[int]:
    """Add products with these names and brands, queued for search, in stock in turn; their ids."""
    ids = []
    for number, (name, brand) in enumerate(products, start=start):
        made = {"name": name, "brand": brand, "asin": asin(number), "price_minor": 1000 + number, "currency": "USD"}
        row = Product(**made | {"created_at": utc_now(), "updated_at": utc_now()} | values)
        db.session.add(row)
        db.session.flush()
        db.session.add(Stock(product_id=row.id, on_hand=number % 2, updated_at=utc_now()))
        ids.append(row.id)
    queue.add(ids)
    return ids


@in_transaction
def change(product_id: int, **values: Any) -> None:
    """Change a product and queue it."""
    row = db.session.get_one(Product, product_id)
    for name, value in values.items():
        setattr(row, name, value)
    queue.add([product_id])


@in_transaction
def put_into(name: str, product_ids: Iterable[int], *, parent_id: int | None = None) -> int:
    """Make a category and put products into it and into its parent."""
    category = Category(name=name, slug=name, parent_id=parent_id, position=0)
    db.session.add(category)
    db.session.flush()
    for product_id in product_ids:
        db.session.get_one(Product, product_id).categories = [category.id]
        rows = [{"category_id": category.id, "product_id": product_id, "is_direct": True}]
        if parent_id is not None:
            rows.append({"category_id": parent_id, "product_id": product_id, "is_direct": False})
        db.session.execute(insert(ProductCategory), rows)
    return category.id


def hold_common(monkeypatch: pytest.MonkeyPatch, *, rare: int = 0) -> None:
    """Hold every word that more than so many products have to be common, and list them where they are listed."""
    monkeypatch.setattr(matching, "RARE", rare)
    monkeypatch.setattr(mysql, "RARE", rare)
    monkeypatch.setattr(postgresql, "MANY", rare)
    indexing.list_common(db.session.scalars(select(SearchWord.word)).all())


def fill(products: Iterable[tuple[str, str | None]] = ALL) -> list[int]:
    """Add products and index them; their ids."""
    ids = add(products)
    upkeep.drain()
    return ids


def names(ids: Iterable[int]) -> list[str]:
    """The names of products, in the order given."""
    db.session.rollback()
    return [db.session.get_one(Product, product_id).name for product_id in ids]
