"""The demonstration's marketplace as a storefront of the tests, and jobs over its products."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import func, select

from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.products.services.products import create_product
from app.rpa.models.jobs import Action, Job, Task, TaskState
from app.rpa.models.observations import Observation
from app.rpa.models.storefronts import Storefront
from app.rpa.services import storefronts, submitting
from demo.market import DATA, Catalogue
from tests.workers.allowing import allowed


def open_market(port: int, **changes: Any) -> Storefront:
    """The marketplace as a storefront; ``changes`` replace parts of its profile."""
    text = (DATA.parent / "profile.json").read_text().replace("127.0.0.1:8090", f"127.0.0.1:{port}")
    document = json.loads(text) | changes
    with allowed(port):
        return storefronts.create_storefront(
            actor=permissions.system(), now=utc_now(), code="market", name="Market", profile=document
        )


def stock_master(catalogue: Catalogue, count: int) -> list[str]:
    """Products that the marketplace shows as they are, so that a visit finds no change; their ASINs."""
    plain = [article for article in catalogue.articles.values() if article.page == "product" and not article.sold_out]
    for article in plain[:count]:
        create_product(
            actor=permissions.system(),
            now=utc_now(),
            asin=article.asin,
            name=article.name,
            brand=article.brand,
            description="",
            price=Money.parse(article.price, "USD"),
        )
    return [article.asin for article in plain[:count]]


def submit(asins: list[str], action: Action = Action.VIEW_PRODUCT) -> Job:
    """A job over products of the marketplace."""
    return submitting.submit_job(
        actor=permissions.system(), action=action, storefront="market", name=action, asins=asins
    )


def ended_tasks(job: Job) -> int:
    """How many of a job's tasks have ended by now."""
    return db.session.get_one(Job, job.id, populate_existing=True).current_count


def assert_exactly_once(job: Job) -> None:
    """Every task of the job has ended once: counters, observations and rows agree."""
    ended = select(Task.state, func.count()).where(Task.job_id == job.id).group_by(Task.state)
    by_state = {row[0]: row[1] for row in db.session.execute(ended)}
    assert by_state.get(TaskState.SUCCEEDED, 0) == job.succeeded_count
    assert sum(by_state.values()) == job.current_count == job.total_count
    observed = select(func.count(), func.count(Observation.task_id.distinct())).select_from(Observation)
    count, distinct = db.session.execute(observed.join(Task).where(Task.job_id == job.id)).one()
    assert count == distinct == job.succeeded_count
