"""What bench/api.py prints: tables, ratios, and which targets were met."""

from __future__ import annotations

import importlib.metadata
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.api_load import CONNECTIONS, Result
from bench.api_servers import THREADS, WORKERS, Server

Found = Mapping[str, Mapping[str, Sequence[Result]]]


@dataclass(frozen=True)
class Target:
    """``case`` of ours must answer ``floor`` times as many requests as ``other`` of ``base`` did in the same round."""

    what: str
    case: str
    base: str
    other: str
    floor: float
    aim: float


TARGETS: Final = (
    Target("list of 50, by FastAPI's", "list of 50", "list of 50", "FastAPI", 2.0, 3.0),
    Target("list of 50, by bare Flask with JWT", "list of 50", "list of 50", "bare Flask, JWT", 0.15, 0.25),
    Target("cached, by bare Flask with JWT", "list of 50, cached", "list of 50, cached", "bare Flask, JWT", 0.25, 0.35),
    Target("304, by FastAPI's list", "list of 50, 304", "list of 50, 304", "FastAPI", 3.0, 3.0),
    Target("get one, by FastAPI's", "get one", "get one", "FastAPI", 1.8, 2.4),
    Target("create, by FastAPI's plain one", "create", "create", "FastAPI", 1.0, 1.5),
)
DEEP: Final = 1.2
"""How much longer a page behind 9 of 10 rows may take than the first."""
MEMORY_MB: Final = 150
_DRIVERS: Final = ("ours, PyMySQL", "ours, mysqlclient")


def setting(products: int) -> str:
    """What is measured on what, in a few lines."""
    names = ("granian", "flask", "sqlalchemy", "pymysql", "mysqlclient", "fastapi", "pydantic", "uvicorn", "asyncmy")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    database = subprocess.run(["mariadbd", "--version"], capture_output=True, text=True, check=False).stdout.split()
    return (
        f"{products:,} products; {platform.python_implementation()} {platform.python_version()}, {versions},\n"
        f"{next((part for part in database if 'MariaDB' in part), '?')}, 512 MB buffer pool, a flush per commit;\n"
        f"{psutil.cpu_count()} cores for all; wrk with {CONNECTIONS} connections; {WORKERS} workers each, granian with"
        f" {THREADS} threads a worker, uvicorn with uvloop and httptools; load {psutil.getloadavg()[0]:.1f}"
    )


def show(case: str, found: Mapping[str, Sequence[Result]]) -> None:
    """Print one case."""
    print(f"\n{case:<22}{'req/s':>8}{'min':>8}{'max':>8}{'p50 ms':>8}{'p99 ms':>8}{'CPU ms':>8}{'db CPU':>8}")
    for name, results in found.items():
        rates = [result.rate for result in results]
        middle = [statistics.median(getattr(one, part) for one in results) for part in ("p50", "p99", "cpu")]
        database = statistics.median(one.database_cpu for one in results)
        columns = [statistics.median(rates), min(rates), max(rates)]
        print(
            f"  {name:<20}" + "".join(f"{value:8.0f}" for value in columns)
            + "".join(f"{value:8.2f}" for value in (*middle, database)), flush=True,
        )  # fmt: skip


def memory(servers: Sequence[Server]) -> dict[str, list[tuple[float, float]]]:
    """Peak RSS and present PSS of every worker, in MB."""
    return {
        server.name: [(_peak(worker.pid), worker.memory_full_info().pss / 2**20) for worker in server.workers()]
        for server in servers
    }


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def judge(found: Found, used: Mapping[str, Sequence[tuple[float, float]]]) -> list[str]:
    """Print every target with what was found; returns the floors that were missed."""
    missed = []
    print(f"\n{'target':<36}{'driver':<13}{'ratio':>7}{'spread':>15}{'floor':>7}{'aim':>6}   CPU")
    for target in TARGETS:
        if target.case not in found:
            continue
        for name in _DRIVERS:
            ratios, cpu = _ratios(found, target, name)
            ratio = statistics.median(ratios)
            verdict = "met" if ratio >= target.aim else "floor met" if ratio >= target.floor else "MISSED"
            missed += [target.what] if ratio < target.floor else []
            print(
                f"{target.what:<36}{name.partition(', ')[2]:<13}{ratio:7.2f}{min(ratios):8.2f}-{max(ratios):<6.2f}"
                f"{target.floor:7.2f}{target.aim:6.2f}   {cpu:.2f}   {verdict}"
            )
    missed += _judge_deep(found)
    for name, workers in used.items():
        peak, pss = max(one for one, _ in workers), max(one for _, one in workers)
        missed += ["memory"] if pss > MEMORY_MB else []
        print(f"{name}: a worker takes {pss:.0f} MB (PSS; {MEMORY_MB} allowed), {peak:.0f} at its peak (RSS)")
    return missed


def _ratios(found: Found, target: Target, name: str) -> tuple[list[float], float]:
    """Our rate by theirs of every round, and their CPU by ours."""
    mine, theirs = found[target.case][name], found[target.base][target.other]
    cpu = statistics.median(one.cpu for one in theirs) / statistics.median(one.cpu for one in mine)
    return [one.rate / other.rate for one, other in zip(mine, theirs, strict=True)], cpu


def _judge_deep(found: Found) -> list[str]:
    missed = []
    for name in _DRIVERS if "deep page" in found else ():
        first, deep = (found["deep page"][f"{name}, {where}"] for where in ("first", "deep"))
        slower = statistics.median(one.rate / other.rate for one, other in zip(first, deep, strict=True))
        missed += ["deep page"] if slower > DEEP else []
        print(f"{name}: a page behind 9 of 10 rows takes {slower:.2f} times as long as the first; {DEEP} allowed")
    return missed
