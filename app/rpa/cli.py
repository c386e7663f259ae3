"""``flask storefront`` and ``flask job``: the farm from the command line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import orjson
from flask.cli import AppGroup
from marshmallow import Schema, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.core import permissions
from app.core.errors import Refusal
from app.core.extensions import db
from app.core.orm import utc_now
from app.rpa.codes import RULES, Code
from app.rpa.job_moves import OPEN
from app.rpa.models.jobs import Action, Job
from app.rpa.queries import storefronts as stored
from app.rpa.queries.jobs import count_codes, outcomes
from app.rpa.queries.progress import get_progress
from app.rpa.readings import MAX_QUANTITY
from app.rpa.schemas.storefronts import StorefrontChange, StorefrontIn
from app.rpa.services import controlling, storefronts, submitting

storefront_commands = AppGroup("storefront", help="Storefront profiles.")
job_commands = AppGroup("job", help="Farm jobs.")

_POLL_S: Final = 0.5
_JSON_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@storefront_commands.command("create")
@click.argument("profile", type=_JSON_FILE)
@click.option("--code", required=True, help="Short name that jobs use.")
@click.option("--name", help="Name for people; the code when not given.")
def create_storefront(profile: Path, code: str, name: str | None) -> None:
    """Create a storefront from the JSON file PROFILE; every mistake in it is named."""
    checked = _checked(StorefrontIn(), {"code": code, "name": name or code}, profile)
    with _refusals_shown():
        row = storefronts.create_storefront(actor=permissions.system(), now=utc_now(), **checked)
    click.echo(f"storefront {row.id} {row.code}")


@storefront_commands.command("update")
@click.argument("code")
@click.argument("profile", type=_JSON_FILE)
@click.option("--name", help="A new name for people.")
@click.option("--active/--inactive", default=True, show_default=True, help="Whether tasks may start on it.")
def update_storefront(code: str, profile: Path, name: str | None, active: bool) -> None:
    """Give the storefront CODE the profile in the JSON file PROFILE; it holds from the next task on."""
    known = stored.find_storefront(code)
    if known is None:
        raise click.ClickException(f"There is no storefront {code}; create it first.")
    checked = _checked(StorefrontChange(), {"name": name or known.name, "is_active": active}, profile)
    with _refusals_shown():
        row = storefronts.update_storefront(
            actor=permissions.system(),
            now=utc_now(),
            storefront_id=known.id,
            expected_version=known.version,
            **checked,
        )
    click.echo(f"storefront {row.id} {row.code} version {row.version}")


@storefront_commands.command("list")
def list_storefronts() -> None:
    """List the storefronts."""
    table = Table("id", "code", "name", "active", "gap", "concurrency", box=None)
    for row in stored.list_storefronts(limit=100, cursor=None).items:
        cells = (row.id, row.code, row.name, row.is_active, f"{row.gap_ms} ms", row.concurrency)
        table.add_row(*(str(cell) for cell in cells))
    Console().print(table)


@job_commands.command("submit")
@click.argument("action", type=click.Choice([action.value for action in Action]))
@click.option("--storefront", required=True, help="Code of the storefront.")
@click.option("--name", help="Name of the job.")
@click.option("--asin", "asins", multiple=True, help="A product; may be given many times.")
@click.option("--asins-file", type=click.File(), help="File with one ASIN a line; - reads the standard input.")
@click.option("--all", "everything", is_flag=True, help="All active products of the master.")
@click.option("--brand", help="All active products of a brand.")
@click.option("--quantity", type=click.IntRange(1, MAX_QUANTITY), default=1, show_default=True)
@click.option("--wait", is_flag=True, help="Wait for the end with a progress bar; exit 1 when anything failed.")
def submit(
    action: str,
    storefront: str,
    name: str | None,
    asins: tuple[str, ...],
    asins_file: Any,
    everything: bool,
    brand: str | None,
    quantity: int,
    wait: bool,
) -> None:
    """Submit a job for ACTION over some products of the master."""
    named = [*asins, *((line for line in asins_file if line.strip()) if asins_file else ())]
    if sum((bool(named), everything, brand is not None)) != 1:
        raise click.UsageError("Name products by --asin or --asins-file, or take --all, or --brand.")
    chosen: dict[str, Any] = {"asins": named} if named else {"products": {"is_active": True}}
    if brand is not None:
        chosen["products"]["brand"] = brand
    with _refusals_shown():
        job = submitting.submit_job(
            actor=permissions.system(),
            action=Action(action),
            storefront=storefront,
            name=name or f"{action} on {storefront}",
            quantity=quantity,
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
    with _refusals_shown():
        _show(get_progress(job_id))


@job_commands.command("cancel")
@click.argument("job_id", type=int)
def cancel(job_id: int) -> None:
    """Cancel a job."""
    with _refusals_shown():
        job = controlling.cancel_job(actor=permissions.system(), job_id=job_id)
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
        "left": "" if job.seconds_left is None else f"{job.seconds_left} s",
        **{kind: str(found["count"]) for kind, found in job.report.items() if found["count"]},
        **{code: f"{count}  {RULES[Code(code)].advice}" for code, count in count_codes(job.id).items()},
    }
    for name, value in facts.items():
        table.add_row(name, value)
    Console().print(table)


def _checked(schema: Schema, about: dict[str, Any], profile: Path) -> dict[str, Any]:
    try:
        checked: dict[str, Any] = schema.load(about | {"profile": orjson.loads(profile.read_bytes())})
    except orjson.JSONDecodeError as error:
        raise click.ClickException(f"{profile} is not JSON: {error}") from None
    except ValidationError as error:
        raise click.ClickException("The profile breaks rules:\n" + _listed(error.messages)) from None
    return checked


@contextmanager
def _refusals_shown() -> Iterator[None]:
    """Show a refusal as a sentence, with the fields it points at."""
    try:
        yield
    except Refusal as refusal:
        details = "; ".join(f"{error.pointer.lstrip('/')} {error.detail}" for error in refusal.errors)
        raise click.ClickException(details or refusal.detail) from None


def _listed(messages: Any, path: str = "") -> str:
    if isinstance(messages, dict):
        return "\n".join(_listed(inner, f"{path}/{name}") for name, inner in messages.items())
    return "\n".join(f"  {path.removesuffix('/_schema')}: {text}" for text in messages)
