"""How many product pages a second browsers view, ours and others', each page in a fresh context.

    python -m bench.browser_loop --slots 2 --seconds 6 --rounds 5

Needs root (for the processor time of whole process trees), node and npm; the others are installed from their registries
in the pinned versions of bench/rivals/browsers. All view the same page with the same headless shell and two at a time,
wait for the same element and read the same fields in one script; only ``naive`` starts a full Chrome for each page. The
variants take turns in every round, in reversed order every other round; printed are medians of the rounds, with the
lowest and the highest, and the ratio to ``ours`` round by round. ``plain`` variants load pictures and have no switches
but their own; the others have the switch with which ours leaves pictures out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.processor_time import Meter, meter
from bench.shop_pages import ASIN, served
from bench.stopping import unwind_on_signals

HERE: Final = Path(__file__).parent / "rivals" / "browsers"
SHELL: Final = os.environ.get("CHROME_BINARY", "/usr/lib/chromium/chromium-headless-shell")
FULL: Final = "/usr/lib/chromium/chromium"
DRIVER: Final = os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver")
PLAYWRIGHT: Final = "playwright==1.65.2"
NO_PICTURES: Final = "--blink-settings=imagesEnabled=false"
_STARTS_S: Final = 60.0
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Figures:
    """One variant in one round."""

    rate: float
    """Pages a second."""
    cost: float
    """Processor seconds a page."""
    memory: int
    """Proportional set size of everything, in bytes, when half of the time was over."""
    own: float = 0.0
    """Processor seconds a page of the loops themselves, without their browsers, where they say it."""


def commands(name: str, port: int, seconds: float, slots: int, root: str, tools: Path) -> list[list[str]]:
    """What a variant starts, all at the same time."""
    url = f"http://127.0.0.1:{port}/p/{ASIN}"
    switches = [] if name.endswith("plain") else [NO_PICTURES]
    last = [str(seconds), str(slots), *switches]
    match name.partition(" ")[0]:
        case "ours":
            draws = "draws" if name == "ours drawn" else "on-demand"
            own = [sys.executable, "-m", "bench.own_loop", str(port), str(seconds), root, draws, "cartwright"]
            return [own] * slots
        case "puppeteer-cluster":
            return [["node", str(tools / "cluster.mjs"), url, SHELL, *last]]
        case "playwright":
            return [[str(tools / "venv/bin/python"), str(HERE / "playwright_loop.py"), url, SHELL, *last]]
        case _:
            return [[sys.executable, str(HERE / "naive_loop.py"), url, FULL, DRIVER, str(seconds), *switches]] * slots


def measured(commands: Sequence[list[str]], group: Meter, seconds: float) -> Figures:
    """Start the commands, let them begin together when all are warm, and wait until they are done."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(group.inside(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for command in commands
        ]
        stack.push(lambda kind, _error, _trace: group.kill() if kind else None)
        for process in started:
            if _line(process).strip() != "ready":
                raise SystemExit(f"{process.args!r} did not start")
        before = group.seconds()
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        time.sleep(seconds / 2)
        memory = group.memory_bytes()
        results = [json.loads(_line(process)) for process in started]
        spent = group.seconds() - before
        for process in started:
            process.wait(_STARTS_S)
    pages = sum(result["pages"] for result in results)
    own = sum(result.get("own_s", 0.0) for result in results)
    return Figures(sum(result["pages"] / result["seconds"] for result in results), spent / pages, memory, own / pages)


def installed(folder: Path) -> Path:
    """The others, installed into ``folder`` once."""
    if not (folder / "node_modules").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("package.json", "cluster.mjs"):
            shutil.copy(HERE / file, folder)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, check=True)
    if not (folder / "venv").is_dir():
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        subprocess.run([str(folder / "venv/bin/pip"), "install", "--quiet", PLAYWRIGHT], check=True)
    return folder


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--tools", type=Path, default=Path.home() / ".cache" / "cartwright-bench")
    parser.add_argument("variants", nargs="*", default=ALL)
    options = parser.parse_args()
    unwind_on_signals()
    tools = installed(options.tools)
    found: dict[str, list[Figures]] = defaultdict(list)
    with served(options.latency_ms / 1000) as port, tempfile.TemporaryDirectory(prefix="cw-bench-") as root:
        Path(root).chmod(0o711)
        for number in range(options.rounds):
            for name in options.variants[:: 1 if number % 2 == 0 else -1]:
                with meter("browsers") as group:
                    wanted = commands(name, port, options.seconds, options.slots, root, tools)
                    found[name].append(measured(wanted, group, options.seconds))
    _print(found, options.slots)


ALL: Final = [
    "ours",
    "ours drawn",
    "puppeteer-cluster",
    "playwright",
    "puppeteer-cluster plain",
    "playwright plain",
    "naive plain",
]


def _print(found: dict[str, list[Figures]], slots: int) -> None:
    table = Table("variant", "pages/s", "ours / it", "CPU ms a page", "it / ours", "MiB a slot")
    ours = found.get("ours") or next(iter(found.values()))
    for name, figures in found.items():
        table.add_row(
            name,
            _spread([each.rate for each in figures], "{:.2f}"),
            _spread([mine.rate / each.rate for mine, each in zip(ours, figures, strict=True)], "{:.2f}"),
            _spread([each.cost * 1000 for each in figures], "{:.0f}"),
            _spread([each.cost / mine.cost for mine, each in zip(ours, figures, strict=True)], "{:.2f}"),
            _spread([each.memory / _MIB / slots for each in figures], "{:.0f}"),
        )
    Console(width=140).print(table)


def _spread(values: list[float], form: str) -> str:
    low, middle, high = (form.format(value) for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low}-{high})"


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


if __name__ == "__main__":
    main()
