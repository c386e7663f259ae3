"""Reading of storefronts what every visit and every turn of the dispatcher must know of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from app.core.orm import table_of
from app.rpa.models.storefronts import Shop, Storefront

COLUMNS: Final = tuple(table_of(Storefront).c[field.name] for field in fields(Shop))
"""What a SELECT names first, so that ``shop_of`` finds it there."""


def shop_of(row: Sequence[Any]) -> Shop:
    """The storefront in a row that begins with ``COLUMNS``."""
    return Shop(*row[: len(COLUMNS)])
