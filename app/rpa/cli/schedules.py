"""``flask schedule``: schedules of jobs from the command line."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from app.core.commands import CommandGroup
from app.core.errors import Refusal
from app.core.permissions import system
from app.rpa.models.schedules import JobSchedule
from app.rpa.queries.schedules import list_schedules, preview_timing
from app.rpa.rules.timing import TimingRefused, check_cron, check_zone
from app.rpa.services import firing, schedules

group = CommandGroup("schedule", help="Schedules of farm jobs.")


@group.command("list")
def list_all() -> None:
    """List the schedules, when each runs next, what came of the last run, and what stands in its way."""
    table = Table("id", "name", "storefront", "when", "next run", "last run", "warnings", box=None)
    cursor = None
    while True:
        page = list_schedules(is_active=None, storefront=None, limit=100, cursor=cursor)
        for row in page.items:
            table.add_row(*_cells(row))
        cursor = page.next_cursor
        if cursor is None:
            break
    Console().print(table)


@group.command("preview")
@click.argument("cron")
@click.option("--timezone", default="UTC", show_default=True, help="IANA time zone that CRON is meant in.")
def preview(cron: str, timezone: str) -> None:
    """Show when the expression CRON ("0 6 * * mon-fri") is due next."""
    try:
        slots = preview_timing(cron=check_cron(cron), timezone=check_zone(timezone).key)["next_runs"]
    except TimingRefused as refused:
        raise click.ClickException(f"It {refused}") from None
    for slot in slots:
        click.echo(slot.local)


@group.command("run")
@click.argument("schedule_id", type=int)
def run(schedule_id: int) -> None:
    """Submit the job of a schedule now."""
    try:
        started = firing.run_now(actor=system(), schedule_id=schedule_id)
    except Refusal as refusal:
        raise click.ClickException(refusal.detail) from None
    click.echo(f"job {started.job_id}")


@group.command("pause")
@click.argument("schedule_id", type=int)
def pause(schedule_id: int) -> None:
    """Pause a schedule."""
    _switch(schedule_id, is_active=False)


@group.command("resume")
@click.argument("schedule_id", type=int)
def resume(schedule_id: int) -> None:
    """Let a paused schedule go on at its next slot."""
    _switch(schedule_id, is_active=True)


def _switch(schedule_id: int, *, is_active: bool) -> None:
    try:
        row = schedules.set_active(actor=system(), schedule_id=schedule_id, is_active=is_active)
    except Refusal as refusal:
        raise click.ClickException(refusal.detail) from None
    click.echo(f"schedule {row.id}: {_next(row)}")


def _cells(row: JobSchedule) -> tuple[str, ...]:
    when = f"{row.cron} {row.timezone}" if row.cron is not None else f"every {row.every_s} s"
    last = "" if row.last_run is None else f"{row.last_run.state} {row.last_run.code or ''}".strip()
    told = ", ".join(warning["code"] for warning in row.warnings)
    return str(row.id), row.name, row.storefront, when, _next(row), last, told


def _next(row: JobSchedule) -> str:
    return row.next_runs[0].local if row.next_runs else "paused"
