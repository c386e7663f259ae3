"""Taking an import of sales back: exactly what it has added goes, whatever else there is stays."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import insert, select

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.operations.errors import AlreadyUndone, NothingToUndo, OperationNotFound, OperationNotReady
from app.operations.services import operations
from app.orders.models.sales import Sale
from app.orders.services.sales_imports import undoing
from app.orders.services.sales_imports.undoing import submit_undo
from tests.orders.sales_files import HEADER, LINE, SalesFiles, begin_sales, facts, table
from tests.orders.test_sales_imports_api import FACT
from tests.products.operating import row_of, work
from tests.servers import on_sqlite


@in_transaction
def record_by_an_order() -> None:
    """A fact that no import has added."""
    own = {"unique_key": "line:1", "order_id": 1, "order_line_id": 1, "created_at": utc_now()}
    db.session.execute(insert(Sale), [FACT | own])


def undo(app: Flask, import_id: int) -> int:
    with app.app_context():
        return submit_undo(actor=system(), now=utc_now(), import_id=import_id).id


def test_exactly_what_the_import_added_goes_and_the_file_can_be_imported_again(
    app: Flask, sales_files: SalesFiles
) -> None:
    with app.app_context():
        record_by_an_order()
    assert sales_files.imported(table(7, prefix="other"), run="true")["counts"]["new"] == 7
    before = facts(app)
    text = table(30) + table(2, prefix="other").removeprefix(HEADER)
    first = sales_files.imported(text, run="true")
    assert (first["counts"]["new"], first["counts"]["unchanged"]) == (30, 2)
    assert first["undone_by_id"] is None
    done = sales_files.undone(first["id"])
    assert (done["kind"], done["state"], done["undoes_id"]) == ("sales_undo", "COMPLETED", first["id"])
    assert (done["counts"]["changed"], done["total"], done["percent"]) == (30, 30, 100.0)
    assert facts(app) == before
    assert sales_files.shown(first["id"])["undone_by_id"] == done["id"]
    listed = sales_files.ask("GET").get_json()["items"]
    assert [row["id"] for row in listed][:2] == [done["id"], first["id"]]
    again = sales_files.imported(text, run="true")
    assert again["counts"] == {"new": 30, "changed": 0, "unchanged": 2, "refused": 0}
    assert len(facts(app)) == 38


def test_an_undo_in_many_slices_deletes_each_fact_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undoing, "CHUNK", 7)
    first, other = begin_sales(app, table(50)), begin_sales(app, table(20, prefix="t"))
    for one in (first, other):
        work(app, one)
    of_other = [fact for fact in facts(app) if fact["operation_id"] == other]
    back = undo(app, first)
    work(app, back, slice_s=-1, slices=3)
    row = row_of(app, back)
    assert (row["state"], row["total_count"]) == ("RUNNING", 50)
    assert len(facts(app)) == 70 - row["changed_count"] < 70
    assert work(app, back, slice_s=-1) == "COMPLETED"
    assert row_of(app, back)["changed_count"] == 50
    assert facts(app) == of_other


def test_an_import_is_taken_back_once_and_only_when_it_has_ended(app: Flask) -> None:
    checked = begin_sales(app, table(3), run=False)
    work(app, checked)
    with app.app_context(), pytest.raises(OperationNotReady):
        submit_undo(actor=system(), now=utc_now(), import_id=checked)
    first = begin_sales(app, table(3))
    work(app, first)
    before = facts(app)
    same = begin_sales(app, table(3))
    work(app, same)
    with app.app_context(), pytest.raises(NothingToUndo):
        submit_undo(actor=system(), now=utc_now(), import_id=same)
    back = undo(app, first)
    for _ in range(2):  # while it is under way, and when it has ended
        with app.app_context(), pytest.raises(AlreadyUndone) as refused:
            submit_undo(actor=system(), now=utc_now(), import_id=first)
        assert refused.value.facts == {"undone_by_id": back}
        assert len(facts(app)) in {len(before), 0}
        work(app, back)
    with app.app_context(), pytest.raises(OperationNotFound):
        submit_undo(actor=system(), now=utc_now(), import_id=back)
    assert row_of(app, first)["state"] == "COMPLETED"


def test_an_undo_that_was_cancelled_leaves_the_rest_to_another_one(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undoing, "CHUNK", 10)
    first = begin_sales(app, table(50))
    work(app, first)
    back = undo(app, first)
    work(app, back, slice_s=-1, slices=2)
    with app.app_context():
        operations.cancel_operation(actor=system(), now=utc_now(), operation_id=back)
    left = len(facts(app))
    assert (row_of(app, back)["state"], 0 < left < 50) == ("CANCELLED", True)
    rest = undo(app, first)
    assert work(app, rest) == "COMPLETED"
    assert (facts(app), row_of(app, rest)["changed_count"]) == ([], left)


@on_sqlite
def test_the_audit_log_says_who_imported_and_who_took_it_back(app: Flask, sales_files: SalesFiles) -> None:
    first = sales_files.imported(HEADER + LINE)
    sales_files.ask("POST", f"/{first['id']}/run")
    sales_files.worked(first["id"])
    sales_files.undone(first["id"])
    with app.app_context():
        told = select(AuditEvent.action, AuditEvent.actor_kind).where(AuditEvent.subject_kind == "operation")
        found = [tuple(row) for row in db.session.execute(told.order_by(AuditEvent.id))]
    assert found == [
        (f"sales_{action}", "user")
        for action in ("import.create", "import.run", "import.end", "import.undo", "undo.end")
    ]
