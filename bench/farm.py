"""The whole farm measured: against the usual RQ job, against its own browser loop, and by errands beside a large job.

    python -m bench.farm --rounds 5 --seconds 15

Needs root (for the processor time of whole process trees). MariaDB, which flushes every commit, Redis and the pages are
on the same cores as what is measured. In each round the three take turns, in reversed order every other time, each with
--workers processes, on pages of the same 60 KB:

farm   dispatcher, background worker and pool: tasks of a job, recorded with history, each in a fresh context
loop   the same code on a warm browser without queue and database (bench/own_loop.py)
naive  ``rq worker``, whose job starts a full Chrome with Selenium for each product (bench/rivals/naive_job.py)

Then single errands are sent to the farm one after the other, in turns while it is idle and while a job of --batch tasks
on the same storefront runs: how long each takes from the request until it is recorded.

Ends with 1 where a target is missed: 8 times the tasks a second of ``naive``, 0.9 of those of ``loop``, and at the 95th
percentile no more than one task of the batch added to an errand. What it starts is gone when it ends, signals included.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from bench.browser_loop import commands, measured
from bench.farm_errands import Errands, measure_errands
from bench.farm_stand import Stand, asins, ends_of, opened
from bench.naive_farm import measure_naive
from bench.processor_time import meter
from bench.stopping import unwind_on_signals

FASTER: Final = 8.0
EFFICIENT: Final = 0.9
_MOST: Final = 60
"""Tasks that no farm does in a second on the cores this is for."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One variant in one round."""

    rate: float
    """Tasks a second."""
    cost: float
    """Processor seconds a task."""
    parts: dict[str, float] = field(default_factory=dict)
    """Whose they are."""


def measure_farm(stand: Stand, workers: int, seconds: float) -> Figures:
    """A job's tasks through the whole farm."""
    with stand.farm(workers) as farm:
        job = farm.submit(asins(min(stand.products, round(_MOST * (seconds + 5)))))
        window = farm.measure(seconds)
        rate = window.rate(ends_of(window, job=job))
        farm.cancel(job)
    return _figures(rate, window.spent, seconds)


def measure_loop(stand: Stand, workers: int, seconds: float) -> Figures:
    """The bare browser loop, in as many processes."""
    with tempfile.TemporaryDirectory(prefix="loop-", dir=stand.folder) as root, meter("loop") as group:
        Path(root).chmod(0o711)
        found = measured(commands("ours", stand.port, seconds, workers, root, Path()), group, seconds)
    return Figures(found.rate, found.cost, {"browsers": found.cost - found.own, "workers": found.own})


def _naive(stand: Stand, workers: int, seconds: float) -> Figures:
    rate, spent = measure_naive(stand, workers, seconds)
    return _figures(rate, spent, seconds)


def _figures(rate: float, spent: dict[str, float], seconds: float) -> Figures:
    parts = {name: each / (rate * seconds) for name, each in spent.items()}
    return Figures(rate, sum(parts.values()), parts)


VARIANTS: Final[dict[str, Callable[[Stand, int, float], Figures]]] = {
    "farm": measure_farm,
    "loop": measure_loop,
    "naive": _naive,
}


def compare(stand: Stand, names: list[str], rounds: int, workers: int, seconds: float) -> dict[str, list[Figures]]:
    """Have the variants take turns."""
    found: dict[str, list[Figures]] = defaultdict(list)
    for number in range(rounds):
        for name in names[:: 1 if number % 2 == 0 else -1]:
            found[name].append(VARIANTS[name](stand, workers, seconds))
            newest = found[name][-1]
            print(f"round {number + 1}, {name}: {newest.rate:.2f}/s, {newest.cost * 1000:.0f} ms", file=sys.stderr)
    return found


def show_comparison(found: dict[str, list[Figures]]) -> None:
    """Print rates and costs, and whose the costs are."""
    farm = found["farm"]
    print("| | tasks/s | farm / it | CPU ms a task | it / farm |\n| --- | --- | --- | --- | --- |")
    for name, figures in found.items():
        row = [
            _spread([each.rate for each in figures], 2),
            _spread(_ratios(found, name), 2),
            _spread([each.cost * 1000 for each in figures], 0),
            _spread([each.cost / mine.cost for mine, each in zip(farm, figures, strict=True)], 2),
        ]
        print(f"| {name} | {' | '.join(row)} |")
    parts = list(farm[0].parts)
    print(f"\n| CPU ms a task | {' | '.join(parts)} |\n| --- |{' --- |' * len(parts)}")
    for name, figures in found.items():
        shown = [
            _spread([each.parts[part] * 1000 for each in figures], 1) if part in figures[0].parts else ""
            for part in parts
        ]
        print(f"| {name} | {' | '.join(shown)} |")


def show_errands(errands: Errands) -> None:
    """Print how long errands took."""
    print("\n| errand, ms from request to record | p50 | p95 |\n| --- | --- | --- |")
    for name, rounds in (("idle farm", errands.idle), ("beside the batch", errands.beside), ("added", errands.added())):
        print(f"| {name} | {_spread([p50 for p50, _ in rounds], 0)} | {_spread([p95 for _, p95 in rounds], 0)} |")
    print(f"\nA worker has a task of the batch in hand for {_spread(errands.batch_ms, 0)} ms.")


def _ratios(found: dict[str, list[Figures]], name: str) -> list[float]:
    return [farm.rate / each.rate for farm, each in zip(found["farm"], found[name], strict=True)]


def _spread(values: list[float], digits: int) -> str:
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low} to {high})"


def missed(found: dict[str, list[Figures]], errands: Errands | None) -> list[str]:
    """The targets that were missed, each in words."""
    words = []
    for name, target in (("naive", FASTER), ("loop", EFFICIENT)):
        if name in found and (ratio := statistics.median(_ratios(found, name))) < target:
            words.append(f"{ratio:.2f} of the tasks/s of {name}, not {target}")
    if errands is not None:
        added = statistics.median([p95 for _, p95 in errands.added()])
        if added > (limit := statistics.median(errands.batch_ms)):
            words.append(f"{added:.0f} ms added to an errand at p95, a task of the batch takes {limit:.0f} ms")
    return words


def main() -> int:
    """Measure and print; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=15, help="how long each variant is measured in each round")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=100_000, help="tasks of the job beside errands; 0: no errands")
    parser.add_argument("--errands", type=int, default=20, help="errands of each kind in each round")
    parser.add_argument("variants", nargs="*", default=list(VARIANTS), help="farm, loop, naive; farm comes with any")
    chosen = parser.parse_args()
    if unknown := set(chosen.variants) - set(VARIANTS):
        parser.error(f"no such variant: {', '.join(sorted(unknown))}")
    unwind_on_signals()
    run = partial(compare, names=list(dict.fromkeys(["farm", *chosen.variants])), rounds=chosen.rounds)
    products = max(chosen.batch, round(_MOST * (chosen.seconds + 5)))
    with opened(products) as stand:
        found = run(stand, workers=chosen.workers, seconds=chosen.seconds)
        errands = None
        if chosen.batch:
            errands = measure_errands(stand, chosen.workers, chosen.batch, rounds=chosen.rounds, count=chosen.errands)
    show_comparison(found)
    if errands is not None:
        show_errands(errands)
    failures = missed(found, errands)
    print("".join(f"\nMissed: {words}" for words in failures))
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
