"""Why something about products is refused."""

from __future__ import annotations

from app.core.errors import Conflict, NotFound, StaleVersion


class ProductNotFound(NotFound):
    """No product has this id, or it was deleted."""

    code = "PRODUCT_NOT_FOUND"


class AsinTaken(Conflict):
    """Another product has this ASIN."""

    code = "ASIN_TAKEN"


class ProductChanged(StaleVersion):
    """The product has changed since the version that the change was based on."""

    code = "PRODUCT_CHANGED"
