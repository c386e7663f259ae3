"""Long-running work: in slices, under a lease, one writer at a time; nothing is lost or doubled by a worker's death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from app.config import Settings
from app.core.extensions import db
from app.core.files import file_store
from app.core.orm import database_now, utc_now
from app.core.outbox import Outbox
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.operations.errors import OperationEnded
from app.operations.models import Operation, OperationRow, OperationState
from app.operations.services import leases, operations, running
from app.operations.services.leases import OperationBusy, OperationStopped
from app.operations.services.running import run_operation
from app.products import kinds
from app.products.models.products import Product, ProductUpdate
from app.products.models.stock import Stock
from app.products.services.imports import decisions as imports
from app.products.services.imports import writing as import_writing
from tests.concurrency import at_once
from tests.products.operating import HEADER, begin, row_of, work
from tests.servers import on_sqlite

ROOT: Final = Path(__file__).resolve().parents[2]


def table(count: int, *, price: str = "1.00") -> str:
    return HEADER + "".join(f"B{at:09},Kettle {at},{price}\n" for at in range(count))


def counted(app: Flask) -> dict[str, int]:
    """How many rows there are of everything that an import writes."""
    with app.app_context():
        return {
            model.__tablename__: db.session.scalar(select(func.count()).select_from(model)) or 0
            for model in (Product, ProductUpdate, Stock)
        }


@in_transaction
def change(operation_id: int, **values: Any) -> None:
    db.session.execute(update(Operation).where(Operation.id == operation_id).values(**values))


def test_an_import_in_many_slices_writes_each_row_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_writing, "CHUNK", 20)
    operation_id = begin(app, table(101), run=True)
    assert work(app, operation_id, slice_s=-1) == "COMPLETED"
    row = row_of(app, operation_id)
    assert (row["done_count"], row["new_count"], row["total_count"]) == (101, 101, 101)
    assert row["slice_no"] > 6
    assert counted(app) == {"product": 101, "product_update": 101, "stock": 101}
    with app.app_context():
        assert set(db.session.scalars(select(ProductUpdate.operation_id))) == {operation_id}


def test_a_message_that_is_old_or_doubled_does_nothing(app: Flask) -> None:
    operation_id = begin(app, table(3), run=True)
    number = row_of(app, operation_id)["slice_no"]
    assert work(app, operation_id) == "COMPLETED"
    before = row_of(app, operation_id)
    with app.app_context():
        for slice_no in (number, number - 1, number + 1):
            run_operation(operation_id=operation_id, slice_no=slice_no)
    assert row_of(app, operation_id) == before
    assert counted(app)["product"] == 3


def test_a_message_of_a_slice_that_was_handed_over_does_nothing(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_writing, "CHUNK", 20)
    operation_id = begin(app, table(101), run=True)
    while row_of(app, operation_id)["state"] != "RUNNING":
        work(app, operation_id, slice_s=-1, slices=1)
    before = row_of(app, operation_id)
    with app.app_context():
        run_operation(operation_id=operation_id, slice_no=before["slice_no"] - 1)
    assert row_of(app, operation_id) == before
    assert work(app, operation_id) == "COMPLETED"
    assert counted(app)["product"] == 101


def test_of_two_workers_with_the_same_operation_one_does_nothing(app: Flask) -> None:
    operation_id = begin(app, table(700), run=True)
    number = row_of(app, operation_id)["slice_no"]

    def do() -> None:
        run_operation(operation_id=operation_id, slice_no=number)

    found = at_once(app, do, do)
    assert None in found
    assert all(one is None or isinstance(one, OperationBusy) for one in found)
    assert counted(app) == {"product": 700, "product_update": 700, "stock": 700}
    assert row_of(app, operation_id)["new_count"] == 700


def test_a_worker_that_lost_its_lease_writes_nothing_more(app: Flask) -> None:
    operation_id = begin(app, table(5))
    work(app, operation_id)
    with app.app_context():
        imports.start_import(actor=system(), now=utc_now(), import_id=operation_id)
        number = row_of(app, operation_id)["slice_no"]
        slow = leases.take_lease(operation_id=operation_id, slice_no=number, token="a" * 32, now=utc_now())
        assert slow is not None
        with pytest.raises(OperationBusy):
            leases.take_lease(operation_id=operation_id, slice_no=number, token="b" * 32, now=utc_now())
        change(operation_id, leased_until=utc_now() - timedelta(seconds=1))
        assert leases.take_lease(operation_id=operation_id, slice_no=number, token="b" * 32, now=utc_now())
        with pytest.raises(OperationStopped):
            import_writing.write_rows(slow, lambda: False)
    assert counted(app)["product"] == 0
    with app.app_context():
        change(operation_id, leased_until=utc_now() - timedelta(seconds=1))
    assert work(app, operation_id) == "COMPLETED"
    assert counted(app) == {"product": 5, "product_update": 5, "stock": 5}


WORKER: Final = """
    import sys, time
    from app import create_base
    from app.config import Files
    from app.products.services.imports import writing as import_writing
    from app.operations.services.running import run_operation
    from tests.servers import make_settings
    import_writing.CHUNK = 25
    app = create_base(make_settings(sys.argv[1], sys.argv[2], files=Files(url=sys.argv[3])))
    with app.app_context():
        print("ready", flush=True)
        run_operation(operation_id=int(sys.argv[4]), slice_no=int(sys.argv[5]))
