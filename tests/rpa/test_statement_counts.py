"""How often a visit asks the database: each statement is a round trip, some of them under the storefront's lock."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.rpa.models.jobs import TaskState
from app.rpa.models.robots import RobotsFile
from app.rpa.models.storefronts import Storefront
from app.rpa.queries.claims import find_released
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import TaskOutcome
from app.rpa.rules.robots import ALLOWED, State
from app.rpa.services import leases, robots
from app.rpa.services.outcomes import finish_task
from tests.rpa.conftest import ASINS, SUCCESS, FarmDriver
from tests.statements import statements


def _released(farm: FarmDriver) -> int:
    job = farm.submit([ASINS[0]])
    assert farm.release() == 1
    (task_id,) = farm.task_ids(job)
    return task_id


@in_transaction
def _keep_robots() -> None:
    later = utc_now() + timedelta(hours=1)
    file = RobotsFile(storefront_id=db.session.scalars(select(Storefront.id)).one(), origin="http://shop.example:80")
    file.state, file.failures, file.due_at, file.expires_at = State.NONE, 0, later, later
    db.session.add(file)


def _claimed(farm: FarmDriver, task_id: int) -> leases.Lease:
    lease = leases.claim_task(task_id=task_id, release_no=1, worker_id=None, lease_s=30)
    assert lease is not None
    return lease


def test_a_task_whose_robots_txt_is_known_is_judged_with_one_statement(farm: FarmDriver) -> None:
    _keep_robots()
    task_id = _released(farm)
    with statements() as sent:
        assert robots.judge_task(find_released(db.session.connection(), task_id)) == ALLOWED
    assert len(sent) == 1, "\n".join(sent)


def test_a_claim_of_a_task_that_was_looked_at_sends_five_statements(farm: FarmDriver) -> None:
    task_id = _released(farm)
    known = find_released(db.session.connection(), task_id)
    with statements() as sent:
        lease = leases.claim_task(task_id=task_id, release_no=1, worker_id=None, lease_s=30, known=known)
    assert lease is not None
    assert len(sent) == 5, "\n".join(sent)
    assert sent[0].startswith("SELECT storefront."), sent[0]


def test_a_claim_sends_six_statements_and_four_of_them_under_the_storefronts_lock(farm: FarmDriver) -> None:
    first, second = (_released(farm) for _ in range(2))
    finish_task(lease=farm.leased(first), outcome=SUCCESS)  # so that the second one has values that were seen
    with statements() as sent:
        lease = _claimed(farm, second)
    assert (len(lease.seen), len(sent)) == (4, 6), "\n".join(sent)
    assert sent[1].startswith("SELECT storefront."), sent[1]


def test_a_claim_that_is_refused_sends_four_statements(farm: FarmDriver) -> None:
    task_id = _released(farm)
    db.session.execute(update(Storefront).values(paused_until=utc_now() + timedelta(hours=1)))
    db.session.commit()
    with statements() as sent:
        assert leases.claim_task(task_id=task_id, release_no=1, worker_id=None, lease_s=30) is None
    assert farm.task(task_id).state == TaskState.READY
    assert len(sent) == 4, "\n".join(sent)


def test_a_visit_of_a_known_product_is_recorded_with_eight_statements(farm: FarmDriver) -> None:
    finish_task(lease=farm.leased(_released(farm)), outcome=SUCCESS)
    lease = farm.leased(_released(farm))
    with statements() as sent:
        assert finish_task(lease=lease, outcome=SUCCESS)
    assert len(sent) == 8, "\n".join(sent)


def test_a_visit_that_read_nothing_is_recorded_with_four_statements(farm: FarmDriver) -> None:
    lease = farm.leased(_released(farm))
    with statements() as sent:
        assert finish_task(lease=lease, outcome=TaskOutcome(Code.NOT_FOUND))
    assert farm.task(lease.task_id).state == TaskState.REFUSED
    assert len(sent) == 4, "\n".join(sent)
