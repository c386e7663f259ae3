"""Guessing which attribute of a product a column has: by what it is called, else by what stands in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from app.core.fields import ASIN
from app.operations.files.guessing import Guess, Look, by_name, guess, plain
from app.products import gtin
from app.products.attributes import MAX_KEY

ATTRIBUTE: Final = "attribute:"
"""``attribute:colour`` is the attribute ``colour`` alone."""
TARGETS: Final = (
    "asin", "name", "brand", "price", "currency", "description", "is_active", "gtin", "images", "categories",
    "attributes", "low_stock_threshold",
)  # fmt: skip
MAX_TARGET: Final = len(ATTRIBUTE) + MAX_KEY
THRESHOLD: Final = "low_stock_threshold"
"""Needs more than to write products."""
_CALLED: Final = {
    "asin": "asin amazonasin productasin asincode parentasin childasin",
    "name": "name productname title producttitle itemname item itemtitle product articlename label",
    "brand": "brand brandname manufacturer make maker vendor vendorname producer",
    "price": "price unitprice saleprice sellingprice retailprice listprice amount cost priceamount currentprice",
    "currency": "currency currencycode pricecurrency isocurrency",
    "description": "description productdescription longdescription shortdescription details bodyhtml body text about",
    "is_active": "isactive active enabled isenabled status published ispublished visible isvisible live",
    "gtin": "gtin gtin8 gtin12 gtin13 gtin14 ean ean8 ean13 upc upca barcode eancode upccode isbn isbn13 jan",
    "images": "images image imageurl imageurls imagelink picture pictures photo photos imagesrc mainimage img",
    "categories": "categories category categorypath producttype productcategory taxonomy department collection",
    "attributes": "attributes attribute properties extra extras metadata specifications specs custom customfields",
    "low_stock_threshold": "lowstockthreshold threshold lowstock reorderpoint reorderlevel minstock minimumstock",
}
_BY_NAME: Final = by_name(_CALLED)
_PRICE: Final = re.compile(r"[0-9]{1,9}[.][0-9]{2}")
_ADDRESS: Final = re.compile(r"https?://\S+")
_BY_CONTENT: Final[tuple[Look, ...]] = (
    ("gtin", lambda text: gtin.problem_of(text) is None),
    ("asin", lambda text: ASIN.fullmatch(text.upper()) is not None and any(sign.isdigit() for sign in text)),
    ("images", lambda text: _ADDRESS.match(text) is not None),
    ("is_active", lambda text: text.lower() in {"true", "false"}),
    ("price", lambda text: _PRICE.fullmatch(text) is not None),
)


def guess_columns(names: Sequence[str], values: Sequence[Sequence[Any]]) -> list[Guess]:
    """A guess for each column; ``values`` are some of each column's. No attribute is guessed for two columns."""
    return guess(names, values, called=_called, looks=_BY_CONTENT)


def is_target(target: str) -> bool:
    """Whether a column can be mapped to this."""
    return target in TARGETS or (target.startswith(ATTRIBUTE) and len(ATTRIBUTE) < len(target) <= MAX_TARGET)


def _called(name: str) -> str | None:
    if name in TARGETS:
        return name
    if name.lower().startswith(ATTRIBUTE) and is_target(ATTRIBUTE + name[len(ATTRIBUTE) :].strip()):
        return ATTRIBUTE + name[len(ATTRIBUTE) :].strip()
    return _BY_NAME.get(plain(name))
