"""What Prometheus is told, measured against the database."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select

from app.core import permissions
from app.core.extensions import db
from app.core.queues import doorbell
from app.core.tallies import Reporter, report
from app.rpa.models.jobs import Task
from app.rpa.models.workers import Wanted
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import TaskOutcome
from app.rpa.services import controlling, dispatch, ending, leading, leases
from app.rpa.services.outcomes import finish_task
from app.rpa.services.workers import tell_worker
from tests.rpa.conftest import ASINS, SUCCESS, FarmDriver

Headers = dict[str, str]
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Scrape:
    """Asks for the metrics as Prometheus does."""

    def __init__(self, client: FlaskClient, headers: Headers) -> None:
        self._client = client
        self._headers = headers
        self._reporter = Reporter("test")
        self._before: Samples = {}
        self._before = self.read()

    def read(self) -> Samples:
        """All samples, after this process has reported."""
        report(reporter=self._reporter)
        answer = self._client.get("/api/v1/metrics", headers=self._headers)
        assert answer.status_code == 200, answer.text
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    def more(self, name: str) -> dict[tuple[str, ...], float]:
        """By how much the counters of this name have grown since the beginning, by their labels' values."""
        grown = {
            tuple(value for _, value in labels): value - self._before.get((found, labels), 0)
            for (found, labels), value in self.read().items()
            if found == name
        }
        return {labels: value for labels, value in grown.items() if value}

    def value(self, name: str, **labels: str) -> float:
        """One sample as it is now."""
        return self.read()[name, tuple(sorted(labels.items()))]


@pytest.fixture
def scrape(farm: FarmDriver, client: FlaskClient, auth_headers: Headers) -> Scrape:
    return Scrape(client, auth_headers)


def test_ends_are_counted_by_outcome_and_code_as_the_database_has_them(farm: FarmDriver, scrape: Scrape) -> None:
    job = farm.submit()
    farm.release()
    ids = farm.task_ids(job)
    assert finish_task(lease=farm.leased(ids[0]), outcome=SUCCESS)
    assert finish_task(lease=farm.leased(ids[1]), outcome=TaskOutcome(Code.NOT_FOUND))
    assert finish_task(lease=farm.leased(ids[2]), outcome=TaskOutcome(Code.BLOCKED))
    late = farm.leased(ids[3], lease_s=-1)
    assert dispatch.reap_expired() == 1
    assert not finish_task(lease=late, outcome=SUCCESS)
    controlling.cancel_job(actor=permissions.system(), job_id=job.id)
    ending.end_open_tasks()
    rows = db.session.execute(select(Task.state, Task.code, func.count()).group_by(Task.state, Task.code)).all()
    expected = {("view-product", row[1] or "OK", row[0], "shop"): float(row[2]) for row in rows}
    assert sum(expected.values()) == len(ASINS) == farm.job(job.id).current_count
    assert scrape.more("cartwright_tasks_total") == expected
    assert scrape.more("cartwright_task_retries_total") == {("view-product", "WORKER_LOST", "shop"): 1}
    assert scrape.more("cartwright_leases_expired_total") == {("shop",): 1}
    stages = scrape.more("cartwright_task_stage_seconds_count")
    assert stages == {("view-product", "queue"): 4}


def test_how_the_farm_stands_is_as_the_database_has_it(farm: FarmDriver, scrape: Scrape) -> None:
    farm.storefront("other")
    job = farm.submit()
    assert scrape.value("cartwright_tasks_open", storefront="shop") == 5
    farm.release()
    held = farm.leased(farm.task_ids(job)[0])
    names = ("cartwright_tasks_open", "cartwright_tasks_queued", "cartwright_leases")
    assert [scrape.value(name, storefront="shop") for name in names] == [5, 4, 1]
    assert [scrape.value(name, storefront="other") for name in names] == [0, 0, 0]
    assert 0 <= scrape.value("cartwright_oldest_pending_seconds", storefront="shop") < 300
    assert scrape.value("cartwright_jobs_open", state="RUNNING") == 1
    assert finish_task(lease=held, outcome=SUCCESS)
    assert scrape.value("cartwright_tasks_open", storefront="shop") == 4
    controlling.pause_job(actor=permissions.system(), job_id=job.id)
    assert scrape.value("cartwright_jobs_open", state="PAUSED") == 1


