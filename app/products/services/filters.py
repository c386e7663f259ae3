"""Keeping filters of products under a name."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.core import audit
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.products.errors import FilterChanged, FilterNameTaken, FilterNotFound
from app.products.models.filters import ProductFilter
from app.products.queries.categories import find_paths


@in_transaction
def create_filter(*, actor: Principal, now: datetime, name: str, which: dict[str, Any]) -> ProductFilter:
    """Keep a filter (names as in the list of products, prices as decimal strings) under a name.

    Raises FilterNameTaken, and Invalid for a category that does not exist.
    """
    _check(which)
    row = ProductFilter(name=name, which=which, version=1, created_at=now, updated_at=now, **actor.attribution())
    _write(row)
    audit.record(actor=actor, action="product_filter.create", subject=("product_filter", row.id), after=_audited(row))
    return row


@in_transaction
def update_filter(
    *, actor: Principal, now: datetime, filter_id: int, expected_version: int, name: str, which: dict[str, Any]
) -> ProductFilter:
    """Replace a saved filter; jobs that were submitted over it stay as they are.

    Raises FilterNotFound, FilterChanged, FilterNameTaken, and Invalid for a category that does not exist.
    """
    row = _locked(filter_id, expected_version)
    _check(which)
    before = _audited(row)
    row.name, row.which, row.version, row.updated_at = name, which, row.version + 1, now
    _write(row)
    audit.record(
        actor=actor,
        action="product_filter.update",
        subject=("product_filter", filter_id),
        before=before,
        after=_audited(row),
    )
    return row


@in_transaction
def delete_filter(*, actor: Principal, filter_id: int, expected_version: int) -> None:
    """Delete a saved filter; who goes on naming it is refused. Raises FilterNotFound, FilterChanged."""
    row = _locked(filter_id, expected_version)
    audit.record(actor=actor, action="product_filter.delete", subject=("product_filter", row.id), before=_audited(row))
    db.session.delete(row)


def _locked(filter_id: int, expected_version: int) -> ProductFilter:
    row = db.session.scalar(select(ProductFilter).where(ProductFilter.id == filter_id).with_for_update())
    if row is None:
        raise FilterNotFound(f"There is no saved filter {filter_id}.")
    if row.version != expected_version:
        raise FilterChanged(f"The filter is at version {row.version}, not {expected_version}; read it again.")
    return row


def _check(which: dict[str, Any]) -> None:
    category = which.get("category")
    if category is not None and category not in find_paths([category]):
        raise Invalid.field("/filter/category", f"There is no category {category}.")


def _write(row: ProductFilter) -> None:
    session, name = db.session(), row.name
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError:
        raise FilterNameTaken.at("/name", f"A filter with the name {name} exists.") from None


def _audited(row: ProductFilter) -> dict[str, Any]:
    return {"name": row.name, "filter": row.which, "version": row.version}
