"""What a worker reads to claim a task, in few statements: each of them is a round trip of every visit.

They are plain SQL over tables, made once: nothing of the ORM, and nothing is constructed at each call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Text, and_, bindparam, case, cast, func, select

from app.core.orm import clock, table_of
from app.products.models.products import Product
from app.rpa.models.jobs import Job, Task, TaskState
from app.rpa.models.observations import ObservationCurrent
from app.rpa.models.robots import RobotsFile
from app.rpa.models.storefronts import Shop, Storefront
from app.rpa.models.trials import Trial, TrialKind, TrialState
from app.rpa.queries.shops import COLUMNS, shop_of

_TASK, _JOB, _SHOP, _PRODUCT = table_of(Task).c, table_of(Job).c, table_of(Storefront).c, table_of(Product).c
_CURRENT, _FILE, _TRIAL = table_of(ObservationCurrent).c, table_of(RobotsFile).c, table_of(Trial).c

_RELEASED: Final = (
    select(
        _TASK.state.label("task_state"), _TASK.release_no, _TASK.released_at, _TASK.storefront_id, _TASK.job_id,
        _TASK.asin, _TASK.product_id, _TASK.first_look.is_not(None).label("again"),
        _JOB.action, _JOB.quantity, _JOB.options,
        _PRODUCT.name, _PRODUCT.brand, _PRODUCT.price_minor, _PRODUCT.currency, _PRODUCT.is_active,
        _CURRENT.attribute, _CURRENT.value,
        _SHOP.obeys_robots, _SHOP.profile_version, cast(_SHOP.profile, Text).label("document"), clock().label("now"),
        _FILE.id, _FILE.origin, _FILE.state, _FILE.status, _FILE.problem, _FILE.failures, _FILE.fetched_at,
        _FILE.expires_at, _FILE.due_at,
    )
    .select_from(
        table_of(Task)
        .join(table_of(Job), _JOB.id == _TASK.job_id)
        .join(table_of(Product), _PRODUCT.id == _TASK.product_id)
        .join(table_of(Storefront), _SHOP.id == _TASK.storefront_id)
        .outerjoin(
            table_of(ObservationCurrent),
            and_(_CURRENT.product_id == _TASK.product_id, _CURRENT.storefront_id == _TASK.storefront_id),
        )
        .outerjoin(table_of(RobotsFile), _FILE.storefront_id == _TASK.storefront_id)
    )
    .where(_TASK.id == bindparam("task_id"))
)  # fmt: skip
_LEASED_ON_SHOP: Final = select(func.count()).where(
    _TASK.storefront_id == bindparam("storefront_id"), _TASK.state == TaskState.LEASED
)
_TRIES_ON_SHOP: Final = select(func.count()).where(
    _TRIAL.storefront_id == bindparam("storefront_id"), _TRIAL.kind == TrialKind.TRY, _TRIAL.state == TrialState.RUNNING
)
_VISITS: Final = _LEASED_ON_SHOP.scalar_subquery() + _TRIES_ON_SHOP.scalar_subquery()
_LEASED_OF_JOB: Final = select(func.count()).where(_TASK.job_id == bindparam("job_id"), _TASK.state == TaskState.LEASED)
_SITUATION: Final = select(
    _JOB.state,
    _JOB.concurrency,
    _JOB.deadline_at,
    _VISITS.label("visits"),
    case((_JOB.concurrency.is_(None), 0), else_=_LEASED_OF_JOB.scalar_subquery()).label("leased"),
    clock().label("now"),
).where(_JOB.id == bindparam("job_id"))
_SHOP_VISITS: Final = select(_VISITS)
_LOCKED: Final = select(*COLUMNS).where(_SHOP.id == bindparam("storefront_id")).with_for_update()
_DOCUMENT: Final = select(cast(_SHOP.profile, Text)).where(_SHOP.id == bindparam("storefront_id"))


def find_released(connection: Connection, task_id: int) -> Sequence[Row[Any]]:
    """A task and what the claim and the look at its shop's robots.txt must know; nothing where there is none.

    What is of the task does not change while it is released. There is a row for each attribute that the storefront
    showed of the product before and each robots.txt that is known of it, or one without.
    """
    return connection.execute(_RELEASED, {"task_id": task_id}).all()


def lock_shop(connection: Connection, storefront_id: int) -> Shop:
    """The storefront, locked until the transaction ends."""
    return shop_of(connection.execute(_LOCKED, {"storefront_id": storefront_id}).one())


def read_document(connection: Connection, storefront_id: int) -> str:
    """The text of the storefront's profile; that of a version never changes."""
    return str(connection.execute(_DOCUMENT, {"storefront_id": storefront_id}).scalar_one())


def read_situation(connection: Connection, *, storefront_id: int, job_id: int) -> Row[Any]:
    """What runs on a storefront and of a job, the job's limits and the time; to be read under the storefront's lock.

    ``leased`` is counted only of a job that has a concurrency of its own.
    """
    return connection.execute(_SITUATION, {"storefront_id": storefront_id, "job_id": job_id}).one()


def count_visits(connection: Connection, storefront_id: int) -> int:
    """Visits of a storefront that run: tasks, and tries of its profiles."""
    return int(connection.execute(_SHOP_VISITS, {"storefront_id": storefront_id}).scalar_one())
