"""Why something about products is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.core.errors import Busy, Conflict, FieldError, NotFound, StaleVersion, UpstreamFailed

_SHOWN: Final = 100
"""Characters of a value in a sentence; a program finds all of it in the facts."""


class ProductNotFound(NotFound):
    """No product has this id, or it was deleted."""

    code = "PRODUCT_NOT_FOUND"


class AsinTaken(Conflict):
    """Another product has this ASIN."""

    code = "ASIN_TAKEN"


class ProductNotDeleted(Conflict):
    """The product is there; it need not be brought back."""

    code = "PRODUCT_NOT_DELETED"


class UpdateNotFound(NotFound):
    """The update history has no row with this number."""

    code = "PRODUCT_UPDATE_NOT_FOUND"


class NotRevertible(Conflict):
    """This row of the history cannot be taken back, whatever the product's state is."""

    code = "NOT_REVERTIBLE"


class ValueMovedOn(Conflict):
    """The product no longer has the value that the row of the history gave it."""

    code = "VALUE_MOVED_ON"

    def __init__(self, attribute: str, *, has: str | None, given: str | None) -> None:
        super().__init__(
            f"{attribute} is {shown(has)} now and no longer {shown(given)}: what came after would be lost. "
            "Change the product itself."
        )
        self.facts = {"attribute": attribute, "current": has, "given": given}


class ProductIsDeleted(Conflict):
    """The product must be brought back first."""

    code = "PRODUCT_DELETED"


class CategoriesGone(Conflict):
    """Categories that the product was in are no more."""

    code = "CATEGORIES_GONE"


class ImageNotFound(NotFound):
    """The product has no picture at this position."""

    code = "IMAGE_NOT_FOUND"


class ImageRefused(UpstreamFailed):
    """What is at the address of a picture is not shown: it is none, too large, or somewhere we do not ask."""

    code = "IMAGE_REFUSED"


class ImageHostFailed(UpstreamFailed):
    """The server that has a picture does not give it."""

    code = "IMAGE_HOST_FAILED"


class ImagesBusy(Busy):
    """Too many pictures are being fetched at the moment."""

    code = "IMAGES_BUSY"


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
    """The reference holds less than is to be shipped; ``held``: of which products, by id, and how much it holds."""

    code = "NOT_ALLOCATED"

    def __init__(
        self, detail: str, *, held: Mapping[int, int] | None = None, errors: tuple[FieldError, ...] = ()
    ) -> None:
        super().__init__(detail, errors=errors)
        self.held = held or {}


class NotShipped(Conflict):
    """Less of a product was shipped to the reference, and not taken back since, than is to be taken back."""

    code = "NOT_SHIPPED"


class CategoryNotFound(NotFound):
    """No category has this id."""

    code = "CATEGORY_NOT_FOUND"


class CategoryChanged(StaleVersion):
    """The category, or what it is shown with above it, has changed since the version that the change was based on."""

    code = "CATEGORY_CHANGED"


class CategoryNameTaken(Conflict):
    """Another category with the same parent has this name, be it in another case."""

    code = "CATEGORY_NAME_TAKEN"


class CategorySlugTaken(Conflict):
    """Another category has this slug."""

    code = "CATEGORY_SLUG_TAKEN"


class CategoryCycle(Conflict):
    """A category cannot be moved below itself."""

    code = "CATEGORY_CYCLE"


class CategoryTooDeep(Conflict):
    """The tree would have more levels than it may."""

    code = "CATEGORY_TOO_DEEP"


class TooManyCategories(Conflict):
    """There are as many categories as there may be."""

    code = "TOO_MANY_CATEGORIES"


class CategoryNotEmpty(Conflict):
    """There are categories or products in the category."""

    code = "CATEGORY_NOT_EMPTY"

    def __init__(self, detail: str, *, categories: int, products: int) -> None:
        super().__init__(detail)
        self.facts = {"categories": categories, "products": products}


class OtherCount(Conflict):
    """Another number of products fits the filter than was expected."""

    code = "OTHER_COUNT"

    def __init__(self, expected: int, count: int) -> None:
        super().__init__(f"{count} products fit the filter, not {expected}. Look at them again.")
        self.facts = {"count": count}


def shown(value: str | None) -> str:
    """A value in a sentence, cut where it is long."""
    if value is None:
        return "empty"
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."


class FilterNotFound(NotFound):
    """There is no saved filter of products with this id."""

    code = "PRODUCT_FILTER_NOT_FOUND"


class FilterNameTaken(Conflict):
    """Another saved filter has this name."""

    code = "PRODUCT_FILTER_NAME_TAKEN"


class FilterChanged(StaleVersion):
    """Somebody else has changed the saved filter since it was read."""

    code = "STALE_VERSION"
