"""Imports of sales at work: in slices, one at a time; a worker's death loses and doubles nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from app.config import Settings
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.operations.kinds import KINDS, Kind, register_kinds, spoken
from app.operations.models import Operation
from app.operations.queries import find_writer
from app.operations.services import leases, operations
from app.operations.services.leases import OperationStopped
from app.orders.kinds import SALES
from app.orders.models.sales import Sale
from app.orders.services.sales_imports import writing
from app.orders.services.sales_imports.decisions import start_import
from app.orders.services.sales_imports.undoing import submit_undo
from app.products.kinds import CATALOGUE
from app.products.services.imports import writing as of_products
from tests.orders.sales_files import HEADER, LINE, begin_sales, facts, table
from tests.products.operating import begin, row_of, work
from tests.servers import on_sqlite

ROOT: Final = Path(__file__).resolve().parents[2]
COUNT: Final = 1200


@in_transaction
def change(operation_id: int, **values: Any) -> None:
    db.session.execute(update(Operation).where(Operation.id == operation_id).values(**values))


def checked(app: Flask, text: str) -> int:
    """An import of which the dry run has ended."""
    operation_id = begin_sales(app, text, run=False)
    assert work(app, operation_id) == "CHECKED"
    return operation_id


def until(app: Flask, operation_id: int, state: str) -> dict[str, Any]:
    """Work in short slices until the operation has a state; its row then."""
    for _ in range(20):
        if row_of(app, operation_id)["state"] == state:
            break
        work(app, operation_id, slice_s=-1, slices=1)
    row = row_of(app, operation_id)
    assert row["state"] == state
    return row


def test_an_import_in_many_slices_adds_each_row_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "CHUNK", 20)
    operation_id = begin_sales(app, table(101) + LINE.replace("24.00", "24.001"))
    assert work(app, operation_id, slice_s=-1) == "COMPLETED_WITH_ERRORS"
    row = row_of(app, operation_id)
    assert (row["done_count"], row["new_count"], row["refused_count"], row["total_count"]) == (102, 101, 1, 102)
    assert row["slice_no"] > 6
    assert len(facts(app)) == 101
    assert {fact["operation_id"] for fact in facts(app)} == {operation_id}


def test_what_was_imported_since_the_dry_run_is_compared_again(app: Flask) -> None:
    first = checked(app, table(3))
    other = begin_sales(app, table(2).replace("12.50", "13.50", 1))
    assert work(app, other) == "COMPLETED"
    before = facts(app)
    with app.app_context():
        start_import(actor=system(), now=utc_now(), import_id=first)
    assert work(app, first) == "COMPLETED_WITH_ERRORS"
    row = row_of(app, first)
    assert (row["new_count"], row["unchanged_count"], row["refused_count"], row["done_count"]) == (1, 1, 1, 3)
    assert facts(app)[:2] == before
    assert [fact["unique_key"] for fact in facts(app)] == ["import:s-0", "import:s-1", "import:s-2"]


WORKER: Final = """
    import sys
    from app import create_base
    from app.config import Files
    from app.operations.services.running import run_operation
    from app.orders.services.sales_imports import undoing, writing
    from tests.servers import make_settings
    writing.CHUNK = undoing.CHUNK = 10
    app = create_base(make_settings(sys.argv[1], sys.argv[2], files=Files(url=sys.argv[3])))
    with app.app_context():
        print("ready", flush=True)
        run_operation(operation_id=int(sys.argv[4]), slice_no=int(sys.argv[5]))
