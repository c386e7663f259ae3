"""``flask job``: jobs from the command line."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.core import permissions
from app.core.commands import CommandGroup
from app.core.extensions import db
from app.rpa.cli.refusals import refusals_shown
from app.rpa.models.jobs import Action, Job, Priority
from app.rpa.queries.estimates import Outlook
from app.rpa.queries.jobs import count_codes, outcomes
from app.rpa.queries.progress import get_progress
from app.rpa.rules.codes import RULES, Code
from app.rpa.rules.durations import DURATION
from app.rpa.rules.job_moves import OPEN
from app.rpa.rules.planning import spoken
from app.rpa.rules.readings import MAX_QUANTITY
from app.rpa.schemas.job_changes import RETRYABLE
from app.rpa.services import controlling, repeating, submitting

job_commands = CommandGroup("job", help="Farm jobs.")

_POLL_S: Final = 0.5


def _as_options(_context: click.Context, _parameter: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    """The pairs of name and value; no name twice."""
    found = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
    if len(found) < len(pairs) or not all(value.strip() for value in found.values()):
        raise click.BadParameter("say each as NAME=VALUE, and no name twice.")
    return found


@job_commands.command("submit")
@click.argument("action", type=click.Choice([action.value for action in Action]))
@click.option("--storefront", required=True, help="Code of the storefront.")
@click.option("--name", help="Name of the job.")
@click.option("--asin", "asins", multiple=True, help="A product; may be given many times.")
@click.option("--asins-file", type=click.File(), help="File with one ASIN a line; - reads the standard input.")
@click.option("--all", "everything", is_flag=True, help="All active products of the master.")
@click.option("--brand", help="All active products of a brand.")
@click.option("--filter", "filter_id", type=int, help="All products of a saved filter, by its id.")
@click.option("--category", type=int, help="All active products of a category and of those below it, by its id.")
@click.option("--priority", type=click.Choice([one.value for one in Priority]), default="normal", show_default=True)
@click.option("--concurrency", type=click.IntRange(1), help="At most so many of its tasks at once.")
@click.option("--deadline", type=DURATION, help="After that the rest is skipped: 30m, 6h, 2d.")
@click.option("--quantity", type=click.IntRange(1, MAX_QUANTITY), default=1, show_default=True)
@click.option("--option", "options", multiple=True, callback=_as_options, help="Variant: size=M; may be given often.")
@click.option("--wait", is_flag=True, help="Wait for the end with a progress bar; exit 1 when anything failed.")
def submit(
    action: str,
    storefront: str,
    name: str | None,
    asins: tuple[str, ...],
    asins_file: Any,
    everything: bool,
    brand: str | None,
    filter_id: int | None,
    category: int | None,
    priority: str,
    concurrency: int | None,
    deadline: int | None,
    quantity: int,
    options: dict[str, str],
    wait: bool,
) -> None:
    """Submit a job for ACTION over some products of the master."""
    named = [*asins, *((line for line in asins_file if line.strip()) if asins_file else ())]
    if sum((bool(named), everything, brand is not None, filter_id is not None, category is not None)) != 1:
        raise click.UsageError(
            "Name products by --asin or --asins-file, or take --all, --brand, --category or --filter."
        )
    which = {"brand": brand, "category": category}
    chosen: dict[str, Any] = {"products": {"is_active": True, **{name: one for name, one in which.items() if one}}}
    if named or filter_id is not None:
        chosen = {"asins": named} if named else {"product_filter_id": filter_id}
    with refusals_shown():
        job = submitting.submit_job(
            actor=permissions.system(),
            action=Action(action),
            storefront=storefront,
            name=name or f"{action} on {storefront}",
            quantity=quantity,
            options=options,
            priority=priority,
            concurrency=concurrency,
            deadline_s=deadline,
            **chosen,
        )
    click.echo(f"job {job.id}: {job.total_count} tasks")
    if wait:
        job = _watch(job.id)
        _show(job)
        raise SystemExit(1 if job.failed_count or job.skipped_count else 0)


@job_commands.command("show")
@click.argument("job_id", type=int)
def show(job_id: int) -> None:
    """Show how far a job is."""
    with refusals_shown():
        _show(get_progress(job_id))


@job_commands.command("pause")
@click.argument("job_id", type=int)
def pause(job_id: int) -> None:
    """Let nothing more of a job start; what runs is finished."""
    _move(controlling.pause_job, job_id)


@job_commands.command("resume")
@click.argument("job_id", type=int)
def resume(job_id: int) -> None:
    """Let a paused job go on."""
    _move(controlling.resume_job, job_id)


@job_commands.command("cancel")
@click.argument("job_id", type=int)
def cancel(job_id: int) -> None:
    """Cancel a job."""
    _move(controlling.cancel_job, job_id)


@job_commands.command("retry")
@click.argument("job_id", type=int)
@click.option("--outcome", "outcomes", multiple=True, type=click.Choice(RETRYABLE), default=["FAILED"])
def retry(job_id: int, outcomes: tuple[str, ...]) -> None:
    """Submit a new job of what failed of an ended one, or ended as --outcome says (may be given many times)."""
    with refusals_shown():
        job = repeating.retry_job(actor=permissions.system(), job_id=job_id, outcomes=outcomes)
    click.echo(f"job {job.id}: {job.total_count} tasks")


@job_commands.command("clone")
@click.argument("job_id", type=int)
@click.option("--name", help="Name of the new job.")
def clone(job_id: int, name: str | None) -> None:
    """Submit the same job again."""
    changes = {} if name is None else {"name": name}
    with refusals_shown():
        job = repeating.clone_job(actor=permissions.system(), job_id=job_id, **changes)
    click.echo(f"job {job.id}: {job.total_count} tasks")


def _move(move: Callable[..., Job], job_id: int) -> None:
    with refusals_shown():
        job = move(actor=permissions.system(), job_id=job_id)
    click.echo(f"job {job.id}: {job.state}")


def _watch(job_id: int) -> Job:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        job = get_progress(job_id)
        line = bar.add_task(job.name, total=job.total_count)
        while job.state in OPEN:
            bar.update(line, completed=job.current_count)
            db.session.remove()
            time.sleep(_POLL_S)
            job = get_progress(job_id)
        bar.update(line, completed=job.current_count)
    return job


def _show(job: Job) -> None:
    table = Table(show_header=False, box=None)
    facts = {
        "job": f"{job.id} {job.name}",
        "state": job.state,
        "done": f"{job.current_count} of {job.total_count}",
        **{name.lower(): str(count) for name, count in outcomes(job).items() if count},
        "rate": f"{job.rate_per_minute or 0:g} tasks/min",
        "left": "" if job.seconds_left is None else spoken(job.seconds_left),
        **({"waits": job.waits.detail} if job.waits else {}),
        **({"estimate": _estimated(job.estimate)} if job.estimate else {}),
        **{kind: str(found["count"]) for kind, found in job.report.items() if found["count"]},
        **{code: f"{count}  {RULES[Code(code)].advice}" for code, count in count_codes(job.id).items()},
    }
    for name, value in facts.items():
        table.add_row(name, value)
    Console().print(table)


def _estimated(outlook: Outlook) -> str:
    measured = "" if outlook.facts.is_measured else ", a default"
    each = f"{outlook.facts.seconds_per_task:.1f} s a page{measured}"
    if outlook.alone.seconds is None:
        return f"unknown: no worker is alive ({each})"
    return f"{spoken(outlook.alone.seconds)}, limited by {outlook.alone.limited_by} ({each})"
