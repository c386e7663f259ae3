"""Postal addresses: which countries there are, and what staff find an order by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from babel import Locale

from app.products.search.text import fold

MAX_PERSON: Final = 100
MAX_ADDRESS_LINE: Final = 200
MAX_CITY: Final = 100
MAX_POSTAL_CODE: Final = 20
MAX_PHONE: Final = 40
FIELDS: Final = ("name", "company", "line1", "line2", "city", "region", "postal_code", "country", "phone")
"""What an address has; all are stored, what was not said as None."""
MAX_RECIPIENT: Final = 120
_NO_COUNTRIES: Final = frozenset({"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"})
"""Codes of Unicode's list that are none of ISO 3166-1; XK (Kosovo), which post offices use, is no more but stays."""
_APART: Final = re.compile(r"[\W_]+")


@cache
def countries() -> frozenset[str]:
    """The codes of all countries (ISO 3166-1, two letters)."""
    known = Locale("en").territories
    return frozenset(code for code in map(str, known) if len(code) == 2 and code.isalpha()) - _NO_COUNTRIES


def recipient_key(name: str | None) -> str:
    """A name as staff search for it: small letters, without accents, one blank between words."""
    return " ".join(fold(name or "").split())[:MAX_RECIPIENT]


def postal_key(code: str | None) -> str | None:
    """A postal code as staff search for it: letters and digits only; None where there is none."""
    return _APART.sub("", fold(code or "")).upper()[:MAX_POSTAL_CODE] or None


def keys_of(address: Mapping[str, Any]) -> tuple[str, str | None]:
    """The recipient and the postal code of an address, as they are searched for."""
    return recipient_key(address.get("name")), postal_key(address.get("postal_code"))
