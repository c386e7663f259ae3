"""Jobs that were done at random, written straight into the tables, and what they come to counted row by row."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from app.core import permissions
from app.core.extensions import db
from app.core.orm import table_of, utc_now
from app.products.models.products import ProductUpdate, Source
from app.rpa.models.jobs import Action, Attempt, Job, JobState, Task
from app.rpa.models.storefronts import Storefront
from app.rpa.models.workers import Worker
from app.rpa.rules.codes import RULES, Code
from app.rpa.services.storefronts import create_storefront
from tests.rpa.conftest import profile

CODES = (None, None, None, Code.NOT_FOUND, Code.OUT_OF_STOCK, Code.NAV_TIMEOUT, Code.BLOCKED)
RETRIED = (Code.NAV_TIMEOUT, Code.HTTP_5XX)


@dataclass
class Filler:
    """Fills a farm with tasks that ended when they are told to; ``product_id`` is any product there is."""

    product_id: int
    chance: random.Random

    def shops(self, *codes: str) -> list[Storefront]:
        me = permissions.system()
        return [
            create_storefront(actor=me, now=utc_now(), code=code, name=code.title(), profile=profile())
            for code in codes
        ]

    def workers(self, count: int) -> list[int]:
        now = utc_now()
        rows = [Worker(name=f"w{at}", host="farm-1", pid=at, started_at=now, heartbeat_at=now) for at in range(count)]
        db.session.add_all(rows)
        db.session.commit()
        return [row.id for row in rows]

    def job(
        self, shop: int, *, begun: datetime, action: Action = Action.VIEW_PRODUCT, ended: datetime | None = None
    ) -> int:
        """A job of no tasks yet, open unless it has ended."""
        row = Job(
            name="check", action=action, lane="batch", state=JobState.RUNNING if ended is None else JobState.COMPLETED,
            storefront_id=shop, total_count=0, deadline_at=begun + timedelta(days=60), last_released_at=begun,
            created_at=begun, finished_at=ended, actor_kind="system",
        )  # fmt: skip
        db.session.add(row)
        db.session.commit()
        return row.id

    def tasks(self, ends: list[tuple[datetime, int, int]], workers: list[int]) -> None:
        """A task for each end, job and storefront, some of which were never visited, some after a failed attempt.

        They are written in the order of time, as a farm does it.
        """
        for seq, (end, job_id, shop) in enumerate(sorted(ends), start=1):
            self.task(job_id, shop, seq, end, self.chance.choice(workers))
        db.session.commit()

    def task(self, job_id: int, shop: int, seq: int, end: datetime, worker: int) -> None:
        chance = self.chance
        code = chance.choice(CODES)
        is_visited = chance.random() > 0.1
        if not is_visited:
            code = Code.DEADLINE
        state = "SUCCEEDED" if code is None else str(RULES[code].ending)
        spent = timedelta(milliseconds=chance.randrange(20, 9_000))
        task = Task(
            job_id=job_id, seq=seq, storefront_id=shop, product_id=self.product_id, asin="B000000001", state=state,
            code=code, not_before=end, finished_at=end, release_no=2, released_at=end - spent - timedelta(seconds=1),
            created_at=end - timedelta(hours=1), worker_id=worker,
        )  # fmt: skip
        db.session.add(task)
        db.session.flush()
        if chance.random() > 0.8:
            self.attempt(task, 1, end - timedelta(minutes=2), spent, worker, "RETRY", chance.choice(RETRIED))
        if is_visited:
            self.attempt(task, 2, end, spent, worker, state, code)
        if state == "SUCCEEDED" and chance.random() > 0.7:
            db.session.add(
                ProductUpdate(
                    product_id=self.product_id, asin="B000000001", attribute=chance.choice(("price", "availability")),
                    previous_attribute="1", current_attribute="2", source=Source.FARM, storefront_id=shop,
                    job_id=job_id, task_id=task.id, created_at=end, updated_at=end, actor_kind="system",
                )
            )  # fmt: skip

    def attempt(
        self, task: Task, number: int, end: datetime, spent: timedelta, worker: int, outcome: str, code: str | None
    ) -> None:
        took = int(spent.total_seconds() * 1000)
        facts = {"timings_ms": {"navigate": took // 2, "extract": took // 7}} if code != Code.NAV_TIMEOUT else None
        db.session.add(
            Attempt(
                task_id=task.id, number=number, lease_token=f"{task.id}-{number}", worker_id=worker,
                started_at=end - spent, ended_at=end, outcome=outcome, code=code, facts=facts,
            )
        )  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """What lies in the tables of a stretch of time, counted with the simplest of programs."""

    since: datetime
    until: datetime
    shop: int | None = None
    action: str | None = None
    worker: int | None = None
    job: int | None = None

    def ended(self) -> list[Any]:
        """Tasks that ended, with the job's action; with a worker, those whose last attempt was its."""
        rows = db.session.execute(select(Task, Job.action).join(Job, Job.id == Task.job_id)).all()
        return [task for task, action in rows if self._fits(task, action, task.finished_at) and self._did(task)]

    def outcomes(self) -> Counter[str]:
        return Counter(task.state.lower() for task in self.ended())

    def codes(self) -> Counter[str]:
        return Counter(task.code for task in self.ended() if task.code is not None)

    def points(self, beginning: Callable[[datetime], datetime]) -> dict[datetime, Counter[str]]:
        found: dict[datetime, Counter[str]] = {}
        for task in self.ended():
            found.setdefault(beginning(task.finished_at), Counter())[task.state.lower()] += 1
        return found

    def attempts(self) -> Iterator[Any]:
        rows = db.session.execute(
            select(Attempt, Task, Job.action).join(Task, Task.id == Attempt.task_id).join(Job, Job.id == Task.job_id)
        )
        for attempt, task, action in rows:
            if self._fits(task, action, attempt.ended_at) and self.worker in {None, attempt.worker_id}:
                yield attempt

    def times(self, stage: str) -> list[int]:
        return sorted(attempt.facts["timings_ms"][stage] for attempt in self.attempts() if attempt.facts)

    def changes(self) -> Counter[str]:
        rows = db.session.execute(
            select(ProductUpdate, Job.action, Task)
            .join(Job, Job.id == ProductUpdate.job_id)
            .join(Task, Task.id == ProductUpdate.task_id)
        ).all()
        fitting = [
            row for row, action, task in rows if self._fits(row, action, row.created_at) and self._did(task)
        ]  # fmt: skip
        return Counter(row.attribute for row in fitting)

    def _fits(self, row: Any, action: str, when: datetime | None) -> bool:
        return (
            when is not None
            and self.since <= when < self.until
            and self.shop in {None, row.storefront_id}
            and self.action in {None, action}
            and self.job in {None, row.job_id}
        )

    def _did(self, task: Task) -> bool:
        if self.worker is None:
            return True
        last = [attempt for attempt in task.attempts if attempt.ended_at == task.finished_at]
        return bool(last) and last[0].worker_id == self.worker


def clear(*models: Any) -> None:
    """Empty these tables."""
    for model in models:
        db.session.execute(table_of(model).delete())
    db.session.commit()
