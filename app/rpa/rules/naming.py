"""How the farm names itself to shops."""

from __future__ import annotations

from typing import Final

PRODUCT: Final = "Cartwright"
"""The product token: what a group of rules in a robots.txt has to name (RFC 9309, 2.2.1)."""


def product_of(contact: str) -> str:
    """The product and whom to ask about it (RFC 9110, 10.1.5): the whole user agent of our own requests.

    ``contact`` is an address of the web or of mail; without one only the product is named.
    """
    return f"{PRODUCT}/1.0 (+{contact})" if contact else f"{PRODUCT}/1.0"


def browser_agent(version: str, contact: str) -> str:
    """A browser's user agent as it is by itself, with our own behind it: it is a browser, and nobody's but ours."""
    major = version.partition(".")[0]
    return (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"HeadlessChrome/{major}.0.0.0 Safari/537.36 {product_of(contact)}"
    )
