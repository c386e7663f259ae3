"""How long single errands take on an idle farm, and beside a large job on the same storefront."""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import func, select

from app.core.extensions import db
from app.core.permissions import system
from app.rpa.models.jobs import Attempt, Task, TaskState
from app.rpa.queries.tasks import is_task_ended
from app.rpa.services import controlling
from bench.farm_jobs import asin_of
from bench.farm_stand import SHOP, Farm, Stand, asins, clock
from tests.calls import add_person, token_of

Percentiles = tuple[float, float]
"""The 50th and the 95th, in milliseconds."""
_LONGEST_S: Final = 60.0
_PAUSES_S: Final = (0.1, 0.5)
"""Between two errands, at random, so that they meet tasks of the batch at every stage."""
_SEED: Final = 1


@dataclass(slots=True)
class Errands:
    """What came of each round."""

    idle: list[Percentiles] = field(default_factory=list)
    beside: list[Percentiles] = field(default_factory=list)
    batch_ms: list[float] = field(default_factory=list)
    """How long a worker had a task in hand meanwhile, at the median."""

    def added(self) -> list[Percentiles]:
        """What the batch added, round by round."""
        pairs = zip(self.idle, self.beside, strict=True)
        return [(beside[0] - idle[0], beside[1] - idle[1]) for idle, beside in pairs]


def measure_errands(stand: Stand, workers: int, batch: int, *, rounds: int, count: int) -> Errands:
    """Send errands in turns to a farm that is idle and to one that is busy with a job of ``batch`` tasks."""
    found = Errands()
    person = add_person(email="bench@example.org", role="admin")
    with stand.farm(workers) as farm:
        job = farm.submit(asins(batch))
        for number in range(rounds):
            controlling.pause_job(actor=system(), job_id=job.id)
            _wait_for_quiet(farm)
            sender = Sender(stand, farm, token_of(stand.app, person), number)
            found.idle.append(sender.send(count))
            controlling.resume_job(actor=system(), job_id=job.id)
            farm.warm(job)
            since = clock()
            found.beside.append(sender.send(count))
            found.batch_ms.append(_batch_ms(since))
        farm.cancel(job)
    return found


class Sender:
    """Who asks for one product after the other."""

    def __init__(self, stand: Stand, farm: Farm, token: str, seed: int) -> None:
        self._client = stand.app.test_client()
        self._headers = {"Authorization": f"Bearer {token}"}
        self._farm, self._products = farm, stand.products
        self._random = random.Random(_SEED + seed)

    def send(self, count: int) -> Percentiles:
        """So many errands."""
        spent_ms = []
        for _ in range(count):
            time.sleep(self._random.uniform(*_PAUSES_S))
            spent_ms.append(self._errand_ms())
        return statistics.median(spent_ms), statistics.quantiles(spent_ms, n=20, method="inclusive")[-1]

    def _errand_ms(self) -> float:
        body = {"storefront": SHOP, "asin": asin_of(self._random.randrange(self._products))}
        began_at = datetime.now(UTC)
        answer = self._client.post("/api/v1/view-product", json=body, headers=self._headers)
        if answer.status_code != 202:
            raise SystemExit(answer.text)
        task: dict[str, Any] = answer.get_json()
        self._farm.running.until(lambda: is_task_ended(task["id"]), "an errand", seconds=_LONGEST_S)
        row = db.session.execute(select(Task.state, Task.finished_at).where(Task.id == task["id"])).one()
        if row.state != TaskState.SUCCEEDED or row.finished_at is None:
            raise SystemExit(f"an errand ended {row.state}")
        return float((row.finished_at - began_at).total_seconds() * 1000)


def _wait_for_quiet(farm: Farm) -> None:
    at_work = select(func.count()).where(Task.state.in_([TaskState.QUEUED, TaskState.LEASED]))
    farm.running.until(lambda: not db.session.scalar(at_work), "the workers to be idle")


def _batch_ms(since: datetime) -> float:
    """The median time for which a worker has one task in hand: from its claim to that worker's next one."""
    rows = db.session.execute(
        select(Attempt.worker_id, Attempt.started_at)
        .where(Attempt.started_at >= since)
        .order_by(Attempt.worker_id, Attempt.started_at)
    ).all()
    db.session.rollback()
    pairs = [(one.started_at, after.started_at) for one, after in pairwise(rows) if one.worker_id == after.worker_id]
    if not pairs:
        raise SystemExit("too few tasks of the batch beside the errands: take more --errands")
    return float(statistics.median((after - begun).total_seconds() * 1000 for begun, after in pairs))
