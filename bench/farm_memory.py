"""How much memory a further page at once takes, in a process of its own or as a lane in one that is there.

    python -m bench.farm_memory --slots 4 --latency-ms 300 --rounds 3

Needs root. In each round the whole farm (see bench/farm.py) works on pages whose document comes after the latency, with
one worker, with --slots processes of one worker each, and with one process of --slots lanes. Printed are medians: tasks
a second, processor time a task, the proportional set size of the pool with everything that it started, a slot, and of
what each slot after the first adds.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.farm_stand import Stand, asins, ends_of, opened
from bench.stopping import unwind_on_signals

_MIB: Final = 1024 * 1024
_MOST: Final = 30
"""Tasks that no farm does in a second here."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One shape of the pool in one round."""

    rate: float
    cost_ms: float
    memory: int


def measure(stand: Stand, processes: int, lanes: int, seconds: float) -> Figures:
    """A job's tasks; the memory is that after half of the time."""
    with stand.farm(processes, lanes=lanes) as farm:
        job = farm.submit(asins(min(stand.products, round(_MOST * (seconds + 5)))))
        before = farm.pool.seconds()
        first = farm.measure(seconds / 2)
        memory = farm.pool.memory_bytes()
        second = farm.measure(seconds / 2)
        spent = farm.pool.seconds() - before
        done = [window.rate(ends_of(window, job=job)) for window in (first, second)]
        farm.cancel(job)
    rate = statistics.mean(done)
    return Figures(rate, 1000 * spent / (rate * seconds), memory)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency-ms", type=float, default=300)
    options = parser.parse_args()
    unwind_on_signals()
    slots: int = options.slots
    shapes = {"one worker": (1, 1), f"{slots} processes": (slots, 1), f"{slots} lanes": (1, slots)}
    found: dict[str, list[Figures]] = defaultdict(list)
    with opened(round(_MOST * (options.seconds + 5)), latency_s=options.latency_ms / 1000) as stand:
        for number in range(options.rounds):
            for name, shape in list(shapes.items())[:: 1 if number % 2 == 0 else -1]:
                found[name].append(measure(stand, *shape, options.seconds))
    alone = statistics.median(each.memory for each in found["one worker"])
    table = Table("shape", "tasks/s", "CPU ms a task", "MiB a slot", "MiB a further slot")
    for name, (processes, lanes) in shapes.items():
        count, memory = processes * lanes, statistics.median(each.memory for each in found[name])
        further = "" if count == 1 else f"{(memory - alone) / (count - 1) / _MIB:.0f}"
        rate = statistics.median(each.rate for each in found[name])
        cost = statistics.median(each.cost_ms for each in found[name])
        table.add_row(name, f"{rate:.2f}", f"{cost:.0f}", f"{memory / count / _MIB:.0f}", further)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
