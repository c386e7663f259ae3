"""The lock of the category tree: who changes the tree has it alone, who puts products into categories shares it.

It is a row, because row locks are what SQLite (one writer at a time anyway), MySQL, MariaDB and PostgreSQL have in
common; it ends with the transaction, also when the process dies. It is taken before rows of products: a move of a
category rewrites what is above all products below it, and must neither miss a product that is just put there nor be
in the middle when one asks what is above its categories.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from app.core.extensions import db
from app.core.orm import count_changed, utc_now
from app.products.models.categories import CategoryTree

ROW: Final = 1


def share() -> None:
    """Keep the tree as it is until the open transaction ends; any number may do so at the same time."""
    _lock(alone=False)


def take() -> None:
    """Keep everybody else from changing the tree, and from putting products into it, until the transaction ends."""
    _lock(alone=True)


def touch(now: datetime) -> None:
    """Say that the tree has changed; needs ``take``."""
    changed = update(CategoryTree).where(CategoryTree.id == ROW).values(stamp=_new_stamp(), updated_at=now)
    count_changed(db.session(), changed)


def _lock(*, alone: bool) -> None:
    session = db.session()
    row = select(CategoryTree.id).where(CategoryTree.id == ROW).with_for_update(read=not alone)
    if session.scalar(row) is None:
        with suppress(IntegrityError), session.begin_nested():
            session.add(CategoryTree(id=ROW, stamp=_new_stamp(), updated_at=utc_now()))
        session.scalars(row).one()


def _new_stamp() -> str:
    return secrets.token_hex(8)
