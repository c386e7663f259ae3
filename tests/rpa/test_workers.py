"""Workers as operators see them, and what they are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from app.core import permissions
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import database_now
from app.core.transactions import in_transaction
from app.rpa.errors import WorkerGone, WorkerNotFound, WorkerStopping
from app.rpa.models.jobs import Task, TaskState
from app.rpa.models.workers import Wanted, Worker, WorkerState
from app.rpa.queries.workers import count_live_workers, get_worker, list_workers
from app.rpa.services import leases
from app.rpa.services.outcomes import finish_task
from app.rpa.services.workers import tell_worker
from tests.rpa.conftest import SUCCESS, FarmDriver
from tests.servers import on_sqlite

SYSTEM = permissions.system()


@pytest.fixture
def worker_id(context: Flask) -> int:
    return leases.register_worker(name="one", host="farm-1", pid=1)


def _tell(worker_id: int, wanted: Wanted) -> Worker:
    return tell_worker(actor=SYSTEM, worker_id=worker_id, wanted=wanted)


def _state(worker_id: int) -> WorkerState:
    db.session.rollback()
    return get_worker(worker_id).state


def _audited() -> list[str]:
    found = select(AuditEvent.action).where(AuditEvent.topic == "worker").order_by(AuditEvent.id)
    return list(db.session.scalars(found))


@in_transaction
def _silence(*, worker_id: int, seconds: float) -> None:
    """Let a worker have been heard of so long ago."""
    heard = database_now(db.session(), plus_s=-seconds)
    db.session.execute(update(Worker).where(Worker.id == worker_id).values(heartbeat_at=heard))


def test_a_worker_is_shown_with_the_task_that_it_holds(farm: FarmDriver, worker_id: int) -> None:
    job = farm.submit()
    farm.release()
    assert _state(worker_id) is WorkerState.IDLE
    lease = leases.claim_task(task_id=farm.task_ids(job)[1], release_no=1, worker_id=worker_id, lease_s=30)
    assert lease is not None
    shown = get_worker(worker_id)
    assert shown.state is WorkerState.BUSY
    assert (shown.task.id, shown.task.job_id, shown.task.asin) == (lease.task_id, job.id, lease.asin)
    _tell(worker_id, Wanted.DRAIN)
    assert _state(worker_id) is WorkerState.DRAINING
    assert finish_task(lease=lease, outcome=SUCCESS)
    assert _state(worker_id) is WorkerState.DRAINED
    _tell(worker_id, Wanted.WORK)
    assert _state(worker_id) is WorkerState.IDLE


def test_a_worker_hears_with_its_heartbeat_what_it_is_told(farm: FarmDriver, worker_id: int) -> None:
    farm.submit()
    farm.release()
    assert leases.heartbeat(worker_id=worker_id) is Wanted.WORK
    _tell(worker_id, Wanted.DRAIN)
    assert leases.heartbeat(worker_id=worker_id) is Wanted.DRAIN
    _tell(worker_id, Wanted.WORK)
    task_id = db.session.scalars(select(func.min(Task.id))).one()
    lease = leases.claim_task(task_id=task_id, release_no=1, worker_id=worker_id, lease_s=30)
    assert lease is not None
    _tell(worker_id, Wanted.STOP)
    assert leases.renew_lease(lease=lease, lease_s=30) == leases.Renewal(held=True, cancelled=False, wanted=Wanted.STOP)


def test_what_a_worker_tells_of_itself_is_shown(farm: FarmDriver, worker_id: int) -> None:
    shop = farm.storefront("other")
    browser = {
        "storefront_id": shop.id,
        "version": "Chrome/1",
        "started_at": "2026-11-21T10:00:00.000000Z",
        "visits": 3,
    }
    leases.heartbeat(worker_id=worker_id, vitals={"visits": 4, "memory_bytes": 5, "browsers": [browser]})
    leases.heartbeat(worker_id=worker_id)
    shown = get_worker(worker_id)
    assert [(one["storefront"], one["visits"]) for one in shown.browsers] == [("other", 3)]
    assert shown.vitals == {"visits": 4, "memory_bytes": 5, "browsers": [browser]}


def test_asking_again_changes_nothing_and_each_change_is_in_the_audit_log(worker_id: int) -> None:
    for wanted in (Wanted.DRAIN, Wanted.DRAIN, Wanted.WORK, Wanted.STOP, Wanted.STOP):
        _tell(worker_id, wanted)
    assert _audited() == ["worker.drain", "worker.resume", "worker.stop"]


@pytest.mark.parametrize("wanted", [Wanted.WORK, Wanted.DRAIN])
def test_who_was_told_to_stop_is_not_called_back(worker_id: int, wanted: Wanted) -> None:
    _tell(worker_id, Wanted.STOP)
    with pytest.raises(WorkerStopping):
        _tell(worker_id, wanted)
    assert get_worker(worker_id).wanted == Wanted.STOP
    assert _audited() == ["worker.stop"]


def test_who_is_gone_is_told_nothing(context: Flask, worker_id: int) -> None:
    silent = leases.register_worker(name="two", host="farm-1", pid=2)
    leases.retire_worker(worker_id=worker_id)
    _silence(worker_id=silent, seconds=61)
    assert (_state(worker_id), _state(silent)) == (WorkerState.STOPPED, WorkerState.LOST)
    for one in (worker_id, silent):
        with pytest.raises(WorkerGone):
            _tell(one, Wanted.DRAIN)
        assert get_worker(one).wanted == Wanted.WORK
    with pytest.raises(WorkerNotFound):
        _tell(silent + 1000, Wanted.DRAIN)
    assert _audited() == []


def test_who_takes_no_tasks_gets_none_released(context: Flask, worker_id: int) -> None:
    leases.register_worker(name="two", host="farm-1", pid=2)
    assert count_live_workers(silent_s=60) == 2
    _tell(worker_id, Wanted.DRAIN)
    assert count_live_workers(silent_s=60) == 1


def test_a_drained_worker_gives_a_release_back_once(farm: FarmDriver) -> None:
    job = farm.submit()
    farm.release()
    first, second, *_ = farm.task_ids(job)
    assert leases.return_task(task_id=first, release_no=1)
    task = farm.task(first)
    assert (task.state, task.attempt_count) == (TaskState.READY, 0)
    assert not leases.return_task(task_id=first, release_no=1)
    farm.leased(second)
    assert not leases.return_task(task_id=second, release_no=1)
    assert farm.task(second).state == TaskState.LEASED
    farm.release()
    assert farm.leased(first).number == 2


def test_workers_are_listed_by_host_and_by_being_alive_and_forgotten_after_a_day(worker_id: int) -> None:
    other = leases.register_worker(name="two", host="farm-2", pid=2)
    _silence(worker_id=other, seconds=3600)
    listed: Callable[..., list[int]] = lambda **which: [  # noqa: E731
        row.id for row in list_workers(**({"host": None, "is_alive": None, "limit": 50, "cursor": None} | which)).items
    ]
    assert listed() == [other, worker_id]
    assert listed(host="farm-2") == [other]
    assert listed(is_alive=True) == [worker_id]
    assert listed(is_alive=False) == [other]
    assert leases.forget_workers() == 0
    _silence(worker_id=other, seconds=86_401)
    assert leases.forget_workers() == 1
    assert listed() == [worker_id]


@on_sqlite
def test_the_api_shows_and_tells_workers(
    app: Flask, context: Flask, worker_id: int, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    def ask(act: str) -> Any:
        return client.post(f"/api/v1/workers/{worker_id}/{act}", headers=auth_headers)

    shown = client.get(f"/api/v1/workers/{worker_id}", headers=auth_headers).get_json()
    assert (shown["state"], shown["task"], shown["visits"], shown["browsers"]) == ("idle", None, 0, [])
    assert ask("drain").get_json()["state"] == "drained"
    assert ask("resume").get_json()["state"] == "idle"
    assert ask("stop").get_json()["wanted"] == "stop"
    refused = ask("resume")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "WORKER_STOPPING")


@on_sqlite
def test_the_command_line_lists_workers_and_drains_a_host(app: Flask, worker_id: int) -> None:
    run = app.test_cli_runner().invoke
    other = leases.register_worker(name="two", host="farm-2", pid=2)
    gone = leases.register_worker(name="three", host="farm-2", pid=3)
    leases.retire_worker(worker_id=gone)
    assert run(args=["farm", "drain", "--host", "farm-2"]).output == f"worker {other}: drained\n"
    listed = run(args=["farm", "workers"]).output
    assert [line.split()[:3] for line in listed.splitlines()[1:]] == [
        [str(other), "farm-2", "drained"], [str(worker_id), "farm-1", "idle"],
    ]  # fmt: skip
    assert str(gone) in run(args=["farm", "workers", "--all"]).output
    assert run(args=["farm", "resume", str(other)]).output == f"worker {other}: idle\n"
    assert run(args=["farm", "stop", str(worker_id)]).output == f"worker {worker_id}: draining\n"
    refused = run(args=["farm", "resume", str(worker_id)])
    assert (refused.exit_code, "told to stop" in refused.output) == (1, True)
    assert run(args=["farm", "drain"]).exit_code == 2
    assert run(args=["farm", "drain", "--host", "nowhere"]).exit_code == 1
