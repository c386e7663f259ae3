"""Storefronts that show prices, for tests of the price index."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from flask import Flask
from sqlalchemy import select

from app.core import permissions
from app.core.extensions import db
from app.core.many_rows import upsert
from app.core.money import Money
from app.core.orm import table_of
from app.core.transactions import connection, in_transaction
from app.products.models.products import Product
from app.products.services.products import create_product, update_product
from app.rpa.models.jobs import Task
from app.rpa.models.observations import ObservationCurrent
from tests.rpa.conftest import FarmDriver
from tests.rpa.keeping import add_observation

NOON: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


class Shops:
    """A master of ours, and what storefronts show of it."""

    def __init__(self, app: Flask) -> None:
        self._farm = FarmDriver(app)
        self._count = 0

    def product(self, price: str, currency: str = "USD", *, at: datetime = NOON - 30 * DAY, **others: Any) -> Product:
        """A product of ours that is sold."""
        self._count += 1
        asin = f"B0000{self._count:05}"
        values: dict[str, Any] = {"asin": asin, "name": f"Kettle {self._count}", "brand": "Hearth"} | others
        return create_product(actor=permissions.system(), now=at, price=Money.parse(price, currency), **values)

    def reprice(self, product: Product, price: str, *, at: datetime, **others: object) -> Product:
        """Change what we ask."""
        version = db.session.get_one(Product, product.id, populate_existing=True).version
        changes = {"price": Money.parse(price, product.currency)} | others
        return update_product(
            actor=permissions.system(), now=at, product_id=product.id, expected_version=version, **changes
        )

    def storefront(self, code: str = "shop") -> int:
        """A storefront; its id."""
        return self._farm.storefront(code).id

    def show(
        self, product: Product, price: str, currency: str = "USD", *, code: str = "shop", at: datetime = NOON
    ) -> None:
        """Have a storefront show a price to a visit."""
        db.session.rollback()
        job = self._farm.submit([product.asin], storefront=code)
        task_id = db.session.scalars(select(Task.id).where(Task.job_id == job.id)).one()
        money = Money.parse(price, currency)
        seen = add_observation(task_id=task_id, observed_at=at, price_minor=money.minor, currency=money.currency)
        _know(seen.product_id, seen.storefront_id, str(money), at, task_id)
        db.session.rollback()


@in_transaction
def _know(product_id: int, storefront_id: int, value: str, at: datetime, task_id: int) -> None:
    row = {"product_id": product_id, "storefront_id": storefront_id, "attribute": "price", "value": value}
    upsert(connection(), table_of(ObservationCurrent), [row | {"observed_at": at, "task_id": task_id}])
