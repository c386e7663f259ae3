"""What the demonstration shows: progress while a job runs, and a table of what it found."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo.expected import Findings


@dataclass(frozen=True, slots=True)
class Report:
    """One finished job: its name, how long it took in seconds from acceptance to its end, and what it found."""

    title: str
    seconds: float
    findings: Findings

    @property
    def per_second(self) -> float:
        return len(self.findings.ends) / self.seconds


class Shower(Protocol):
    """Shows a job's progress; told the job's document each time it is read."""

    def __call__(self, job: Mapping[str, Any]) -> None: ...


class Bar(AbstractContextManager[Shower]):
    """A progress bar on a terminal; elsewhere a plain line for every tenth of the job."""

    def __init__(self, console: Console, title: str) -> None:
        self._console, self._title = console, title
        self._progress = Progress(
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[outcomes]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(title, total=None, outcomes="")
        self._tenths = -1

    def __enter__(self) -> Shower:
        self._progress.start()
        return self._show

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def _show(self, job: Mapping[str, Any]) -> None:
        done, total = job["current_count"], job["total_count"]
        outcomes = "  ".join(f"{name.lower()} {count}" for name, count in job["outcomes"].items() if count)
        self._progress.update(self._task, completed=done, total=total, outcomes=outcomes)
        tenths = 10 * done // max(total, 1)
        if not self._console.is_terminal and tenths > self._tenths:
            self._tenths = tenths
            self._console.print(f"{self._title}: {done} of {total}  {outcomes}".rstrip(), highlight=False)


def show(console: Console, reports: list[Report]) -> None:
    """Print the jobs side by side: tasks, speed, how the tasks ended, what changed."""
    table = Table(title="What the farm found", title_justify="left", min_width=60)
    table.add_column("")
    for report in reports:
        table.add_column(report.title, justify="right")
    table.add_row("tasks", *(str(len(report.findings.ends)) for report in reports))
    table.add_row("seconds", *(f"{report.seconds:.1f}" for report in reports))
    table.add_row("tasks per second", *(f"{report.per_second:.1f}" for report in reports), end_section=True)
    _add_counts(table, "", [report.findings.count_ends() for report in reports])
    _add_counts(table, "changed: ", [report.findings.count_changes() for report in reports])
    console.print()
    console.print(table)


def _add_counts(table: Table, prefix: str, counts: list[dict[str, int]]) -> None:
    """Add one row for every key that any of the jobs has, in the order they come."""
    keys = list(dict.fromkeys(key for count in counts for key in count))
    for key in keys:
        table.add_row(prefix + key, *(str(count.get(key, "")) for count in counts), end_section=key == keys[-1])