"""


def killed_again_and_again(app: Flask, settings: Settings, redis_url: str, operation_id: int) -> int:
    """Have workers do an operation and kill each, the next one a little later, until it is done; how many were."""
    kills = moments = 0
    while (row := row_of(app, operation_id))["state"] not in {"COMPLETED", "FAILED"}:
        moments += 1
        assert moments < 80, row
        with app.app_context():  # the lease of who was killed has run out by now
            change(operation_id, leased_until=utc_now() - timedelta(seconds=1), attempts=0)
        arguments = [settings.database_url, redis_url, settings.files_url, str(operation_id), str(row["slice_no"])]
        worker = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WORKER), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert worker.stdout is not None
        worker.stdout.readline()
        try:
            worker.wait(0.02 + 0.15 * moments)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
            kills += 1
        worker.stdout.close()
        row = row_of(app, operation_id)
        done = row["new_count"] if row["kind"] == "sales_import" else COUNT - row["changed_count"]
        assert len(facts(app)) == done
    assert row["state"] == "COMPLETED"
    return kills


def test_killed_at_any_moment_an_import_loses_and_doubles_nothing(
    app: Flask, settings: Settings, redis_url: str
) -> None:
    operation_id = begin_sales(app, table(COUNT))
    assert killed_again_and_again(app, settings, redis_url, operation_id) >= 2
    assert [fact["unique_key"] for fact in facts(app)] == sorted(f"import:s-{at}" for at in range(COUNT))
    row = row_of(app, operation_id)
    assert (row["new_count"], row["refused_count"], row["done_count"]) == (COUNT, 0, COUNT)


def test_killed_at_any_moment_an_undo_leaves_nothing_and_takes_nothing_else(
    app: Flask, settings: Settings, redis_url: str
) -> None:
    operation_id = begin_sales(app, table(COUNT))
    assert work(app, operation_id) == "COMPLETED"
    with app.app_context():
        undo = submit_undo(actor=system(), now=utc_now(), import_id=operation_id).id
    assert killed_again_and_again(app, settings, redis_url, undo) >= 1
    assert facts(app) == []
    assert row_of(app, undo)["changed_count"] == COUNT


def test_a_worker_that_lost_its_lease_adds_nothing_more(app: Flask) -> None:
    operation_id = checked(app, table(5))
    with app.app_context():
        start_import(actor=system(), now=utc_now(), import_id=operation_id)
        row = row_of(app, operation_id)
        slow = leases.take_lease(operation_id=operation_id, slice_no=row["slice_no"], token="a" * 32, now=utc_now())
        assert slow is not None
        change(operation_id, leased_until=utc_now() - timedelta(seconds=1))
        assert leases.take_lease(operation_id=operation_id, slice_no=row["slice_no"], token="b" * 32, now=utc_now())
        with pytest.raises(OperationStopped):
            writing.write_rows(slow, lambda: False)
        change(operation_id, leased_until=utc_now() - timedelta(seconds=1))
    assert facts(app) == []
    assert work(app, operation_id) == "COMPLETED"
    assert len(facts(app)) == 5


def test_sales_are_added_while_the_catalogue_is_written_to_and_one_after_the_other(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "CHUNK", 2)
    monkeypatch.setattr(of_products, "CHUNK", 2)
    rows = "".join(f"B{at:09},Kettle,1.00\n" for at in range(9))
    products = begin(app, f"asin,name,price\n{rows}", run=True)
    first, second = begin_sales(app, table(9)), begin_sales(app, table(9, prefix="t"))
    until(app, products, "RUNNING")
    until(app, first, "RUNNING")
    with app.app_context():
        assert (find_writer(CATALOGUE), find_writer(SALES)) == (products, first)
    work(app, second, slice_s=-1, slices=4)
    waiting = row_of(app, second)
    assert (waiting["state"], waiting["writer"]) == ("QUEUED", None)
    assert work(app, products) == "COMPLETED"
    assert row_of(app, second)["slice_no"] == waiting["slice_no"]
    assert work(app, first) == "COMPLETED"
    assert row_of(app, second)["slice_no"] == waiting["slice_no"] + 1
    assert work(app, second) == "COMPLETED"
    assert len(facts(app)) == 18


def test_cancelled_in_the_middle_what_was_added_stays_and_can_be_taken_back(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "CHUNK", 10)
    operation_id = begin_sales(app, table(50))
    until(app, operation_id, "RUNNING")
    with app.app_context():
        operations.cancel_operation(actor=system(), now=utc_now(), operation_id=operation_id)
    assert work(app, operation_id) == "CANCELLED"
    added = row_of(app, operation_id)["new_count"]
    assert 0 < added == len(facts(app)) < 50
    with app.app_context():
        undo = submit_undo(actor=system(), now=utc_now(), import_id=operation_id).id
    assert work(app, undo) == "COMPLETED"
    assert (facts(app), row_of(app, undo)["changed_count"]) == ([], added)


@on_sqlite
def test_facts_that_are_gone_meanwhile_are_added_again(app: Flask) -> None:
    assert work(app, begin_sales(app, HEADER + LINE)) == "COMPLETED"
    again = checked(app, HEADER + LINE)
    assert row_of(app, again)["unchanged_count"] == 1

    @in_transaction
    def forget() -> None:
        db.session.execute(delete(Sale))

    with app.app_context():
        forget()
        start_import(actor=system(), now=utc_now(), import_id=again)
    assert work(app, again) == "COMPLETED"
    assert row_of(app, again)["new_count"] == 1
    with app.app_context():
        assert list(db.session.scalars(select(Sale.operation_id))) == [again]


@on_sqlite
def test_a_kind_is_registered_once_with_permissions_that_there_are(app: Flask) -> None:
    before = dict(KINDS)
    register_kinds(before.values())
    for name, reads, slot in (
        ("import", "products:read", SALES),
        ("x", "cats:read", None),
        ("x" * 25, "sales:read", 1),
    ):
        with pytest.raises(ValueError, match=name):
            register_kinds([Kind(name=name, reads=reads, writes="sales:write", slot=slot)])
    assert before == KINDS
    assert (spoken("sales_import"), spoken(None)) == ("sales import", "operation")
