"""What stands for a category in addresses: small letters, digits and single hyphens, in ASCII."""

from __future__ import annotations

import re
from collections.abc import Container
from itertools import count
from typing import Final

from slugify import slugify

from app.products.models.categories import MAX_SLUG

SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_ROOM: Final = len("-99999")
NOTHING: Final = "category"
"""Where no letter of a name can be written in ASCII."""


def slug_of(name: str) -> str:
    """A slug for a name: ``Straße & Öl`` is ``strasse-ol``; leaves room for a number behind it."""
    return slugify(name, max_length=MAX_SLUG - _ROOM) or NOTHING


def first_free(slug: str, taken: Container[str]) -> str:
    """The slug, or with the first number behind it that is free: ``lamps``, ``lamps-2``, ``lamps-3``."""
    if slug not in taken:
        return slug
    return next(numbered for number in count(2) if (numbered := f"{slug}-{number}") not in taken)
