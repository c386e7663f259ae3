"""A shop with one product of which much is known, for its page."""

from __future__ import annotations

from typing import Final

from app.analytics.services.recommendations import recommend_all
from app.core.orm import utc_now
from app.core.permissions import system
from app.products.services.categories import create_category
from tests.analytics.page_facts import add_fact, days_ago
from tests.analytics.pricing import DAY, HOUR, Shops
from tests.products.stocking import receive

HOSTILE: Final = "<script>alert(1)</script>"
ASIN: Final = "B000000001"


def fill_shop(shops: Shops, *, others: int = 2) -> None:
    """A kettle in a category, seen on a storefront, sold, repriced, and bought together with ``others`` products."""
    now, me = utc_now(), system()
    kitchen = create_category(actor=me, now=now, name="Kitchen", parent_id=None)
    kettles = create_category(actor=me, now=now, name="Kettles", parent_id=kitchen.id)
    shops.storefront()
    kettle = shops.product("10.00", at=now - 9 * DAY, name=HOSTILE, brand="Nord", categories=[kettles.id])
    bought = [shops.product("5.00", at=now - 9 * DAY, brand=None, name=f"Cup {at}") for at in range(others)]
    shops.show(kettle, "8.00", at=now - HOUR)
    shops.reprice(kettle, "12.00", at=now - HOUR)
    for product in (kettle, *bought):
        receive(product.id, 7)
    for order in range(3):
        for product in (kettle, *bought):
            add_fact(days_ago(2), net=10_00, units=2, product_id=product.id, asin=product.asin, order_id=1000 + order)
    recommend_all(clock=utc_now)
