"""The roles that come with the product; what they may do at first, before an administrator changes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ADMIN: Final = "admin"
CUSTOMER: Final = "customer"


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A role of the first day."""

    description: str
    permissions: tuple[str, ...]


BUILT_IN: Final = {
    ADMIN: BuiltIn("May do everything, also what later versions add", ()),
    "catalogue manager": BuiltIn(
        "Keeps the product master", ("products:read", "products:write", "stock:read", "stock:write", "dashboard:read")
    ),
    "farm operator": BuiltIn(
        "Describes storefronts and sends the farm out",
        (
            "products:read",
            "storefronts:read",
            "storefronts:write",
            "jobs:read",
            "jobs:write",
            "farm:read",
            "farm:write",
            "dashboard:read",
        ),
    ),
    "order desk": BuiltIn(
        "Serves customers",
        (
            "products:read",
            "stock:read",
            "orders:read",
            "orders:write",
            "refunds:write",
            "coupons:read",
            "dashboard:read",
        ),
    ),
    "analyst": BuiltIn(
        "Reads figures and changes nothing",
        (
            "products:read",
            "stock:read",
            "coupons:read",
            "sales:read",
            "storefronts:read",
            "jobs:read",
            "dashboard:read",
            "reports:read",
            "reports:write",
        ),
    ),
    CUSTOMER: BuiltIn("Buys in the shop", ()),
}
