"""A storefront with a small master, and the short way from a submission to leased tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.config import Farm
from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.products.services.products import create_product
from app.rpa.models.jobs import Action, Job, Task
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.readings import Availability, ProductReading, Read, TaskOutcome
from app.rpa.rules.turns import Turns
from app.rpa.services import dispatch, leases, preparing, storefronts, submitting

FARM = Farm(lease_s=30, release_window=100)
ASINS = [f"B00000000{number}" for number in range(1, 6)]


def profile(**changes: Any) -> dict[str, Any]:
    """A small valid profile document."""
    document: dict[str, Any] = {
        "base_url": "http://shop.example",
        "allowed_hosts": ["shop.example"],
        "locale": "en_US",
        "currency": "USD",
        "product": {"url": "/dp/{asin}", "name": [{"css": "h1"}], "price": [{"css": ".price"}]},
        "cart": {
            "add": "#add",
            "url": "/cart",
            "line": ".line",
            "identity": [{"css": "a", "attribute": "href"}],
            "quantity": [{"css": "input", "attribute": "value"}],
            "price": [{"css": ".each"}],
        },
        "pace": {"gap_ms": 0, "concurrency": 8},
        "retry": {"attempts": 2, "losses": 1, "rate_limited": 2, "backoff_s": [1]},
    }
    return document | changes


def reading(price: str = "10.00", availability: Availability = Availability.IN_STOCK, **texts: str) -> ProductReading:
    """What a visit saw; by default just what the master says."""
    return ProductReading(
        name=Read(texts.get("name", "Kettle"), "css:h1", "Kettle"),
        brand=Read(texts.get("brand", "Hearth"), "css:.brand", "Hearth"),
        price=Read(Money.parse(price, "USD"), "css:.price", f"${price}"),
        availability=Read(availability, "css:.stock", "in stock"),
    )


SUCCESS = TaskOutcome(None, reading=reading())


@dataclass
class FarmDriver:
    """Drives the protocol without processes: what dispatcher and workers would do, one step at a time."""

    app: Flask
    farm: Farm = FARM
    turns: Turns = field(default_factory=Turns)

    def storefront(self, code: str = "shop", **changes: Any) -> Storefront:
        return storefronts.create_storefront(
            actor=permissions.system(), now=utc_now(), code=code, name=code, profile=profile(**changes)
        )

    def submit(self, asins: list[str] | None = None, *, storefront: str = "shop", name: str = "check") -> Job:
        """Submit and prepare a job."""
        job = submitting.submit_job(
            actor=permissions.system(),
            action=Action.VIEW_PRODUCT,
            storefront=storefront,
            name=name,
            asins=ASINS if asins is None else asins,
        )
        preparing.prepare_job(job_id=job.id)
        return job

    def release(self) -> int:
        return dispatch.release_tasks(farm=self.farm, turns=self.turns)

    def claim(self, task_id: int, *, lease_s: float | None = None) -> leases.Lease | None:
        """Claim a task by its present release."""
        number = db.session.scalar(select(Task.release_no).where(Task.id == task_id)) or 0
        seconds = self.farm.lease_s if lease_s is None else lease_s
        return leases.claim_task(task_id=task_id, release_no=number, worker_id=None, lease_s=seconds)

    def leased(self, task_id: int, *, lease_s: float | None = None) -> leases.Lease:
        """Claim a task that must be free."""
        lease = self.claim(task_id, lease_s=lease_s)
        assert lease is not None
        return lease

    def task_ids(self, job: Job) -> list[int]:
        return list(db.session.scalars(select(Task.id).where(Task.job_id == job.id).order_by(Task.seq)))

    def task(self, task_id: int) -> Task:
        db.session.rollback()
        return db.session.get_one(Task, task_id, populate_existing=True)

    def job(self, job_id: int) -> Job:
        db.session.rollback()
        return db.session.get_one(Job, job_id, populate_existing=True)


def stock_master() -> None:
    """Five products that a visit shows as they are."""
    for asin in ASINS:
        create_product(
            actor=permissions.system(),
            now=utc_now(),
            asin=asin,
            name="Kettle",
            brand="Hearth",
            price=Money.parse("10.00", "USD"),
        )


@pytest.fixture
def master(context: Flask) -> list[str]:
    """Five products."""
    stock_master()
    return ASINS


@pytest.fixture
def farm(context: Flask, master: list[str]) -> FarmDriver:
    """The protocol, with one storefront called ``shop`` and five products."""
    driver = FarmDriver(context)
    driver.storefront()
    return driver


@pytest.fixture
def in_threads(context: Flask) -> Callable[[list[Callable[[], Any]]], list[Any]]:
    """Run functions at once, each in a thread and an application context of its own; gives their results in order."""
    import threading

    def run(functions: list[Callable[[], Any]]) -> list[Any]:
        results: list[Any] = [None] * len(functions)
        barrier = threading.Barrier(len(functions))

        def one(at: int) -> None:
            with context.app_context():
                barrier.wait(timeout=10)
                try:
                    results[at] = functions[at]()
                except Exception as error:  # noqa: BLE001  # the test decides what may fail
                    results[at] = error

        threads = [threading.Thread(target=one, args=(at,)) for at in range(len(functions))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        return results

    return run
