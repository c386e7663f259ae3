"""Which events others can be told of: one catalogue for webhooks, their documentation and who publishes them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from app.core.errors import Invalid

PRODUCT_UPDATED: Final = "product.updated"
STOCK_LOW: Final = "stock.low"
TEST: Final = "webhook.test"
EVERYTHING: Final = "*"

KINDS: Final[dict[str, str]] = {
    PRODUCT_UPDATED: "Products were added, changed, deleted or restored: 1 to 100 of them in one event",
    STOCK_LOW: "What is left of a product has fallen to its threshold; once per crossing",
}
"""Every kind that a webhook can be told of, by what it means. A new kind is added here and with its schema in
schemas/events.py; who publishes it calls ``services.events.record``."""


def check_kinds(kinds: Collection[str]) -> list[str]:
    """The kinds in the order of the catalogue, ``*`` alone for all; raises Invalid for unknown ones and for none."""
    unknown = sorted(set(kinds) - set(KINDS) - {EVERYTHING})
    if unknown:
        raise Invalid.field("/kinds", f"{', '.join(unknown)} is unknown; there are *, {', '.join(KINDS)}.")
    if not kinds:
        raise Invalid.field("/kinds", "must name a kind of event, or * for all.")
    return [EVERYTHING] if EVERYTHING in kinds else [kind for kind in KINDS if kind in kinds]
