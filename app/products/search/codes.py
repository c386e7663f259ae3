"""Products by what is printed on them: an ASIN or a GTIN, or the beginning of one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import select

from app.core.extensions import db
from app.products.search.dictionary import starts_with
from app.products.search.matching import PRODUCT, fitting
from app.products.search.port import Filters

_CODE: Final = re.compile(r"[0-9A-Z]{4,14}")
_SHORTEST_GTIN: Final = 6
"""Digits; fewer are a number in a name."""
BEGINNINGS: Final = 50
"""How many products are found by the beginning of their ASIN, and as many by that of their GTIN."""


def find_by_code(text: str, filters: Filters) -> list[int]:
    """The ids of products with this ASIN or GTIN first, then of those whose ASIN or GTIN begins with it.

    A beginning has at least four letters and digits, one of them a digit, so that a word is not taken for one; of a
    GTIN at least six digits. Blanks and hyphens, as printed codes have them, are left out.
    """
    code = re.sub(r"[\s-]", "", text).upper()
    if not _CODE.fullmatch(code):
        return []
    digits = code.isdecimal()
    found = dict.fromkeys(_ids(PRODUCT.asin == code, filters)) if len(code) == 10 else {}
    if digits and len(code) >= 8:
        found.update(dict.fromkeys(_ids(PRODUCT.gtin.in_(sorted(_spellings(code))), filters)))
    if any(letter.isdecimal() for letter in code):
        if len(code) < 10:
            found.update(dict.fromkeys(_ids(starts_with(PRODUCT.asin, code), filters, by=PRODUCT.asin)))
        if digits and len(code) >= _SHORTEST_GTIN:
            for beginning in (code, f"0{code}"):
                found.update(dict.fromkeys(_ids(starts_with(PRODUCT.gtin, beginning), filters, by=PRODUCT.gtin)))
    return list(found)


def _spellings(digits: str) -> Iterable[str]:
    """A GTIN with fewer and more zeros in front: GTIN-8, -12, -13 and -14 of one product are one number."""
    bare = digits.lstrip("0")
    return {digits, *(bare.zfill(length) for length in (8, 12, 13, 14) if len(bare) <= length)}


def _ids(condition: Any, filters: Filters, *, by: Any = PRODUCT.id) -> Iterable[int]:
    wanted = select(PRODUCT.id).where(condition, *fitting(filters)).order_by(by).limit(BEGINNINGS)
    return db.session.connection().scalars(wanted)
