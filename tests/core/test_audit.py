"""The audit trail: what a row says, and that nothing changes or deletes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.append_only import AppendOnly
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from tests.core.notes import kept_notes, make_note
from tests.servers import on_sqlite

ACTOR = Principal(
    kind="user", id=7, name="Ada", permissions=frozenset(), request_id="request-1", address="192.0.2.7", user_id=7
)


def only_row() -> AuditEvent:
    return db.session.scalars(sa.select(AuditEvent)).one()


def test_a_row_says_who_did_what_from_where_in_which_request(context: Flask) -> None:
    make_note(actor=ACTOR, text="mine")
    row = only_row()
    assert (row.actor_kind, row.actor_id, row.request_id, row.address) == ("user", 7, "request-1", "192.0.2.7")
    assert (row.action, row.topic, row.after) == ("note", "note", {"text": "mine"})


TABLE: Any = AuditEvent.__table__
WAYS: dict[str, Callable[[], Any]] = {
    "changing a row": lambda: setattr(only_row(), "action", "nothing"),
    "deleting a row": lambda: db.session.delete(only_row()),
    "an UPDATE": lambda: db.session.execute(sa.update(AuditEvent).values(action="nothing")),
    "a DELETE": lambda: db.session.execute(sa.delete(AuditEvent)),
    "an UPDATE of the table": lambda: db.session.execute(sa.update(TABLE).values(action="nothing")),
    "a DELETE from the table": lambda: db.session.execute(sa.delete(TABLE)),
    "a query's delete": lambda: db.session.query(AuditEvent).delete(),
    "a bulk update": lambda: db.session.execute(sa.update(AuditEvent), [{"id": only_row().id, "action": "nothing"}]),
}


@on_sqlite
@pytest.mark.parametrize("way", WAYS)
def test_no_way_through_a_session_changes_the_trail(context: Flask, way: str) -> None:
    make_note(actor=ACTOR, text="mine")
    attempt: Any = in_transaction(WAYS[way])
    with pytest.raises(AppendOnly):
        attempt()
    assert kept_notes() == ["mine"]
    assert only_row().action == "note"
