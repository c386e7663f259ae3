"""The web application without what keeps stock from being promised twice, to show that the tests would see it."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from sqlalchemy import bindparam, event, update

from app import create_app
from app.config import Settings
from app.core.extensions import db
from app.orders.services.checkout import composing, preparing
from app.products.services import ledger

UNGUARDED: Final = (
    update(ledger._STOCK)
    .where(ledger._STOCK.c.product_id == bindparam("of_product"))
    .values(on_hand=ledger._ON_HAND, allocated=ledger._ALLOCATED, updated_at=bindparam("at"))
)
"""The UPDATE of the counters, which says nothing of what must be there."""

ledger._FITTING = ledger._STEADY = UNGUARDED  # type: ignore[misc]  # that they are final is what is tried here


def compose_unseeing(*args: Any, **kwargs: Any) -> composing.Composed:
    """What ``compose`` says, without the look at the shelf that spares the late the writing.

    It locks nothing, so it guards nothing but SQLite, where nobody else writes between that look and the UPDATE.
    """
    return dataclasses.replace(composing.compose(*args, **kwargs), is_short=False)


setattr(preparing, "compose", compose_unseeing)  # noqa: B010  # the name that it is called by there

application = create_app(Settings.from_env())

with application.app_context():
    if db.engine.dialect.name == "sqlite":  # where a table's CHECK cannot be dropped; the tests drop that of the others

        @event.listens_for(db.engine, "connect")
        def _ignore_checks(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA ignore_check_constraints=ON")
