"""Why something about products is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.errors import Conflict, NotFound, StaleVersion


class ProductNotFound(NotFound):
    """No product has this id, or it was deleted."""

    code = "PRODUCT_NOT_FOUND"


class AsinTaken(Conflict):
    """Another product has this ASIN."""

    code = "ASIN_TAKEN"


class ProductNotDeleted(Conflict):
    """The product is there; it need not be brought back."""

    code = "PRODUCT_NOT_DELETED"


class ProductChanged(StaleVersion):
    """The product has changed since the version that the change was based on."""

    code = "PRODUCT_CHANGED"


class StockRefusal(Conflict):
    """A movement of stock does not fit what there is; ``facts["stock"]`` are the present numbers of the product."""

    code = "STOCK_REFUSED"

    def __init__(self, detail: str, *, stock: Mapping[str, Any], **facts: Any) -> None:
        super().__init__(detail)
        self.facts = {"stock": dict(stock), **facts}


class OutOfStock(StockRefusal):
    """Less of a product is available than was asked for."""

    code = "OUT_OF_STOCK"


class StockChanged(StockRefusal):
    """What lies on the shelf is no longer what the count was based on."""

    code = "STOCK_CHANGED"


class StockAllocated(StockRefusal):
    """Less would lie on the shelf than is promised; ``facts`` say how much too little, and to whom the newest is."""

    code = "STOCK_ALLOCATED"


class StockOutOfRange(StockRefusal):
    """There would be less than nothing on the shelf, or more than can be counted."""

    code = "STOCK_OUT_OF_RANGE"


class StockInconsistent(StockRefusal):
    """The counters contradict the allocations; ``flask stock audit`` shows and repairs it."""

    code = "STOCK_INCONSISTENT"


class AlreadyAllocated(Conflict):
    """The reference holds another quantity of the product than is asked for now."""

    code = "ALREADY_ALLOCATED"


class NotAllocated(Conflict):
    """The reference holds less of a product than is to be shipped."""

    code = "NOT_ALLOCATED"


class NotShipped(Conflict):
    """Less of a product was shipped to the reference, and not taken back since, than is to be taken back."""

    code = "NOT_SHIPPED"