"""


def test_killed_at_any_moment_an_import_loses_and_doubles_nothing(
    app: Flask, settings: Settings, redis_url: str
) -> None:
    count, kills, moments = 1500, 0, 0
    operation_id = begin(app, table(count), run=True)
    while (row := row_of(app, operation_id))["state"] not in {"COMPLETED", "FAILED"}:
        moments += 1
        assert moments < 60, row
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
        with_patience = 0.05 + 0.17 * moments
        try:
            worker.wait(with_patience)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
            kills += 1
        worker.stdout.close()
        done = row_of(app, operation_id)["new_count"]
        assert counted(app) == {"product": done, "product_update": done, "stock": done}
    assert kills >= 2
    assert row["state"] == "COMPLETED"
    assert counted(app) == {"product": count, "product_update": count, "stock": count}


def test_one_import_writes_at_a_time_and_the_next_begins_when_it_ends(app: Flask) -> None:
    first, second = begin(app, table(5), run=True), begin(app, table(5, price="2.00"), run=True)
    with app.app_context():
        number = row_of(app, first)["slice_no"]
        work_of_first = leases.take_lease(operation_id=first, slice_no=number, token="a" * 32, now=utc_now())
        assert work_of_first is not None
        running_first = work_of_first
        for state in (OperationState.CHECKING, OperationState.QUEUED):
            step = running._STEPS[running_first.kind, running_first.state]  # one step at a time
            found = step(running_first, lambda: False)
            assert found is not None, state
            running_first = found
        assert running_first.state == "RUNNING"
    work(app, second, slices=1)
    waiting = row_of(app, second)
    assert (waiting["state"], waiting["writer"], waiting["lease_token"]) == ("QUEUED", None, None)
    assert counted(app)["product"] == 0
    with app.app_context():
        import_writing.write_rows(running_first, lambda: False)
    assert row_of(app, first)["state"] == "COMPLETED"
    rung = row_of(app, second)["slice_no"]
    assert rung > waiting["slice_no"]
    with app.app_context():
        keys = list(db.session.scalars(select(Outbox.unique_key).where(Outbox.kind == "run_operation")))
    assert f"operation-{second}-{rung}" in keys
    assert work(app, second) == "COMPLETED"
    assert row_of(app, second)["changed_count"] == 5


def test_imports_that_end_and_begin_at_the_same_time_all_get_their_turn(app: Flask) -> None:
    found = [begin(app, table(30, price=f"{at}.00"), run=True) for at in range(1, 5)]
    deadline = time.monotonic() + 60

    def worker() -> None:
        with app.app_context():
            while time.monotonic() < deadline:
                rung = select(Outbox.id, Outbox.arguments).where(Outbox.done_at.is_(None)).order_by(Outbox.id)
                messages = [row.arguments for row in db.session.execute(rung)]
                db.session.rollback()
                for message in messages:
                    if message:
                        try:
                            run_operation(**message)
                        except OperationBusy:
                            continue
                states = set(db.session.scalars(select(Operation.state)))
                db.session.rollback()
                if states == {"COMPLETED"}:
                    return

    threads = [threading.Thread(target=worker) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row_of(app, one)["state"] for one in found} == {"COMPLETED"}
    rows = [row_of(app, one) for one in found]
    assert sum(row["new_count"] for row in rows) == 30
    assert sum(row["changed_count"] for row in rows) == 90
    assert counted(app)["product"] == 30


def test_cancelled_in_the_middle_what_is_written_stays_and_nothing_more_comes(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_writing, "CHUNK", 10)
    operation_id = begin(app, table(50), run=True)
    work(app, operation_id, slice_s=-1, slices=4)
    written = counted(app)["product"]
    assert 0 < written < 50
    with app.app_context():
        cancelled = operations.cancel_operation(actor=system(), now=utc_now(), operation_id=operation_id)
        assert cancelled.state == "CANCELLED"
        with pytest.raises(OperationEnded):
            operations.cancel_operation(actor=system(), now=utc_now(), operation_id=operation_id)
    assert work(app, operation_id) == "CANCELLED"
    assert counted(app)["product"] == written
    row = row_of(app, operation_id)
    assert (row["writer"], row["new_count"]) == (None, written)


def test_a_worker_notices_that_somebody_cancelled(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_writing, "CHUNK", 10)
    operation_id = begin(app, table(50), run=True)
    seen: list[int] = []

    def cancel_in_the_middle() -> bool:
        seen.append(1)
        if len(seen) == 3:
            operations.cancel_operation(actor=system(), now=utc_now(), operation_id=operation_id)
        return False

    step = import_writing.write_rows
    monkeypatch.setitem(
        running._STEPS,  # the step with another clock
        (kinds.IMPORT, OperationState.RUNNING),
        lambda work, _clock: step(work, cancel_in_the_middle),
    )
    assert work(app, operation_id) == "CANCELLED"
    assert counted(app)["product"] == 30


def test_what_fails_again_and_again_is_given_up(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setitem(running._STEPS, (kinds.IMPORT, OperationState.READING), broken)
    operation_id = begin(app, table(1), run=True)
    for _ in range(leases.MAX_ATTEMPTS):
        with pytest.raises(RuntimeError, match="broken"):
            work(app, operation_id, slices=1)
    assert work(app, operation_id) == "FAILED"
    row = row_of(app, operation_id)
    assert (row["error_code"], row["lease_token"]) == ("GIVEN_UP", None)


def test_an_operation_whose_message_is_lost_is_rung_for(app: Flask) -> None:
    operation_id = begin(app, table(2), run=True)
    before = row_of(app, operation_id)["slice_no"]
    with app.app_context():
        assert running.ring_for_orphans() == 0
        change(operation_id, updated_at=utc_now() - timedelta(minutes=4))
        assert running.ring_for_orphans() == 1
        assert running.ring_for_orphans() == 0
    assert row_of(app, operation_id)["slice_no"] == before + 1
    assert work(app, operation_id) == "COMPLETED"


def test_files_are_deleted_after_their_time_and_what_waits_for_a_decision_is_given_up(app: Flask) -> None:
    done, asked = begin(app, table(2), run=True), begin(app, table(3))
    for one in (done, asked):
        work(app, one)
    with app.app_context():
        now = database_now(db.session())
        assert row_of(app, done)["expires_at"] - now > timedelta(days=6, hours=23)
        assert running.purge_files() == 0
        for one in (done, asked):
            change(one, expires_at=now - timedelta(seconds=1))
        upload = f"{row_of(app, done)['folder']}/upload"
        assert file_store().size(upload) > 0
        assert running.purge_files() == 2
        assert running.purge_files() == 0
        with pytest.raises(FileNotFoundError):
            file_store().size(upload)
    assert row_of(app, done)["state"] == "COMPLETED"
    assert row_of(app, asked)["state"] == "CANCELLED"
    assert counted(app)["product"] == 2


def test_what_was_read_of_refused_rows_goes_with_the_files_and_the_reasons_stay(app: Flask) -> None:
    operation_id = begin(app, "asin,price\nB000000001,1.00\n", run=True)
    assert work(app, operation_id) == "COMPLETED_WITH_ERRORS"
    with app.app_context():
        assert [row.cells for row in db.session.scalars(select(OperationRow))] == ['[2,["B000000001","1.00"]]\n']
        change(operation_id, expires_at=utc_now() - timedelta(seconds=1))
        assert running.purge_files() == 1
        (row,) = db.session.scalars(select(OperationRow).execution_options(populate_existing=True))
        assert (row.cells, row.asin, row.reasons[0]["column"]) == (None, "B000000001", "name")


@on_sqlite
def test_how_far_it_is_and_how_long_it_takes_is_said(app: Flask) -> None:
    begun = utc_now()
    row = Operation(state="RUNNING", total_count=1000, done_count=250, started_at=begun)
    assert row.percent == 25.0
    assert row.rows_per_s(begun + timedelta(seconds=5)) == 50.0
    assert row.eta_s(begun + timedelta(seconds=5)) == 15
    assert Operation(state="READING", total_count=None, done_count=9, started_at=begun).percent is None
    assert Operation(state="CHECKED", total_count=4, done_count=0, started_at=begun).percent == 100.0
    assert Operation(state="COMPLETED", total_count=4, done_count=4, started_at=begun).eta_s(begun) is None