def test_workers_dispatcher_outbox_and_queues_are_told(farm: FarmDriver, scrape: Scrape) -> None:
    assert scrape.value("cartwright_dispatcher_lease_seconds") <= 0
    assert leading.lead(owner="me", lease_s=30)
    assert 0 < scrape.value("cartwright_dispatcher_lease_seconds") <= 30
    assert scrape.value("cartwright_dispatcher_led_seconds") >= 0
    idle, drained = (leases.register_worker(name=name, host="farm-1", pid=1) for name in "ab")
    leases.heartbeat(worker_id=idle, vitals={"memory_bytes": 5_000_000})
    tell_worker(actor=permissions.system(), worker_id=drained, wanted=Wanted.DRAIN)
    assert scrape.value("cartwright_workers", state="idle") == 1
    assert scrape.value("cartwright_workers", state="drained") == 1
    assert scrape.value("cartwright_worker_memory_bytes", host="farm-1", worker=str(idle)) == 5_000_000
    before = scrape.value("cartwright_outbox_due"), scrape.value("cartwright_queue_depth", queue="batch")
    farm.submit()
    farm.release()
    assert scrape.value("cartwright_outbox_due") > before[0]
    assert scrape.value("cartwright_queue_depth", queue="batch") == before[1] + 5 == doorbell().queue("batch").count
    assert scrape.value("cartwright_queue_up") == 1


def test_what_holds_a_storefront_up_is_told_with_how_long(farm: FarmDriver, scrape: Scrape) -> None:
    job = farm.submit()
    farm.release()
    limited = TaskOutcome(Code.RATE_LIMITED, retry_after_s=30)
    assert finish_task(lease=farm.leased(farm.task_ids(job)[0]), outcome=limited)
    assert 20 < scrape.value("cartwright_storefront_held_seconds", storefront="shop", reason="STOREFRONT_PAUSED") <= 30


def test_requests_are_counted_by_route_and_never_by_address(
    scrape: Scrape, client: FlaskClient, auth_headers: Headers
) -> None:
    for number in range(20):
        client.get(f"/api/v1/jobs/{10**9 + number}", headers=auth_headers)
        client.open(f"/nowhere/{number}", method=f"M{number}")
    grown = scrape.more("cartwright_http_requests_total")
    assert grown["GET", "/api/v1/jobs/<int:job_id>", "404"] == 20
    assert {labels: count for labels, count in grown.items() if labels[0] == "other"} == {
        ("other", "(none)", "404"): 20
    }
    assert scrape.more("cartwright_http_request_seconds_count")["/api/v1/jobs/<int:job_id>",] == 20


def test_no_product_and_no_address_is_in_a_label(farm: FarmDriver, scrape: Scrape) -> None:
    job = farm.submit()
    farm.release()
    for task_id in farm.task_ids(job):
        finish_task(lease=farm.leased(task_id), outcome=TaskOutcome(Code.HTTP_4XX, detail="https://shop.example/x"))
    told = " ".join(value for _, labels in scrape.read() for _, value in labels)
    assert not any(asin in told for asin in ASINS)
    assert "shop.example" not in told


def test_metrics_are_told_with_the_permission_only(client: FlaskClient, auth_headers: Headers) -> None:
    assert client.get("/api/v1/metrics").status_code == 401
    assert client.get("/metrics").status_code == 404
    assert client.get("/api/v1/metrics", headers=auth_headers).content_type.startswith("text/plain; version=")
