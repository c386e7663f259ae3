"""The main job, end to end: ``make demo`` (``python -m demo``).

Opens a small marketplace, starts Cartwright beside it as ``make run`` does, loads the product master from a CSV file,
sends the farm over all of it (view-product) and over a part of it (add-to-cart), and compares what the farm found with
what the marketplace's own data says must be found. Ends all that it started. Exits with 0 when all is equal.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import urllib3
from rich.console import Console

from demo.client import Client
from demo.errors import DemoError
from demo.expected import Findings, differences, expect_carts, expect_views, read_master, read_shelf
from demo.findings import run_job
from demo.make_data import CART_COUNT, DATA
from demo.processes import Processes, free_port
from demo.report import Bar, Report, show

ROOT: Final = Path(__file__).resolve().parent.parent
INSTANCE: Final = ROOT / "instance" / "demo"
PROFILE: Final = Path(__file__).parent / "profile.json"
EMAIL: Final = "demo@cartwright.example"
_MARKET_TIMEOUT_S: Final = 20.0
_START_TIMEOUT_S: Final = 120.0
_IMPORT_TIMEOUT_S: Final = 60.0
_JOB_TIMEOUT_S: Final = 300.0
_FOLDER_TIMEOUT_S: Final = 30.0
"""A demonstration that was killed needs some seconds until the last of its processes has gone."""


def main() -> int:
    """Run the demonstration; returns 0 when all was found, 1 when not, 130 when it was interrupted."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    console = Console()
    try:
        with _own_folder(), _system(console) as (client, processes, market):
            _load(console, client, processes, market)
            return _verdict(console, _run_jobs(console, client))
    except DemoError as error:
        console.print(f"\n{error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("\nInterrupted; everything was stopped.")
        return 130


@contextmanager
def _own_folder() -> Iterator[None]:
    """Hold the demonstration's folder, empty; raises DemoError when another demonstration has it."""
    INSTANCE.parent.mkdir(exist_ok=True)
    with (INSTANCE.parent / "demo.lock").open("w") as own:
        _lock(own.fileno(), timeout_s=0)
        if (INSTANCE / "run.lock").exists():
            with (INSTANCE / "run.lock").open() as former:
                _lock(former.fileno(), timeout_s=_FOLDER_TIMEOUT_S)
        shutil.rmtree(INSTANCE, ignore_errors=True)
        INSTANCE.mkdir()
        yield


def _lock(descriptor: int, *, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise DemoError(f"Another demonstration is running in {INSTANCE}; wait for it or stop it.") from None
            time.sleep(0.2)


@contextmanager
def _system(console: Console) -> Iterator[tuple[Client, Processes, int]]:
    """The marketplace and a whole Cartwright, logged in; gone afterwards, which is checked."""
    market, web, live = free_port(), free_port(), free_port()
    password = secrets.token_urlsafe(18)
    processes = Processes(
        ROOT,
        INSTANCE,
        {
            "INSTANCE_DIR": str(INSTANCE),
            "ALLOWED_PRIVATE_TARGETS": f"127.0.0.1:{market}",
            "PORT": str(web),
            "LIVE_PORT": str(live),
            "ADMIN_EMAIL": EMAIL,
            "ADMIN_PASSWORD": password,
        },
    )
    try:
        processes.start("market", [sys.executable, "-m", "demo.market", "--port", str(market)])
        _wait(processes, "market", lambda: _answers(f"http://127.0.0.1:{market}/health"), _MARKET_TIMEOUT_S)
        console.print(f"Tidewick Market is open at http://127.0.0.1:{market}/", highlight=False)
        processes.start("cartwright", [sys.executable, str(ROOT / "scripts" / "run.py")])
        client = Client(f"http://127.0.0.1:{web}")
        _wait(processes, "cartwright", client.ready, _START_TIMEOUT_S)
        console.print(f"Cartwright is running at http://127.0.0.1:{web}/docs", highlight=False)
        client.log_in(EMAIL, password)
        yield client, processes, market
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        left = processes.stop()
        if left:
            raise DemoError("These processes were left and had to be killed:\n" + "\n".join(left))


def _wait(processes: Processes, name: str, ready: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not ready():
        processes.check(name)
        if time.monotonic() > deadline:
            raise DemoError(f"{name} was not ready after {timeout_s:g} s. {processes.tail(name)}")
        time.sleep(0.1)


def _answers(address: str) -> bool:
    try:
        return urllib3.request("GET", address, timeout=2.0, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _load(console: Console, client: Client, processes: Processes, market: int) -> None:
    """Load the product master, and describe the marketplace to Cartwright."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "product", "import", str(DATA / "master.csv")]
    summary = processes.run("The import of the product master", command, timeout_s=_IMPORT_TIMEOUT_S)
    console.print(f"Product master: {summary}", highlight=False)
    profile = json.loads(PROFILE.read_text(encoding="utf-8"))
    profile.update(base_url=f"http://127.0.0.1:{market}/", allowed_hosts=[f"127.0.0.1:{market}"])
    client.post("/storefronts", {"code": "demo-market", "name": "Tidewick Market", "profile": profile})


def _run_jobs(console: Console, client: Client) -> list[Report]:
    asins = [row["asin"] for row in read_master(DATA)]
    reports = []
    for action, chosen in (("view-product", asins), ("add-to-cart", asins[:CART_COUNT])):
        with Bar(console, action) as bar:
            reports.append(run_job(client, action, chosen, bar, timeout_s=_JOB_TIMEOUT_S))
    return reports


def _verdict(console: Console, reports: list[Report]) -> int:
    """Print the table and whether each job found what the data files say; returns the exit status."""
    show(console, reports)
    console.print(f"Both jobs took {sum(report.seconds for report in reports):.1f} s.", highlight=False)
    master, shelf = read_master(DATA), read_shelf(DATA)
    asins = [row["asin"] for row in master]
    expected: list[Findings] = [expect_views(master, shelf), expect_carts(asins[:CART_COUNT], shelf)]
    wrong = [
        f"{report.title}: {line}"
        for report, must in zip(reports, expected, strict=True)
        for line in differences(must, report.findings)
    ]
    if wrong:
        console.print("This differs from what the marketplace's data says must be found:", style="red")
        console.print("\n".join(wrong), markup=False, highlight=False, soft_wrap=True)
        return 1
    console.print("This equals what the marketplace's data says must be found.", style="green")
    return 0


if __name__ == "__main__":
    sys.exit(main())
