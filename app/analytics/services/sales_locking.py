"""The lock of the rollups of sales: one transaction at a time changes them."""

from __future__ import annotations

from datetime import datetime

from app.analytics.models.sales_rollups import SalesFold
from app.core.extensions import db
from app.core.many_rows import upsert
from app.core.orm import database_now, table_of
from app.core.transactions import connection


def lock_rollups() -> datetime:
    """Wait until nobody else changes rollups, and keep others from it until the transaction ends; the database's time.

    The row is made by whoever comes first. Raises NoTransaction.
    """
    now = database_now(db.session())
    upsert(connection(), table_of(SalesFold), [{"id": 1, "folded_at": now}])
    return now
