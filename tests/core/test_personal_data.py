"""What is kept of a person, by domain, and erasing all of it or nothing."""

from __future__ import annotations

import pytest
from flask import Flask

from app.core import personal_data
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from tests.core.notes import kept_notes, make_note


def person(number: int) -> Principal:
    return Principal(kind="user", id=number, name="Somebody", permissions=frozenset())


def export_notes(user_id: int) -> list[str]:
    rows = db.session.scalars(db.select(AuditEvent).where(AuditEvent.actor_id == user_id))
    return [row.after["text"] for row in rows if row.after]


def erase_notes(user_id: int) -> None:
    # past the session, which refuses it: the trail only stands for what a domain keeps
    db.session.connection().execute(db.delete(AuditEvent).where(AuditEvent.actor_id == user_id))


@pytest.fixture(autouse=True)
def holdings(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two domains, of which one keeps notes of two people."""
    monkeypatch.setattr(personal_data, "_holdings", {})
    personal_data.register("notes", personal_data.Holding(export=export_notes, erase=erase_notes))
    personal_data.register("apart", personal_data.Holding(export=lambda user_id: {"id": user_id}, erase=lambda _: None))
    make_note(actor=person(7), text="mine")
    make_note(actor=person(8), text="another's")


@in_transaction
def erase(*, user_id: int) -> None:
    personal_data.erase(user_id)


def test_an_export_has_every_domains_part_of_one_person() -> None:
    assert personal_data.export(7) == {"apart": {"id": 7}, "notes": ["mine"]}


def test_a_domain_that_is_wired_again_is_asked_once() -> None:
    personal_data.register("notes", personal_data.Holding(export=lambda _: "new", erase=erase_notes))
    assert personal_data.export(7) == {"apart": {"id": 7}, "notes": "new"}


def test_erasing_a_person_leaves_the_others() -> None:
    erase(user_id=7)
    assert kept_notes() == ["another's"]
    assert personal_data.export(7)["notes"] == []


def test_erasing_a_person_fails_as_a_whole() -> None:
    def refuse(user_id: int) -> None:
        raise RuntimeError(f"an order of {user_id} is open")

    personal_data.register("orders", personal_data.Holding(export=lambda _: None, erase=refuse))
    with pytest.raises(RuntimeError, match="an order of 7 is open"):
        erase(user_id=7)
    assert kept_notes() == ["mine", "another's"]
