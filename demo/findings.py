"""What Cartwright's API says that a job found, in the same terms as ``expected.py``."""

from __future__ import annotations

import time
from typing import Any, Final

from demo.client import Client
from demo.errors import DemoError
from demo.expected import Findings, Reading
from demo.report import Report, Shower

_POLL_S: Final = 0.25
_READ: Final = ("name", "brand", "availability", "price", "quantity", "unit_price", "page_price")
_ENDED: Final = frozenset({"COMPLETED", "COMPLETED_WITH_ERRORS", "CANCELLED"})


def run_job(client: Client, action: str, asins: list[str], show: Shower, *, timeout_s: float) -> Report:
    """Submit a job, watch it to its end and read what it found; raises DemoError when it takes too long."""
    began = time.monotonic()
    job = client.post(
        "/jobs", {"name": f"Demonstration: {action}", "action": action, "storefront": "demo-market", "asins": asins}
    )
    while job["state"] not in _ENDED:
        if time.monotonic() - began > timeout_s:
            raise DemoError(f"The {action} job took longer than {timeout_s:g} s; it stands at {job}.")
        time.sleep(_POLL_S)
        job = client.get(f"/jobs/{job['id']}")
        show(job)
    seconds = time.monotonic() - began
    if not job["current_count"] == job["total_count"] == len(asins):
        raise DemoError(f"The {action} job ended with {job['current_count']} of {len(asins)} tasks done: {job}")
    return Report(action, seconds, read_findings(client, job["id"]))


def read_findings(client: Client, job_id: int) -> Findings:
    """Everything that a finished job recorded; raises DemoError when a task was recorded twice."""
    tasks = list(client.pages(f"/jobs/{job_id}/tasks"))
    ends = {task["asin"]: _end(task) for task in tasks}
    if len(ends) != len(tasks):
        raise DemoError(f"Job {job_id} has {len(tasks)} tasks for {len(ends)} products.")
    changes = frozenset(
        (each["asin"], each["attribute"], each["previous_attribute"], each["current_attribute"])
        for each in client.pages("/product-updates", job_id=job_id)
    )
    return Findings(ends, changes, {task["asin"]: _reading(task["result"]) for task in tasks if task["result"]})


def _end(task: dict[str, Any]) -> str:
    return f"{task['state']} {task['code'] or ''}".rstrip()


def _reading(result: dict[str, Any]) -> Reading:
    """A task's result without where each value stood and how it was spelled there."""
    values = {name: result[name] for name in _READ if result.get(name) is not None}
    return {name: str(value["value"] if isinstance(value, dict) else value) for name, value in values.items()}
