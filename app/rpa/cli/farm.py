"""``flask farm``: what the farm can do and what that takes; its workers, and what they are told."""

from __future__ import annotations

from collections.abc import Iterator

import click
from rich.console import Console
from rich.table import Table

from app.core.commands import CommandGroup
from app.core.permissions import system
from app.rpa.cli.refusals import refusals_shown
from app.rpa.models.jobs import Action
from app.rpa.models.workers import Wanted, Worker
from app.rpa.queries.estimates import find_facts
from app.rpa.queries.storefronts import find_storefront
from app.rpa.queries.workers import get_worker, list_workers
from app.rpa.rules.durations import DURATION
from app.rpa.rules.planning import plan
from app.rpa.services.workers import tell_worker

farm_commands = CommandGroup("farm", help="The farm as a whole.")


@farm_commands.command("plan")
@click.option("--storefront", required=True, help="Code of the storefront.")
@click.option("--products", required=True, type=click.IntRange(1), help="How many products are to be visited.")
@click.option("--deadline", required=True, type=DURATION, help="Until when: 30m, 6h, 2d.")
@click.option("--action", type=click.Choice([action.value for action in Action]), default="view-product")
@click.option("--concurrency", type=click.IntRange(1), help="At most so many of the job's tasks at once.")
def show_plan(storefront: str, products: int, deadline: int, action: str, concurrency: int | None) -> None:
    """Say how many workers get so many products done in time; exit 1 when no number of them does, and why."""
    shop = find_storefront(storefront)
    if shop is None:
        raise click.ClickException(f"There is no storefront {storefront}.")
    facts = find_facts(shop, Action(action), concurrency)
    found = plan(products, facts, deadline)
    known = "as the last visits took" if facts.is_measured else "a default: this storefront was not visited yet"
    click.echo(found.detail)
    click.echo(f"One page takes {facts.seconds_per_task:.1f} s ({known}); {facts.workers} workers are alive.")
    if found.workers is None:
        click.echo("It would be possible with " + ", or ".join(found.ways) + ".")
        raise SystemExit(1)
    click.echo(f"Workers needed: {found.workers}")


@farm_commands.command("workers")
@click.option("--host", help="Only those of this machine.")
@click.option("--all", "and_gone", is_flag=True, help="Also those that stopped or are not heard of, for a day.")
def show_workers(host: str | None, and_gone: bool) -> None:
    """List the workers and what they do."""
    table = Table("id", "host", "state", "task", "visits", "failed", "MiB", "heard of", box=None)
    for row in _workers(host, is_alive=None if and_gone else True):
        vitals = row.vitals or {}
        memory = vitals.get("memory_bytes")
        table.add_row(
            str(row.id),
            row.host,
            row.state,
            f"{row.task.id} ({row.task.asin})" if row.task else "",
            str(vitals.get("visits", 0)),
            str(vitals.get("failed", 0)),
            "" if memory is None else str(round(memory / 2**20)),
            f"{row.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC",
        )
    Console(width=200).print(table)


@farm_commands.command("drain")
@click.argument("worker_id", type=int, required=False)
@click.option("--host", help="All workers of this machine.")
def drain(worker_id: int | None, host: str | None) -> None:
    """Have a worker, or those of a machine, finish their tasks and begin no other until they are resumed."""
    _tell(worker_id, host, Wanted.DRAIN)


@farm_commands.command("resume")
@click.argument("worker_id", type=int, required=False)
@click.option("--host", help="All workers of this machine.")
def resume(worker_id: int | None, host: str | None) -> None:
    """Let a drained worker, or those of a machine, take tasks again."""
    _tell(worker_id, host, Wanted.WORK)


@farm_commands.command("stop")
@click.argument("worker_id", type=int, required=False)
@click.option("--host", help="All workers of this machine.")
def stop(worker_id: int | None, host: str | None) -> None:
    """Have a worker, or those of a machine, finish their tasks and end; their pool puts fresh ones in their place."""
    _tell(worker_id, host, Wanted.STOP)


def _tell(worker_id: int | None, host: str | None, wanted: Wanted) -> None:
    if (worker_id is None) == (host is None):
        raise click.UsageError("Name either a worker or --host.")
    with refusals_shown():
        rows = [get_worker(worker_id)] if worker_id is not None else list(_workers(host, is_alive=True))
        if not rows:
            raise click.ClickException(f"No worker of {host} is alive.")
        for row in rows:
            told = tell_worker(actor=system(), worker_id=row.id, wanted=wanted)
            click.echo(f"worker {told.id}: {told.state}")


def _workers(host: str | None, *, is_alive: bool | None) -> Iterator[Worker]:
    cursor = None
    while True:
        page = list_workers(host=host, is_alive=is_alive, limit=100, cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return
