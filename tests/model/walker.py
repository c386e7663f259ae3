"""Walks of the model on the real services: each step is done in both, then the rows must say what the model says."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update

from app.core import permissions
from app.core.extensions import db
from app.core.orm import database_now
from app.core.queues import doorbell
from app.core.transactions import in_transaction
from app.products.models.products import Product
from app.rpa.models.jobs import BATCH, Action, Attempt, TaskState
from app.rpa.models.jobs import Job as JobRow
from app.rpa.models.jobs import Task as TaskRow
from app.rpa.models.observations import Observation, ObservationCurrent, ObservedChange
from app.rpa.models.storefronts import Storefront
from app.rpa.profiles.profile import RetryBudget
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import TaskOutcome
from app.rpa.services import controlling, dispatch, ending, leases, outcomes, preparing, submitting
from tests.model import dispatcher, steps, worker
from tests.model.effects import Label, World
from tests.model.rows import QUEUE, Rows
from tests.model.state import Age, Bounds, Does, State, is_through
from tests.model.worker import CODES
from tests.rpa.conftest import ASINS, FarmDriver, reading

ME: Final = permissions.system()
LONG: Final = timedelta(hours=1)
_WEIGHTS: Final = {
    "cancel": 2, "deadline": 2, "pause": 2, "resume": 10, "die": 1, "lose": 4, "duplicate": 6, "expire": 20,
    "finish": 6, "end_look": 40, "withdraw_look": 8, "extend": 10, "renew": 60, "reap_look": 120, "reap_write": 60,
    "close_shop": 4, "open_shop": 30,
}  # fmt: skip
"""How often a step is chosen, others 20: many would bring most walks to an early end, and some have few occasions."""
_PRICES: Final = ("10.00", "30.00")
"""Of products, so that one after the other is looked at twice."""


@dataclass(slots=True)
class Look:
    """What a dispatcher has read outside of the transaction in which it will write."""

    task_id: int
    release_no: int
    token: str


class Walker:
    """Walks at random through a world and, step by step, through the services."""

    def __init__(self, farm: FarmDriver, bounds: Bounds, storefront: str, seed: str) -> None:
        self.random = random.Random(seed)
        self.world = World(bounds)
        self.state = bounds.beginning()
        self.way: list[Label] = []
        self.farm = farm
        self.settings = replace(farm.farm, batch_stale_s=0, interactive_stale_s=0)
        self.budget = RetryBudget(attempts=bounds.attempts, losses=bounds.losses)
        self.jobs = [self._submit(storefront, total, concurrency) for total, concurrency in bounds.jobs]
        _show_prices(storefront=storefront)
        self.rows = Rows(bounds, self.jobs)
        self.leases: dict[int, leases.Lease] = {}
        self.messages: dict[int, tuple[int, int]] = {}
        self.looks: dict[int, Look] = {}

    def walk(self, length: int) -> Counter[str]:
        """Take at most so many steps; how often each was taken. Fails where rows and model differ."""
        taken: Counter[str] = Counter()
        self._compare()
        for _ in range(length):
            if is_through(self.state):
                break
            label, after = self._choose()
            taken[str(label[0])] += 1
            taken += Counter({f"finish {label[3]}": 1}) if label[0] == "finish" else Counter()
            self._take(label, after)
            self._compare()
            self._let_time_pass()
        return taken

    def forget(self) -> None:
        """Delete what the walk has left."""
        tables = (ObservedChange, Observation, ObservationCurrent, Attempt, TaskRow, JobRow)
        _write(statements=[*map(delete, tables), update(Storefront).values(paused_until=None)])
        doorbell().redis.delete(QUEUE)

    # Choosing

    def _choose(self) -> tuple[Label, State]:
        by_name: dict[str, list[tuple[Label, State]]] = {}
        for label, after in steps.following(self.world, self.state):
            by_name.setdefault(str(label[0]), []).append((label, after))
        names = list(by_name)
        name = self.random.choices(names, [_WEIGHTS.get(name, 20) for name in names])[0]
        return self.random.choice(by_name[name])

    def _take(self, label: Label, after: State) -> None:
        self.way.append(label)
        name = str(label[0])
        sweep = self._sweeps.get(name)
        if sweep is not None and self.random.random() < 0.5:  # as often at once as in halves
            self.way.append(("at once",))
            sweep(self)
            return
        before, self.state = self.state, after
        getattr(self, f"_{name}")(label, before)

    # The dispatcher, in halves

    def _release_look(self, label: Label, _: State) -> None:
        row = self.rows.tasks[int(label[2])]
        self.looks[int(label[1])] = Look(row.id, row.release_no, row.lease_token or "")

    _again_look = _reap_look = _release_look

    def _release_write(self, label: Label, _: State) -> None:
        look = self.looks.pop(int(label[1]))
        _write_release(task_id=look.task_id, release_no=look.release_no)

    def _again_write(self, label: Label, _: State) -> None:
        look = self.looks.pop(int(label[1]))
        dispatch._release_lost(lost=[dispatch._Release(look.task_id, look.release_no, BATCH)])

    def _reap_write(self, label: Label, _: State) -> None:
        look = self.looks.pop(int(label[1]))
        outcomes.reap_task(task_id=look.task_id, token=look.token, budget=self.budget)

    def _end_look(self, label: Label, before: State) -> None:
        pass  # it reads the ids of jobs and nothing else

    _withdraw_look = _end_look

    def _end_write(self, label: Label, _: State) -> None:
        how = TaskState(str(label[3]))
        code = Code.CANCELLED if how is TaskState.CANCELLED else Code.DEADLINE
        ending._end_chunk(job_id=self.jobs[int(label[2])], code=code)

    def _withdraw_write(self, label: Label, _: State) -> None:
        ending._withdraw(job_id=self.jobs[int(label[2])])

    def _finish_jobs(self, _label: Label, _: State) -> None:
        ending.finish_jobs()

    # The dispatcher, all at once

    def _sweep_release(self) -> None:
        queued = {at for at, task in enumerate(self.state.tasks) if task.state is TaskState.QUEUED}
        self.farm.farm = self.settings
        self.farm.release()
        self.rows.read()
        now = {at for at, row in self.rows.tasks.items() if row.state == TaskState.QUEUED}
        for of in now - queued:
            self._in_model(dispatcher.release_look, dispatcher.release_write, of)

    def _sweep_again(self) -> None:
        dispatch.release_again(farm=self.settings)
        self._all_in_model(dispatcher.again_look, dispatcher.again_write)

    def _sweep_reap(self) -> None:
        dispatch.reap_expired()
        self._all_in_model(dispatcher.reap_look, dispatcher.reap_write)

    def _sweep_end(self) -> None:
        ending.end_open_tasks()
        for of in range(len(self.jobs)):
            self._in_model(dispatcher.end_look, dispatcher.end_write, of, must=False)

    def _sweep_withdraw(self) -> None:
        ending.withdraw_paused()
        for of in range(len(self.jobs)):
            self._in_model(dispatcher.withdraw_look, dispatcher.withdraw_write, of, must=False)

    _sweeps: Final[dict[str, Callable[[Any], None]]] = {
        "release_look": _sweep_release,
        "again_look": _sweep_again,
        "reap_look": _sweep_reap,
        "end_look": _sweep_end,
        "withdraw_look": _sweep_withdraw,
    }

    def _all_in_model(self, look: Any, write: Any) -> None:
        for of in range(len(self.state.tasks)):
            self._in_model(look, write, of, must=False)

    def _in_model(self, look: Any, write: Any, of: int, *, must: bool = True) -> None:
        """Take both halves of a step in the model, by a dispatcher that is at rest."""
        found = [(label, after) for label, after in look(self.world, self.state) if label[2] == of]
        if not found:
            assert not must, f"{look.__name__} of {of} is not allowed by the model"
            return
        label, looked = found[0]
        self.state = next(after for written, after in write(self.world, looked) if written[1] == label[1])

    # The worker

    def _pick(self, label: Label, _: State) -> None:
        at, of, age = int(label[1]), int(label[2]), Age(int(label[3]))
        number = self.rows.number(of, age)
        task_id = self.rows.task_id(of)
        assert doorbell().redis.lrem(QUEUE, 1, f"task-{task_id}-{number}") == 1
        self.messages[at] = (task_id, number)

    def _claim_look(self, label: Label, _: State) -> None:
        """A claim is one transaction, so here both halves of it are one step."""
        at = int(label[1])
        if self.state.workers[at].does is not Does.NOTHING:
            self.state = next(after for label_, after in worker.claim_write(self.world, self.state) if label_[1] == at)
        task_id, number = self.messages.pop(at)
        lease = leases.claim_task(task_id=task_id, release_no=number, worker_id=None, lease_s=3600)
        assert (lease is not None) == (self.state.workers[at].does is Does.VISIT)
        if lease is not None:
            self.leases[at] = lease

    def _renew(self, label: Label, _: State) -> None:
        at = int(label[1])
        told = leases.renew_lease(lease=self.leases[at], lease_s=3600)
        assert told.held == (self.state.workers[at].does is Does.VISIT)
        if not told.held:
            del self.leases[at]

    def _finish(self, label: Label, before: State) -> None:
        at = int(label[1])
        lease = self.leases.pop(at)
        recorded = outcomes.finish_task(lease=lease, outcome=_outcome(lease, str(label[3])))
        assert recorded == (before.workers[at].age is Age.NOW)

    def _die(self, label: Label, _: State) -> None:
        self.leases.pop(int(label[1]), None)
        self.messages.pop(int(label[1]), None)

    # The others

    def _prepare(self, label: Label, _: State) -> None:
        job_id = self.jobs[int(label[1])]
        products = db.session.scalar(select(JobRow.selection).where(JobRow.id == job_id)) or []
        preparing._prepare_chunk(job_id=job_id, products=products)

    def _pause(self, label: Label, _: State) -> None:
        controlling.pause_job(actor=ME, job_id=self.jobs[int(label[1])])

    def _resume(self, label: Label, _: State) -> None:
        controlling.resume_job(actor=ME, job_id=self.jobs[int(label[1])])

    def _cancel(self, label: Label, _: State) -> None:
        controlling.cancel_job(actor=ME, job_id=self.jobs[int(label[1])])

    def _extend(self, label: Label, _: State) -> None:
        job = self.farm.job(self.jobs[int(label[1])])
        later = self._now() + LONG
        controlling.change_job(actor=ME, job_id=job.id, expected_version=job.version, deadline_at=later)

    def _expire(self, label: Label, _: State) -> None:
        mine = update(TaskRow).where(TaskRow.id == self.rows.task_id(int(label[1])))
        _set(mine.values(leased_until=self._now() - LONG))

    def _deadline(self, label: Label, _: State) -> None:
        mine = update(JobRow).where(JobRow.id == self.jobs[int(label[1])])
        _set(mine.values(deadline_at=self._now() - LONG))

    def _lose(self, label: Label, _: State) -> None:
        number = self.rows.number(int(label[1]), Age(int(label[2])))
        assert doorbell().redis.lrem(QUEUE, 1, f"task-{self.rows.task_id(int(label[1]))}-{number}") == 1

    def _duplicate(self, label: Label, _: State) -> None:
        number = self.rows.number(int(label[1]), Age(int(label[2])))
        doorbell().redis.rpush(QUEUE, f"task-{self.rows.task_id(int(label[1]))}-{number}")

    def _close_shop(self, _label: Label, _: State) -> None:
        _set(update(Storefront).values(paused_until=self._now() + LONG))

    def _open_shop(self, _label: Label, _: State) -> None:
        _set(update(Storefront).values(paused_until=None))

    def _compare(self) -> None:
        self.rows.read()
        said = (list(self.state.jobs), list(self.state.tasks), Counter(self.state.messages))
        assert self.rows.found() == said, "\n".join(["the rows are not as the model says after", *map(str, self.way)])

    def _submit(self, storefront: str, total: int, concurrency: int | None) -> int:
        return submitting.submit_job(
            actor=ME,
            action=Action.VIEW_PRODUCT,
            storefront=storefront,
            name="walk",
            asins=ASINS[:total],
            concurrency=concurrency,
        ).id

    def _let_time_pass(self) -> None:
        """Whatever has to wait a moment has waited; leases and deadlines pass by steps of their own."""
        if any(row.not_before > self._now() for row in self.rows.tasks.values()):
            _set(update(TaskRow).where(TaskRow.state == TaskState.READY).values(not_before=self._now() - LONG))

    def _now(self) -> Any:
        return database_now(db.session())


def _set(statement: Any) -> None:
    _write(statements=[statement])


@in_transaction
def _write(*, statements: Sequence[Any]) -> None:
    for statement in statements:
        db.session.execute(statement)


def _outcome(lease: leases.Lease, how: str) -> TaskOutcome:
    """What a visit brings back; what is doubtful is so after what the lease says of the price."""
    if CODES[how] is not None:
        return TaskOutcome(CODES[how], detail="It did not work.", counts=how != "shared")
    price = _PRICES[(lease.baseline["price"] == f"{_PRICES[0]} USD") == (how == "doubtful")]
    return TaskOutcome(None, reading=reading(price))


@in_transaction
def _show_prices(*, storefront: str) -> None:
    """Have the storefront shown the price of every product before."""
    session = db.session()
    shop = session.scalars(select(Storefront.id).where(Storefront.code == storefront)).one()
    for id_ in session.scalars(select(Product.id)):
        row = ObservationCurrent(product_id=id_, storefront_id=shop, attribute="price", task_id=0)
        row.value, row.observed_at = f"{_PRICES[0]} USD", database_now(session)
        session.add(row)


@in_transaction
def _write_release(*, task_id: int, release_no: int) -> None:
    """The writing half of ``dispatch.release_tasks``, for who read a while ago."""
    session = db.session()
    now = database_now(session)
    released = dispatch._release(session, [(task_id, release_no)], BATCH, TaskState.READY, now)
    if released:
        job_id = session.scalars(select(TaskRow.job_id).where(TaskRow.id == task_id)).one()
        dispatch._mark_started([job_id], now)
    dispatch._ring_after_commit(released)
