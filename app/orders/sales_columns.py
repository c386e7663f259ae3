"""What the columns of a file of sales can be, and guessing it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from app.core.fields import ASIN
from app.operations.files.guessing import Guess, Look, by_name, guess, plain

TARGETS: Final = (
    "external_id", "sold_at", "kind", "asin", "name", "brand", "quantity", "currency", "gross", "discount", "tax",
    "shipping", "net", "total",
)  # fmt: skip
NEEDED: Final = ("external_id", "sold_at", "asin", "quantity", "gross")
MAX_TARGET: Final = max(map(len, TARGETS))

# No name of a unit's price is among these: gross is that of all units of the row.
_BY_NAME: Final = by_name(
    {
        "external_id": "externalid id lineid orderlineid lineitemid orderitemid saleid transactionid rowid key",
        "sold_at": "soldat soldon date datetime timestamp day saledate orderdate purchasedate paidat transactiondate",
        "kind": "kind type saletype transactiontype",
        "asin": "asin amazonasin productasin asincode",
        "name": "name productname title producttitle itemname item product",
        "brand": "brand brandname manufacturer",
        "quantity": "quantity qty units unitssold itemcount quantitysold quantitypurchased",
        "currency": "currency currencycode isocurrency",
        "gross": "gross grosssales grossamount subtotal linesubtotal itemsubtotal",
        "discount": "discount discounts discountamount couponamount promotiondiscount",
        "tax": "tax taxes taxamount salestax vat vatamount",
        "shipping": "shipping shippingamount shippingfee postage freight deliveryfee",
        "net": "net netsales netamount",
        "total": "total totalamount totalsales linetotal totalpaid amountpaid",
    }
)
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?")
_BY_CONTENT: Final[tuple[Look, ...]] = (
    ("sold_at", lambda text: _TIME.fullmatch(text) is not None),
    ("asin", lambda text: ASIN.fullmatch(text.upper()) is not None and any(sign.isdigit() for sign in text)),
    ("kind", lambda text: text.lower() in {"sale", "refund"}),
)


def guess_columns(names: Sequence[str], values: Sequence[Sequence[Any]]) -> list[Guess]:
    """A guess for each column; ``values`` are some of each column's. Nothing is guessed for two columns."""
    return guess(names, values, called=_called, looks=_BY_CONTENT)


def _called(name: str) -> str | None:
    return name if name in TARGETS else _BY_NAME.get(plain(name))
