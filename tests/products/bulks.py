"""Many products for tests of bulk actions, and running what is left to a background worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Flask
from sqlalchemy import insert, select

from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import CATALOGUE, Principal
from app.core.transactions import in_transaction
from app.operations.models import Operation
from app.operations.services.running import run_operation
from app.products.models.products import Product, ProductUpdate
from app.products.models.search import SearchQueue
from app.products.models.stock import Stock

ACTOR: Final = Principal(kind="user", id=7, name="Ada", permissions=frozenset(CATALOGUE), request_id="r-1", user_id=7)
URL: Final = "/api/v1/bulk-actions"


@in_transaction
def add_products(count: int, *, price: str = "10.00", first: int = 1, brand: str | None = None) -> list[int]:
    """Products that cost the same, with nothing on their shelves; their ids in ascending order."""
    now, minor = utc_now(), Money.parse(price, "USD").minor
    rows: list[dict[str, Any]] = [
        {
            "asin": f"B{number:09d}", "name": f"Lamp {number}", "brand": brand, "price_minor": minor, "currency": "USD",
            "description": "", "is_active": True, "attributes": {}, "images": [], "categories": [], "version": 1,
            "created_at": now, "updated_at": now,
        }
        for number in range(first, first + count)
    ]  # fmt: skip
    db.session.execute(insert(Product), rows)
    ids = list(db.session.scalars(select(Product.id).order_by(Product.id.desc()).limit(count)))[::-1]
    db.session.execute(insert(Stock), [{"product_id": id_, "is_low": False, "updated_at": now} for id_ in ids])
    return ids


def prices() -> dict[int, int]:
    """What every product costs, in cents."""
    db.session.rollback()
    return dict(db.session.execute(select(Product.id, Product.price_minor).order_by(Product.id)).all())


def versions() -> set[int]:
    """The versions that products have."""
    db.session.rollback()
    return set(db.session.scalars(select(Product.version)))


def history(operation_id: int) -> list[tuple[int, str, str | None, str | None]]:
    """What an operation changed: product, attribute, previous and current value, in order."""
    db.session.rollback()
    rows = db.session.scalars(
        select(ProductUpdate).where(ProductUpdate.operation_id == operation_id).order_by(ProductUpdate.id)
    )
    return [(row.product_id, row.attribute, row.previous_attribute, row.current_attribute) for row in rows]


def queued() -> list[int]:
    """The products that search has yet to learn of, as often as they are queued."""
    db.session.rollback()
    return list(db.session.scalars(select(SearchQueue.product_id).order_by(SearchQueue.product_id)))


def operation(operation_id: int) -> Operation:
    """An operation as it is now."""
    db.session.rollback()
    return db.session.scalars(select(Operation).where(Operation.id == operation_id)).one()


def run(operation_id: int, *, slice_s: float = 60.0, between: Callable[[], Any] | None = None) -> Operation:
    """Do what a background worker does for an operation, slice by slice, until it is no more at work."""
    for _ in range(200):
        present = operation(operation_id)
        if present.finished_at is not None:
            return present
        run_operation(operation_id=operation_id, slice_no=present.slice_no, slice_s=slice_s)
        if between is not None:
            between()
    raise AssertionError(f"operation {operation_id} does not end")


def counts(present: Operation) -> tuple[int, int, int]:
    """How many products were changed, unchanged and refused."""
    return present.changed_count, present.unchanged_count, present.refused_count


def told(body: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    """The rows of an answer as (result, previous, current)."""
    return [(row["result"], row["previous"], row["current"]) for row in body["rows"]]


def set_price(app: Flask, product_id: int, price: str) -> None:
    """What an administrator's PUT does."""
    from app.products.services.products import patch_product  # not before the application is there

    with app.app_context():
        version = db.session.scalars(select(Product.version).where(Product.id == product_id)).one()
        db.session.rollback()
        patch_product(
            actor=ACTOR,
            now=utc_now(),
            product_id=product_id,
            expected_version=version,
            price=Money.parse(price, "USD"),
        )
